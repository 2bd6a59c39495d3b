"""Rows of a table as numbers, by a description that training and the exported file share.

Each column becomes one or more values of the model's input: a number itself, a category its code, a date its parts. A
column with gaps in train has one more value, 1 where it is missing. `zoo.data.table` makes the description from the
training rows; the exported file's archive holds it as `table.json`.
"""

import codecs
import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from zoo.base.errors import InvalidValue, MissingPackage

TABLE_FILE = "table.json"  # in the archive of an exported file
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})  # in lower case
DATES = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M",
    "%m/%d/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%d/%m/%Y %H:%M", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%b %d %Y",
    "%Y-%m", "%b %Y",
)  # fmt: skip
DATE_PARTS = ("days since 2000", "month", "weekday", "hour")
EPOCH = datetime(2000, 1, 1)
CHUNK_ROWS = 20_000  # rows in memory as text at a time
CHUNK_BYTES = 1 << 20
PARQUET = (".parquet", ".pq")
TABLES = (".csv", ".tsv", ".txt", ".data", *PARQUET)  # suffixes of tables
DELIMITERS = ",;\t|"
QUOTED_LINES = 20  # a row of another length that spans more lines has an unclosed quote

T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """One column that the model reads.

    Attributes:
        kind: "number", "category" or "date".
        fill: replaces missing cells: the median of train, of dates in days since 2000.
        gaps: whether one more value says that the cell is missing.
        categories: code i + 1 is the i-th of these; 0 is any other, or missing.
        formats: of dates, for `strptime`, tried in this order.
        comma: whether numbers have a decimal comma.
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
        """Names of the values it becomes."""
        own = tuple(f"{self.name}: {part}" for part in DATE_PARTS) if self.kind == "date" else (self.name,)
        return (*own, f"{self.name}: missing") if self.gaps else own

    @property
    def codes(self) -> tuple[int, ...]:
        """For each of its values, the number of codes, 0 for a number."""
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
        moment = date(cell, self.formats)
        return date_parts((moment - EPOCH).total_seconds() / 86400) if moment else (math.nan,) * len(DATE_PARTS)


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def number(cell: str, comma: bool = False) -> float | None:
    """None where the cell is not a number."""
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
    """Raises ValueError where the description is damaged."""

    def column(fields: Any) -> Column:
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return Column(**values)

    return parsed(text, TABLE_FILE, lambda description: tuple(map(column, description["columns"])))


def parsed(text: str | bytes, file: str, read: Callable[[Any], T]) -> T:
    """`read` of the JSON of a file in an archive. Raises ValueError where it is damaged or of another version."""
    try:
        description = json.loads(text)
        if description["version"] != 1:
            raise InvalidValue(f"version {description['version']} is not known")
        return read(description)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue(f"{file} is damaged: {error}") from None


def vectors(columns: Sequence[Column], cells: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Inputs (n, values) of cells by column, in any order; other columns are ignored.

    Raises ValueError for a missing column.
    """
    missing = [column.name for column in columns if column.name not in cells]
    if missing:
        raise InvalidValue(f"there is no column {missing[0]!r}; the rows have {', '.join(map(repr, cells))}")
    return np.column_stack([column.read(cells[column.name]) for column in columns])


def read_rows(path: Path, columns: Sequence[Column]) -> np.ndarray:
    """Inputs (n, values) of a CSV file with a header, or of a Parquet file; the target may be missing."""
    return np.concatenate(list(read_chunks(path, columns)))


def read_chunks(path: Path, columns: Sequence[Column]) -> Iterator[np.ndarray]:
    """The same in chunks of some thousand rows. Raises FileNotFoundError, or ValueError with the line."""
    table, empty = reader_of(path), True
    if not table.header:
        raise InvalidValue(f"{path} has no header: its first line must name the columns")
    for chunk in chunks(table.rows()):
        if table.bad:
            break
        empty = False
        yield vectors(columns, dict(zip(table.names, zip(*chunk, strict=True), strict=True)))
    if table.bad:
        raise InvalidValue(f"{path}, line {table.bad[0][0]}: {table.bad[0][1]}")
    if empty:
        raise InvalidValue(f"{path} has a header and no rows")


def chunks(rows: Iterable[tuple[int, list[str]]]) -> Iterator[list[list[str]]]:
    """Rows in chunks, because cells as text take ten times the memory of their numbers."""
    rows = iter(rows)
    while chunk := [row for _, row in itertools.islice(rows, CHUNK_ROWS)]:
        yield chunk


