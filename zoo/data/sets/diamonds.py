"""Diamonds."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.base.errors import InvalidValue
from zoo.data.carriers import Package, Source

if TYPE_CHECKING:
    import numpy as np

    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="diamonds",
    task="regression, tabular",
    samples=53_940,
    shape=(26,),
    licence="MIT (plotnine; ggplot2)",
    citation="H. Wickham, ggplot2: Elegant Graphics for Data Analysis, Springer, 2016: data set diamonds",
    carrier=Package(
        "plotnine==0.15.9",
        ("plotnine",),
        {"data/diamonds.csv": "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4"},
    ),
    sha256="2af9cab437bce391f8c4ae3c24bc0d16b7c301c00990049ea52b600225f714b4",
)


# Each from the worst to the best grade.
GRADES = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": ("J", "I", "H", "G", "F", "E", "D"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}


def diamonds() -> "Dataset":
    """Prices of 53,772 cut diamonds by weight, grades and size, in US dollars.

    Inputs are six measures, then the grades one-hot, the worst first. Left out are 146 repeated rows and 22 rows with
    an impossible size: 0, or more than 20 mm. Diamonds with equal inputs and different prices stay on one side.

    Source: H. Wickham, ggplot2 (2016), from the package plotnine.
    """
    SOURCE.require()
    import numpy as np

    from zoo.data.dataset import Dataset

    rows = list(dict.fromkeys(map(tuple, csv.reader(io.StringIO(SOURCE.read("data/diamonds.csv").decode())))))
    column = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    measures = ("carat", "depth", "table", "x", "y", "z")
    values = np.array([column[name] for name in measures], "float32").T
    one_hot = [_one_hot(column[name], grades, f"diamonds, {name}") for name, grades in GRADES.items()]
    size = values[:, 3:]
    possible = ((size > 0) & (size <= 20)).all(axis=1)
    x, y = np.concatenate([values, *one_hot], axis=1)[possible], np.array(column["price"], "float32")[possible]
    return SOURCE.describe(
        Dataset.split(SOURCE.name, x, y),
        features=(*measures, *(f"{name} {grade}" for name, grades in GRADES.items() for grade in grades)),
        units=("carat", "%", "%", "mm", "mm", "mm", *[""] * 20),
        target="price",
        target_unit="US dollar",
    )


def _one_hot(values: Sequence[str], names: tuple[str, ...], where: str) -> "np.ndarray":
    """(n, len(names)). Raises ValueError for a value that is not among the names."""
    import numpy as np

    unknown = set(values) - set(names)
    if unknown:
        raise InvalidValue(f"{where}: {sorted(unknown)[0]!r} is none of {', '.join(names)}")
    return np.eye(len(names), dtype="float32")[[names.index(value) for value in values]]
