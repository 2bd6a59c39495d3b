"""A table of one's own, a CSV or Parquet file, as a data set: looked at whole, read as a stream.

What each column is, is found out and told: number, category, date, or nothing that a model can learn from. Medians and
categories are those of train; they go into the exported file's archive, so that it takes raw rows.
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
from zoo.data.folders import LEAST_OF_A_CLASS, MOST_CLASSES, TARGETS
from zoo.data.rows import DATES, FILE, Column, Source, date, is_missing, number, pieces, source_of, to_json, vectors
from zoo.data.splitting import TRAIN, content_keys, sides

DISTINCT = 1000  # values of a column that are counted; more are no categories
CATEGORIES = 50  # of a column; rarer ones share a code
RARE = 0.002  # share of train below which a category shares that code
MOST_COLUMNS = 2000
SURE = 0.95  # share of a column's cells that must be numbers, or dates, for it to be one
DATES_LOOKED_AT = 2000  # cells of a column that are tried as dates
LEAKS = 0.995  # a score on validation that a single column does not reach by rights


@dataclass
class _Seen:
    """What one pass tells of a column."""

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

    def see(self, line: int, cell: str, comma: bool) -> None:
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
        if self.tried < DATES_LOOKED_AT:
            self.tried += 1
            fits = [pattern for pattern in DATES if date(cell, (pattern,))]
            self.dates.update(fits)
            self.dated += bool(fits)

    @property
    def known(self) -> int:
        return self.cells - self.missing

    @property
    def formats(self) -> tuple[str, ...]:
        """Of dates: the most frequent first, so that a day that may be a month is read as the others tell."""
        return tuple(pattern for pattern, _ in self.dates.most_common())

    @property
    def kind(self) -> str:
        """ "number", "category", "date", or why it is left out."""
        if self.known == 0:
            return "is empty"
        if not self.many and len(self.counts) == 1 and (self.missing == 0 or self.known < LEAST_OF_A_CLASS):
            return "is the same everywhere"
        if self.numbers >= SURE * self.known:
            return "numbers the rows" if self._counts_rows else "number"
        if self.dated >= SURE * self.tried and self.numbers <= (1 - SURE) * self.known:
            return "date"
        if not self.many and (len(self.counts) <= 20 or len(self.counts) <= self.known / 2):
            return "category"
        return "is text" if self.words > 3 * (self.known - self.numbers) else "has another value in nearly each row"

    @property
    def _counts_rows(self) -> bool:
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
    """A CSV or Parquet file, one row a sample: `zoo.data.table("flats.csv", target="rent")`.

    Numbers, categories and dates become inputs; gaps are filled with the median of train, and the input tells that
    they were there. Left out, and told in the data set's notes: columns that are empty, constant, free text or an
    identifier, rows without a target, lines of another length.

    Args:
        target: the column to predict; by default one that is called target, label, class or the like, or the last.
        task: "Binary", "Multiclass" or "Regression", where the column itself does not tell rightly: a number of at most
            20 different whole values counts as classes.
        test, validation: fractions of the rows, split by content and stratified by class; equal rows stay together.

    Raises:
        FileNotFoundError, ValueError: no such file or column, or nothing to learn from, with the line where there is
            one.
    """
    source = source_of(path)
    notes: list[str] = []
    seen = _seen(source, notes)
    chosen = _target(source.names, target, notes)
    goal = seen[source.names.index(chosen)]
    kind = _task(goal, task, str(path), notes)
    features = _features([column for column in seen if column is not goal], notes)
    if not features:
        raise InvalidValue(f"{path}: no column is left to tell {chosen!r} by: {'; '.join(notes)}")
    return _dataset(source, features, goal, kind, notes, test, validation)


def _seen(source: Source, notes: list[str]) -> list[_Seen]:
    """What one pass tells of all columns; refuses what is no table."""
    path, names = source.path, source.names
    if len(names) < 2:
        raise InvalidValue(
            f"{path} has one column only, {names[0]!r}; a table needs a target and something to tell it by, with one "
            "of , ; tab | between them"
        )
    if len(names) > MOST_COLUMNS:
        raise InvalidValue(f"{path} has {len(names):,} columns; at most {MOST_COLUMNS:,} are read: choose some")
    seen, comma = [_Seen(name) for name in names], getattr(source, "delimiter", ",") != ","
    for line, row in source.rows():
        for column, cell in zip(seen, row, strict=True):
            column.see(line, cell, comma)
    rows, bad = seen[0].cells, getattr(source, "bad", [])
    if bad and len(bad) > rows:
        raise InvalidValue(f"{path}, line {bad[0][0]}: {bad[0][1]}; most lines are like that, so this is no table")
    if rows == 0:
        raise InvalidValue(f"{path} has no rows")
    if bad:
        notes.append(f"{len(bad):,} lines are left out, the first one line {bad[0][0]}: {bad[0][1]}")
    if foreign := getattr(source, "foreign", 0):
        notes.append(f"{foreign:,} characters are not UTF-8 and were read as Windows-1252")
    return seen


def _features(columns: Sequence[_Seen], notes: list[str]) -> list[_Seen]:
    """Those that a model can learn from."""
    features = []
    for column in columns:
        if column.kind not in ("number", "category", "date"):
            notes.append(f"column {column.name!r} is left out: it {column.kind}")
            continue
        odd = column.known - column.numbers + column.infinite
        if column.kind == "number" and odd:
            first = "" if column.first_odd is None else ", the first one {1!r} in line {0}".format(*column.first_odd)
            notes.append(f"column {column.name!r}: {odd:,} cells are no finite number and count as missing{first}")
        if column.kind == "date" and column.dates[column.formats[0]] < column.tried:
            notes.append(
                f"column {column.name!r} has dates in several forms, read as {' or '.join(column.formats[:2])}"
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


def _task(goal: _Seen, task: str | None, where: str, notes: list[str]) -> str:
    """ "Binary", "Multiclass" or "Regression", and what speaks for it."""
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
        raise InvalidValue(
            f"{where}, line {line}: the target {goal.name!r} is {cell!r}, which is no number to regress on"
        )
    if task != "Regression" and (goal.many or distinct > MOST_CLASSES):
        raise InvalidValue(
            f"{where}: the target {goal.name!r} has {'more than ' * goal.many}{distinct} different values; at most "
            f"{MOST_CLASSES} classes are told apart" + ("; is it an identifier, or text?" if not numeric else "")
        )
    if task == "Binary" and distinct != 2:
        raise InvalidValue(f"{where}: task='Binary' with a target {goal.name!r} of {distinct} different values")
    return task


def _dataset(
    source: Source, features: Sequence[_Seen], goal: _Seen, task: str, notes: list[str], test: float,
    validation: float,
) -> Dataset:  # fmt: skip
    where = f"data set {source.path.stem!r}"
    comma = goal.commas > goal.numbers / 2
    labels: tuple[str, ...] = ()
    if task != "Regression":
        kept = [value for value, count in goal.counts.items() if count >= LEAST_OF_A_CLASS]
        rare = sorted(set(goal.counts) - set(kept))
        if len(kept) < 2:
            raise InvalidValue(f"{source.path}: fewer than two classes of {goal.name!r} have {LEAST_OF_A_CLASS} rows")
        if rare:
            notes.append(f"rows of the classes {', '.join(rare[:5])} are left out: fewer than {LEAST_OF_A_CLASS} each")
        labels = tuple(sorted(kept, key=lambda text: (number(text) is None, number(text) or 0.0, text)))
    number_of = {label: i for i, label in enumerate(labels)}
    # For the split every category that was seen has its code, and a gap is a value of its own.
    plain = [
        Column(
            c.name, c.kind, fill=-1e9 if c.kind == "number" else 0.0, gaps=True,
            categories=tuple(sorted(c.counts)) if c.kind == "category" else (),
            formats=c.formats, comma=c.commas > c.numbers / 2,
        )
        for c in features
    ]  # fmt: skip
    xs, ys, dropped = [], [], 0
    for piece in pieces(source.rows()):
        cells = dict(zip(source.names, zip(*piece, strict=True), strict=True))
        if task == "Regression":
            read = [number(cell, comma) for cell in cells[goal.name]]
            y = np.array([np.nan if value is None else value for value in read], "float32")
            known = np.isfinite(y)
        else:
            y = np.array([number_of.get(cell.strip(), -1) for cell in cells[goal.name]], "int32")
            known = y >= 0
        dropped += int((~known).sum())
        xs.append(vectors(plain, cells)[known])
        ys.append(y[known])
    x, y = np.concatenate(xs), np.concatenate(ys)
    if dropped:
        notes.append(f"{dropped:,} rows are left out: their target is missing or of no use")
    chosen = sides(where, content_keys(x), y if labels else np.zeros(len(y), int), test, validation)
    columns = _columns(plain, x, chosen == TRAIN)
    x = _recoded(x, plain, columns)
    train, held_out, tests = parted(x, y, chosen)
    dataset = Dataset(
        source.path.stem, train, held_out, tests, labels=labels, target=goal.name,
        features=tuple(name for column in columns for name in column.values),
        categories=tuple(codes for column in columns for codes in column.codes),
        files={FILE: to_json(columns), drift.FILE: drift.profile(columns, np.asarray(train.x))},
    )  # fmt: skip
    notes += [
        f"column {name!r} alone tells the target ({score:.3f} on validation): will it be known when you ask?"
        for name, score in _leaks(dataset, columns)
    ]
    return dataclasses.replace(dataset, notes=tuple(notes))


def _columns(plain: Sequence[Column], x: np.ndarray, train: np.ndarray) -> list[Column]:
    """As train has them: medians, categories that are not rare, and whether there are gaps."""
    found, place = [], 0
    for column in plain:
        if column.kind == "category":
            counts = np.bincount(x[train, place].astype(int), minlength=len(column.categories) + 1)[1:]
            order = np.argsort(-counts, kind="stable")[:CATEGORIES]
            least = max(2, RARE * train.sum())
            kept = tuple(column.categories[i] for i in order if counts[i] >= least)
            found.append(dataclasses.replace(column, categories=kept, gaps=False))
            place += 1
        else:
            width = len(column.values)
            gaps = x[train, place + width - 1] > 0
            values = x[train, place][~gaps]
            fill = float(np.median(values)) if len(values) else 0.0
            found.append(dataclasses.replace(column, fill=fill, gaps=bool(gaps.any())))
            place += width
    return found


def _recoded(x: np.ndarray, plain: Sequence[Column], columns: Sequence[Column]) -> np.ndarray:
    """The same rows, with the codes and fillings of `columns`."""
    parts, place = [], 0
    for before, column in zip(plain, columns, strict=True):
        if column.kind == "category":
            code = {name: i + 1 for i, name in enumerate(column.categories)}
            new = np.array([0, *(code.get(name, 0) for name in before.categories)], "float32")
            parts.append(new[x[:, place].astype(int)][:, None])
            place += 1
            continue
        width = len(before.values)
        own, gaps = x[:, place : place + width - 1].copy(), x[:, place + width - 1] > 0
        if gaps.any():
            own[gaps] = column.read([""])[0, : width - 1]
        parts.append(np.column_stack([own, gaps]).astype("float32") if column.gaps else own)
        place += width
    return np.concatenate(parts, axis=1)


def _leaks(dataset: Dataset, columns: Sequence[Column]) -> list[tuple[str, float]]:
    """Columns that a small tree tells the target by, each alone, almost without fault, and their score."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    (x, y), (x_held, y_held) = dataset.train, dataset.validation
    x, y = x[:20_000], y[:20_000]
    if dataset.labels and np.mean(y_held == np.bincount(y).argmax()) > 0.97:
        return []  # one class is nearly all there is, and no feat to tell
    kind = DecisionTreeClassifier if dataset.labels else DecisionTreeRegressor
    found, place = [], 0
    for column in columns:
        width = len(column.values)
        tree = kind(max_leaf_nodes=64, random_state=0).fit(x[:, place : place + width], y)
        score = tree.score(x_held[:, place : place + width], y_held)
        if score > LEAKS:
            found.append((column.name, float(score)))
        place += width
    return found if len(found) < len(columns) or len(columns) == 1 else []
