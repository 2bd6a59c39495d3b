"""A data set: split once, without leaks, and hashed, so that two runs can be compared."""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.data.blocks import Array, Stored, as_array, not_finite, slices, subset
from zoo.data.splitting import (
    TEST,
    TRAIN,
    VALIDATION,
    apart,
    content_keys,
    grouped_ranks,
    grouped_sides,
    ranks,
    salted,
    sides,
    sides_by_time,
)


class Part(NamedTuple):
    """One part of a data set: `x` (n, *input_shape), in memory or `Stored`; `y` (n,) or (n, outputs), in memory."""

    x: Array
    y: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """`train` to fit and to calibrate, `validation` to choose, `test` to measure once.

    `split`, `with_test` and `by_time` make the parts without leaks. Inputs are arrays in memory, or on disk:
    `zoo.data.stored`.

    Attributes:
        labels: names of the classes, in the order of the integer targets.
        features, units: name and unit of each value of an input's last axis, "" where it has no unit.
        target, target_unit: name and unit of y.
        vocabulary: the word of each token, where inputs are tokens.
        groups: of the samples of train, validation and test, an array each, where the split keeps groups whole.
        categories: for each value of an input's last axis, its number of codes, 0 for a number.
        files: contents for the exported file's archive, by name, with which it reads raw input.
        notes: sentences on what was detected and left out in a user's own file.

    Raises:
        ValueError: values that are missing (NaN), infinite or not numbers, an empty part, shapes that disagree, a
            target that is constant in train, a class that train lacks, a wrong number of names.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    labels: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    features: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    target: str = ""
    target_unit: str = ""
    vocabulary: tuple[str, ...] = ()
    groups: tuple[np.ndarray, ...] = ()
    categories: tuple[int, ...] = ()
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part_name, (x, y) in self.parts.items():
            where = f"data set {self.name!r}, {part_name}"
            _check_pairs(where, x, y)
            if x.shape[1:] != self.input_shape:
                raise InvalidValue(f"{where}: inputs of shape {x.shape[1:]}, train has {self.input_shape}")
            for what, values in (("x", x), ("y", y)):
                bad = not_finite(values)
                if bad.size:
                    raise InvalidValue(
                        f"{where}: {what} has NaN or infinite values in {bad.size} of {len(values)} samples, "
                        f"first in sample {bad[0]}; remove or fill them before the data set is made"
                    )
        self._check_targets()
        for what, names in (("features", self.features), ("units", self.units)):
            if names and len(names) != self.input_shape[-1]:
                raise InvalidValue(
                    f"data set {self.name!r}: {len(names)} {what} for inputs of shape {self.input_shape}; "
                    f"{self.input_shape[-1]} are needed, or none"
                )

    def _check_targets(self) -> None:
        where, y = f"data set {self.name!r}", self.train.y
        classes = {name: np.unique(part.y) for name, part in self.parts.items() if _are_classes(part.y)}
        if len(y) > 1 and (y == y[:1]).all():
            raise InvalidValue(
                f"{where}: the target is {y[0].tolist()} in all {len(y)} training samples; there is nothing to learn"
            )
        for name, present in classes.items():
            if self.labels and (present[0] < 0 or present[-1] >= len(self.labels)):
                raise InvalidValue(
                    f"{where}, {name}: classes run from {present[0]} to {present[-1]}, but there are "
                    f"{len(self.labels)} labels, which name 0 to {len(self.labels) - 1}"
                )
            unseen = np.setdiff1d(present, classes.get("train", present))
            if unseen.size:
                raise InvalidValue(
                    f"{where}, {name}: class {unseen[0]} is not among the training samples, so no model can know it; "
                    "add samples of it or leave it out"
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
        """Hash of the dtype, shape and bytes of every array."""
        digest = hashlib.sha256()
        for part in self.parts.values():
            for values in part:
                digest.update(f"{values.dtype.str}{values.shape}".encode())
                for piece in slices(values):
                    digest.update(np.ascontiguousarray(piece).data)
        return digest.hexdigest()

    def reshaped(self, shape: Sequence[int]) -> "Dataset":
        """The same samples with inputs of another shape, such as images (28, 28, 1) as sequences of rows, (28, 28)."""
        shape = tuple(shape)
        if int(np.prod(shape)) != int(np.prod(self.input_shape)) or min(shape, default=0) < 1:
            raise InvalidValue(
                f"{self.name}: shape={shape} does not hold the {int(np.prod(self.input_shape))} values of an input; "
                f"{self.input_shape} does"
            )
        same_axis = shape[-1] == self.input_shape[-1]  # otherwise the names no longer fit
        train, validation, test = (Part(x.reshape(len(x), *shape), y) for x, y in self.parts.values())
        return dataclasses.replace(
            self, train=train, validation=validation, test=test,
            features=self.features if same_axis else (), units=self.units if same_axis else (),
        )  # fmt: skip

    def subsampled(self, samples: int, seed: int = 0) -> "Dataset":
        """With at most this many samples of train, drawn by `seed`, in their order; validation and test unchanged."""
        x, y = self.train
        kept = np.sort(np.random.default_rng(seed).permutation(len(x))[:samples])
        groups = (self.groups[0][kept], *self.groups[1:]) if self.groups else ()
        return dataclasses.replace(self, train=Part(subset(x, kept), y[kept]), groups=groups)

    thinned = subsampled  # its former name

    def folds(self, count: int, seed: int = 0) -> Iterator["Dataset"]:
        """Cross-validation: `count` data sets, of which each tests another part of all samples.

        Stratified by class, or by whole groups where the data set has groups; equal inputs stay in one part.

        Args:
            seed: another seed makes other folds.

        Raises:
            ValueError: too few samples of a class, or too few groups; or samples on disk.
        """
        check_size("count", count, minimum=2)
        if any(isinstance(part.x, Stored) for part in self.parts.values()):
            raise InvalidValue(f"data set {self.name!r} is on disk; folds need it in memory: train on its single split")
        x, y = (np.concatenate([part[i] for part in self.parts.values()]) for i in (0, 1))
        keys = salted(content_keys(x), seed)
        groups = np.concatenate(self.groups) if self.groups else None
        rank = ranks(keys, _strata(y)) if groups is None else grouped_ranks(keys, groups)
        fold = np.floor(rank * count).astype(int)
        held_out = len(self.validation.x) / (len(self.train.x) + len(self.validation.x))
        for i in range(count):
            where, rest = f"data set {self.name!r}, fold {i} of {count}", fold != i
            if rest.all():
                raise InvalidValue(f"{where}: there are too few groups to fill it")
            chosen = np.full(len(keys), TEST)
            if groups is None:
                chosen[rest] = sides(where, keys[rest], _strata(y)[rest], 0, held_out)
            else:
                chosen[rest] = grouped_sides(where, keys[rest], groups[rest], 0, held_out)
            train, validation, test = parted(x, y, chosen)
            yield dataclasses.replace(
                self, train=train, validation=validation, test=test, groups=_grouped(groups, chosen)
            )

    @classmethod
    def split(
        cls,
        name: str,
        x: Array,
        y: np.ndarray,
        *,
        test: float = 0.2,
        validation: float = 0.15,
        groups: np.ndarray | None = None,
        labels: tuple[str, ...] = (),
        licence: str = "",
        citation: str = "",
    ) -> "Dataset":
        """Splits by content, stratified by class where `y` holds integers, or by whole groups.

        Samples of each class are sorted by the SHA-256 of their input and cut into parts. So the split does not depend
        on the order of the file, a seed or the version of a library, and equal inputs are in the same part.

        Args:
            x, y: all samples, (n, *input_shape) and (n,) or (n, outputs).
            test, validation: fractions of all samples; the others are train.
            groups: of each sample, (n,), such as the person or the page it is from. All samples of a group are in one
                part, so that test measures new groups. Classes are then not balanced.

        Raises:
            ValueError: fractions outside (0, 1) or that leave nothing for train; too few samples of a class, or too few
                groups.
        """
        x, y, where = as_array(x), np.asarray(y), f"data set {name!r}"
        if y.dtype == bool:
            y = y.astype("int32")
        _check_fractions(test, validation)
        _check_pairs(where, x, y)
        keys = content_keys(x)
        if groups is None:
            chosen = sides(where, keys, _strata(y), test, validation)
        else:
            groups = np.asarray(groups)
            if groups.shape != (len(x),):
                raise InvalidValue(f"{where}: groups of shape {groups.shape} for {len(x)} samples; one each is needed")
            chosen = grouped_sides(where, keys, groups, test, validation)
        return cls(
            name, *parted(x, y, chosen), labels=tuple(labels), licence=licence, citation=citation,
            groups=_grouped(groups, chosen),
        )  # fmt: skip

    @classmethod
    def with_test(
        cls,
        name: str,
        train: tuple[Array, np.ndarray],
        test: tuple[Array, np.ndarray],
        *,
        validation: float | tuple[Array, np.ndarray] = 0.15,
        labels: tuple[str, ...] = (),
        licence: str = "",
        citation: str = "",
    ) -> "Dataset":
        """A data set with the test samples of its source, all of them in their order, so that scores are comparable.

        Samples that test holds too are removed from train and validation, and those of validation from train.

        Args:
            validation: samples, or a fraction of `train`, taken by content and stratified as in `split`.
        """
        where = f"data set {name!r}"
        (x, y), (x_test, y_test) = ((as_array(x), np.asarray(y)) for x, y in (train, test))
        _check_pairs(f"{where}, train", x, y)
        _check_pairs(f"{where}, test", x_test, y_test)
        tested, keys = content_keys(x_test), content_keys(x)
        kept = apart(keys, tested)
        if not kept.all():  # a copy only where needed
            x, y, keys = subset(x, kept), y[kept], keys[kept]
        if isinstance(validation, tuple):
            x_held, y_held = as_array(validation[0]), np.asarray(validation[1])
            _check_pairs(f"{where}, validation", x_held, y_held)
            held = content_keys(x_held)
            only = apart(held, tested)
            held_out, trains = Part(subset(x_held, only), y_held[only]), apart(keys, held)
        else:
            if not 0 < validation < 1:
                raise InvalidValue(f"validation={validation} must lie in (0, 1) and leave samples to train on")
            trains = sides(where, keys, _strata(y), 0, validation) == TRAIN
            held_out = Part(subset(x, ~trains), y[~trains])
        part, tests = Part(subset(x, trains), y[trains]), Part(x_test, y_test)
        return cls(name, part, held_out, tests, labels=tuple(labels), licence=licence, citation=citation)

    @classmethod
    def by_time(
        cls,
        name: str,
        x: Array,
        y: np.ndarray,
        times: np.ndarray,
        *,
        span: float = 0.0,
        test: float = 0.2,
        validation: float = 0.15,
        labels: tuple[str, ...] = (),
        licence: str = "",
        citation: str = "",
    ) -> "Dataset":
        """Splits by time: the first samples are train, the last ones test.

        Samples across a border are left out, and earlier samples whose input comes again in a later part.

        Args:
            x, y: all samples, in any order; windows may overlap.
            times: start of each sample, (n,).
            span: duration of a sample, its target included, in the unit of `times`.
            test, validation: fractions of all samples.
        """
        x, y, times, where = as_array(x), np.asarray(y), np.asarray(times), f"data set {name!r}"
        _check_fractions(test, validation)
        _check_pairs(where, x, y)
        if times.shape != (len(x),) or not np.isfinite(times).all():
            raise InvalidValue(f"{where}: times of shape {times.shape} for {len(x)} samples; one number each is needed")
        order, chosen = sides_by_time(where, times, span, test, validation)
        x, y, keys = subset(x, order), y[order], content_keys(x)[order]
        for earlier in (VALIDATION, TRAIN):
            again = (chosen == earlier) & np.isin(keys, keys[chosen > earlier])
            chosen[again] = -1
        return cls(name, *parted(x, y, chosen), labels=tuple(labels), licence=licence, citation=citation)


def parted(x: Array, y: np.ndarray, sides: np.ndarray) -> tuple[Part, Part, Part]:
    """Train, validation and test of samples, by their side; those with another side are left out."""
    train, validation, test = (Part(subset(x, sides == side), y[sides == side]) for side in (TRAIN, VALIDATION, TEST))
    return train, validation, test


def _grouped(groups: np.ndarray | None, sides: np.ndarray) -> tuple[np.ndarray, ...]:
    return () if groups is None else tuple(groups[sides == side] for side in (TRAIN, VALIDATION, TEST))


def _are_classes(y: np.ndarray) -> bool:
    return y.ndim == 1 and np.issubdtype(y.dtype, np.integer)


def _strata(y: np.ndarray) -> np.ndarray:
    return y if _are_classes(y) else np.zeros(len(y), int)


def _check_fractions(test: float, validation: float) -> None:
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise InvalidValue(f"test={test} and validation={validation} must lie in (0, 1) and leave samples to train on")


def _check_pairs(where: str, x: Array, y: np.ndarray) -> None:
    if len(x) == 0 or len(x) != len(y):
        raise InvalidValue(f"{where}: {len(x)} inputs for {len(y)} targets; each sample needs one of both")
    for what, values in (("x", x), ("y", y)):
        if not np.issubdtype(values.dtype, np.number):
            hint = "; number them: np.unique(y, return_inverse=True)" if values.dtype.kind in "UOST" else ""
            raise InvalidValue(f"{where}: {what} is of dtype {values.dtype}; it must hold numbers{hint}")
