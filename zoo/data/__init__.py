"""Data sets: a recipe names a function that returns a `Dataset`.

`zoo.data.digits` is one, `zoo data list` names all, `zoo.data.load("diamonds")` loads one by its name and
`zoo.data.tfds("cifar10")` any builder of TensorFlow Datasets. Your own is three lines:

    def my_data() -> Dataset:
        x, y = ...                                     # numpy arrays, one row a sample
        return Dataset.split("my_data", x, y, labels=("cat", "dog"))

Names are loaded at first use, so that `zoo data list` needs neither numpy nor TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.data.blocks import Stored as Stored
    from zoo.data.blocks import stored as stored
    from zoo.data.dataset import Dataset as Dataset
    from zoo.data.dataset import Part as Part
    from zoo.data.image_files import images as images
    from zoo.data.packages import breast_cancer as breast_cancer
    from zoo.data.packages import diabetes as diabetes
    from zoo.data.packages import diamonds as diamonds
    from zoo.data.packages import digits as digits
    from zoo.data.packages import hourly_traffic as hourly_traffic
    from zoo.data.packages import iris as iris
    from zoo.data.packages import japanese_vowels as japanese_vowels
    from zoo.data.packages import movie_sentences as movie_sentences
    from zoo.data.packages import watch_activity as watch_activity
    from zoo.data.packages import wine as wine
    from zoo.data.sequences import lengths as lengths
    from zoo.data.sequences import pad as pad
    from zoo.data.series_files import forecast as forecast
    from zoo.data.series_files import series as series
    from zoo.data.sound_files import sounds as sounds
    from zoo.data.sources import SOURCES as SOURCES
    from zoo.data.sources import Source as Source
    from zoo.data.sources import load as load
    from zoo.data.sources import prepare as prepare
    from zoo.data.tables import table as table
    from zoo.data.text_files import text as text
    from zoo.data.texts import from_texts as from_texts
    from zoo.data.tfds_builders import fashion_mnist as fashion_mnist
    from zoo.data.tfds_builders import tfds as tfds

# Public name -> where it is. No module here bears the name of a function: importing it would replace the function.
_NAMES = {
    "Stored": "blocks",
    "stored": "blocks",
    "Dataset": "dataset",
    "Part": "dataset",
    "images": "image_files",
    "breast_cancer": "packages",
    "diabetes": "packages",
    "diamonds": "packages",
    "digits": "packages",
    "hourly_traffic": "packages",
    "iris": "packages",
    "japanese_vowels": "packages",
    "movie_sentences": "packages",
    "watch_activity": "packages",
    "wine": "packages",
    "sounds": "sound_files",
    "lengths": "sequences",
    "pad": "sequences",
    "SOURCES": "sources",
    "Source": "sources",
    "load": "sources",
    "prepare": "sources",
    "forecast": "series_files",
    "series": "series_files",
    "table": "tables",
    "text": "text_files",
    "from_texts": "texts",
    "fashion_mnist": "tfds_builders",
    "tfds": "tfds_builders",
}
__all__ = [*_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'zoo.data' has no attribute {name!r}; it has {', '.join(sorted(_NAMES))}")
    value = getattr(importlib.import_module(f"zoo.data.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> Any:
    return sorted([*globals(), *_NAMES])
