"""Arrays on disk: read as NumPy reads, split as arrays in memory are, and trained on to the same bits."""

import tracemalloc

import keras
import numpy as np
import pytest
from test_training import KillAfter, Killed

import zoo
from zoo.data import Dataset, Part, Stored, stored
from zoo.recipe.recipe import adapt
from zoo.training.loop import evaluate, fit, predict, shuffled, shuffled_in_blocks

RANDOM = np.random.default_rng(0)


@pytest.fixture
def on_disk(tmp_path):
    """Writes an array and gives it back as one on disk."""

    def write(x, name="x.npy"):
        np.save(tmp_path / name, x)
        return stored(tmp_path / name)

    return write


@pytest.fixture
def tiny(monkeypatch):
    """Blocks of so many bytes, and slices of a few samples: what is large else."""

    def set_to(block):
        monkeypatch.setattr("zoo.training.feed.BLOCK_BYTES", block)
        monkeypatch.setattr("zoo.data.blocks.SLICE_BYTES", 1000)

    return set_to


MASK = RANDOM.random(500) < 0.6
INDICES = {
    "all": np.s_[:],
    "a piece": np.s_[17:40],
    "steps": np.s_[-3:4:-7],
    "nothing": np.s_[5:5],
    "an empty list": [],
    "one": 33,
    "the last": -1,
    "a mask": MASK,
    "in any order, and again": RANDOM.integers(-500, 500, 300),
    "a list": [7, 3, 3],
    "rising, and again": [3, 3, 5],
    "unsigned": np.array([9, 2], "uint8"),
}


@pytest.mark.parametrize("gap", [0, 64, 1 << 15])
@pytest.mark.parametrize("index", INDICES)
def test_it_reads_what_numpy_does(on_disk, index, gap, monkeypatch):
    monkeypatch.setattr("zoo.data.blocks.GAP_BYTES", gap)  # whether what lies between is read along
    monkeypatch.setattr("zoo.data.blocks.SPAN_BYTES", 200)
    for x in (
        RANDOM.normal(size=(500, 3, 2)).astype("float32"),
        RANDOM.integers(0, 255, (500, 5), "uint8"),
        np.arange(500),
    ):
        array = on_disk(x)
        assert (array.shape, array.ndim, array.dtype, array.nbytes) == (x.shape, x.ndim, x.dtype, x.nbytes)
        np.testing.assert_array_equal(array[INDICES[index]], x[INDICES[index]])
        assert array[INDICES[index]].dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(array), x)


def test_neighbours_are_read_in_one_call_however_large_they_are(on_disk):
    x = on_disk(np.zeros((100, 20_000), "float32"))  # a sample is larger than what may lie between two
    reads = [(start, count) for _, _, start, count in x._spans(np.array([3, 4, 5, 9, 10, 50]))]
    assert reads == [(3, 3), (9, 2), (50, 1)]


@pytest.mark.parametrize("index", [500, [0, -501], (slice(None), 0), [[1]], [0.5], MASK[:9], None])
def test_what_it_does_not_hold(on_disk, index):
    with pytest.raises(IndexError):
        on_disk(RANDOM.normal(size=(500, 3)))[index]


def test_files_that_cannot_be_trusted(tmp_path):
    x = RANDOM.normal(size=(50, 4))
    np.save(tmp_path / "good.npy", x)
    whole = (tmp_path / "good.npy").read_bytes()
    with pytest.raises(FileNotFoundError, match="there is no file"):
        stored(tmp_path / "none.npy")
    for content, message in [
        (whole[:-1], "cannot be read as an array on disk: mmap length is greater than file size"),
        (whole + b"0", "is longer than its header says"),
        (whole[:40], "cannot be read as an array on disk"),
        (b"", "cannot be read as an array on disk"),
        (b"a text", "cannot be read as an array on disk"),
    ]:
        (tmp_path / "bad.npy").write_bytes(content)
        with pytest.raises(ValueError, match=rf"bad.npy {message}"):
            stored(tmp_path / "bad.npy")
    for values, message in [
        (np.array([{}, {}]), "cannot be read as an array on disk: Array can't be memory-mapped: Python objects"),
        (np.asfortranarray(x), "is in Fortran order; write it anew"),
        (x.astype(">f8"), r"holds >f8 of shape \(50, 4\); numbers in this machine's byte order"),
        (np.array(["a", "b"]), r"holds <U1 of shape \(2,\); numbers"),
        (np.array(1.0), r"holds <f8 of shape \(\); numbers"),
    ]:
        np.save(tmp_path / "bad.npy", values)
        with pytest.raises(ValueError, match=rf"bad.npy {message}"):
            stored(tmp_path / "bad.npy")
    np.savez(tmp_path / "several.npz", x=x)
    with pytest.raises(ValueError, match="several.npz cannot be read as an array on disk"):
        stored(tmp_path / "several.npz")

    array = stored(tmp_path / "good.npy")
    (tmp_path / "good.npy").write_bytes(whole[:-100])
    np.testing.assert_array_equal(array[:10], x[:10])
    with pytest.raises(ValueError, match=r"good.npy has become shorter while it was in use"):
        array[40:]


