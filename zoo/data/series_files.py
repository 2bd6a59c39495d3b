"""Time series as a data set: to classify, from a .npz or folders of CSV files, or to forecast, from a CSV."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from zoo.base.checks import check_choice, check_size
from zoo.base.errors import InvalidValue
from zoo.data.dataset import Dataset
from zoo.data.folders import files_in_folders, frequent_classes, note_bad_lines
from zoo.data.rows import DATES, Csv, date, is_missing, number
from zoo.data.sequences import pad

SUFFIXES = frozenset({".csv", ".tsv"})
UNITS = ((604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
LONGEST = 512  # steps of an input; longer series are cut
MIN_GROUPS = 5  # for train, validation and test


def series(path: str | Path, *, test: float = 0.2, validation: float = 0.15) -> Dataset:
    """Series and their classes or values: `zoo.data.series("gestures.npz")`, or one folder of CSV files a class.

    A .npz holds x, (n, steps, channels) or (n, steps), zeros at the end of shorter series, and y (n,): integers or
    names for classes, floats for values; and optionally groups (n,), such as persons, which are not divided between
    parts. A CSV file is one series: a step a row, a channel a column; a column of dates is ignored. Folders in those of
    the classes are groups where there are at least five different names.

    Raises:
        FileNotFoundError, ValueError: no such file, arrays of another shape, or fewer than two classes.
    """
    path = Path(path)
    if path.is_dir():
        return _from_folder(path, test, validation)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except Exception as error:  # zip, npy and pickle each raise their own
        raise InvalidValue(f"{path} cannot be read as .npz: {(str(error).splitlines() or ['damaged'])[0]}") from None
    if not {"x", "y"} <= set(arrays):
        raise InvalidValue(
            f"{path} holds {', '.join(arrays) or 'nothing'}; it needs the arrays x and y, and may have groups"
        )
    x, y, groups = arrays["x"], arrays["y"], arrays.get("groups")
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or not np.issubdtype(x.dtype, np.number):
        raise InvalidValue(f"{path}: x of shape {x.shape}, {x.dtype}; numbers (samples, steps, channels) are needed")
    if y.shape != (len(x),):
        raise InvalidValue(f"{path}: y of shape {y.shape} for {len(x)} samples; one each is needed")
    x, notes, labels = x.astype("float32"), list[str](), tuple[str, ...]()
    bad = ~np.isfinite(x).all(axis=(1, 2))
    if bad.any():
        notes.append(f"{bad.sum():,} series with NaN or infinite values are left out, the first one {np.argmax(bad)}")
    if np.issubdtype(y.dtype, np.floating):
        y = y.astype("float32")
        bad |= ~np.isfinite(y)
    else:
        names, y = np.unique(y, return_inverse=True)
        labels, y = tuple(map(str, names)), y.astype("int32")
    x, y, groups = x[~bad], y[~bad], None if groups is None else np.asarray(groups)[~bad]
    if labels and groups is None:
        x, y, labels = frequent_classes(x, y, labels, notes, path)
    dataset = Dataset.split(path.stem, x, y, groups=groups, labels=labels, test=test, validation=validation)
    return dataclasses.replace(dataset, notes=tuple(notes))


def _from_folder(path: Path, test: float, validation: float) -> Dataset:
    files = files_in_folders(path, SUFFIXES, "CSV files")
    columns: list[int] = []  # of the first file that can be read

    def read(file: Path) -> tuple[Path, np.ndarray]:
        values = _steps(file)
        columns.append(values.shape[1])
        if values.shape[1] != columns[0]:
            raise InvalidValue(f"{file} has {values.shape[1]} columns, the first file {columns[0]}")
        return file, values

    files.read(read, "CSV files")
    cut = sum(len(values) > LONGEST for _, values in files.items)
    if cut:
        files.notes.append(f"{cut:,} series are longer than {LONGEST} steps and are cut there")
    x = pad([values[:LONGEST] for _, values in files.items])
    people = [file.parent.name if file.parent.parent != path else "" for file, _ in files.items]
    if "" in people or len(set(people)) < MIN_GROUPS:
        return files.split(x, path, test, validation)
    files.notes.append(
        f"{len(set(people))} groups by the folders within the classes, such as {people[0]!r}: none is divided"
    )
    dataset = Dataset.split(
        path.resolve().name, x, np.array(files.y, "int32"), groups=np.array(people), labels=files.labels, test=test,
        validation=validation,
    )  # fmt: skip
    return dataclasses.replace(dataset, notes=tuple(files.notes))


def _steps(file: Path) -> np.ndarray:
    """(steps, channels) of a CSV of numbers."""
    table = Csv(file)
    rows = list(table.rows())
    if table.bad:
        raise InvalidValue(f"{file}, line {table.bad[0][0]}: {table.bad[0][1]}")
    if not rows:
        raise InvalidValue(f"{file} has no rows")
    clocks = {i for i, cell in enumerate(rows[0][1]) if number(cell) is None and date(cell, DATES)}
    values = np.empty((len(rows), len(table.names) - len(clocks)), "float32")
    for i, (line, cells) in enumerate(rows):
        row = [cell for column, cell in enumerate(cells) if column not in clocks]
        read = [number(cell) for cell in row]
        odd = [cell for cell, value in zip(row, read, strict=True) if value is None or not np.isfinite(value)]
        if odd:
            raise InvalidValue(f"{file}, line {line}: {odd[0]!r} is not a finite number")
        values[i] = read
    values[~values.any(axis=1)] = 1e-6  # a step of zeros looks like padding
    return values


def forecast(
    path: str | Path,
    target: str | None = None,
    *,
    time: str | None = None,
    known: Sequence[str] = (),
    window: int | None = None,
    horizon: int | None = None,
    test: float = 0.15,
    validation: float = 0.15,
) -> Dataset:
    """The next `horizon` values of a column from the last `window` rows: `zoo.data.forecast("power.csv", "load")`.

    Rows are sorted by time; of rows with equal times the last is kept. A missing value is replaced by the last known
    one; windows with a missing target are left out. Inputs are the target's past, all other columns of numbers, and
    hour, weekday and month. Split by time: the last rows are test.

    Args:
        target: column of numbers; by default the last one. time: column of dates; by default the first one.
        known: columns of numbers that are known ahead, such as holidays or prices: each row of an input also holds
            their value `horizon` rows later.
        horizon: by default a usual planning period: a day of hourly or shorter rows, at most 96 rows; a week of days, a
            quarter of weeks, a year of months; less if there are too few rows.
        window: by default seven times the horizon, or less if there are too few rows.

    Raises:
        FileNotFoundError, ValueError: no such file or column, no dates, or too few rows.
    """
    for name, size in (("window", window), ("horizon", horizon)):
        if size is not None:
            check_size(name, size)
    notes: list[str] = []
    moments, chosen, numeric = _timed(path, target, time, notes)
    for name in known:
        check_choice("known", name, [name for name in numeric if name != chosen])
    values = np.column_stack([numeric.pop(chosen), *numeric.values()])
    values, moments, step = _regular(values, moments, notes)
    window, horizon = _span(path, len(values), step, window, horizon)
    names = [chosen, *numeric]
    trained = values[: int(len(values) * (1 - test - validation))]
    varies = [i == 0 or names[i] in known or _varies(column) for i, column in enumerate(trained.T)]
    constant = [name for name, kept in zip(names, varies, strict=True) if not kept]
    notes += [f"column {name!r} is left out: it is nearly always the same in train" for name in constant]
    values, names = values[:, varies], [name for name in names if name not in constant]
    filled = _last_known(values)
    for name in known:
        column = filled[:, names.index(name)]
        filled = np.column_stack([filled, np.append(column[horizon:], np.full(horizon, column[-1]))])
        names.append(f"{name}, {horizon} rows on")
    calendar = _calendar(moments.astype("datetime64[s]").tolist())
    inputs = np.concatenate([filled, calendar], axis=1).astype("float32")
    first = np.arange(len(inputs) - window - horizon + 1)
    ahead = np.lib.stride_tricks.sliding_window_view(values[:, 0], horizon)[window:]
    first = first[~np.isnan(ahead).any(axis=1)]
    x = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(inputs, window, axis=0).transpose(0, 2, 1)[first])
    y = ahead[first].astype("float32")
    notes.append(f"a row every {_spoken(step)}; {window} rows predict the next {horizon}")
    dataset = Dataset.by_time(Path(path).stem, x, y, first, span=window + horizon, test=test, validation=validation)
    features = (*names, "hour sin", "hour cos", "weekday sin", "weekday cos", "month sin", "month cos")
    return dataclasses.replace(dataset, notes=tuple(notes), features=features, target=f"{chosen}, the next {horizon}")


def _timed(
    path: str | Path, target: str | None, time: str | None, notes: list[str]
) -> tuple[np.ndarray, str, dict[str, np.ndarray]]:
    """Times, the target's name, and the columns of numbers by name, missing ones as NaN."""
    table = Csv(path)
    rows = list(table.rows())
    note_bad_lines(table, notes)
    if not rows:
        raise InvalidValue(f"{path} has no rows")
    columns = dict(zip(table.names, zip(*(row for _, row in rows), strict=True), strict=True))
    for name, given in (("target", target), ("time", time)):
        if given is not None:
            check_choice(name, given, columns)
    clock = time or next(
        (n for n, cells in columns.items() if date(cells[0], DATES) and number(cells[0]) is None), None
    )
    if clock is None:
        raise InvalidValue(f"{path} has no column of dates; a series to forecast needs one, such as 2026-01-31 13:00")
    formats = [f for f in DATES if date(columns[clock][0], (f,))] + list(DATES)
    times = [date(cell, formats) for cell in columns[clock]]
    if None in times:
        line, cell = rows[times.index(None)][0], columns[clock][times.index(None)]
        raise InvalidValue(f"{path}, line {line}: {cell!r} in column {clock!r} is not a date")
    numeric = {
        name: np.array([np.nan if is_missing(c) or (v := number(c)) is None else v for c in cells], "float64")
        for name, cells in columns.items()
        if name != clock
    }
    numeric = {name: np.where(np.isfinite(v), v, np.nan) for name, v in numeric.items()}
    numeric = {name: v for name, v in numeric.items() if np.isfinite(v).mean() > 0.5}
    chosen = target or (list(numeric)[-1] if numeric else "")
    if chosen not in numeric:
        raise InvalidValue(f"{path}: the column {chosen!r} has no numbers to forecast")
    if target is None:
        notes.append(f"forecasts {chosen!r}, the last column of numbers; --target names another")
    return np.array(times, "datetime64[s]"), chosen, numeric


