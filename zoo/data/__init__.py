"""Data sets: a recipe names a function that returns a `Dataset`.

`zoo.data.digits` is such a function, `zoo data list` lists all, `zoo.data.load("diamonds")` loads one by its name and
`zoo.data.tfds("cifar10")` any builder of TensorFlow Datasets. Your own takes three lines:

    def my_data() -> Dataset:
        x, y = ...                                     # numpy arrays, one row per sample
        return Dataset.split("my_data", x, y, labels=("cat", "dog"))

It knows nothing of models or training. Names are loaded at first use, so that `zoo data list` needs neither NumPy nor
TensorFlow. A data set that is one file of `zoo.data.sets` is found without a line here; the lines are for editors.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.base.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.data.blocks import Stored as Stored
    from zoo.data.blocks import stored as stored
    from zoo.data.carriers import Source as Source
    from zoo.data.dataset import Dataset as Dataset
    from zoo.data.dataset import Part as Part
    from zoo.data.image_files import images as images
    from zoo.data.sequences import lengths as lengths
    from zoo.data.sequences import pad as pad
    from zoo.data.series_files import forecast as forecast
    from zoo.data.series_files import series as series
    from zoo.data.sets.breast_cancer import breast_cancer as breast_cancer
    from zoo.data.sets.diabetes import diabetes as diabetes
    from zoo.data.sets.diamonds import diamonds as diamonds
    from zoo.data.sets.digits import digits as digits
    from zoo.data.sets.fashion_mnist import fashion_mnist as fashion_mnist
    from zoo.data.sets.hourly_traffic import hourly_traffic as hourly_traffic
    from zoo.data.sets.iris import iris as iris
    from zoo.data.sets.japanese_vowels import japanese_vowels as japanese_vowels
    from zoo.data.sets.movie_sentences import movie_sentences as movie_sentences
    from zoo.data.sets.watch_activity import watch_activity as watch_activity
    from zoo.data.sets.wine import wine as wine
    from zoo.data.sound_files import sounds as sounds
    from zoo.data.sources import SOURCES as SOURCES
    from zoo.data.sources import load as load
    from zoo.data.sources import prepare as prepare
    from zoo.data.tables import table as table
    from zoo.data.text_files import text as text
    from zoo.data.tfds_builders import tfds as tfds
    from zoo.data.vocabulary import from_texts as from_texts


def _found(name: str) -> tuple[str, str] | None:
    exists = not name.startswith("_") and (Path(__file__).parent / "sets" / f"{name}.py").is_file()
    return (f"{__name__}.sets.{name}", name) if exists else None


__getattr__, __dir__, __all__ = lazy_names(__name__, _found)
