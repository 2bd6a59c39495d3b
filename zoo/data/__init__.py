"""Data sets: a recipe names a function that returns a `Dataset`.

`zoo.data.digits` is one, and your own is three lines:

    def my_data() -> Dataset:
        x, y = ...                                     # numpy arrays, one row a sample
        return Dataset.split("my_data", x, y, labels=("cat", "dog"))
"""

from zoo.data.dataset import Dataset, Part
from zoo.data.packages import digits

__all__ = ["Dataset", "Part", "digits"]
