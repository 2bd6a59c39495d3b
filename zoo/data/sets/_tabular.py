"""Tables of scikit-learn."""

from typing import Any

from zoo.data.carriers import Source
from zoo.data.dataset import Dataset


def tabular(source: Source, bunch: Any, target: str, **fields: Any) -> Dataset:
    """A data set from what scikit-learn's loader returned; integer targets are classes."""
    classes = tuple(str(label) for label in bunch.get("target_names", ()))
    y = bunch.target.astype("int32" if classes else "float32")
    dataset = Dataset.split(source.name, bunch.data.astype("float32"), y, labels=classes)
    return source.describe(dataset, **{"features": tuple(map(str, bunch.feature_names)), "target": target, **fields})