class Csv:
    """A CSV file, read as a stream; delimiter, encoding and header are detected.

    Attributes:
        names: of the columns: "column 1" and so on without a header; equal names are numbered.
        header: whether the first line names the columns.
        bad: line and error of rows with another number of cells; filled while rows are read.
        foreign: number of bytes that are not UTF-8 and were read as Windows-1252; counted while rows are read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        start = self._start(4)
        if not start.strip():
            raise InvalidValue(f"{path} is empty")
        self._utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        self.bad: list[tuple[int, str]] = []
        self.foreign = 0
        sample = self._start(1 << 16)
        text = sample.decode("utf-16" if self._utf16 else "utf-8-sig", errors="ignore")
        if "\0" in text:
            raise InvalidValue(f"{path} is not text: it has zero bytes in it")
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
        """Line number and cells of each row."""
        self.bad, self.foreign = [], 0
        rows = csv.reader(self._lines(), delimiter=self.delimiter)
        line = 0
        try:
            for i, row in enumerate(rows):
                before, line = line, rows.line_num
                if (i == 0 and self.header) or not any(cell.strip() for cell in row):
                    continue
                if len(row) == len(self.names):
                    yield line, row
                    continue
                if line - before > QUOTED_LINES:
                    raise InvalidValue(
                        f"{self.path}, line {before + 1}: a quote opens there and is closed {line - before:,} lines "
                        "later, or never: close or remove it"
                    )
                self.bad.append((line, f"{len(row)} cells, the other lines have {len(self.names)}"))
        except csv.Error as error:  # a cell of more than 131,072 characters: also an unclosed quote
            raise InvalidValue(f"{self.path}, line {line + 1}: {error}; is a quote left open?") from None

    def _lines(self) -> Iterator[str]:
        """Lines with their ends, which may be \\n, \\r or \\r\\n."""
        if self._utf16:
            with open(self.path, encoding="utf-16", errors="replace", newline="") as opened:
                yield from opened
            return
        line, end = "", False  # `line` is the last one, of which the next chunk may hold more
        with open(self.path, "rb") as file:
            data = file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
            while not end:
                chunk = file.read(CHUNK_BYTES)
                end = not chunk
                text, data = self._decoded(data + chunk, end)
                *lines, line = io.StringIO(line + text, newline="") if line + text else [""]
                yield from lines
        if line:
            yield line

    def _decoded(self, data: bytes, final: bool) -> tuple[str, bytes]:
        """Text of UTF-8, where bytes that are not are read as Windows-1252; and the bytes of an unfinished character.

        A codec error handler would be one for the whole process, so that readers in two threads would share it.
        """
        parts: list[str] = []
        view = memoryview(data)
        while True:
            try:
                text, used = codecs.utf_8_decode(view, "strict", final)
                return "".join([*parts, text]), bytes(view[used:])
            except UnicodeDecodeError as error:
                self.foreign += 1
                valid, foreign = view[: error.start], view[error.start : error.start + 1]
                parts += [str(valid, "utf-8"), str(foreign, "cp1252", "replace")]
                view = view[error.start + 1 :]


class Parquet:
    """A Parquet file as rows of text, like `Csv`, read in chunks."""

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
        for batch in self._file.iter_batches(CHUNK_ROWS):
            columns = [["" if v is None else str(v) for v in column.to_pylist()] for column in batch.columns]
            for row in zip(*columns, strict=True):
                line += 1
                yield line, list(row)


Reader = Csv | Parquet


def reader_of(path: str | Path) -> Reader:
    """The reader of a table, by its suffix. Raises FileNotFoundError, or ValueError where it is not a table."""
    return Parquet(path) if Path(path).suffix in PARQUET else Csv(path)


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names, with a number where a name comes again."""
    distinct: dict[str, None] = {}
    for name in names:
        count, new = 1, name
        while new in distinct:
            count += 1
            new = f"{name} ({count})"
        distinct[new] = None
    return list(distinct)


def _delimiter(text: str) -> str:
    """The delimiter that gives most of the first lines the same, largest number of cells."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    best, cells = ",", 1.0
    for delimiter in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(counts), key=counts.count) if counts else 1
        if usual > 1 and usual * counts.count(usual) / len(counts) > cells:
            best, cells = delimiter, usual * counts.count(usual) / len(counts)
    return best
