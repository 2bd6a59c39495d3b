"""Data sets: a recipe names a function that returns a `Dataset`.

`zoo.data.digits` is one, `zoo data list` names all, `zoo.data.load("diamonds")` loads one by its name and
`zoo.data.tfds("cifar10")` any builder of TensorFlow Datasets. Your own is three lines:

    def my_data() -> Dataset:
        x, y = ...                                     # numpy arrays, one row a sample
        return Dataset.split("my_data", x, y, labels=("cat", "dog"))

Names are loaded at first use, so that `zoo data list` needs neither numpy nor TensorFlow.
"""

from typing import TYPE_CHECKING

from zoo.base.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.data.blocks import Stored as Stored
    from zoo.data.blocks import stored as stored
    from zoo.data.dataset import Dataset as Dataset
    from zoo.data.dataset import Part as Part
    from zoo.data.image_files import images as images
    from zoo.data.loading import load as load
    from zoo.data.loading import prepare as prepare
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
    from zoo.data.tables import table as table
    from zoo.data.text_files import text as text
    from zoo.data.tfds_builders import fashion_mnist as fashion_mnist
    from zoo.data.tfds_builders import tfds as tfds
    from zoo.data.vocabulary import from_texts as from_texts

__getattr__, __dir__, __all__ = lazy_names(__name__)
