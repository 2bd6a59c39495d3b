"""Which samples train, which choose, which test: decided by what they hold, never by their place in a file."""

import hashlib

import numpy as np

from zoo.base.errors import InvalidValue
from zoo.data.blocks import Array, slices

TRAIN, VALIDATION, TEST = 0, 1, 2


def content_keys(x: Array) -> np.ndarray:
    """A key for each sample, (n,): equal inputs have equal keys."""
    return np.concatenate([_keys(values) for values in slices(x)])


def _keys(x: np.ndarray) -> np.ndarray:
    if np.issubdtype(x.dtype, np.floating):
        x = x + x.dtype.type(0)  # -0.0 equals 0.0, but not in its bytes
    x = np.ascontiguousarray(x)
    return np.array([hashlib.sha256(sample.data).hexdigest().encode() for sample in x])


def sides(where: str, keys: np.ndarray, strata: np.ndarray, test: float, validation: float) -> np.ndarray:
    """The side of each sample, (n,), stratified: each stratum is put in the order of its keys and cut there.

    So the split does not depend on the order of the file, on a seed or on a library's version, and equal keys never
    stand on two sides. With test=0 nothing goes there.
    """
    chosen = _cut(places(keys, strata), test, validation)
    for stratum in np.unique(strata):
        members = strata == stratum
        if len(np.unique(chosen[members])) < (3 if test else 2):
            raise InvalidValue(
                f"{where}: class {stratum} has {len(np.unique(keys[members]))} different samples, too few to be in "
                "train, validation and test; add samples or larger fractions"
            )
    return chosen


def grouped_sides(where: str, keys: np.ndarray, groups: np.ndarray, test: float, validation: float) -> np.ndarray:
    """Likewise, (n,), with whole groups on one side; groups that share a sample count as one."""
    before = grouped_places(keys, groups)
    chosen = _cut(before, test, validation)
    if len(np.unique(chosen)) < (3 if test else 2):
        raise InvalidValue(
            f"{where}: {len(np.unique(before))} groups that share nothing are too few to be in train, validation and "
            "test; add groups or larger fractions"
        )
    return chosen


def places(keys: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """How much of its stratum, in [0, 1), comes before each sample in the order of the keys; the same of equal keys."""
    # One stratum per distinct key, so that a doubled input with two labels cannot end up on two sides either.
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    strata = strata[first][inverse]
    found = np.empty(len(keys))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        members = members[np.argsort(keys[members], kind="stable")]
        found[members] = np.searchsorted(keys[members], keys[members]) / len(members)
    return found


def grouped_places(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Likewise with groups in the order of the least key in each; groups that share a sample count as one."""
    linked = _linked(keys, groups)
    order = np.argsort(keys, kind="stable")
    names, first = np.unique(linked[order], return_index=True)
    found, before = np.empty(len(keys)), 0
    for name in names[np.argsort(first)]:  # by the least key
        members = linked == name
        found[members] = before / len(keys)
        before += int(members.sum())
    return found


def salted(keys: np.ndarray, seed: int) -> np.ndarray:
    """Other keys, in another order for each seed, of which equal ones stay equal."""
    return np.array([hashlib.sha256(b"%d %s" % (seed, key)).hexdigest().encode() for key in keys])


def sides_by_time(
    where: str, times: np.ndarray, span: float, test: float, validation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Order of the samples by time, and the side of each in that order; -1 for those that would reach over a border.

    A sample at time t holds what happened from t to before t + `span`.
    """
    order = np.argsort(times, kind="stable")
    sorted_times = times[order]
    place = np.searchsorted(sorted_times, sorted_times) / len(times)  # samples of one time stay together
    chosen = np.where(place < 1 - test - validation, TRAIN, np.where(place < 1 - test, VALIDATION, TEST))
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
    """Which of the keys, (n,) of bool, none of the others holds."""
    return ~np.isin(keys, np.concatenate(others))


def _cut(fraction: np.ndarray, test: float, validation: float) -> np.ndarray:
    return np.where(fraction < test, TEST, np.where(fraction < test + validation, VALIDATION, TRAIN))


def _linked(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """A number for each sample, (n,): alike where samples share a group or a key, or a chain of these links them."""
    of_key = np.unique(keys, return_inverse=True)[1]
    of_group = np.unique(groups, return_inverse=True)[1]
    number = of_group
    while True:
        before = number
        for of in (of_key, of_group):
            least = np.full(of.max() + 1, len(keys))
            np.minimum.at(least, of, number)
            number = least[of]
        if (number == before).all():
            return number
