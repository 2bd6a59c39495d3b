"""Files and their classes, of a folder a class or of a CSV that names them; and what is told of those left out."""

import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.data.dataset import Dataset
from zoo.data.rows import Csv, is_missing, number

LEAST_OF_A_CLASS = 8  # samples: some for each of train, validation and test
MOST_CLASSES = 100
SIDES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})  # of a split
TARGETS = ("target", "label", "class", "y", "outcome", "species", "survived", "price", "churn", "diagnosis")


def files_of(
    path: Path, suffixes: Collection[str], what: str, target: str | None = None
) -> tuple[list[tuple[Path, int]], tuple[str, ...], list[str]]:
    """Files with their class number, the classes' names, and notes: of a folder a class or of a CSV of them."""
    if path.is_file():
        return files_by_row(path, suffixes, what, target)
    if target is not None:
        raise InvalidValue(f"target={target!r} is a column's name, but the classes of {what} in {path} are its folders")
    return files_by_class(path, suffixes, what)


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
    names = sorted(entry.name for entry in os.scandir(folder) if _is_class(entry, folder))
    if names and {name.lower() for name in names} <= SIDES:
        raise InvalidValue(
            f"{folder} has the folders {', '.join(names)}, which are no classes: give the one to learn from, such as "
            f"{folder / names[-1]}; `zoo fit` splits by itself"
        )
    for name in names:
        for place, inner, files in os.walk(folder / name):  # which does not follow links
            inner[:] = sorted(i for i in inner if not i.startswith("."))
            for file in sorted(f for f in files if not f.startswith(".")):
                path = Path(place) / file
                if path.suffix.lower() in suffixes and not _is_special(path):
                    found.setdefault(name, []).append(path)
                else:
                    others.append(path)
    if len(found) < 2:
        raise InvalidValue(
            f"{folder} has {what} in {len(found)} folder{'s' * (len(found) != 1)}; two classes at least are needed, "
            f"each a folder of {what}"
        )
    notes = [f"{len(others):,} files are passed by, as {others[0]}: they are no {what}"] if others else []
    labels = tuple(found)
    return [(path, i) for i, name in enumerate(labels) for path in found[name]], labels, notes


def _is_class(entry: os.DirEntry, folder: Path) -> bool:
    """A folder that is not hidden, and no link that leads round in a circle."""
    if entry.name.startswith(".") or not entry.is_dir():
        return False
    target = Path(entry.path).resolve()
    return not entry.is_symlink() or not (
        target in (whole := folder.resolve(), *whole.parents) or whole in target.parents
    )


def _is_special(path: Path) -> bool:
    """A pipe or a device, which would be waited for for ever."""
    return path.exists() and not path.is_file()


def files_by_row(
    path: Path, suffixes: Collection[str], what: str, target: str | None = None
) -> tuple[list[tuple[Path, int]], tuple[str, ...], list[str]]:
    """Likewise, of a CSV with a column of paths, which begin at its own folder, and a column of classes.

    Raises:
        FileNotFoundError, ValueError: no such file or column, or no column of paths.
    """
    table, notes = Csv(path), list[str]()
    rows = [row for _, row in table.rows()]
    place = path_column(rows, suffixes)
    if place is None or len(table.names) < 2:
        raise InvalidValue(f"{path} has no column of paths of {what} beside a class: it has {', '.join(table.names)}")
    if table.bad:
        line, why = table.bad[0]
        notes.append(f"{len(table.bad):,} lines are left out, the first one line {line}: {why}")
    if target is not None:
        check_choice("target", target, table.names)
    cells, ys, names = classes_beside(table, rows, place, target, f"path of {what}", notes)
    return [(path.parent / cell.strip(), y) for cell, y in zip(cells, ys, strict=True)], names, notes


def path_column(rows: Sequence[Sequence[str]], suffixes: Collection[str]) -> int | None:
    """The first column of which most cells end in one of these suffixes."""
    for place, column in enumerate(zip(*rows, strict=True)):
        if sum(Path(cell.strip()).suffix.lower() in suffixes for cell in column) > len(column) / 2:
            return place
    return None


def classes_beside(
    table: Csv, rows: Sequence[Sequence[str]], place: int, target: str | None, what: str, notes: list[str]
) -> tuple[list[str], list[int], tuple[str, ...]]:
    """Cells of the column at `place`, their class numbers and the classes' names; adds to the notes.

    The class is `target`, or a column that is called so, or the last other one; rows without either are left out.
    """
    others = [name for i, name in enumerate(table.names) if i != place]
    usual = [name for name in others if name.lower() in TARGETS]
    chosen = target or (usual[0] if usual else others[-1])
    told = f"{what} is {table.names[place]!r}, the class {chosen!r}"
    notes.append(told + "; --target names another" * (target is None))
    at = table.names.index(chosen)
    good = [(row[place], row[at].strip()) for row in rows if row[place].strip() and not is_missing(row[at])]
    if len(good) < len(rows):
        notes.append(f"{len(rows) - len(good):,} rows are left out: without {what} or class")
    names = tuple(sorted({label for _, label in good}, key=lambda n: (number(n) is None, number(n) or 0.0, n)))
    if len(names) > MOST_CLASSES:
        raise InvalidValue(
            f"{table.path}: the target {chosen!r} has {len(names):,} different values; classes are at most "
            f"{MOST_CLASSES}"
        )
    code = {name: i for i, name in enumerate(names)}
    return [cell for cell, _ in good], [code[label] for _, label in good], names


def left_out(bad: Sequence[str], of: int, what: str) -> list[str]:
    """What is told of files that cannot be read. Raises ValueError where that is most of them."""
    if len(bad) > of / 2:
        raise InvalidValue(f"{len(bad):,} of {of:,} {what} cannot be read; the first one: {bad[0]}")
    return [f"{len(bad):,} of {of:,} {what} are left out; the first one: {bad[0]}"] if bad else []


def enough(
    x: np.ndarray, y: np.ndarray, labels: tuple[str, ...], notes: list[str], where: object
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], list[str]]:
    """Without the classes that have too few samples. Raises ValueError where fewer than two are left."""
    counts = np.bincount(y, minlength=len(labels))
    kept = np.flatnonzero(counts >= LEAST_OF_A_CLASS)
    if len(kept) < 2:
        few = ", ".join(f"{label} {count}" for label, count in zip(labels, counts, strict=True))
        raise InvalidValue(f"{where}: two classes with {LEAST_OF_A_CLASS} samples each are needed; there are {few}")
    if len(kept) < len(labels):
        rare = [labels[i] for i in np.flatnonzero(counts < LEAST_OF_A_CLASS)]
        notes = [*notes, f"classes of fewer than {LEAST_OF_A_CLASS} samples are left out: {', '.join(rare)}"]
    new = np.full(len(labels), -1, "int32")
    new[kept] = np.arange(len(kept))
    known = new[y] >= 0
    return x[known], new[y][known], tuple(labels[i] for i in kept), notes


def noted(dataset: Dataset, notes: Sequence[str], **fields: object) -> Dataset:
    return dataclasses.replace(dataset, notes=tuple(notes), **fields)  # type: ignore[arg-type]
