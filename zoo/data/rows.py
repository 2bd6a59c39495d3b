"""Rows of a table as numbers: one description, by which training and the deployed file read raw rows alike.

Each column gives one value or more of the model's input: a number itself, a category its code, a date what people
tell of it; where training saw gaps, one value more says whether it was missing. The description is made by
`zoo.data.table` from the training rows and travels in the file's archive as `table.json`.
"""

import codecs
import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import InvalidValue, MissingPackage

FILE = "table.json"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})  # in lower case
DATES = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M",
    "%m/%d/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%d/%m/%Y %H:%M", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%b %d %Y",
    "%Y-%m", "%b %Y",
)  # fmt: skip
DATE_PARTS = ("days since 2000", "month", "weekday", "hour")
EPOCH = datetime(2000, 1, 1)
PIECE = 20_000  # rows in memory as text at a time
PARQUET = (".parquet", ".pq")
TABLES = (".csv", ".tsv", ".txt", ".data", *PARQUET)  # suffixes of what is read as a table
DELIMITERS = ",;\t|"
SWALLOWED = 20  # lines that a cell in quotes may span; more in a row that does not fit is a quote left open


@dataclass(frozen=True)
class Column:
    """One column that the model reads.

    Attributes:
        kind: "number", "category" or "date".
        fill: of a number, what stands for a missing one: the median of train. Of a date, its days since 2000.
        gaps: whether a value more says that it was missing.
        categories: code i + 1 stands for the i-th; 0 for any other, and for a missing one.
        formats: of dates, as `strptime` has them, tried in this order.
        comma: whether the decimal sign of numbers is a comma.
    """

    name: str
    kind: str
    fill: float = 0.0
    gaps: bool = False
    categories: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    comma: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("number", "category", "date"):
            raise InvalidValue(f"column {self.name!r} is of the unknown kind {self.kind!r}")

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the values that it gives."""
        own = tuple(f"{self.name}: {part}" for part in DATE_PARTS) if self.kind == "date" else (self.name,)
        return (*own, f"{self.name}: missing") if self.gaps else own

    @property
    def codes(self) -> tuple[int, ...]:
        """For each of its values, how many codes it takes, 0 for a number."""
        return (len(self.categories) + 1,) if self.kind == "category" else (0,) * len(self.values)

    def read(self, cells: Sequence[str]) -> np.ndarray:
        """(n, values) of float32."""
        if self.kind == "category":
            code = {name: i + 1 for i, name in enumerate(self.categories)}
            return np.array([[code.get(cell.strip(), 0)] for cell in cells], "float32")
        rows = np.array([self._parsed(cell) for cell in cells], "float64").reshape(len(cells), -1)
        gaps = np.isnan(rows[:, 0])
        rows[gaps, 0] = self.fill
        if self.kind == "date" and gaps.any():
            rows[gaps, 1:] = date_parts(self.fill)[1:]
        return (np.column_stack([rows, gaps]) if self.gaps else rows).astype("float32")

    def _parsed(self, cell: str) -> Any:
        if self.kind == "number":
            value = number(cell, self.comma)
            return math.nan if value is None or not math.isfinite(value) else value
        found = date(cell, self.formats)
        return (math.nan,) * len(DATE_PARTS) if found is None else date_parts((found - EPOCH).total_seconds() / 86400)


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def number(cell: str, comma: bool = False) -> float | None:
    """None where the cell holds no number."""
    if comma:
        cell = cell.replace(".", "").replace(",", ".")
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None


def date(cell: str, formats: Sequence[str]) -> datetime | None:
    text = cell.strip().replace("T", " ").removesuffix("Z")
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


def date_parts(days: float) -> tuple[float, ...]:
    """Days since 2000, month from 1, weekday from 0 for Monday, hour."""
    moment = EPOCH + timedelta(days=days)
    return days, moment.month, moment.weekday(), moment.hour


def to_json(columns: Sequence[Column]) -> str:
    return json.dumps({"version": 1, "columns": [asdict(column) for column in columns]}, ensure_ascii=False)


def from_json(text: str | bytes) -> tuple[Column, ...]:
    """Raises ValueError where the description is not one."""
    try:
        told = json.loads(text)
        if told["version"] != 1:
            raise InvalidValue(f"version {told['version']} is not known")
        columns: Any = [{k: tuple(v) if isinstance(v, list) else v for k, v in c.items()} for c in told["columns"]]
        return tuple(Column(**column) for column in columns)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue(f"{FILE} is damaged: {error}") from None


def vectors(columns: Sequence[Column], cells: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Inputs (n, values) of columns of cells, which may stand in any order, with others among them.

    Raises ValueError for a column that is not there.
    """
    missing = [column.name for column in columns if column.name not in cells]
    if missing:
        raise InvalidValue(f"there is no column {missing[0]!r}; the rows have {', '.join(map(repr, cells))}")
    return np.column_stack([column.read(cells[column.name]) for column in columns])


def read_rows(path: Path, columns: Sequence[Column]) -> np.ndarray:
    """Inputs (n, values) of a CSV file of raw rows, with a header, or of a Parquet file; the target may be missing."""
    return np.concatenate(list(read_pieces(path, columns)))


