"""Japanese Vowels."""

from typing import TYPE_CHECKING

from zoo.data.carriers import Package, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

FILES = "datasets/data/JapaneseVowels/JapaneseVowels_{}.ts"
SOURCE = Source(
    name="japanese_vowels",
    task="9 classes of sequences",
    samples=640,
    shape=(29, 12),
    licence="CC BY 4.0 (data), BSD-3-Clause (aeon, sktime)",
    citation="M. Kudo, J. Toyama and M. Shimbo, Multidimensional Curve Classification Using Passing-Through Regions, "
    "Pattern Recognition Letters 20, 1999; UCI, doi:10.24432/C5NS47",
    carrier=Package(
        "aeon==1.6.0",
        ("aeon", "sktime"),
        {
            FILES.format("TRAIN"): "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
            FILES.format("TEST"): "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
        },
    ),
    sha256="e02e0e6cad6069e66f9ce54d4da3123fb8510e83553c6f164b39ee6925a71aac",
)


def japanese_vowels(validation: float = 0.15) -> "Dataset":
    """640 utterances of two vowels by nine speakers, the classes: 7 to 29 steps of 12 coefficients, padded with zeros.

    The test samples are the 370 that the authors chose; validation is a fraction of their 270 others.
    `zoo.data.lengths` gives the length of each sequence.

    Source: M. Kudo et al. (1999), from the package aeon or sktime.
    """
    SOURCE.require()
    import numpy as np

    from zoo.data.dataset import Dataset
    from zoo.data.sequences import pad

    sequences, y = [], []
    for part in ("TRAIN", "TEST"):
        lines = SOURCE.read(FILES.format(part)).decode().partition("@data")[2].split()
        samples = [line.split(":") for line in lines]  # 12 channels, then the speaker
        sequences += [np.array([c.split(",") for c in channels], "float32").T for *channels, _ in samples]  # (T, 12)
        y.append(np.array([speaker for *_, speaker in samples], "int32") - 1)
    x, n = pad(sequences), len(y[0])
    labels = tuple(f"speaker {i}" for i in range(1, 10))
    dataset = Dataset.with_test(SOURCE.name, (x[:n], y[0]), (x[n:], y[1]), validation=validation, labels=labels)
    return SOURCE.describe(dataset, features=tuple(f"cepstrum {i}" for i in range(1, 13)), target="speaker")
