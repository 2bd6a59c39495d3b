"""The data sets that are known by name: what they are, whether they are here, and what brings them.

Nothing is read and nothing heavy imported before one of them is asked for.
"""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.base.errors import NotFound
from zoo.data.carriers import Carrier, Package, SourceArchive
from zoo.data.debian import FashionMnist
from zoo.data.prepared import Prepared

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        name: also that of the function in `zoo.data` that returns it.
        task: what a model learns from it.
        samples: how many, duplicates and what is left out included.
        shape: of one input.
        licence: of the data, and of the package where that is another one.
        carrier: what brings it.
    """

    name: str
    task: str
    samples: int
    shape: tuple[int, ...]
    licence: str
    citation: str
    carrier: Carrier

    @property
    def here(self) -> bool:
        """Whether it can be loaded now."""
        return self.carrier.here

    @property
    def command(self) -> str:
        """What brings it to this machine, or prepares it."""
        return self.carrier.command

    def load(self) -> "Dataset":
        """The data set. Raises LookupError, with the command that brings it, where it is not here."""
        function: Callable[[], Dataset] = getattr(importlib.import_module("zoo.data"), self.name)
        return function()


_SKLEARN = Package("'keras-zoo[train]'", ("sklearn",), options="")

SOURCES = {
    source.name: source
    for source in (
        Source(
            "breast_cancer", "2 classes, tabular", 569, (30,), "CC BY 4.0",
            "W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI, 1993, "
            "doi:10.24432/C5DW2B",
            _SKLEARN,
        ),
        Source(
            "diabetes", "regression, tabular", 442, (10,), "not stated",
            "B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, Annals of Statistics 32(2), "
            "2004",
            _SKLEARN,
        ),
        Source(
            "diamonds", "regression, tabular", 53_940, (26,), "MIT (plotnine; ggplot2)",
            "H. Wickham, ggplot2: Elegant Graphics for Data Analysis, Springer, 2016: data set diamonds",
            Package(
                "plotnine==0.15.9",
                ("plotnine",),
                {"data/diamonds.csv": "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4"},
            ),
        ),
        Source(
            "digits", "10 classes of images", 1_797, (8, 8, 1), "CC BY 4.0",
            "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, doi:10.24432/C50P49",
            _SKLEARN,
        ),
        Source(
            "fashion_mnist", "10 classes of images", 70_000, (28, 28, 1), "MIT",
            "H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
            "Algorithms, arXiv:1708.07747, 2017",
            Prepared("fashion_mnist", FashionMnist()),
        ),
        Source(
            "hourly_traffic", "forecasting", 17_520, (168, 7), "CC BY 4.0 (data), MIT (autots)",
            "J. Hogue, Metro Interstate Traffic Volume, UCI, 2019, doi:10.24432/C5X60B",
            Package(
                "autots==1.0.4",
                ("autots",),
                {
                    "datasets/data/traffic_hourly.zip": (
                        "71416c6c5adf1e322c3a9483c70ea44dbbcac4ef3d47aa346d763b77478f35ad"
                    )
                },
            ),
        ),
        Source(
            "iris", "3 classes, tabular", 150, (4,), "CC BY 4.0",
            "R. Fisher, Iris, UCI, 1936, doi:10.24432/C56C76",
            _SKLEARN,
        ),
        Source(
            "japanese_vowels", "9 classes of sequences", 640, (29, 12), "CC BY 4.0 (data), BSD-3-Clause (aeon, sktime)",
            "M. Kudo, J. Toyama and M. Shimbo, Multidimensional Curve Classification Using Passing-Through Regions, "
            "Pattern Recognition Letters 20, 1999; UCI, doi:10.24432/C5NS47",
            Package(
                "aeon==1.6.0",
                ("aeon", "sktime"),
                {
                    "datasets/data/JapaneseVowels/JapaneseVowels_TRAIN.ts": (
                        "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd"
                    ),
                    "datasets/data/JapaneseVowels/JapaneseVowels_TEST.ts": (
                        "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462"
                    ),
                },
            ),
        ),
        Source(
            "movie_sentences", "2 classes of texts", 10_605, (48,), "MIT (vaderSentiment)",
            "C. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media "
            "Text, ICWSM, 2014; sentences of B. Pang and L. Lee, 2004",
            SourceArchive(
                "vaderSentiment==3.3.2",
                "vaderSentiment-3.3.2.tar.gz",
                "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
            ),
        ),
        Source(
            "watch_activity", "7 classes of sequences", 140, (100, 6), "BSD-3-Clause (seglearn)",
            "D. Burns, N. Leung, M. Hardisty, C. Whyne, P. Henry and S. McLachlin, Shoulder Physiotherapy Exercise "
            "Recognition: Machine Learning the Inertial Signals from a Smartwatch, Physiological Measurement 39, 2018",
            Package(
                "seglearn==1.2.5",
                ("seglearn",),
                {"data/watch_dataset.npy": "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"},
            ),
        ),
        Source(
            "wine", "3 classes, tabular", 178, (13,), "CC BY 4.0",
            "S. Aeberhard and M. Forina, Wine, UCI, 1992, doi:10.24432/C5PC7J",
            _SKLEARN,
        ),
    )
}  # fmt: skip


def source(name: str) -> Source:
    """One of `SOURCES`. Raises LookupError, with the nearest name, where there is none."""
    if name not in SOURCES:
        near = difflib.get_close_matches(name, SOURCES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise NotFound(
            f"there is no data set {name!r}; {hint}It is one of {', '.join(SOURCES)}, or any builder of TensorFlow "
            f"Datasets: tfds:{name}"
        )
    return SOURCES[name]
