"""Arrays from a user's file, to calibrate an export and to measure it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.base.errors import InvalidValue

CALIBRATION_SAMPLES = 256
NAMES = "x (and y), or x_train, x_test (and y_test)"


@dataclass(frozen=True)
class Samples:
    """Data of an export: x and y (or None) to measure on, and calibration samples with their indices in `part`."""

    x: np.ndarray
    y: np.ndarray | None
    calibration: np.ndarray
    indices: np.ndarray
    part: str


def read_arrays(path: str | Path) -> tuple[np.ndarray | None, tuple[np.ndarray, np.ndarray | None]]:
    """Calibration samples, or None, and (x, y) to measure on: `calibration` and `test` of `zoo.export`.

    Args:
        path: of a .npz with the arrays x (and y), or x_train, x_test (and y_test), or of a .npy that is x.

    Raises:
        FileNotFoundError, ValueError: no such file, or no such arrays in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except Exception as error:  # zip, npy and pickle raise different ones
        raise InvalidValue(f"{path} cannot be read as .npz or .npy: {str(error).splitlines()[0]}") from None
    if "x_test" in arrays and "x_train" in arrays:
        return arrays["x_train"], (arrays["x_test"], arrays.get("y_test"))
    if "x" in arrays:
        return None, (arrays["x"], arrays.get("y"))
    raise InvalidValue(f"{path} holds {', '.join(arrays) or 'nothing'}; name the arrays {NAMES}")


def samples(calibration: np.ndarray | None, test: tuple[np.ndarray, np.ndarray | None]) -> Samples:
    """The data of an export from `calibration` and `test`; at most 256 samples calibrate.

    Without `calibration`, half of the test samples, at most 256, calibrate, and the others measure.
    """
    x, y = (None if array is None else _usable(array, name) for array, name in zip(test, ("x", "y"), strict=True))
    assert x is not None
    if y is not None and len(y) != len(x):
        raise InvalidValue(f"x has {len(x)} samples and y {len(y)}; they must be equally many")
    if calibration is not None:
        calibration = _usable(calibration, "calibration")
        if calibration.shape[1:] != x.shape[1:]:
            raise InvalidValue(
                f"calibration samples have shape {calibration.shape[1:]}, those to measure {x.shape[1:]}"
            )
        indices = chosen(len(calibration), 1)
        return Samples(x, y, calibration[indices], indices, "train")
    if len(x) < 2:
        raise InvalidValue(f"x has {len(x)} sample; give at least 2, better some hundreds")
    indices = chosen(len(x), 1, at_most=len(x) // 2)
    rest = np.setdiff1d(np.arange(len(x)), indices)
    return Samples(x[rest], None if y is None else y[rest], x[indices], indices, "x")


def chosen(count: int, seed: int, at_most: int = CALIBRATION_SAMPLES) -> np.ndarray:
    """Indices of the calibration samples among `count`, in order."""
    size = min(CALIBRATION_SAMPLES, at_most, count)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False))


def _usable(array: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim == 0 or (not np.issubdtype(array.dtype, np.number) and array.dtype != bool):
        raise InvalidValue(
            f"{name} is of type {array.dtype} and shape {array.shape}; numbers, a sample a row, are needed"
        )
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise InvalidValue(f"{name} has NaN or infinite values")
        return array.astype("float32")
    return array.astype("int64") if name == "y" else array
