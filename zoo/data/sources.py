"""The named data sets, found by the files of `zoo.data.sets`; loads and prepares a data set by its name."""

import difflib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.base.errors import NotFound
from zoo.data.carriers import Source
from zoo.data.prepared import Prepared

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SETS = Path(__file__).parent / "sets"
SOURCES: dict[str, Source] = {
    file.stem: importlib.import_module(f"zoo.data.sets.{file.stem}").SOURCE for file in sorted(SETS.glob("[!_]*.py"))
}


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


def load(name: str, *, shape: Sequence[int] | None = None) -> "Dataset":
    """A data set by its name.

    Args:
        name: one of `zoo data list`, or "tfds:" and the name of any builder of TensorFlow Datasets, with its
            configuration and version where wanted: "tfds:emnist/letters:3.1.0".
        shape: of one input, if another one with as many values: (28, 28) makes an image a sequence of rows.

    Raises:
        LookupError: no such name, or the data are not here: the message has the command that brings them.
        ValueError: damaged files, or a shape that does not hold an input.
    """
    from zoo.data.tfds_builders import tfds

    dataset = tfds(name.removeprefix("tfds:")) if name.startswith("tfds:") else source(name).load()
    return dataset if shape is None else dataset.reshaped(shape)


def prepare(name: str, *, wait: bool = False, report: Callable[[str], None] = print) -> "Dataset":
    """Downloads and prepares a data set where needed, then loads it, which checks it.

    Args:
        name: as for `load`.
        wait: let TensorFlow Datasets try for minutes where none of its hosts answers at once.

    Raises:
        LookupError: no such name, no network, or a package to install first: the message has the command.
    """
    from zoo.data.tfds_builders import prepare_builder

    carrier = Prepared(name.removeprefix("tfds:")) if name.startswith("tfds:") else source(name).carrier
    if isinstance(carrier, Prepared):
        prepare_builder(carrier, wait=wait, report=report)
    else:
        carrier.require(name)
    return load(name)
