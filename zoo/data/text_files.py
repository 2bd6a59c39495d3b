"""Texts of one's own, one to a row of a CSV or one to a file of a folder a class, as a data set."""

from pathlib import Path

import numpy as np

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.data.dataset import Dataset
from zoo.data.folders import classes_beside, enough, files_by_class, left_out, noted
from zoo.data.rows import Csv
from zoo.data.vocabulary import from_texts, words_of

SUFFIXES = frozenset({".txt"})
LONGEST = 64  # tokens of an input, where no number of steps is given: recurrent layers take their time for each
MOST_BYTES = 1_000_000  # of a file
WORDY = 4.0  # words a cell, from which a column is taken for text


def text(
    path: str | Path,
    target: str | None = None,
    *,
    words: int = 5000,
    steps: int | None = None,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """Texts and their classes: `zoo.data.text("reviews.csv", "stars")`, or of a folder with a folder a class.

    Of a CSV the wordiest column is the text, and `target` the class; other columns are not read. The vocabulary is
    that of train and goes into the exported file's archive.

    Args:
        target: of a CSV; by default a column that is called target, label, class or the like, or the last other one.
        words: size of the vocabulary. steps: tokens of an input; by default what 19 of 20 texts have, at most 64.
        test, validation: fractions, split by content and stratified by class.

    Raises:
        FileNotFoundError, ValueError: no such file or column, no text in it, or fewer than two classes.
    """
    path = Path(path)
    if path.is_dir():
        found, ys, labels, notes = _from_folder(path)
    else:
        found, ys, labels, notes = _from_csv(path, target)
    kept, y, labels, notes = enough(np.array(found, object), np.array(ys, "int32"), labels, notes, path)
    lengths = [len(words_of(text)) for text in kept]
    if steps is None:
        steps = int(np.clip(np.quantile(lengths, 0.95), 4, LONGEST))
    long = int(np.sum(np.array(lengths) > steps))
    if long:
        notes = [*notes, f"{long:,} of {len(kept):,} texts are longer than {steps} words and are cut there"]
    dataset = from_texts(
        path.resolve().stem, list(kept), y, words=words, steps=steps, labels=labels, test=test, validation=validation
    )
    return noted(dataset, notes, target=target or "")


def kind_of(path: Path) -> str:
    """ "text" where a CSV has a column of texts and but one or two others, else "table"."""
    if path.suffix in (".parquet", ".pq"):
        return "table"
    table = Csv(path)
    rows = table.first(200)
    if not rows or not 2 <= len(table.names) <= 3:
        return "table"
    return "text" if max(_wordiness(rows)) >= WORDY else "table"


def _wordiness(rows: list[list[str]]) -> list[float]:
    """Mean number of words of each column's cells; 0 for columns of few different values."""
    columns = list(zip(*rows, strict=True))
    return [
        float(np.mean([len(words_of(cell)) for cell in column])) if len(set(column)) > len(column) / 2 else 0.0
        for column in columns
    ]


def _from_csv(path: Path, target: str | None) -> tuple[list[str], list[int], tuple[str, ...], list[str]]:
    table, notes = Csv(path), list[str]()
    rows = [row for _, row in table.rows()]
    if not rows:
        raise InvalidValue(f"{path} has no rows")
    if table.bad:
        line, why = table.bad[0]
        notes.append(f"{len(table.bad):,} lines are left out, the first one line {line}: {why}")
    if target is not None:
        check_choice("target", target, table.names)
    wordy = [0.0 if name == target else words for name, words in zip(table.names, _wordiness(rows), strict=True)]
    place = int(np.argmax(wordy))
    if wordy[place] < 1 or len(table.names) < 2:
        raise InvalidValue(f"{path} has no column of texts beside a class: its columns are {', '.join(table.names)}")
    found, ys, names = classes_beside(table, rows, place, target, "text", notes)
    return found, ys, names, notes


def _from_folder(path: Path) -> tuple[list[str], list[int], tuple[str, ...], list[str]]:
    files, labels, notes = files_by_class(path, SUFFIXES, "text files")
    found, ys, bad = [], [], []
    for file, label in files:
        content = file.read_bytes()[: MOST_BYTES + 1]
        if not content.strip() or len(content) > MOST_BYTES or b"\0" in content:
            why = "is empty" if not content.strip() else "has zero bytes" if b"\0" in content else "is over 1 MB"
            bad.append(f"{file} {why}")
            continue
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
        found.append(text)
        ys.append(label)
    return found, ys, labels, notes + left_out(bad, len(files), "text files")