X = RANDOM.integers(0, 9, size=(400, 4)).astype("float32")  # some of them several times
Y = RANDOM.integers(0, 3, 400)
CASES = {
    "split": lambda x: Dataset.split("a", x, Y),
    "groups": lambda x: Dataset.split("a", x, Y, groups=np.arange(400) // 10),
    "with_test": lambda x: Dataset.with_test("a", (x, Y), (X[:50], Y[:50])),
    "with_test and validation": lambda x: Dataset.with_test(
        "a", (x, Y), (X[:50], Y[:50]), validation=(X[50:90], Y[50:90])
    ),
    "by_time": lambda x: Dataset.by_time("a", x, Y, np.arange(400)[::-1]),
    "reshaped": lambda x: Dataset.split("a", x, Y).reshaped((2, 2)),
    "thinned": lambda x: Dataset.split("a", x, Y).thinned(77, seed=3),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_split_as_in_memory_and_has_the_same_hash(on_disk, case, tiny):
    tiny(1)
    here, there = CASES[case](X), CASES[case](on_disk(X))
    assert isinstance(there.train.x, Stored) and there.train.x.shape == here.train.x.shape
    for name, part in here.parts.items():
        np.testing.assert_array_equal(np.asarray(there.parts[name].x), part.x)
        np.testing.assert_array_equal(there.parts[name].y, part.y)
    assert there.sha256 == here.sha256


def test_what_is_no_number_is_found_on_disk(on_disk, tiny):
    tiny(1)
    x = X.copy()
    x[[300, 7], 1] = np.nan, np.inf
    parts = [Part(on_disk(v, name), Y) for v, name in ((x, "a.npy"), (X, "b.npy"), (X, "c.npy"))]
    with pytest.raises(ValueError, match="train: x has NaN or infinite values in 2 of 400 samples, first in sample 7"):
        Dataset("a", *parts)
    with pytest.raises(ValueError, match="400 inputs for 3 targets"):
        Dataset.split("a", on_disk(X), Y[:3])


def test_it_is_not_all_read_at_once(on_disk):
    x = on_disk(RANDOM.normal(size=(8000, 1000)))  # 64 MB
    tracemalloc.start()
    dataset = Dataset.split("a", x, np.arange(8000) % 2)
    assert dataset.sha256 and isinstance(dataset.train.x, Stored)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 16e6 < peak < 50e6  # pieces of 16 MB, and their copies without minus zero


def unevenness(order, classes, batch=32):
    """Chi-square of the classes in a batch by its degrees of freedom, averaged: 1 for batches drawn at random."""
    counts = np.stack([(classes[order].reshape(-1, batch) == c).sum(axis=1) for c in range(8)])
    return ((counts - batch / 8) ** 2 / (batch / 8)).sum(axis=0).mean() / 7


def test_what_is_sorted_on_disk_is_shuffled_nearly_as_well_as_in_memory(monkeypatch):
    n, block = 1 << 16, 1 << 13  # eight blocks, chunks of eight neighbours
    classes = np.arange(n) // (n // 8)  # each class as long as a block
    # Two of a batch are of one chunk with probability 7 / 8191, which adds 31 * 7 / 8191 = .03 to 1; .012 by chance.
    for epoch in range(3):
        assert unevenness(shuffled(1)(epoch, n), classes) == pytest.approx(1, abs=0.06)
        assert unevenness(shuffled_in_blocks(1, block)(epoch, n), classes) == pytest.approx(1.03, abs=0.06)
    monkeypatch.setattr("zoo.training.feed.CHUNKS", 32)
    assert unevenness(shuffled_in_blocks(1, block)(0, n), classes) > 1.5, "few large chunks would show"


@pytest.mark.parametrize(("n", "block"), [(100, 32), (5000, 2048), (5001, 4096), (10, 100)])
def test_each_sample_comes_once_in_an_order_of_seed_and_epoch(n, block):
    orders = [shuffled_in_blocks(seed, block)(epoch, n) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(n)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert (shuffled_in_blocks(1, block)(1, n) == orders[3]).all()


def compiled(dropout=0.2, soft=False):
    keras.utils.set_random_seed(3)
    model = zoo.fnn((4,), 3, units=(8,), dropout=dropout)
    loss = keras.losses.CategoricalCrossentropy if soft else keras.losses.SparseCategoricalCrossentropy
    model.compile("adam", loss(from_logits=True), metrics=["accuracy"])
    return model


@pytest.mark.parametrize(("case", "block"), [("weighted", 33 * 16), ("mixed", 130 * 16), ("plain", 1 << 20)])
def test_training_in_blocks_gives_the_weights_of_one_block_to_the_last_bit(on_disk, tiny, case, block):
    """390 samples of 16 bytes, a batch a block, four, or all; the last block and the last batch are smaller ones."""
    train, held_out, options = (X[:390], Y[:390]), (X[100:], Y[100:]), {"batch_size": 32, "epochs": 2, "seed": 5}
    if case == "weighted":
        options["sample_weight"] = RANDOM.uniform(0, 3, 390).astype("float32")
    if case == "mixed":
        options["mixing"] = zoo.augment.MixUp()
        train, held_out = ((x, np.eye(3, dtype="float32")[y]) for x, y in (train, held_out))
    here, there = (compiled(soft=case == "mixed") for _ in range(2))
    tiny(block)
    history = fit(there, (on_disk(train[0]), train[1]), (on_disk(held_out[0], "v.npy"), held_out[1]), **options)
    samples = {33 * 16: 32, 130 * 16: 128}.get(block)
    order = shuffled_in_blocks(5, samples) if samples else None
    assert fit(here, train, held_out, order=order, **options) == history
    for a, b in zip(here.weights, there.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_an_interrupted_training_in_blocks_comes_to_the_same_end(on_disk, tiny, tmp_path):
    tiny(1000)
    data = (on_disk(X), Y)
    options = {"epochs": 4, "fingerprint": "same", "seed": 2}
    whole, resumed = compiled(), compiled()
    expected = fit(whole, data, callbacks=[KillAfter(9)], **options)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr("zoo.training.loop.CHECKPOINT_SECONDS", 0)
        fit(compiled(), data, callbacks=[KillAfter(2)], checkpoint=tmp_path / "c.npz", **options)
    assert fit(resumed, data, callbacks=[KillAfter(9)], checkpoint=tmp_path / "c.npz", **options) == expected
    np.testing.assert_array_equal(whole.get_weights()[0], resumed.get_weights()[0])


def test_evaluation_and_prediction_go_by_pieces(on_disk, tiny):
    tiny(1000)
    model = compiled()
    x, y = np.tile(X, (6, 1)), np.tile(Y, 6)
    assert evaluate(model, (on_disk(x), y)) == evaluate(model, (x, y))
    np.testing.assert_array_equal(predict(model, on_disk(x)), predict(model, x))


def test_what_cannot_be_trained_in_blocks_is_told(on_disk, tiny, tmp_path):
    tiny(1000)
    x = on_disk(X)
    with pytest.raises(ValueError, match=r"batch_size='all' would take the 0.0 GB of .*x.npy into memory at once"):
        fit(compiled(), (x, Y), epochs=1, batch_size="all")
    x.path.write_bytes(x.path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="x.npy has become shorter"):
        fit(compiled(), (x, Y), epochs=1)


@pytest.mark.parametrize("shape", [(4,), (5, 3), (5, 3, 2)])
def test_normalization_learns_from_pieces(on_disk, tiny, shape):
    tiny(1)
    x = RANDOM.normal(3, 2, size=(400, *shape)).astype("float32")
    layer, inputs = keras.layers.Normalization(), keras.Input(shape)
    adapt(layer, keras.Model(inputs, layer(inputs)), on_disk(x))
    np.testing.assert_allclose(np.ravel(layer.mean), x.reshape(-1, shape[-1]).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(layer.variance), x.reshape(-1, shape[-1]).var(axis=0), rtol=1e-5)


def test_normalization_leaves_padding_out_of_pieces(on_disk, tiny):
    tiny(1)
    x = zoo.data.pad([RANDOM.normal(3, 2, size=(n, 3)).astype("float32") for n in RANDOM.integers(1, 9, 200)])
    layer, inputs = keras.layers.Normalization(), keras.Input((None, 3))
    adapt(layer, keras.Model(inputs, layer(keras.layers.Masking(0.0)(inputs))), on_disk(x))
    steps = x[x.any(axis=-1)]
    np.testing.assert_allclose(np.ravel(layer.mean), steps.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(layer.variance), steps.var(axis=0), rtol=1e-5)


@pytest.mark.usefixtures("converter_here")
def test_a_recipe_runs_on_bytes_on_disk(on_disk, tiny, tmp_path):
    tiny(1000)
    x = RANDOM.integers(0, 256, size=(400, 4), dtype="uint8")
    data = on_disk(x)
    recipe = zoo.Recipe(
        name="large",
        data=lambda: Dataset.split("large", data, (x[:, 0].astype(int) > x[:, 1]).astype(int), labels=("no", "yes")),
        builder=zoo.fnn,
        arguments={"units": (16,)},
        task=zoo.Binary(),
        preprocessing=[keras.layers.Normalization()],
        learning_rate=0.03,
        epochs=15,
        trials=1,
        trial_epochs=1,
        trial_samples=100,
        precisions=("int8",),
        space=lambda hp: {"learning_rate": hp.Float("rate", 0.02, 0.05)},
        bounds=zoo.Bounds(score=0.9, drop={"int8": 0.03}),
    )
    result = zoo.run(recipe, tmp_path / "run", report=str)
    assert result.verified, [file.refusal for file in result.files]
    assert result.record["baselines"] == {} and sum(result.record["data"]["samples"].values()) == 400
    assert zoo.verify(tmp_path / "run", recipe, report=str).verified
    assert 0 < zoo.find_learning_rate(recipe, tmp_path / "rate", report=str).suggestion < 10
