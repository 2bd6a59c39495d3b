"""Fashion-MNIST."""

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.carriers import DebianPackage, Source
from zoo.data.prepared import Prepared

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="fashion_mnist",
    task="10 classes of images",
    samples=70_000,
    shape=(28, 28, 1),
    licence="MIT",
    citation="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
    "Learning Algorithms, arXiv:1708.07747, 2017",
    carrier=Prepared(
        "fashion_mnist",
        DebianPackage(
            "dataset-fashion-mnist",
            Path("/usr/share/datasets/fashion-mnist"),
            packed={"train": 1504176606, "t10k": 1504176627},
        ),
    ),
    sha256="699ff835a8c2a0ae905d628d7c82cb537b197f19aed5482ede0acbdc6dd56724",
)


def fashion_mnist(validation: float = 0.15) -> "Dataset":
    """70,000 photographs of clothes, 28x28 grey values from 0 to 255, 10 classes.

    The test samples are the 10,000 of the authors; validation is a fraction of their 60,000 others, without those that
    test holds too.

    Source: H. Xiao, K. Rasul and R. Vollgraf (2017), from TensorFlow Datasets.
    """
    from zoo.data.tfds_builders import read_prepared

    assert isinstance(SOURCE.carrier, Prepared)
    return SOURCE.describe(read_prepared(SOURCE.carrier, "train", validation, "test"))
