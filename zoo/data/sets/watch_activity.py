"""Shoulder exercises, recorded by a smartwatch."""

import io
from typing import TYPE_CHECKING

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.data.carriers import Package, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="watch_activity",
    task="7 classes of sequences",
    samples=140,
    shape=(100, 6),
    licence="BSD-3-Clause (seglearn)",
    citation="D. Burns, N. Leung, M. Hardisty, C. Whyne, P. Henry and S. McLachlin, Shoulder Physiotherapy Exercise "
    "Recognition: Machine Learning the Inertial Signals from a Smartwatch, Physiological Measurement 39, 2018",
    carrier=Package(
        "seglearn==1.2.5",
        ("seglearn",),
        {"data/watch_dataset.npy": "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"},
    ),
    sha256="25da730af77725e5ad92ab0ddc7069b44ae015eb1727c2f0b903c9d59b1f8e36",
)


def watch_activity(window: int = 100, validation: float = 0.15, *, stride: int | None = None) -> "Dataset":
    """Seven shoulder exercises of ten people: accelerations and rotation rates of a smartwatch at 50 Hz.

    Each of 140 records is cut into windows. All windows of a person are on one side, so that test measures people who
    are not in train.

    Source: D. Burns et al. (2018), from the package seglearn.

    Args:
        window: steps of 20 ms.
        validation: fraction of the windows; at least one person.
        stride: steps from one window to the next; by default `window`, so that windows do not overlap.
    """
    check_size("window", window)
    stride = check_size("stride", window if stride is None else stride)
    SOURCE.require()
    import numpy as np

    from zoo.data.dataset import Dataset

    content = SOURCE.read("data/watch_dataset.npy")
    data = np.load(io.BytesIO(content), allow_pickle=True).item()  # a pickle may run code; this file's hash is known
    shortest = min(map(len, data["X"]))
    if window > shortest:
        raise InvalidValue(f"window={window} is longer than the shortest record, which has {shortest} steps")
    windows = [np.lib.stride_tricks.sliding_window_view(r, window, axis=0)[::stride] for r in data["X"]]
    counts = [len(of_record) for of_record in windows]
    x = np.concatenate(windows).transpose(0, 2, 1).astype("float32")  # (windows, steps, 6)
    y, people = (np.repeat(np.asarray(data[name]), counts).astype("int32") for name in ("y", "subject"))
    labels = tuple(data["y_labels"])
    dataset = Dataset.split(SOURCE.name, x, y, groups=people, labels=labels, validation=validation)
    names = tuple(f"{what} {axis}" for what in ("acceleration", "turning rate") for axis in "xyz")
    return SOURCE.describe(dataset, features=names, units=("g",) * 3 + ("rad/s",) * 3, target="exercise")
