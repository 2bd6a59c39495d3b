"""Drift of new rows of a table against train, column by column: the population stability index.

PSI = Σ (q - p) ln(q / p) over bins, where p is a bin's share of train's m rows and q its share of n new rows. The usual
thresholds are .1 for a shift and .25 for a large one (N. Siddiqi, Credit Risk Scorecards, 2006). Without a shift, PSI
is about (1/m + 1/n) χ² with one degree of freedom less than bins (B. Yurdakul and J. Naranjo, 2020), so the threshold
is higher for few rows.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import InvalidValue, MissingPackage
from zoo.data import rows
from zoo.data.rows import TABLE_FILE, Column

PROFILE_FILE = "profile.json"  # in the archive of an exported file
MOVED, MUCH = 0.1, 0.25
CHANCE = 0.01  # of reporting any column of rows that are distributed as train
DECILES = np.linspace(0, 1, 11)[1:-1]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Shift:
    """The shift of a column: its PSI, the PSI that chance explains, and the bin that changed most."""

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
    """The number of train's inputs (n, values) in each bin of each column, as JSON."""
    profiles, start = [], 0
    for column in columns:
        values = x[:, start : start + len(column.values)]
        start += len(column.values)
        known = values[values[:, -1] == 0, 0] if column.gaps else values[:, 0]
        numbers = column.kind == "number" and len(known) > 0
        edges = np.unique(np.quantile(known, DECILES).astype("float32")) if numbers else np.zeros(0)
        profiles.append({"edges": edges.tolist(), "counts": _counts(column, edges.tolist(), values).tolist()})
    return json.dumps({"version": 1, "columns": profiles})


def drift(file: str | Path, data: str | Path) -> list[Shift]:
    """The shift of each column between the rows of a CSV and the training data of a table's .tflite file.

    Raises:
        FileNotFoundError, ValueError: no such file; a file without a profile of its training data; a missing column.
    """
    from zoo.deploy import Runner

    files = Runner(file).files
    if PROFILE_FILE not in files or TABLE_FILE not in files:
        raise InvalidValue(
            f"{file} has no {PROFILE_FILE} of its training data: it is not of a table, or older; `zoo fit` writes it"
        )
    columns, profiles = rows.from_json(files[TABLE_FILE]), _read(files[PROFILE_FILE])
    if len(columns) != len(profiles):
        raise InvalidValue(f"{file}: {PROFILE_FILE} has {len(profiles)} columns, {TABLE_FILE} {len(columns)}")
    columns = tuple(c if c.kind == "category" else replace(c, gaps=True) for c in columns)
    ends = np.cumsum([len(column.values) for column in columns])[:-1]
    counts = [np.zeros(len(train["counts"]), int) for train in profiles]
    for x in rows.read_chunks(Path(data), columns):
        for i, (column, values) in enumerate(zip(columns, np.split(x, ends, axis=1), strict=True)):
            counts[i] += _counts(column, profiles[i]["edges"], values)
    return [
        _shift(column, train["edges"], np.array(train["counts"]), count, CHANCE / len(columns))
        for column, train, count in zip(columns, profiles, counts, strict=True)
    ]


def _counts(column: Column, edges: Sequence[float], values: np.ndarray) -> np.ndarray:
    """Rows per bin. The last bin is that of missing values; of categories the first one is that of all rare ones.

    The bins of dates are weekdays, because new dates are always later.
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
        raise MissingPackage("comparing rows with train needs SciPy: pip install scipy") from None

    m, n, size = before.sum(), now.sum(), len(before)
    p, q = (before + 0.5) / (m + 0.5 * size), (now + 0.5) / (n + 0.5 * size)  # a bin may be empty
    parts = (q - p) * np.log(q / p)
    used = max(2, int(((before > 0) | (now > 0)).sum()))
    allowed = (1 / m + 1 / n) * chi2.ppf(1 - chance, used - 1)
    most = int(parts.argmax())
    return Shift(
        column.name, float(parts.sum()), float(allowed), _named(column, edges, most), before[most] / m, now[most] / n
    )


def _named(column: Column, edges: Sequence[float], i: int) -> str:
    if column.kind == "category":
        return repr(column.categories[i - 1]) if i else "rare, new and missing categories"
    if i == (len(WEEKDAYS) if column.kind == "date" else len(edges) + 1):
        return "missing values"
    if column.kind == "date":
        return f"{WEEKDAYS[i]}s"
    low = f"from {edges[i - 1]:.6g}" if i else ""
    high = f"below {edges[i]:.6g}" if i < len(edges) else ""
    return f"values {' '.join(filter(None, [low, high])) or 'that are known'}"


def _read(text: bytes) -> list[dict[str, Any]]:
    def profiles(description: Any) -> list[dict[str, Any]]:
        return [
            {"edges": [float(edge) for edge in c["edges"]], "counts": [int(count) for count in c["counts"]]}
            for c in description["columns"]
        ]

    return rows.parsed(text, PROFILE_FILE, profiles)
