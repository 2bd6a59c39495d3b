"""Whole arrays, split once, without leaks, with a hash that tells whether two runs saw the same data."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """One part of a data set: `x` (n, *input_shape), `y` (n,) or (n, outputs)."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """Arrays in memory: `train` to fit and to calibrate, `validation` to choose, `test` to be read once.

    Raises ValueError where values are missing (NaN), infinite or not numbers, where a part is empty, or where
    shapes disagree.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    labels: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        for part_name, (x, y) in self.parts.items():
            where = f"data set {self.name!r}, {part_name}"
            _check_pairs(where, x, y)
            if x.shape[1:] != self.input_shape:
                raise ValueError(f"{where}: inputs of shape {x.shape[1:]}, train has {self.input_shape}")
            for what, values in (("x", x), ("y", y)):
                bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
                if bad.size:
                    raise ValueError(
                        f"{where}: {what} has NaN or infinite values in {bad.size} of {len(values)} samples, "
                        f"first in sample {bad[0]}; remove or fill them before the data set is made"
                    )

    @property
    def parts(self) -> dict[str, Part]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return tuple(self.train.x.shape[1:])

    @cached_property
    def sha256(self) -> str:
        """Hash of every array: its dtype, its shape and its bytes, in order."""
        digest = hashlib.sha256()
        for part in self.parts.values():
            for values in part:
                digest.update(f"{values.dtype.str}{values.shape}".encode())
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    @classmethod
    def split(
        cls,
        name: str,
        x: np.ndarray,
        y: np.ndarray,
        *,
        test: float = 0.2,
        validation: float = 0.15,
        labels: tuple[str, ...] = (),
        licence: str = "",
        citation: str = "",
    ) -> "Dataset":
        """Splits by content, stratified by class where `y` holds integers.

        Samples are put in the order of the SHA-256 of their input, class by class, and cut there. So the split does
        not depend on the order of the file, on a seed or on a library's version, and equal inputs, which have equal
        hashes, never stand on two sides.

        Args:
            x, y: all samples, (n, *input_shape) and (n,) or (n, outputs).
            test, validation: fractions of all samples; what is left trains.

        Raises:
            ValueError: fractions outside (0, 1) or that leave nothing to train on; too few samples of a class.
        """
        x, y = np.asarray(x), np.asarray(y)
        if y.dtype == bool:
            y = y.astype("int32")
        if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
            raise ValueError(
                f"test={test} and validation={validation} must lie in (0, 1) and leave samples to train on"
            )
        _check_pairs(f"data set {name!r}", x, y)
        keys = np.array([hashlib.sha256(np.ascontiguousarray(sample).data).hexdigest() for sample in x])
        # One label per distinct input, so that a doubled input with two labels cannot end up on two sides either.
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        strata = y[first][inverse] if np.issubdtype(y.dtype, np.integer) and y.ndim == 1 else np.zeros(len(y), int)
        sides = np.empty(len(x), int)
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            members = members[np.argsort(keys[members], kind="stable")]
            position = np.searchsorted(keys[members], keys[members])  # equal inputs share the first one's position
            fraction = position / len(members)
            side = np.where(fraction < test, 2, np.where(fraction < test + validation, 1, 0))
            if len(np.unique(side)) < 3:
                raise ValueError(
                    f"data set {name!r}: class {stratum} has {len(np.unique(position))} different samples, too few to "
                    "be in train, validation and test; add samples or larger fractions"
                )
            sides[members] = side
        train, held_out, tested = (Part(x[sides == side], y[sides == side]) for side in (0, 1, 2))
        return cls(name, train, held_out, tested, labels=tuple(labels), licence=licence, citation=citation)


def _check_pairs(where: str, x: np.ndarray, y: np.ndarray) -> None:
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(f"{where}: {len(x)} inputs for {len(y)} targets; each sample needs one of both")
    for what, values in (("x", x), ("y", y)):
        if not np.issubdtype(values.dtype, np.number):
            hint = "; number them: np.unique(y, return_inverse=True)" if values.dtype.kind in "UOST" else ""
            raise ValueError(f"{where}: {what} is of dtype {values.dtype}; it must hold numbers{hint}")
