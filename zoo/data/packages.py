"""Data sets that a Python package carries: no download, the same bytes for everybody."""

import numpy as np

from zoo.data.dataset import Dataset


def digits(shape: tuple[int, ...] = (8, 8, 1)) -> Dataset:
    """1,797 scans of handwritten digits, 8x8 grey values from 0 to 16, 10 classes, from scikit-learn.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998).

    Args:
        shape: of one input; (8, 8, 1) is an image, (8, 8) is eight steps of one row each, (64,) is a vector.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    if int(np.prod(shape)) != x.shape[1]:
        raise ValueError(f"digits: shape={shape} does not hold the 64 grey values of a scan; (8, 8, 1) does")
    return Dataset.split(
        "digits",
        x.reshape(-1, *shape).astype("float32"),
        y.astype("int32"),
        labels=tuple("0123456789"),
        licence="CC BY 4.0",
        citation="E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998, doi:10.24432/C50P49",
    )