def _varies(column: np.ndarray) -> bool:
    """Whether less than 99 % of the known values are equal; a network cannot learn from fewer exceptions."""
    _, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return bool(counts.size) and counts.max() <= 0.99 * counts.sum()


def _regular(values: np.ndarray, times: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray, np.timedelta64]:
    """Sorted rows at regular times, missing ones NaN; their times; and the step from one row to the next."""
    order = np.argsort(times, kind="stable")
    if (order != np.arange(len(order))).any():
        notes.append("times are out of order and were sorted")
    values, times = values[order], times[order]
    last = np.append(times[1:] != times[:-1], True)
    if last.mean() < 0.5:
        raise InvalidValue(
            f"there are {len(times):,} rows of {last.sum():,} different times: the file holds several series; "
            "give each series a file or a column of its own"
        )
    if not last.all():
        notes.append(f"{(~last).sum():,} rows have the time of another one; the last one is kept")
        values, times = values[last], times[last]
    if len(times) < 3:
        raise InvalidValue(f"{len(times)} different times are too few for a series")
    months = times.astype("datetime64[M]")
    of_months = (times - months == times[0] - months[0]).all() and len(np.unique(months)) == len(months)
    clock = months if of_months else times  # months differ in length
    steps, counts = np.unique(np.diff(clock), return_counts=True)
    step = steps[counts.argmax()]
    index = ((clock - clock[0]) / step).round().astype(int)
    if index[-1] + 1 > 4 * len(times):
        raise InvalidValue(
            "its times have no common step: most rows would be missing; aggregate it by hour or day first"
        )
    grid = np.full((index[-1] + 1, values.shape[1]), np.nan)
    grid[index] = values
    if len(grid) > len(times):
        notes.append(f"{len(grid) - len(times):,} rows are missing in between; the last known values replace them")
    return grid, (clock[0] + np.arange(len(grid)) * step).astype("datetime64[s]"), step


