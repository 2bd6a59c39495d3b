"""Metro Interstate Traffic Volume."""

import csv
import io
import zipfile
from typing import TYPE_CHECKING

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.data.carriers import Package, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="hourly_traffic",
    task="forecasting",
    samples=17_520,
    shape=(168, 7),
    licence="CC BY 4.0 (data), MIT (autots)",
    citation="J. Hogue, Metro Interstate Traffic Volume, UCI, 2019, doi:10.24432/C5X60B",
    carrier=Package(
        "autots==1.0.4",
        ("autots",),
        {"datasets/data/traffic_hourly.zip": "71416c6c5adf1e322c3a9483c70ea44dbbcac4ef3d47aa346d763b77478f35ad"},
    ),
    sha256="d5393354017dcaa79c38fca7661cc430c2eb8357609afbc532ccdc19a10aaabc",
)


def hourly_traffic(window: int = 168, horizon: int = 24) -> "Dataset":
    """Cars per hour on a road to Minneapolis over two years, with weather and time of day, to be forecast.

    The last eighth, three months, is test, the eighth before it validation; no hour is on two sides. 104 hours are
    missing: inputs repeat the last known hour, and windows with a missing target are left out. Rain and snow are left
    out because the file has none before its last summer, so none in train.

    Source: J. Hogue, Metro Interstate Traffic Volume (UCI, 2019), from the package autots.

    Args:
        window, horizon: hours of an input and of a target.
    """
    check_size("window", window)
    check_size("horizon", horizon)
    SOURCE.require()
    import numpy as np

    from zoo.data.dataset import Dataset

    with zipfile.ZipFile(io.BytesIO(SOURCE.read("datasets/data/traffic_hourly.zip"))) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("traffic_hourly.zip").decode())))
    columns = ("traffic_volume", "temp", "clouds_all")
    known = np.array([[row[name] or "nan" for name in columns] for row in rows], "float32")  # (hours, 3)
    start = np.array([row["datetime"] for row in rows], "datetime64[h]")
    hours = (start - start[0]).astype(int)
    if not (np.diff(hours) == 1).all():
        raise InvalidValue("hourly_traffic: the hours are not consecutive")
    if window + horizon > len(hours) // 8:
        raise InvalidValue(f"window={window} and horizon={horizon} do not fit into the {len(hours) // 8} hours of test")
    last_known = np.maximum.accumulate(np.where(np.isnan(known).any(axis=1), 0, hours))
    filled = known[last_known]
    day, week = start.astype("datetime64[D]"), (start.astype("datetime64[D]").astype(int) + 3) % 7  # 0 is a Monday
    angles = 2 * np.pi * np.stack([(start - day).astype(int) / 24, week / 7], axis=1)
    series = np.concatenate([filled, np.sin(angles), np.cos(angles)], axis=1).astype("float32")  # (hours, 7)
    first = np.arange(len(hours) - window - horizon + 1)
    ahead = np.lib.stride_tricks.sliding_window_view(known[:, 0], horizon)[window:]  # (windows, horizon)
    first = first[~np.isnan(ahead).any(axis=1)]
    x = np.lib.stride_tricks.sliding_window_view(series, window, axis=0).transpose(0, 2, 1)[first]
    dataset = Dataset.by_time(SOURCE.name, x, ahead[first], first, span=window + horizon, test=1 / 8, validation=1 / 8)
    names = ("traffic volume", "temperature", "clouds", "hour sin", "weekday sin", "hour cos", "weekday cos")
    return SOURCE.describe(
        dataset,
        features=names,
        units=("cars/h", "K", "%", "", "", "", ""),
        target=f"traffic volume of the next {horizon} hours",
        target_unit="cars/h",
    )
