"""Texts as a data set: one per row of a CSV, or one per file in a folder per class."""

import dataclasses
from pathlib import Path

import numpy as np

from zoo.base.errors import InvalidValue
from zoo.data.dataset import Dataset
from zoo.data.folders import Labelled, files_in_folders, labelled_cells, note_bad_lines
from zoo.data.rows import Csv
from zoo.data.vocabulary import from_texts, words_of

SUFFIXES = frozenset({".txt"})
LONGEST = 64  # tokens of an input, where `steps` is not given: the time of recurrent layers grows with it
MAX_BYTES = 1_000_000  # of a file
MIN_WORDS = 4.0  # mean per cell, from which a column is treated as text


def text(
    path: str | Path,
    target: str | None = None,
    *,
    words: int = 5000,
    steps: int | None = None,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """Texts and their classes: `zoo.data.text("reviews.csv", "stars")`, or a folder with one folder per class.

    In a CSV the column with the most words is the text, and `target` the class; other columns are ignored. The
    vocabulary is that of train and goes into the exported file's archive.

    Args:
        target: column of a CSV; by default one called target, label, class or the like, or the last other one.
        words: size of the vocabulary. steps: tokens of an input; by default the 95th percentile, at most 64.
        test, validation: fractions, split by content and stratified by class.

    Raises:
        FileNotFoundError, ValueError: no such file or column, no text in it, or fewer than two classes.
    """
    path = Path(path)
    texts = _from_folder(path) if path.is_dir() else _from_csv(path, target)
    kept, y = texts.frequent(np.array(texts.items, object), path)
    lengths = [len(words_of(text)) for text in kept]
    if steps is None:
        steps = int(np.clip(np.quantile(lengths, 0.95), 4, LONGEST))
    long = int(np.sum(np.array(lengths) > steps))
    if long:
        texts.notes.append(f"{long:,} of {len(kept):,} texts are longer than {steps} words and are cut there")
    dataset = from_texts(
        path.resolve().stem, list(kept), y, words=words, steps=steps, labels=texts.labels, test=test,
        validation=validation,
    )  # fmt: skip
    return dataclasses.replace(dataset, notes=tuple(texts.notes), target=target or "")


def kind_of(path: Path) -> str:
    """ "text" where a CSV has a column of texts and one or two others, else "table"."""
    if path.suffix in (".parquet", ".pq"):
        return "table"
    table = Csv(path)
    rows = table.first(200)
    if not rows or not 2 <= len(table.names) <= 3:
        return "table"
    return "text" if max(_wordiness(rows)) >= MIN_WORDS else "table"


def _wordiness(rows: list[list[str]]) -> list[float]:
    """Mean number of words of each column's cells; 0 for columns of few different values."""
    columns = list(zip(*rows, strict=True))
    return [
        float(np.mean([len(words_of(cell)) for cell in column])) if len(set(column)) > len(column) / 2 else 0.0
        for column in columns
    ]


def _from_csv(path: Path, target: str | None) -> Labelled:
    table, notes = Csv(path), list[str]()
    rows = [row for _, row in table.rows()]
    if not rows:
        raise InvalidValue(f"{path} has no rows")
    note_bad_lines(table, notes)
    words = [0.0 if name == target else mean for name, mean in zip(table.names, _wordiness(rows), strict=True)]
    column = int(np.argmax(words))
    if words[column] < 1 or len(table.names) < 2:
        raise InvalidValue(f"{path} has no column of texts beside a class: its columns are {', '.join(table.names)}")
    return labelled_cells(table, rows, column, target, "text", notes)


def _from_folder(path: Path) -> Labelled:
    files = files_in_folders(path, SUFFIXES, "text files")
    files.read(_text_of, "text files")
    return files


def _text_of(file: Path) -> str:
    content = file.read_bytes()[: MAX_BYTES + 1]
    if not content.strip() or len(content) > MAX_BYTES or b"\0" in content:
        error = "is empty" if not content.strip() else "has zero bytes" if b"\0" in content else "is over 1 MB"
        raise InvalidValue(f"{file} {error}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