def _span(path: object, rows: int, step: np.timedelta64, window: int | None, horizon: int | None) -> tuple[int, int]:
    """Window and horizon in rows; together at most an eighth of all rows."""
    if horizon is None:
        season = _season(step)
        horizon = max(1, min(season, rows // 32 if window is None else rows // 8 - window))
    if window is None:
        window = horizon * int(np.clip(rows // 16 // horizon - 1, 1, 7))
    needed = 8 * (window + horizon)
    if rows < needed:
        raise InvalidValue(
            f"{path} has {rows:,} rows; windows of {window} with {horizon} to forecast need {needed:,}: give less"
        )
    return window, horizon


def _season(step: np.timedelta64) -> int:
    """The number of rows of a usual planning period."""
    if np.datetime_data(step)[0] == "M":
        return max(1, 12 // int(step.astype(int)))
    hours = step / np.timedelta64(1, "h")
    return 1 if hours > 24 * 31 else 13 if hours >= 24 * 7 else 7 if hours > 12 else int(np.clip(24 / hours, 1, 96))


def _spoken(step: np.timedelta64) -> str:
    if np.datetime_data(step)[0] == "M":
        count, unit = int(step.astype(int)), "month"
    else:
        seconds = int(step / np.timedelta64(1, "s"))
        count, unit = next((seconds // n, u) for n, u in UNITS if seconds % n == 0)
    return f"{count} {unit}s" if count > 1 else unit


def _last_known(values: np.ndarray) -> np.ndarray:
    filled = values.copy()
    for column in filled.T:
        known = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
        first = column[np.argmax(~np.isnan(column))]
        column[:] = column[known]
        column[np.isnan(column)] = first  # before the first known value
    return filled


def _calendar(times: list[datetime]) -> np.ndarray:
    """(n, 6): sine and cosine of hour, weekday and month."""
    parts = np.array([((t.hour + t.minute / 60) / 24, t.weekday() / 7, (t.month - 1) / 12) for t in times])
    angles = 2 * np.pi * parts
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(times), 6)
