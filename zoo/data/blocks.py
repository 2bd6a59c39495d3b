"""An array on disk that is read in pieces, for data sets that are larger than memory."""

import dataclasses
import itertools
import math
import numbers
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import InvalidValue

GAP_BYTES = 1 << 15  # what lies between two samples is read along up to here, which costs less than another call
SPAN_BYTES = 1 << 23  # of one call
ALIGNMENT = 64  # bytes
SLICE_BYTES = 1 << 24  # of the pieces in which a whole array goes by


@dataclass(frozen=True, eq=False)
class Stored:
    """An array in a .npy file, made by `stored`: what is asked for is read when it is asked for, from the first axis.

    `x[2:5]`, `x[[7, 3]]` and `x[mask]` are NumPy arrays, and so is all of it, `np.asarray(x)`. It is no memory map: the
    pages of a map count as memory of the process that has read them.

    Attributes:
        path: of the file. dtype: of its values. offset: bytes before the first sample.
        sample_shape: of one sample; it may be another than in the file, of as many values.
        places: where in the file each sample is, (n,), in samples.
    """

    path: Path
    dtype: np.dtype
    offset: int
    sample_shape: tuple[int, ...]
    places: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.places), *self.sample_shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def sample_bytes(self) -> int:
        return math.prod(self.sample_shape) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return len(self) * self.sample_bytes

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, numbers.Integral):
            return self._read(self.places[int(index)][None])[0]
        return self._read(self._at(index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def reshape(self, *shape: int) -> "Stored":
        """With samples of another shape; the first axis stays."""
        if shape[:1] != (len(self),) or math.prod(shape[1:]) != math.prod(self.sample_shape):
            raise InvalidValue(f"an array of shape {self.shape} on disk has no shape {shape} with the same samples")
        return dataclasses.replace(self, sample_shape=shape[1:])

    @cached_property
    def not_finite(self) -> np.ndarray:
        """Which samples hold NaN or infinite values; all are read for it, once, unless they are whole numbers."""
        if self.dtype.kind != "f":
            return np.zeros(0, int)
        return np.concatenate([start + _not_finite(values) for start, values in _pieces(self)])

    def _at(self, index: Any) -> np.ndarray:
        """Places of the samples that a slice, indices or a mask name."""
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.ndim != 1 or (index.size and index.dtype.kind not in "biu"):
                raise IndexError(f"{self.path}: samples on disk are named by a slice, by integers or by a mask, (n,)")
            index = index if index.size else index.astype(int)
        return self.places[index]

    def _read(self, places: np.ndarray) -> np.ndarray:
        values = self._empty(len(places))
        rising = bool((np.diff(places) > 0).all())  # else each span is read, and put where it belongs
        order = np.argsort(places, kind="stable")
        places, size = places[order], self.sample_bytes
        spans = self._spans(places)
        with open(self.path, "rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):  # all are asked for at once, so that the disk does not wait between calls
                for _, _, start, count in spans:
                    at = self.offset + start * size
                    os.posix_fadvise(file.fileno(), at, count * size, os.POSIX_FADV_WILLNEED)
            for first, end, start, count in spans:
                direct = rising and count == end - first
                span = values[first:end] if direct else self._empty(count)
                file.seek(self.offset + start * size)
                if file.readinto(span.reshape(-1).view("uint8")) < span.nbytes:  # type: ignore[arg-type]
                    raise InvalidValue(f"{self.path} has become shorter while it was in use; write it anew")
                if not direct:
                    values[order[first:end]] = span[places[first:end] - start]
        return values

    def _spans(self, places: np.ndarray) -> list[tuple[int, int, int, int]]:
        """What one call reads each, of rising places: which of them, first and end, and where and how many samples."""
        size = self.sample_bytes
        far = ((np.diff(places) - 1) * size > GAP_BYTES) | (np.diff(places * size // SPAN_BYTES) > 0)
        borders = [0, *(np.flatnonzero(far) + 1), len(places)] if len(places) else []
        return [
            (first, end, int(places[first]), int(places[end - 1] - places[first]) + 1)
            for first, end in itertools.pairwise(borders)
        ]

    def _empty(self, count: int) -> np.ndarray:
        """Room for samples that begins where TensorFlow wants it, which takes it over then without a copy."""
        room = np.empty(count * self.sample_bytes + ALIGNMENT, "uint8")
        start = -room.ctypes.data % ALIGNMENT
        return room[start : start + count * self.sample_bytes].view(self.dtype).reshape(count, *self.sample_shape)


Array = np.ndarray | Stored


def stored(path: str | Path) -> Stored:
    """The array of a .npy file, (n, *input_shape), left on disk: `Dataset.split("big", zoo.data.stored("x.npy"), y)`.

    Write such a file piece by piece with `np.lib.format.open_memmap(path, "w+", dtype, shape)`.

    Raises:
        FileNotFoundError: no such file. ValueError: it is no .npy file, or is damaged or cut, or holds no numbers, or
            holds them in Fortran order, in which a sample is in many places, or in the byte order of other machines.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
        array = np.lib.format.open_memmap(path, mode="r")  # for its header, whose values are checked against the file
    except (ValueError, OSError, EOFError) as error:
        raise InvalidValue(f"{path} cannot be read as an array on disk: {error}") from None
    assert isinstance(array, np.memmap)
    if path.stat().st_size != array.offset + array.nbytes:
        raise InvalidValue(f"{path} is longer than its header says; write it anew")
    if array.dtype.kind not in "iuf" or not array.dtype.isnative or array.ndim == 0:
        raise InvalidValue(
            f"{path} holds {array.dtype.str} of shape {array.shape}; numbers in this machine's byte order, a sample a "
            "row, are needed"
        )
    if not array.flags.c_contiguous:
        raise InvalidValue(f"{path} is in Fortran order; write it anew with np.save(path, np.ascontiguousarray(x))")
    return Stored(path, array.dtype, array.offset, array.shape[1:], np.arange(len(array)))


def subset(x: Array, which: np.ndarray) -> Array:
    """The samples that indices or a mask name; of an array on disk without reading them."""
    return dataclasses.replace(x, places=x._at(which)) if isinstance(x, Stored) else x[which]


def slices(x: Array) -> Iterator[np.ndarray]:
    """The whole array in consecutive pieces that go into memory: in one where it is there already."""
    return (values for _, values in _pieces(x))


def not_finite(x: Array) -> np.ndarray:
    """Which samples hold NaN or infinite values."""
    return x.not_finite if isinstance(x, Stored) else _not_finite(x)


def _pieces(x: Array) -> Iterator[tuple[int, np.ndarray]]:
    """Each piece with the number of its first sample."""
    if not isinstance(x, Stored):
        yield 0, x
        return
    step = max(1, SLICE_BYTES // max(1, x.sample_bytes))
    for start in range(0, len(x), step):
        yield start, x[start : start + step]


def _not_finite(x: np.ndarray) -> np.ndarray:
    return np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))


def as_array(x: Array | Sequence) -> Array:
    return x if isinstance(x, Stored) else np.asarray(x)
