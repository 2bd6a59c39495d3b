"""Loads a data set by its name, and prepares it where that has to come first."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zoo.data.prepared import Prepared
from zoo.data.sources import source
from zoo.data.tfds_builders import prepare_builder, tfds

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset


def load(name: str, *, shape: Sequence[int] | None = None) -> "Dataset":
    """A data set by its name.

    Args:
        name: one of `zoo data list`, or "tfds:" and the name of any builder of TensorFlow Datasets, with its
            configuration and version where wanted: "tfds:emnist/letters:3.1.0".
        shape: of one input, where it should be another one with as many values: (28, 28) are an image's rows as steps.

    Raises:
        LookupError: no such name, or the data are not here: the message has the command that brings them.
        ValueError: damaged files, or a shape that does not hold an input.
    """
    dataset = tfds(name.removeprefix("tfds:")) if name.startswith("tfds:") else source(name).load()
    return dataset if shape is None else dataset.reshaped(shape)


def prepare(name: str, *, wait: bool = False, report: Callable[[str], None] = print) -> "Dataset":
    """Downloads and prepares a data set where it has to be, then loads it, which checks it.

    Args:
        name: as for `load`.
        wait: let TensorFlow Datasets try for minutes where no host of its answers at once.

    Raises:
        LookupError: no such name, no network, or a package to install first: the message has the command.
    """
    carrier = Prepared(name.removeprefix("tfds:")) if name.startswith("tfds:") else source(name).carrier
    if isinstance(carrier, Prepared):
        prepare_builder(carrier, wait=wait, report=report)
    else:
        carrier.require(name)
    return load(name)
