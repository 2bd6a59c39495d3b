"""Splits without leaks, hashes, and bad values."""

import numpy as np
import pytest

from zoo.data import Dataset, Part, digits


def test_digits_are_whole_and_stratified():
    dataset = digits()
    parts = dataset.parts.values()
    assert sum(len(part.x) for part in parts) == 1797
    assert dataset.input_shape == (8, 8, 1)
    for part, fraction in zip(parts, (0.65, 0.15, 0.2), strict=True):
        counts = np.bincount(part.y, minlength=10)
        total = np.bincount(np.concatenate([p.y for p in parts]))
        np.testing.assert_allclose(counts / total, fraction, atol=0.02)


def test_the_split_does_not_depend_on_the_order_of_the_samples():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)).astype("float32"), rng.integers(0, 3, 300)
    order = rng.permutation(300)
    for one, other in zip(
        Dataset.split("a", x, y).parts.values(), Dataset.split("a", x[order], y[order]).parts.values(), strict=True
    ):
        assert {row.tobytes() for row in one.x} == {row.tobytes() for row in other.x}


def test_equal_inputs_never_stand_on_two_sides():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, size=(500, 4)).astype("float32")  # 81 distinct rows, most of them several times
    y = rng.integers(0, 2, 500)  # with different labels, too
    sides = [{row.tobytes() for row in part.x} for part in Dataset.split("a", x, y).parts.values()]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


def test_the_hash_tells_every_change():
    x, y = np.arange(400.0).reshape(100, 4), np.arange(100) % 2
    same, again = Dataset.split("a", x, y), Dataset.split("a", x, y)
    assert same.sha256 == again.sha256
    changed = x.copy()
    changed[7, 2] += 1e-9
    assert Dataset.split("a", changed, y).sha256 != same.sha256
    assert Dataset.split("a", x.astype("float32"), y).sha256 != same.sha256


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused_with_their_place(bad):
    x, y = np.zeros((100, 4)) + np.arange(100)[:, None], np.arange(100) % 2
    x[3, 1] = bad
    with pytest.raises(ValueError, match=r"data set 'mine', .*NaN or infinite values in 1 of"):
        Dataset.split("mine", x, y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.array([["a"], ["b"]] * 50), np.zeros(100), "it must hold numbers"),
        (np.zeros((100, 2)), np.zeros(99), "100 inputs for 99 targets"),
        (np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1]), "too few"),
    ],
)
def test_bad_arrays(x, y, message):
    with pytest.raises(ValueError, match=message):
        Dataset.split("mine", x, y)


def test_bad_fractions_and_shapes():
    x, y = np.zeros((10, 2)), np.zeros(10)
    with pytest.raises(ValueError, match=r"test=0\.8"):
        Dataset.split("mine", x, y, test=0.8, validation=0.3)
    with pytest.raises(ValueError, match="does not hold the 64"):
        digits(shape=(9, 8))
    with pytest.raises(ValueError, match="train has"):
        Dataset("mine", Part(x, y), Part(x[:, :1], y), Part(x, y))
