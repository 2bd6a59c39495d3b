"""Assigns samples to train, validation and test by their content, independent of their order in a file.

The "side" of a sample is TRAIN, VALIDATION or TEST.
"""

import hashlib

import numpy as np

from zoo.base.errors import InvalidValue
from zoo.data.blocks import Array, slices

TRAIN, VALIDATION, TEST = 0, 1, 2


def content_keys(x: Array) -> np.ndarray:
    """A key for each sample, (n,); equal inputs have equal keys."""
    return np.concatenate([_keys(values) for values in slices(x)])


def _keys(x: np.ndarray) -> np.ndarray:
    if np.issubdtype(x.dtype, np.floating):
        x = x + x.dtype.type(0)  # -0.0 equals 0.0, but not in its bytes
    x = np.ascontiguousarray(x)
    return np.array([hashlib.sha256(sample.data).hexdigest().encode() for sample in x])


def sides(where: str, keys: np.ndarray, strata: np.ndarray, test: float, validation: float) -> np.ndarray:
    """The side of each sample, (n,), stratified: each stratum is sorted by keys and cut; test=0 leaves test empty.

    Equal keys are on one side. Nothing depends on the order of the samples, a seed or the version of a library.
    """
    chosen = _cut(ranks(keys, strata), test, validation)
    for stratum in np.unique(strata):
        members = strata == stratum
        if len(np.unique(chosen[members])) < (3 if test else 2):
            raise InvalidValue(
                f"{where}: class {stratum} has {len(np.unique(keys[members]))} different samples, too few to be in "
                "train, validation and test; add samples or larger fractions"
            )
    return chosen


def grouped_sides(where: str, keys: np.ndarray, groups: np.ndarray, test: float, validation: float) -> np.ndarray:
    """The side of each sample, (n,), equal in each group; groups that share a sample count as one."""
    rank = grouped_ranks(keys, groups)
    chosen = _cut(rank, test, validation)
    if len(np.unique(chosen)) < (3 if test else 2):
        raise InvalidValue(
            f"{where}: {len(np.unique(rank))} groups that share nothing are too few to be in train, validation and "
            "test; add groups or larger fractions"
        )
    return chosen


def ranks(keys: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """The fraction of its stratum, in [0, 1), before each sample in the order of the keys; equal for equal keys."""
    # One stratum per key, so that equal inputs with two labels are on one side, too.
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    strata = strata[first][inverse]
    rank = np.empty(len(keys))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        members = members[np.argsort(keys[members], kind="stable")]
        rank[members] = np.searchsorted(keys[members], keys[members]) / len(members)
    return rank


def grouped_ranks(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The fraction of samples in groups before that of each sample, in the order of the least key of each group."""
    linked = _linked(keys, groups)
    order = np.argsort(keys, kind="stable")
    names, first = np.unique(linked[order], return_index=True)
    rank, before = np.empty(len(keys)), 0
    for name in names[np.argsort(first)]:  # by the least key
        members = linked == name
        rank[members] = before / len(keys)
        before += int(members.sum())
    return rank


def salted(keys: np.ndarray, seed: int) -> np.ndarray:
    """Other keys, in another order for each seed; equal keys stay equal."""
    return np.array([hashlib.sha256(b"%d %s" % (seed, key)).hexdigest().encode() for key in keys])


def sides_by_time(
    where: str, times: np.ndarray, span: float, test: float, validation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Order of the samples by time, and the side of each in that order; -1 for those across a border.

    A sample at time t covers t to t + `span`.
    """
    order = np.argsort(times, kind="stable")
    sorted_times = times[order]
    rank = np.searchsorted(sorted_times, sorted_times) / len(times)  # equal for equal times
    chosen = np.where(rank < 1 - test - validation, TRAIN, np.where(rank < 1 - test, VALIDATION, TEST))
    for later in (VALIDATION, TEST):
        if not (chosen == later).any():
            raise InvalidValue(f"{where}: {len(times)} samples are too few to be in train, validation and test")
        begins = sorted_times[chosen == later][0]
        chosen[(chosen < later) & (sorted_times + span > begins)] = -1
    if not ((chosen == TRAIN).any() and (chosen == VALIDATION).any()):
        raise InvalidValue(
            f"{where}: a span of {span} leaves no samples between two borders; take more time or less span"
        )
    return order, chosen


def apart(keys: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Whether each key, (n,), is not among the others."""
    return ~np.isin(keys, np.concatenate(others))


def _cut(fraction: np.ndarray, test: float, validation: float) -> np.ndarray:
    return np.where(fraction < test, TEST, np.where(fraction < test + validation, VALIDATION, TRAIN))


def _linked(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """A number for each sample, (n,), equal for samples that a chain of shared groups and keys links."""
    of_key = np.unique(keys, return_inverse=True)[1]
    of_group = np.unique(groups, return_inverse=True)[1]
    number = of_group
    while True:
        before = number
        for index in (of_key, of_group):
            least = np.full(index.max() + 1, len(keys))
            np.minimum.at(least, index, number)
            number = least[index]
        if (number == before).all():
            return number
