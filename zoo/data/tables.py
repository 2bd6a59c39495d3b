"""A table, a CSV or Parquet file, as a data set, read twice as a stream.

The first pass detects the kind of each column: number, category, date, or none to learn from. Medians and categories
are those of train; they go into the exported file's archive, so that it reads raw rows.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.data import drift
from zoo.data.dataset import Dataset, parted
from zoo.data.folders import MAX_CLASSES, MIN_CLASS_SAMPLES, TARGETS, in_order, note_bad_lines
from zoo.data.rows import (
    DATES,
    TABLE_FILE,
    Column,
    Reader,
    chunks,
    date,
    is_missing,
    number,
    reader_of,
    to_json,
    vectors,
)  # fmt: skip
from zoo.data.splitting import TRAIN, content_keys, sides

DISTINCT = 1000  # values of a column are counted; a column of more has no categories
CATEGORIES = 50  # of a column with codes of their own
RARE = 0.002  # share of train below which a category has no code of its own
MAX_COLUMNS = 2000
SURE = 0.95  # share of a column's cells that must be numbers, or dates, for it to be one
DATE_CELLS = 2000  # of a column that are parsed as dates
LEAK_SCORE = 0.995  # on validation; a single column above it probably leaks the target


@dataclass
class _Statistics:
    """Statistics of a column from one pass."""

    name: str
    cells: int = 0
    missing: int = 0
    numbers: int = 0
    commas: int = 0
    infinite: int = 0
    increasing: bool = True
    whole: bool = True
    words: int = 0
    last: float = -np.inf
    first_odd: tuple[int, str] | None = None
    counts: Counter = field(default_factory=Counter)
    many: bool = False
    dates: Counter = field(default_factory=Counter)
    dated: int = 0
    tried: int = 0

    def add(self, line: int, cell: str, comma: bool) -> None:
        cell = cell.strip()
        self.cells += 1
        if is_missing(cell):
            self.missing += 1
            return
        if not self.many:
            self.counts[cell] += 1
            self.many = len(self.counts) > DISTINCT
        value = number(cell)
        if value is None and comma and (value := number(cell, comma=True)) is not None:
            self.commas += 1
        if value is not None:
            self.numbers += 1
            self.infinite += not np.isfinite(value)
            self.increasing &= value > self.last
            self.whole &= value == value // 1 if np.isfinite(value) else False
            self.last = value
            return
        self.first_odd = self.first_odd or (line, cell)
        self.words += cell.count(" ") + 1
        if self.tried < DATE_CELLS:
            self.tried += 1
            formats = [pattern for pattern in DATES if date(cell, (pattern,))]
            self.dates.update(formats)
            self.dated += bool(formats)

    @property
    def known(self) -> int:
        return self.cells - self.missing

    @property
    def formats(self) -> tuple[str, ...]:
        """Of dates: the most frequent first, which decides between day and month in the whole column."""
        return tuple(pattern for pattern, _ in self.dates.most_common())

    @property
    def kind(self) -> str:
        """ "number", "category", "date", or the reason to leave it out."""
        if self.known == 0:
            return "is empty"
        if not self.many and len(self.counts) == 1 and (self.missing == 0 or self.known < MIN_CLASS_SAMPLES):
            return "is the same everywhere"
        if self.numbers >= SURE * self.known:
            return "numbers the rows" if self._numbers_rows else "number"
        if self.dated >= SURE * self.tried and self.numbers <= (1 - SURE) * self.known:
            return "date"
        if not self.many and (len(self.counts) <= 20 or len(self.counts) <= self.known / 2):
            return "category"
        return "is text" if self.words > 3 * (self.known - self.numbers) else "has another value in nearly each row"

    @property
    def _numbers_rows(self) -> bool:
        named = {"id", "index", "row", "nr", "no"} & set(self.name.lower().replace("_", " ").split())
        return self.whole and self.increasing and self.known > 20 and bool(named or self.name == "column 1")


def table(
    path: str | Path,
    target: str | None = None,
    task: str | None = None,
    *,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """A CSV or Parquet file, one row per sample: `zoo.data.table("flats.csv", target="rent")`.

    Numbers, categories and dates become inputs; gaps are filled with the median of train, and one more input marks
    them. Columns that are empty, constant, free text or an identifier, rows without a target, and lines of another
    length are left out and noted.

    Args:
        target: the column to predict; by default one called target, label, class or the like, or the last.
        task: "Binary", "Multiclass" or "Regression"; by default detected. A target of at most 20 different whole
            numbers is treated as classes.
        test, validation: fractions of the rows, split by content and stratified by class; equal rows stay together.

    Raises:
        FileNotFoundError, ValueError: no such file or column, or nothing to learn from, with the line if there is one.
    """
    source = reader_of(path)
    notes: list[str] = []
    statistics = _statistics(source, notes)
    chosen = _target(source.names, target, notes)
    goal = statistics[source.names.index(chosen)]
    task = _task(goal, task, str(path), notes)
    features = _features([column for column in statistics if column is not goal], notes)
    if not features:
        raise InvalidValue(f"{path}: no column is left to predict {chosen!r} from: {'; '.join(notes)}")
    return _dataset(source, features, goal, task, notes, (test, validation))


def _statistics(source: Reader, notes: list[str]) -> list[_Statistics]:
    """Statistics of all columns. Raises ValueError for a file that is not a table."""
    path, names = source.path, source.names
    if len(names) < 2:
        raise InvalidValue(
            f"{path} has one column only, {names[0]!r}; a table needs a target and another column, with one of , ; tab "
            "| between them"
        )
    if len(names) > MAX_COLUMNS:
        raise InvalidValue(f"{path} has {len(names):,} columns; at most {MAX_COLUMNS:,} are read: choose some")
    statistics, comma = [_Statistics(name) for name in names], getattr(source, "delimiter", ",") != ","
    for line, row in source.rows():
        for column, cell in zip(statistics, row, strict=True):
            column.add(line, cell, comma)
    rows, bad = statistics[0].cells, source.bad
    if len(bad) > rows:
        raise InvalidValue(f"{path}, line {bad[0][0]}: {bad[0][1]}; most lines are like that, so this is not a table")
    if rows == 0:
        raise InvalidValue(f"{path} has no rows")
    note_bad_lines(source, notes)
    if foreign := getattr(source, "foreign", 0):
        notes.append(f"{foreign:,} characters are not UTF-8 and were read as Windows-1252")
    return statistics


def _features(columns: Sequence[_Statistics], notes: list[str]) -> list[_Statistics]:
    """The columns that a model can learn from."""
    features = []
    for column in columns:
        if column.kind not in ("number", "category", "date"):
            notes.append(f"column {column.name!r} is left out: it {column.kind}")
            continue
        odd = column.known - column.numbers + column.infinite
        if column.kind == "number" and odd:
            first = "" if column.first_odd is None else ", the first one {1!r} in line {0}".format(*column.first_odd)
            notes.append(f"column {column.name!r}: {odd:,} cells are not finite numbers and count as missing{first}")
        if column.kind == "date" and column.dates[column.formats[0]] < column.tried:
            notes.append(
                f"column {column.name!r} has dates in several formats, read as {' or '.join(column.formats[:2])}"
            )
        features.append(column)
    return features


def _target(names: Sequence[str], target: str | None, notes: list[str]) -> str:
    if target is not None:
        check_choice("target", target, names)
        return target
    usual = [name for name in names if name.lower() in TARGETS]
    chosen = usual[0] if usual else names[-1]
    notes.append(
        f"target is {chosen!r}, " + ("by its name" if usual else "the last column") + "; --target names another"
    )
    return chosen


def _task(goal: _Statistics, task: str | None, where: str, notes: list[str]) -> str:
    """ "Binary", "Multiclass" or "Regression", with a note of the reason."""
    if goal.known == 0:
        raise InvalidValue(f"{where}: the target {goal.name!r} is empty in every row")
    if not goal.many and len(goal.counts) == 1:
        value = next(iter(goal.counts))
        raise InvalidValue(f"{where}: the target {goal.name!r} is {value!r} in every row; there is nothing to learn")
    if task is not None:
        check_choice("task", task, ("Binary", "Multiclass", "Regression"))
    distinct = len(goal.counts)
    numeric = goal.numbers >= SURE * goal.known
    if task is None:
        classes = not goal.many and (distinct <= 2 or (distinct <= 20 and goal.whole) or not numeric)
        task = "Regression" if numeric and not classes else "Binary" if distinct == 2 else "Multiclass"
        values = f"more than {DISTINCT}" if goal.many else str(distinct)
        what = "numbers" if numeric else "words"
        notes.append(f"task is {task}: {goal.name!r} has {values} different {what}")
    if task == "Regression" and not numeric:
        line, cell = goal.first_odd or (0, "")
        raise InvalidValue(f"{where}, line {line}: the target {goal.name!r} is {cell!r}; regression needs numbers")
    if task != "Regression" and (goal.many or distinct > MAX_CLASSES):
        raise InvalidValue(
            f"{where}: the target {goal.name!r} has {'more than ' * goal.many}{distinct} different values; at most "
            f"{MAX_CLASSES} classes are possible" + ("; is it an identifier, or text?" if not numeric else "")
        )
    if task == "Binary" and distinct != 2:
        raise InvalidValue(f"{where}: task='Binary' with a target {goal.name!r} of {distinct} different values")
    return task


def _dataset(
    source: Reader,
    features: Sequence[_Statistics],
    goal: _Statistics,
    task: str,
    notes: list[str],
    fractions: tuple[float, float],
) -> Dataset:
    labels = () if task == "Regression" else _labels(source, goal, notes)
    # Before the split every category has a code, and a missing number a value of its own.
    raw = [
        Column(
            c.name, c.kind, fill=-1e9 if c.kind == "number" else 0.0, gaps=c.kind != "category",
            categories=tuple(sorted(c.counts)) if c.kind == "category" else (),
            formats=c.formats, comma=c.commas > c.numbers / 2,
        )
        for c in features
    ]  # fmt: skip
    x, y = _read(source, raw, goal, labels, notes)
    strata = y if labels else np.zeros(len(y), int)
    chosen = sides(f"data set {source.path.stem!r}", content_keys(x), strata, fractions[0], fractions[1])
    blocks = np.split(x, np.cumsum([len(column.values) for column in raw])[:-1], axis=1)  # of each column's values
    columns = [_learnt(column, block[chosen == TRAIN]) for column, block in zip(raw, blocks, strict=True)]
    blocks = [_recoded(*three) for three in zip(blocks, raw, columns, strict=True)]
    train, held_out, tests = parted(np.concatenate(blocks, axis=1), y, chosen)
    dataset = Dataset(
        source.path.stem, train, held_out, tests, labels=labels, target=goal.name,
        features=tuple(name for column in columns for name in column.values),
        categories=tuple(codes for column in columns for codes in column.codes),
        files={TABLE_FILE: to_json(columns), drift.PROFILE_FILE: drift.profile(columns, np.asarray(train.x))},
    )  # fmt: skip
    notes += [
        f"column {name!r} alone predicts the target ({score:.3f} on validation): will it be known at prediction?"
        for name, score in _leaks(dataset, columns)
    ]
    return dataclasses.replace(dataset, notes=tuple(notes))


def _labels(source: Reader, goal: _Statistics, notes: list[str]) -> tuple[str, ...]:
    """The classes that have enough rows."""
    kept = [value for value, count in goal.counts.items() if count >= MIN_CLASS_SAMPLES]
    rare = sorted(set(goal.counts) - set(kept))
    if len(kept) < 2:
        raise InvalidValue(f"{source.path}: fewer than two classes of {goal.name!r} have {MIN_CLASS_SAMPLES} rows")
    if rare:
        notes.append(f"rows of the classes {', '.join(rare[:5])} are left out: fewer than {MIN_CLASS_SAMPLES} each")
    return in_order(kept)


def _read(
    source: Reader, columns: Sequence[Column], goal: _Statistics, labels: tuple[str, ...], notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of all rows with a target."""
    code, comma = {label: i for i, label in enumerate(labels)}, goal.commas > goal.numbers / 2
    xs, ys, dropped = [], [], 0
    for chunk in chunks(source.rows()):
        cells = dict(zip(source.names, zip(*chunk, strict=True), strict=True))
        if labels:
            y = np.array([code.get(cell.strip(), -1) for cell in cells[goal.name]], "int32")
            known = y >= 0
        else:
            values = [number(cell, comma) for cell in cells[goal.name]]
            y = np.array([np.nan if value is None else value for value in values], "float32")
            known = np.isfinite(y)
        dropped += int((~known).sum())
        xs.append(vectors(columns, cells)[known])
        ys.append(y[known])
    if dropped:
        notes.append(f"{dropped:,} rows are left out: their target is missing or not usable")
    return np.concatenate(xs), np.concatenate(ys)


