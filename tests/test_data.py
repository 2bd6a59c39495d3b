"""Splits without leaks, hashes, and bad values."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.data import Dataset, Part, digits, lengths, load, pad

BOUNDS = zoo.Bounds()


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


def keys(part):
    return {row.tobytes() for row in part.x + 0}


def apart(dataset):
    one, other, third = map(keys, dataset.parts.values())
    return not one & other and not one & third and not other & third


def test_groups_and_what_shares_a_sample_with_them_stay_together():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 30, 600)
    x = rng.normal(size=(600, 4)).astype("float32")
    x[groups == 7] = x[np.flatnonzero(groups == 8)[0]]  # so 7 and 8 hold the same sample
    y = rng.integers(0, 3, 600)
    dataset = Dataset.split("a", x, y, groups=groups)
    of = {row.tobytes(): {7: 8}.get(group, group) for row, group in zip(x, groups, strict=True)}
    there = [{of[row.tobytes()] for row in part.x} for part in dataset.parts.values()]
    assert not there[0] & there[1] and not there[0] & there[2] and not there[1] & there[2]
    assert sum(map(len, there)) == 29
    sizes = [len(part.x) / 600 for part in dataset.parts.values()]
    np.testing.assert_allclose(sizes, (0.65, 0.15, 0.2), atol=0.06)
    order = rng.permutation(600)
    again = Dataset.split("a", x[order], y[order], groups=groups[order] + 100)  # names of groups do not matter
    assert [keys(part) for part in again.parts.values()] == [keys(part) for part in dataset.parts.values()]
    with pytest.raises(ValueError, match="2 groups that share nothing are too few"):
        Dataset.split("a", x, y, groups=groups < 15)
    with pytest.raises(ValueError, match=r"groups of shape \(3,\) for 600 samples"):
        Dataset.split("a", x, y, groups=groups[:3])


def test_a_given_test_set_stays_whole_and_what_it_holds_does_not_train():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)), np.arange(300) % 3
    x_test, y_test = rng.normal(size=(60, 4)), np.arange(60) % 3
    x[:20] = x_test[:20]
    dataset = Dataset.with_test("a", (x, y), (x_test, y_test))
    np.testing.assert_array_equal(dataset.test.x, x_test)
    assert apart(dataset) and len(dataset.train.x) + len(dataset.validation.x) == 280
    np.testing.assert_allclose(len(dataset.validation.x) / 280, 0.15, atol=0.02)
    named = Dataset.with_test("a", (x, y), (x_test, y_test), validation=(x[:120], y[:120]))
    assert apart(named) and len(named.validation.x) == 100 and len(named.train.x) == 180
    with pytest.raises(ValueError, match="validation=1.5 must lie in"):
        Dataset.with_test("a", (x, y), (x_test, y_test), validation=1.5)


def test_by_time_no_moment_stands_on_two_sides_whatever_the_order_of_the_samples():
    rng = np.random.default_rng(0)
    series = rng.normal(size=1000)
    starts = rng.permutation(990)
    x = np.stack([series[t : t + 8] for t in starts])
    y = np.stack([series[t + 8 : t + 10] for t in starts])
    dataset = Dataset.by_time("a", x, y, starts, span=10)
    moments = [{v for pair in part for v in pair.ravel()} for part in dataset.parts.values()]
    assert not moments[0] & moments[1] and not moments[1] & moments[2] and not moments[0] & moments[2]
    when = {value: t for t, value in enumerate(series)}
    last, first = max(when[v] for v in moments[0]), min(when[v] for v in moments[2])
    assert last < min(when[v] for v in moments[1]) < max(when[v] for v in moments[1]) < first
    assert len(dataset.test.x) == 198
    x[starts < 5] = x[starts == 985]  # what comes again in test does not train
    assert apart(Dataset.by_time("a", x, y, starts, span=10))
    with pytest.raises(ValueError, match="a span of 200 leaves no samples between two borders"):
        Dataset.by_time("a", x, y, starts, span=200)
    with pytest.raises(ValueError, match="times of shape"):
        Dataset.by_time("a", x, y, starts[:3])


def test_minus_zero_equals_zero():
    x = np.arange(200.0).reshape(100, 2) // 20
    x[::2, 0] *= np.where(x[::2, 0] == 0, -1, 1)
    assert apart(Dataset.split("a", x, np.arange(100) % 2, test=0.3, validation=0.3))


@pytest.mark.parametrize(
    ("y", "labels", "message"),
    [
        (np.ones(100), (), "the target is 1.0 in all"),
        (np.ones(100, int), (), "the target is 1 in all"),
        (np.tile([0, 1], (100, 1)), (), r"the target is \[0, 1\] in all"),
        (np.where(np.arange(100) == 3, np.nan, 1.0), (), "y has NaN or infinite values in 1 of"),
        (np.array([None] * 100), (), "y is of dtype object; it must hold numbers"),
        (np.arange(100) % 3, ("no", "yes"), "classes run from 0 to 2, but there are 2 labels"),
        (np.arange(100) % 2 - 1, ("no", "yes"), "classes run from -1 to 0"),
    ],
)
def test_bad_targets(y, labels, message):
    with pytest.raises(ValueError, match=message):
        Dataset.split("mine", np.arange(200.0).reshape(100, 2), y, labels=labels)


def test_a_class_that_training_has_not_seen():
    x = np.arange(6.0).reshape(3, 2)
    seen, unseen = Part(x, np.array([0, 1, 1])), Part(x + 9, np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="data set 'mine', test: class 2 is not among the training samples"):
        Dataset("mine", seen, seen, unseen)

    one_hot = [Part(part.x, np.eye(3, dtype="float32")[part.y]) for part in (seen, seen, unseen)]
    recipe = zoo.Recipe(data=lambda: Dataset("hot", *one_hot), builder=zoo.fnn, task=zoo.Multiclass(3), bounds=BOUNDS)
    with pytest.raises(ValueError, match="data set 'hot', test: class 2 is not among the training samples"):
        recipe.load_data()


def test_names_are_as_many_as_what_they_name_and_go_with_their_axis():
    x, y = np.arange(600.0).reshape(100, 6), np.arange(100) % 2
    dataset = dataclasses.replace(Dataset.split("a", x, y), features=tuple("abcdef"), units=("m",) * 6)
    assert dataset.reshaped((2, 6 // 2)).features == () and dataset.reshaped((1, 6)).features == tuple("abcdef")
    np.testing.assert_array_equal(dataset.reshaped((3, 2)).test.x.reshape(-1, 6), dataset.test.x)
    with pytest.raises(ValueError, match=r"shape=\(7,\) does not hold the 6 values"):
        dataset.reshaped((7,))
    with pytest.raises(ValueError, match="2 features for inputs of shape"):
        dataclasses.replace(dataset, features=("a", "b"))
    assert digits().reshaped((8, 8)).sha256 == digits(shape=(8, 8)).sha256 == load("digits", shape=(8, 8)).sha256


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 3))
def test_padding_gives_lengths_and_values_back(sizes, channels):
    rng = np.random.default_rng(len(sizes))
    sequences = [rng.uniform(0.1, 1, (n, channels) if channels else n) for n in sizes]
    x = pad(sequences)
    assert x.shape[:2] == (len(sizes), max(sizes)) and lengths(x).tolist() == sizes
    for row, sequence in zip(x, sequences, strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence)
        assert not row[len(sequence) :].any()


@pytest.mark.parametrize(
    ("sequences", "steps", "message"),
    [
        ([], None, "there are no sequences"),
        ([np.ones((3, 2)), np.ones((3, 1))], None, "sequence 1 has steps of shape"),
        ([np.ones((3, 2)), np.ones((0, 2))], None, "sequence 1 has no steps"),
        ([np.ones((3, 2)), np.array([[1, 1], [0, 0]])], None, "sequence 1 has a step of zeros, step 1"),
        ([np.ones((3, 2))], 2, "steps=2 is less than the longest sequence, which has 3"),
    ],
)
def test_sequences_that_cannot_be_padded(sequences, steps, message):
    with pytest.raises(ValueError, match=message):
        pad(sequences, steps)


def test_folds_test_every_sample_once_and_tear_no_duplicates_apart():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3)).astype("float32")
    x = np.concatenate([x, x[:10]])  # ten of them doubled
    y = np.arange(100) % 4 == 0
    dataset = Dataset.split("mine", x, y.astype("int32"))
    tested = []
    for fold in dataset.folds(5, seed=3):
        sides = [{row.tobytes() for row in part.x} for part in fold.parts.values()]
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
        assert sum(len(part.x) for part in fold.parts.values()) == 100
        assert abs(fold.test.y.mean() - dataset.train.y.mean()) < 0.1, "stratified"
        tested.append(fold.test.x)
    assert sorted(row.tobytes() for row in np.concatenate(tested)) == sorted(row.tobytes() for row in x)
    again = [fold.test.x for fold in dataset.folds(5, seed=3)]
    other = [fold.test.x for fold in dataset.folds(5, seed=4)]
    assert all(np.array_equal(a, b) for a, b in zip(tested, again, strict=True))
    assert not np.array_equal(tested[0], other[0])


def test_folds_keep_groups_whole():
    x = np.random.default_rng(1).normal(size=(60, 2)).astype("float32")
    groups = np.repeat(np.arange(12), 5)
    of = {row.tobytes(): group for row, group in zip(x, groups, strict=True)}
    dataset = Dataset.split("mine", x, np.arange(60) % 2, groups=groups)
    for fold in dataset.folds(4):
        seen = [{of[row.tobytes()] for row in part.x} for part in fold.parts.values()]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
        assert [set(group) for group in fold.groups] == seen
    with pytest.raises(ValueError, match="too few"):
        list(dataset.folds(40))


def test_folds_are_not_for_data_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(2).normal(size=(60, 2)).astype("float32"))
    dataset = Dataset.split("large", zoo.data.stored(tmp_path / "x.npy"), np.arange(60) % 2)
    with pytest.raises(ValueError, match="'large' is on disk; folds need it in memory"):
        next(dataset.folds(3))
