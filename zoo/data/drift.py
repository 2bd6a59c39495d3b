"""Whether new rows of a table still look like those of train, column by column: the population stability index.

PSI = Σ (q - p) ln(q / p) over bins, p their share of train's m rows and q that of n new ones. The usual thresholds are
.1 for a column that moved and .25 for one that moved much (N. Siddiqi, Credit Risk Scorecards, 2006). Where nothing
moved, PSI is about (1/m + 1/n) χ² with one degree of freedom less than there are bins (B. Yurdakul and J. Naranjo,
2020), so that few rows must differ more to tell anything.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import InvalidValue, MissingPackage
from zoo.data import rows
from zoo.data.rows import Column

FILE = "profile.json"  # in the archive of a file
MOVED, MUCH = 0.1, 0.25
CHANCE = 0.01  # that any column of rows like those of train is said to have moved
DECILES = np.linspace(0, 1, 11)[1:-1]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Shift:
    """How far a column of new rows lies from train: its PSI, what chance explains, and the bin that moved most."""

    column: str
    psi: float
    chance: float
    bin: str
    before: float
    now: float

    @property
    def moved(self) -> bool:
        return self.psi > max(MOVED, self.chance)

    def __str__(self) -> str:
        how = "moved much" if self.psi > MUCH else "moved"
        return (
            f"{self.column} {how}: stability index {self.psi:.2f} ({max(MOVED, self.chance):.2f} allowed); "
            f"{self.bin} were {self.before:.1%} of train and are {self.now:.1%}"
        )


def profile(columns: Sequence[Column], x: np.ndarray) -> str:
    """What is kept of train's inputs (n, values): of each column how many rows lie in which bin, as JSON."""
    kept, place = [], 0
    for column in columns:
        values = x[:, place : place + len(column.values)]
        place += len(column.values)
        known = values[values[:, -1] == 0, 0] if column.gaps else values[:, 0]
        numbers = column.kind == "number" and len(known) > 0
        edges = np.unique(np.quantile(known, DECILES).astype("float32")) if numbers else np.zeros(0)
        kept.append({"edges": edges.tolist(), "counts": _counts(column, edges.tolist(), values).tolist()})
    return json.dumps({"version": 1, "columns": kept})


def drift(file: str | Path, data: str | Path) -> list[Shift]:
    """Each column of the rows of a CSV, beside those that a table's .tflite file was trained on; a piece at a time.

    Raises:
        FileNotFoundError, ValueError: no such file; a file that is of no table or knows nothing of its train; a column
            that is not there.
    """
    from zoo.deploy import Runner

    files = Runner(file).files
    if FILE not in files or rows.FILE not in files:
        raise InvalidValue(
            f"{file} keeps no {FILE} of its training data: it is of no table, or older; `zoo fit` writes it"
        )
    columns, kept = rows.from_json(files[rows.FILE]), _read(files[FILE])
    if len(columns) != len(kept):
        raise InvalidValue(f"{file}: {FILE} is of {len(kept)} columns, {rows.FILE} of {len(columns)}")
    asked = [c if c.kind == "category" else replace(c, gaps=True) for c in columns]
    counts = [np.zeros(len(told["counts"]), int) for told in kept]
    for x in rows.read_pieces(Path(data), asked):
        place = 0
        for i, (column, told) in enumerate(zip(asked, kept, strict=True)):
            counts[i] += _counts(column, told["edges"], x[:, place : place + len(column.values)])
            place += len(column.values)
    return [
        _shift(column, told["edges"], np.array(told["counts"]), count, CHANCE / len(columns))
        for column, told, count in zip(asked, kept, counts, strict=True)
    ]


def _counts(column: Column, edges: Sequence[float], values: np.ndarray) -> np.ndarray:
    """Rows of each bin; the last one is of those that are missing. Of categories the first is of all that are rare.

    Dates are told apart by their weekday: new ones are always later.
    """
    if column.kind == "category":
        return np.bincount(values[:, 0].astype(int), minlength=len(column.categories) + 1)
    size = len(WEEKDAYS) if column.kind == "date" else len(edges) + 1
    bins = values[:, 2].astype(int) if column.kind == "date" else np.searchsorted(edges, values[:, 0], side="right")
    if column.gaps:
        bins = np.where(values[:, -1] > 0, size, bins)
    return np.bincount(bins, minlength=size + 1)


def _shift(column: Column, edges: Sequence[float], before: np.ndarray, now: np.ndarray, chance: float) -> Shift:
    try:
        from scipy.stats import chi2
    except ModuleNotFoundError:
        raise MissingPackage("comparing rows with those of train needs SciPy: pip install scipy") from None

    m, n, size = before.sum(), now.sum(), len(before)
    p, q = (before + 0.5) / (m + 0.5 * size), (now + 0.5) / (n + 0.5 * size)  # a bin may be empty
    parts = (q - p) * np.log(q / p)
    used = max(2, int(((before > 0) | (now > 0)).sum()))
    allowed = (1 / m + 1 / n) * chi2.ppf(1 - chance, used - 1)
    most = int(parts.argmax())
    return Shift(
        column.name, float(parts.sum()), float(allowed), _named(column, edges, most), before[most] / m, now[most] / n
    )


def _named(column: Column, edges: Sequence[float], place: int) -> str:
    if column.kind == "category":
        return repr(column.categories[place - 1]) if place else "rare, new and missing categories"
    if place == (len(WEEKDAYS) if column.kind == "date" else len(edges) + 1):
        return "missing values"
    if column.kind == "date":
        return f"{WEEKDAYS[place]}s"
    low = f"from {edges[place - 1]:.6g}" if place else ""
    high = f"below {edges[place]:.6g}" if place < len(edges) else ""
    return f"values {' '.join(filter(None, [low, high])) or 'that are known'}"


def _read(text: bytes) -> list[dict[str, Any]]:
    try:
        told = json.loads(text)
        if told["version"] != 1:
            raise InvalidValue(f"version {told['version']} is not known")
        return [
            {"edges": [float(edge) for edge in c["edges"]], "counts": [int(count) for count in c["counts"]]}
            for c in told["columns"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"{FILE} is damaged: {error}") from None