def _learnt(column: Column, x: np.ndarray) -> Column:
    """The column with what its values in train, (n, values), give: median, frequent categories, whether it has gaps."""
    if column.kind == "category":
        counts = np.bincount(x[:, 0].astype(int), minlength=len(column.categories) + 1)[1:]
        order = np.argsort(-counts, kind="stable")[:CATEGORIES]
        kept = tuple(column.categories[i] for i in order if counts[i] >= max(2, RARE * len(x)))
        return dataclasses.replace(column, categories=kept)
    gaps = x[:, -1] > 0
    fill = 0.0 if gaps.all() else float(np.median(x[~gaps, 0]))
    return dataclasses.replace(column, fill=fill, gaps=bool(gaps.any()))


def _recoded(x: np.ndarray, raw: Column, column: Column) -> np.ndarray:
    """Values (n, values of raw) with the codes and fillings of `column`."""
    if column.kind == "category":
        code = {name: i + 1 for i, name in enumerate(column.categories)}
        new = np.array([0, *(code.get(name, 0) for name in raw.categories)], "float32")
        return new[x[:, :1].astype(int)]
    values, gaps = x[:, :-1].copy(), x[:, -1] > 0
    if gaps.any():
        values[gaps] = column.read([""])[0, : values.shape[1]]
    return np.column_stack([values, gaps]).astype("float32") if column.gaps else values


def _leaks(dataset: Dataset, columns: Sequence[Column]) -> list[tuple[str, float]]:
    """Columns from each of which alone a small tree predicts the target almost without error, and its score."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    (x, y), (x_held, y_held) = dataset.train, dataset.validation
    x, y = x[:20_000], y[:20_000]
    if dataset.labels and np.mean(y_held == np.bincount(y).argmax()) > 0.97:
        return []  # a single class has nearly all samples, so any column scores as high
    kind = DecisionTreeClassifier if dataset.labels else DecisionTreeRegressor
    leaks, start = [], 0
    for column in columns:
        own = slice(start, start + len(column.values))
        score = kind(max_leaf_nodes=64, random_state=0).fit(x[:, own], y).score(x_held[:, own], y_held)
        if score > LEAK_SCORE:
            leaks.append((column.name, float(score)))
        start = own.stop
    return leaks if len(leaks) < len(columns) or len(columns) == 1 else []
