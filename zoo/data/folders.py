"""Files with classes, from one folder per class or from a CSV of paths, and data sets made of them."""

import dataclasses
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.data.dataset import Dataset
from zoo.data.rows import Csv, Reader, is_missing, number

MIN_CLASS_SAMPLES = 8  # so that train, validation and test each get some
MAX_CLASSES = 100
SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})
TARGETS = ("target", "label", "class", "y", "outcome", "species", "survived", "price", "churn", "diagnosis")


@dataclass
class Labelled:
    """Items with their class numbers, the names of the classes, and notes for the data set."""

    items: list[Any]
    y: list[int]
    labels: tuple[str, ...]
    notes: list[str]

    def read(self, read: Callable[[Any], Any], what: str) -> None:
        """Replaces each item by `read(item)` and leaves out those for which that raises.

        Raises ValueError where it raises for most of them.
        """
        items, y, errors = [], [], []
        for item, label in zip(self.items, self.y, strict=True):
            try:
                items.append(read(item))
                y.append(label)
            except (ValueError, OSError) as error:
                errors.append(str(error) if str(item) in str(error) else f"{item}: {error}")
        if len(errors) > len(self.items) / 2:
            raise InvalidValue(f"{len(errors):,} of {len(self.items):,} {what} cannot be read; first: {errors[0]}")
        if errors:
            self.notes.append(f"{len(errors):,} of {len(self.items):,} {what} are left out; first: {errors[0]}")
        self.items, self.y = items, y

    def frequent(self, x: np.ndarray, path: object) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) without classes of too few samples. Raises ValueError where fewer than two classes are left."""
        x, y, self.labels = frequent_classes(x, np.array(self.y, "int32"), self.labels, self.notes, path)
        return x, y

    def split(self, x: np.ndarray, path: Path, test: float, validation: float, **fields: Any) -> Dataset:
        """A data set of inputs `x`, one for each item, without classes of too few samples."""
        x, y = self.frequent(x, path)
        name = path.resolve().stem
        dataset = Dataset.split(name, x, y, labels=self.labels, test=test, validation=validation)
        return dataclasses.replace(dataset, notes=tuple(self.notes), **fields)


def frequent_classes(
    x: np.ndarray, y: np.ndarray, labels: tuple[str, ...], notes: list[str], path: object
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """x, y and labels without classes of too few samples, which are noted.

    Raises ValueError where fewer than two classes are left.
    """
    counts = np.bincount(y, minlength=len(labels))
    kept = np.flatnonzero(counts >= MIN_CLASS_SAMPLES)
    if len(kept) < 2:
        few = ", ".join(f"{label} {count}" for label, count in zip(labels, counts, strict=True))
        raise InvalidValue(f"{path}: two classes with {MIN_CLASS_SAMPLES} samples each are needed; there are {few}")
    if len(kept) < len(labels):
        rare = ", ".join(labels[i] for i in np.flatnonzero(counts < MIN_CLASS_SAMPLES))
        notes.append(f"classes of fewer than {MIN_CLASS_SAMPLES} samples are left out: {rare}")
    known = np.isin(y, kept)
    return x[known], np.searchsorted(kept, y[known]).astype("int32"), tuple(labels[i] for i in kept)


def labelled_files(path: Path, suffixes: Collection[str], what: str, target: str | None = None) -> Labelled:
    """Files of one folder per class, or of a CSV with a column of paths and one of classes."""
    if path.is_file():
        return _files_in_csv(path, suffixes, what, target)
    if target is not None:
        raise InvalidValue(f"target={target!r} is a column's name, but the classes of {what} in {path} are its folders")
    return files_in_folders(path, suffixes, what)


def files_in_folders(folder: Path, suffixes: Collection[str], what: str) -> Labelled:
    """Files of one folder per class. Hidden files, and links that lead in a circle, are ignored.

    Raises:
        FileNotFoundError, ValueError: no such folder, or fewer than two classes with such files.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    names = sorted(entry.name for entry in os.scandir(folder) if _is_class(entry, folder))
    if names and {name.lower() for name in names} <= SPLITS:
        raise InvalidValue(
            f"{folder} has the folders {', '.join(names)}, which are not classes: give the one to learn from, such as "
            f"{folder / names[-1]}; `zoo fit` splits it"
        )
    by_class: dict[str, list[Path]] = {}
    others: list[Path] = []
    for name in names:
        for parent, inner, files in os.walk(folder / name):  # which does not follow links
            inner[:] = sorted(i for i in inner if not i.startswith("."))
            for file in sorted(f for f in files if not f.startswith(".")):
                path = Path(parent) / file
                special = path.exists() and not path.is_file()  # opening a pipe or a device may block for ever
                if path.suffix.lower() in suffixes and not special:
                    by_class.setdefault(name, []).append(path)
                else:
                    others.append(path)
    if len(by_class) < 2:
        raise InvalidValue(
            f"{folder} has {what} in {len(by_class)} folder{'s' * (len(by_class) != 1)}; at least two classes are "
            f"needed, each a folder of {what}"
        )
    notes = [f"{len(others):,} files are ignored, such as {others[0]}: they are not {what}"] if others else []
    pairs = [(path, i) for i, paths in enumerate(by_class.values()) for path in paths]
    return Labelled([path for path, _ in pairs], [i for _, i in pairs], tuple(by_class), notes)


