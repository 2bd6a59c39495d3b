"""One folder a class: its files by class, and what is told of those that are left out."""

import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from zoo.data.dataset import Dataset

LEAST_OF_A_CLASS = 8  # samples: some for each of train, validation and test


def files_by_class(
    folder: Path, suffixes: Collection[str], what: str
) -> tuple[list[tuple[Path, int]], tuple[str, ...], list[str]]:
    """Files with their class number, the classes' names, and notes. Hidden files and links to folders are passed by.

    Raises:
        FileNotFoundError, ValueError: no such folder, or not two classes with such files.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found: dict[str, list[Path]] = {}
    others: list[Path] = []
    for name in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")):
        for place, inner, files in os.walk(folder / name):  # which does not follow links
            inner[:] = sorted(i for i in inner if not i.startswith("."))
            for file in sorted(f for f in files if not f.startswith(".")):
                path = Path(place) / file
                if path.suffix.lower() in suffixes:
                    found.setdefault(name, []).append(path)
                else:
                    others.append(path)
    if len(found) < 2:
        raise ValueError(
            f"{folder} has {what} in {len(found)} folder{'s' * (len(found) != 1)}; two classes at least are needed, "
            f"each a folder of {what}"
        )
    notes = [f"{len(others):,} files are passed by, as {others[0]}: they are no {what}"] if others else []
    labels = tuple(found)
    return [(path, i) for i, name in enumerate(labels) for path in found[name]], labels, notes


def left_out(bad: Sequence[str], of: int, what: str) -> list[str]:
    """What is told of files that cannot be read. Raises ValueError where that is most of them."""
    if len(bad) > of / 2:
        raise ValueError(f"{len(bad):,} of {of:,} {what} cannot be read; the first one: {bad[0]}")
    return [f"{len(bad):,} of {of:,} {what} are left out; the first one: {bad[0]}"] if bad else []


def enough(
    x: np.ndarray, y: np.ndarray, labels: tuple[str, ...], notes: list[str], where: object
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], list[str]]:
    """Without the classes that have too few samples. Raises ValueError where fewer than two are left."""
    counts = np.bincount(y, minlength=len(labels))
    kept = np.flatnonzero(counts >= LEAST_OF_A_CLASS)
    if len(kept) < 2:
        few = ", ".join(f"{label} {count}" for label, count in zip(labels, counts, strict=True))
        raise ValueError(f"{where}: two classes with {LEAST_OF_A_CLASS} samples each are needed; there are {few}")
    if len(kept) < len(labels):
        rare = [labels[i] for i in np.flatnonzero(counts < LEAST_OF_A_CLASS)]
        notes = [*notes, f"classes of fewer than {LEAST_OF_A_CLASS} samples are left out: {', '.join(rare)}"]
    new = np.full(len(labels), -1, "int32")
    new[kept] = np.arange(len(kept))
    known = new[y] >= 0
    return x[known], new[y][known], tuple(labels[i] for i in kept), notes


def noted(dataset: Dataset, notes: Sequence[str], **fields: object) -> Dataset:
    return dataclasses.replace(dataset, notes=tuple(notes), **fields)  # type: ignore[arg-type]
