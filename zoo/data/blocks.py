"""Arrays on disk, read when indexed, for data sets larger than memory."""

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

GAP_BYTES = 1 << 15  # a smaller gap between two samples is read along, which costs less than another call
SPAN_BYTES = 1 << 23  # of one call
ALIGNMENT = 64  # bytes
SLICE_BYTES = 1 << 24  # of the slices in which a whole array is read


@dataclass(frozen=True, eq=False)
class Stored:
    """An array in a .npy file, made by `stored`; indexing its first axis reads samples.

    `x[2:5]`, `x[[7, 3]]`, `x[mask]` and `np.asarray(x)` are NumPy arrays. It is not a memory map, because the pages of
    a map count as memory of the process that has read them.

    Attributes:
        path: of the file. dtype: of its values. offset: bytes before the first sample.
        sample_shape: of one sample; may differ from the shape in the file, with as many values.
        indices: of each sample in the file, (n,).
    """

    path: Path
    dtype: np.dtype
    offset: int
    sample_shape: tuple[int, ...]
    indices: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.indices), *self.sample_shape)

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
        return len(self.indices)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, numbers.Integral):
            return self._read(self.indices[int(index)][None])[0]
        return self._read(self._in_file(index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def reshape(self, *shape: int) -> "Stored":
        """With samples of another shape; the first axis stays."""
        if shape[:1] != (len(self),) or math.prod(shape[1:]) != math.prod(self.sample_shape):
            raise InvalidValue(f"an array of shape {self.shape} on disk has no shape {shape} with the same samples")
        return dataclasses.replace(self, sample_shape=shape[1:])

    @cached_property
    def not_finite(self) -> np.ndarray:
        """Indices of samples with NaN or infinite values; reads floats once, integers never."""
        if self.dtype.kind != "f":
            return np.zeros(0, int)
        return np.concatenate([start + _not_finite(values) for start, values in _slices(self)])

    def _in_file(self, index: Any) -> np.ndarray:
        """Indices in the file of the samples that a slice, indices or a mask name."""
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.ndim != 1 or (index.size and index.dtype.kind not in "biu"):
                raise IndexError(f"{self.path}: samples on disk are indexed by a slice, by integers or by a mask, (n,)")
            index = index if index.size else index.astype(int)
        return self.indices[index]

    def _read(self, indices: np.ndarray) -> np.ndarray:
        values = self._empty(len(indices))
        rising = bool((np.diff(indices) > 0).all())  # otherwise each span is read into a buffer and reordered
        order = np.argsort(indices, kind="stable")
        indices, size = indices[order], self.sample_bytes
        spans = self._spans(indices)
        with open(self.path, "rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):  # so that the disk reads ahead
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
                    values[order[first:end]] = span[indices[first:end] - start]
        return values

    def _spans(self, indices: np.ndarray) -> list[tuple[int, int, int, int]]:
        """For each read of rising indices: first and end among them, first sample in the file, number of samples."""
        size = self.sample_bytes
        far = ((np.diff(indices) - 1) * size > GAP_BYTES) | (np.diff(indices * size // SPAN_BYTES) > 0)
        borders = [0, *(np.flatnonzero(far) + 1), len(indices)] if len(indices) else []
        return [
            (first, end, int(indices[first]), int(indices[end - 1] - indices[first]) + 1)
            for first, end in itertools.pairwise(borders)
        ]

    def _empty(self, count: int) -> np.ndarray:
        """An aligned buffer for samples, which TensorFlow takes over without a copy."""
        buffer = np.empty(count * self.sample_bytes + ALIGNMENT, "uint8")
        start = -buffer.ctypes.data % ALIGNMENT
        return buffer[start : start + count * self.sample_bytes].view(self.dtype).reshape(count, *self.sample_shape)


Array = np.ndarray | Stored


def stored(path: str | Path) -> Stored:
    """The array of a .npy file, (n, *input_shape), left on disk: `Dataset.split("big", zoo.data.stored("x.npy"), y)`.

    Write such a file piece by piece with `np.lib.format.open_memmap(path, "w+", dtype, shape)`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a .npy file of numbers, damaged, in Fortran order or in the byte order of other machines.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
        array = np.lib.format.open_memmap(path, mode="r")  # for its header, which is checked against the file
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
    """The samples of indices or a mask; an array on disk is not read."""
    return dataclasses.replace(x, indices=x._in_file(which)) if isinstance(x, Stored) else x[which]


def slices(x: Array) -> Iterator[np.ndarray]:
    """The whole array in consecutive slices that fit into memory; in one if it is in memory."""
    return (values for _, values in _slices(x))


def not_finite(x: Array) -> np.ndarray:
    """Indices of samples with NaN or infinite values."""
    return x.not_finite if isinstance(x, Stored) else _not_finite(x)


def _slices(x: Array) -> Iterator[tuple[int, np.ndarray]]:
    """Each slice with the index of its first sample."""
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