def _is_class(entry: os.DirEntry, folder: Path) -> bool:
    """Whether it is a folder, not hidden, and not a link that leads in a circle."""
    if entry.name.startswith(".") or not entry.is_dir():
        return False
    target, root = Path(entry.path).resolve(), folder.resolve()
    return not entry.is_symlink() or not (target in (root, *root.parents) or root in target.parents)


def _files_in_csv(path: Path, suffixes: Collection[str], what: str, target: str | None) -> Labelled:
    """Paths in a CSV are relative to its folder."""
    table, notes = Csv(path), list[str]()
    rows = [row for _, row in table.rows()]
    column = path_column(rows, suffixes)
    if column is None or len(table.names) < 2:
        raise InvalidValue(f"{path} has no column of paths of {what} and one of classes: {', '.join(table.names)}")
    note_bad_lines(table, notes)
    labelled = labelled_cells(table, rows, column, target, f"path of {what}", notes)
    labelled.items = [path.parent / cell.strip() for cell in labelled.items]
    return labelled


def note_bad_lines(table: Reader, notes: list[str]) -> None:
    if table.bad:
        notes.append(f"{len(table.bad):,} lines are left out, the first one line {table.bad[0][0]}: {table.bad[0][1]}")


def path_column(rows: Sequence[Sequence[str]], suffixes: Collection[str]) -> int | None:
    """The first column of which most cells end in one of these suffixes."""
    for i, column in enumerate(zip(*rows, strict=True)):
        if sum(Path(cell.strip()).suffix.lower() in suffixes for cell in column) > len(column) / 2:
            return i
    return None


def labelled_cells(
    table: Csv, rows: Sequence[Sequence[str]], column: int, target: str | None, what: str, notes: list[str]
) -> Labelled:
    """Cells of a column with the class of their row; rows without either are left out.

    The class is `target`, else the column with a usual name for it, else the last other column.
    """
    if target is not None:
        check_choice("target", target, table.names)
    others = [name for i, name in enumerate(table.names) if i != column]
    usual = [name for name in others if name.lower() in TARGETS]
    chosen = target or (usual[0] if usual else others[-1])
    choice = f"{what} is {table.names[column]!r}, the class {chosen!r}"
    notes.append(choice + "; --target names another" * (target is None))
    at = table.names.index(chosen)
    pairs = [(row[column], row[at].strip()) for row in rows if row[column].strip() and not is_missing(row[at])]
    if len(pairs) < len(rows):
        notes.append(f"{len(rows) - len(pairs):,} rows are left out: without {what} or class")
    names = in_order({label for _, label in pairs})
    if len(names) > MAX_CLASSES:
        raise InvalidValue(
            f"{table.path}: the target {chosen!r} has {len(names):,} different values; at most {MAX_CLASSES} classes "
            "are possible"
        )
    code = {name: i for i, name in enumerate(names)}
    return Labelled([cell for cell, _ in pairs], [code[label] for _, label in pairs], names, notes)


def in_order(labels: Collection[str]) -> tuple[str, ...]:
    """Numbers by value, then names in alphabetical order."""
    return tuple(sorted(labels, key=lambda label: (number(label) is None, number(label) or 0.0, label)))