def read_pieces(path: Path, columns: Sequence[Column]) -> Iterator[np.ndarray]:
    """Likewise, some thousand rows at a time. Raises FileNotFoundError, or ValueError with the line."""
    table, found = source_of(path), False
    if not table.header:
        raise InvalidValue(f"{path} has no header: its first line must name the columns")
    for piece in pieces(table.rows()):
        if table.bad:
            break
        found = True
        yield vectors(columns, dict(zip(table.names, zip(*piece, strict=True), strict=True)))
    if table.bad:
        raise InvalidValue(f"{path}, line {table.bad[0][0]}: {table.bad[0][1]}")
    if not found:
        raise InvalidValue(f"{path} has a header and no rows")


def pieces(rows: Iterable[tuple[int, list[str]]]) -> Iterator[list[list[str]]]:
    """Some thousand rows at a time: cells as text take ten times the memory of what is made of them."""
    rows = iter(rows)
    while piece := [row for _, row in itertools.islice(rows, PIECE)]:
        yield piece


class Csv:
    """A CSV file whose delimiter, encoding and header are found out; it is read as a stream.

    Attributes:
        names: of the columns; "column 1" and so on where there is no header, a number added where two are alike.
        header: whether the first line names them.
        bad: lines that have another number of cells, with what is wrong; filled while rows are read.
        foreign: how many characters are not UTF-8 and were read as Windows-1252.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        start = self._start(4)
        if not start.strip():
            raise InvalidValue(f"{path} is empty")
        utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        self._encoding = "utf-16" if utf16 else "utf-8-sig"
        self.bad: list[tuple[int, str]] = []
        self.foreign = 0
        sample = self._start(1 << 16)
        text = sample.decode(self._encoding, errors="ignore")
        if "\0" in text:
            raise InvalidValue(f"{path} is no text: it has zero bytes in it")
        self.delimiter = _delimiter(text)
        first = next(csv.reader(io.StringIO(text), delimiter=self.delimiter), [])
        first = [cell.strip() for cell in first]
        self.header = not any(number(cell) is not None for cell in first) and len(set(first)) > len(first) // 2
        given = first if self.header else [f"column {i + 1}" for i in range(len(first))]
        self.names = _distinct([name or f"column {i + 1}" for i, name in enumerate(given)])

    def first(self, count: int) -> list[list[str]]:
        return [row for _, row in itertools.islice(self.rows(), count)]

    def _start(self, size: int) -> bytes:
        with open(self.path, "rb") as file:
            return file.read(size)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row."""
        self.bad, self.foreign = [], 0

        def as_windows(error: UnicodeError) -> tuple[str, int]:
            assert isinstance(error, UnicodeDecodeError)
            self.foreign += 1
            return error.object[error.start : error.start + 1].decode("cp1252", "replace"), error.start + 1

        codecs.register_error("zoo-windows", as_windows)
        with open(self.path, encoding=self._encoding, errors="zoo-windows", newline="") as file:
            rows = csv.reader(file, delimiter=self.delimiter)
            try:
                line = 0
                for place, row in enumerate(rows):
                    before, line = line, rows.line_num
                    if (place == 0 and self.header) or not any(cell.strip() for cell in row):
                        continue
                    if len(row) != len(self.names):
                        if line - before > SWALLOWED:
                            raise InvalidValue(
                                f"{self.path}, line {before + 1}: a quote opens there and is closed {line - before:,} "
                                "lines on, or never: close it, or take it out"
                            )
                        self.bad.append((line, f"{len(row)} cells, the other lines have {len(self.names)}"))
                        continue
                    yield line, row
            except csv.Error as error:  # a cell of more than 131,072 characters: a quote left open, too
                raise InvalidValue(f"{self.path}, line {line + 1}: {error}; is a quote left open?") from None


class Parquet:
    """A Parquet file as rows of text, like `Csv`, a piece of it in memory at a time."""

    header = True
    bad: tuple[tuple[int, str], ...] = ()

    def __init__(self, path: str | Path):
        try:
            import pyarrow  # type: ignore[import-untyped]
            from pyarrow import parquet
        except ModuleNotFoundError:
            raise MissingPackage(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from None
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        try:
            self._file = parquet.ParquetFile(self.path)
        except (pyarrow.ArrowException, OSError) as error:
            raise InvalidValue(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
        self.names = list(self._file.schema_arrow.names)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        line = 0
        for batch in self._file.iter_batches(PIECE):
            columns = [["" if v is None else str(v) for v in column.to_pylist()] for column in batch.columns]
            for row in zip(*columns, strict=True):
                line += 1
                yield line, list(row)


Source = Csv | Parquet


def source_of(path: str | Path) -> Source:
    """The reader of a table's file, by its name. Raises FileNotFoundError, or ValueError for what is no table."""
    return Parquet(path) if Path(path).suffix in PARQUET else Csv(path)


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names, a number added where two are alike."""
    found: dict[str, None] = {}
    for name in names:
        again, new = 1, name
        while new in found:
            again += 1
            new = f"{name} ({again})"
        found[new] = None
    return list(found)


def _delimiter(text: str) -> str:
    """Which cuts the first lines into most cells, as many in most of them."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    best, cells = ",", 1.0
    for delimiter in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(counts), key=counts.count) if counts else 1
        if usual > 1 and usual * counts.count(usual) / len(counts) > cells:
            best, cells = delimiter, usual * counts.count(usual) / len(counts)
    return best
