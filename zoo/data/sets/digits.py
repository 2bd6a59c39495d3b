"""Handwritten digits."""

import math
from typing import TYPE_CHECKING

from zoo.base.errors import InvalidValue
from zoo.data.carriers import SKLEARN, Source

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset

SOURCE = Source(
    name="digits",
    task="10 classes of images",
    samples=1_797,
    shape=(8, 8, 1),
    licence="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, doi:10.24432/C50P49",
    carrier=SKLEARN,
    sha256="94d394a7e36c800ab9d6ec361f37853da36b61cb54b70267f14bc8d6584ea7a9",
)


def digits(shape: tuple[int, ...] = (8, 8, 1)) -> "Dataset":
    """1,797 scans of handwritten digits, 8x8 grey values from 0 to 16, 10 classes. From scikit-learn.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998).

    Args:
        shape: of one input; (8, 8, 1) is an image, (8, 8) a sequence of its rows, (64,) a vector.
    """
    SOURCE.require()
    from sklearn.datasets import load_digits

    from zoo.data.dataset import Dataset

    x, y = load_digits(return_X_y=True)
    if math.prod(shape) != x.shape[1]:
        raise InvalidValue(f"digits: shape={shape} does not hold the 64 grey values of a scan; (8, 8, 1) does")
    x = x.reshape(-1, *shape).astype("float32")
    return SOURCE.describe(Dataset.split(SOURCE.name, x, y.astype("int32"), labels=tuple("0123456789")))
