"""Augmentation against its definitions in NumPy, on fixed seeds; in a compiled epoch, in files and after export."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.models.augment import (
    ChannelMasking,
    CutMix,
    Jitter,
    MixUp,
    RandomCropAndResize,
    Scaling,
    SoftBinaryAccuracy,
    SynonymReplacement,
    TimeMasking,
    WindowCrop,
    WordDropout,
    WordSwap,
    for_images,
    for_sequences,
    for_text,
    preview,
)
from zoo.training.loop import fit

SYNONYMS = {3: [30], 4: [40, 41, 42], 9: [90, 91]}
SEQUENCE = {"jitter": Jitter, "scaling": Scaling, "window": WindowCrop, "time": TimeMasking, "channels": ChannelMasking}
TEXT = {
    "dropout": WordDropout,
    "unknown": lambda **more: WordDropout(unknown=1, **more),
    "swap": WordSwap,
    "synonyms": lambda **more: SynonymReplacement(SYNONYMS, **more),
}
LAYERS = {**SEQUENCE, **TEXT, "crop": RandomCropAndResize}


def series(n=32, steps=20, channels=6):
    """Of unit variance and different lengths, with padding behind, before, nowhere and everywhere."""
    x = np.random.default_rng(0).normal(size=(n, steps, channels)).astype("float32")
    x[0, 12:], x[1, :5], x[2] = 0, 0, 0
    return x


def tokens(n=64, length=12):
    x = np.random.default_rng(0).integers(2, 20, (n, length))
    for i in range(length):
        x[i, i:] = 0  # lengths from 0
    return x


def images(n=16):
    return np.random.default_rng(0).random((n, 12, 10, 1)).astype("float32")


def inputs_of(name):
    return images() if name == "crop" else series() if name in SEQUENCE else tokens()


def augmented(layer, x):
    return np.asarray(layer(x, training=True))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_off_unless_switched_on_repeatable_by_seed_and_keep_shape_and_dtype(name):
    x = inputs_of(name)
    layer = LAYERS[name](seed=5)
    assert np.array_equal(layer(x), x) and np.array_equal(layer(x, training=False), x)
    first, second = augmented(layer, x), augmented(layer, x)
    assert not np.array_equal(first, x) and not np.array_equal(first, second)
    assert first.shape == x.shape and first.dtype.kind == x.dtype.kind and np.isfinite(first).all()
    assert np.array_equal(augmented(LAYERS[name](seed=5), x), first)
    again = type(layer).from_config(layer.get_config())
    in_graph = tf.function(lambda batch: again(batch, training=True), autograph=False)
    np.testing.assert_allclose(in_graph(tf.constant(x)), first, atol=1e-6)


@pytest.mark.parametrize("name", SEQUENCE)
def test_padded_steps_stay_padded_and_no_other_becomes_padding(name):
    x = series()
    layer = SEQUENCE[name](seed=1)
    for _ in range(5):
        assert np.array_equal(augmented(layer, x).any(axis=2), x.any(axis=2))


def test_a_run_of_steps_whose_mean_is_zero_is_not_masked_into_padding():
    x = np.tile(np.float32([1, -1]), 10).reshape(1, 20, 1)
    for _ in range(5):
        assert augmented(TimeMasking(0.5), x).all()


def test_jitter_and_scaling_have_the_spread_that_is_asked_for():
    x = np.random.default_rng(0).normal(2, 1, size=(200, 30, 5)).astype("float32")
    noise = augmented(Jitter(0.3, seed=1), x) - x
    assert noise.mean() == pytest.approx(0, abs=0.01) and noise.std() == pytest.approx(0.3, rel=0.03)
    factors = augmented(Scaling(0.2, seed=1), x) / x
    np.testing.assert_allclose(factors, np.repeat(factors[:, :1], 30, axis=1), rtol=1e-4)  # one a series and channel
    assert factors[:, 0].mean() == pytest.approx(1, abs=0.02) and factors[:, 0].std() == pytest.approx(0.2, rel=0.1)


def test_window_crop_walks_a_straight_line_more_slowly_inside_its_ends():
    x = np.broadcast_to(np.arange(1.0, 41.0, dtype="float32")[:, None], (50, 40, 2)).copy()
    x[:, 30:] = 0  # 30 real steps, values 1 to 30
    out = augmented(WindowCrop(0.5, seed=2), x)[:, :30]
    slopes = np.diff(out, axis=1)
    np.testing.assert_allclose(slopes, np.broadcast_to(slopes[:, :1], slopes.shape), atol=1e-4)
    assert slopes.min() >= 0.5 - 1e-4 and slopes.max() <= 1 + 1e-4 and slopes.min() < 0.6
    assert out.min() >= 1 and out.max() <= 30 and out[:, 0].std() > 1


def test_time_masking_puts_the_mean_in_one_run_of_at_most_its_fraction():
    x = series()
    out = augmented(TimeMasking(0.5, seed=3), x)
    longest = 0
    for before, after in zip(x, out, strict=True):
        length = before.any(axis=1).sum()
        changed = np.flatnonzero((before != after).any(axis=1))
        longest = max(longest, len(changed))
        assert len(changed) <= length // 2
        if len(changed):
            assert np.array_equal(changed, np.arange(changed[0], changed[-1] + 1))
            mean = before.sum(axis=0) / length
            np.testing.assert_allclose(after[changed], np.broadcast_to(mean, after[changed].shape), atol=1e-5)
    assert longest >= 8


def test_channel_masking_puts_the_mean_in_neighbouring_channels():
    x = series(64)
    out = augmented(ChannelMasking(0.5, seed=3), x)
    counts = set()
    for before, after in zip(x, out, strict=True):
        changed = np.flatnonzero((before != after).any(axis=0))
        counts.add(len(changed))
        if len(changed):
            assert np.array_equal(changed, np.arange(changed[0], changed[-1] + 1))
            steps = before.any(axis=1)
            mean = np.broadcast_to(before[steps].mean(axis=0), before[steps].shape)
            np.testing.assert_allclose(after[steps][:, changed], mean[:, changed], atol=1e-5)
    assert counts == {0, 1, 2, 3}


def test_crop_and_resize_is_a_flat_window_of_a_slope():
    rows, columns = np.meshgrid(np.arange(30.0), np.arange(20.0), indexing="ij")
    x = np.broadcast_to(np.stack([rows, columns], axis=-1), (40, 30, 20, 2)).astype("float32")
    out = augmented(RandomCropAndResize(0.4, 4 / 3, seed=1), x)
    down, right = np.diff(out[..., 0], axis=1), np.diff(out[..., 1], axis=2)
    for steps in (down, right):  # the same step everywhere in an image
        np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1, :1], steps.shape), atol=1e-3)
    down, right = down[:, 0, 0], right[:, 0, 0]
    assert out.min() >= 0 and out[..., 0].max() <= 29 and out[..., 1].max() <= 19
    assert (down * right).min() >= 0.4 - 0.01 and (down * right).max() > 0.8  # parts of the area
    assert np.maximum(right / down, down / right).max() <= 4 / 3 + 0.01
    np.testing.assert_allclose(augmented(RandomCropAndResize(1, 1), x), x, atol=1e-4)


def test_word_dropout_takes_about_its_rate_and_never_all():
    x = np.random.default_rng(0).integers(2, 20, (300, 12))
    out = augmented(WordDropout(0.3, unknown=1, seed=1), x)
    assert ((out == x) | (out == 1)).all() and (out == 1).mean() == pytest.approx(0.3, abs=0.03)
    x = tokens()
    for before, after in zip(x, augmented(WordDropout(0.3, seed=1), x), strict=True):
        left, words = after[after != 0], before[before != 0]
        assert not after[len(left) :].any(), "padding stands behind the text"
        rest = iter(words.tolist())
        assert all(word in rest for word in left.tolist()), "what is left stands in the old order"
    assert augmented(WordDropout(0.99, seed=1), x[1:]).any(axis=1).all()


def test_word_swap_moves_words_by_one_place_among_words():
    x = np.random.default_rng(0).permuted(np.tile(np.arange(1, 13), (300, 1)), axis=1)
    x[0, 7:] = 0
    out = augmented(WordSwap(0.4, seed=1), x)
    assert np.array_equal(np.sort(out), np.sort(x)) and not out[0, 7:].any()
    assert (out != x).mean() == pytest.approx(0.4 * 11.5 / 12, abs=0.04)  # a word at an end may be without a pair
    moved = np.abs(np.argsort(out[1:], axis=1) - np.argsort(x[1:], axis=1))
    assert moved.max() == 1


def test_synonyms_come_from_the_table_alone_each_as_likely():
    x = np.random.default_rng(0).integers(0, 60, (400, 30))
    out = augmented(SynonymReplacement(SYNONYMS, 0.5, seed=1), x)
    changed = out != x
    assert set(x[changed]) == set(SYNONYMS)
    assert all(after in SYNONYMS[before] for before, after in zip(x[changed], out[changed], strict=True))
    assert changed[np.isin(x, list(SYNONYMS))].mean() == pytest.approx(0.5, abs=0.05)
    _, counts = np.unique(out[changed & (x == 4)], return_counts=True)
    assert len(counts) == 3 and counts.min() > 0.6 * counts.max()


def generator(seed=1):
    return keras.random.SeedGenerator(seed)


def test_mixup_is_a_weighted_mean_of_two_samples_and_of_their_targets():
    n = 300
    x = np.random.default_rng(0).random((n, 5, 2)).astype("float32")
    mixed, parts = (np.asarray(v) for v in MixUp(1.0)(x, np.eye(n, dtype="float32"), generator()))
    np.testing.assert_allclose(parts.sum(axis=1), 1, atol=1e-5)
    assert ((parts > 0).sum(axis=1) <= 2).all() and (parts[np.arange(n), np.arange(n)] > 0).all()
    np.testing.assert_allclose(mixed, np.einsum("nm,mtc->ntc", parts, x), atol=1e-5)
    own = np.diag(parts)[np.diag(parts) < 1]
    np.testing.assert_allclose(np.quantile(own, (0.25, 0.5, 0.75)), (0.25, 0.5, 0.75), atol=0.08)  # Beta(1, 1)
    _, weak = MixUp(0.1)(x, np.eye(n, dtype="float32"), generator())
    near = np.diag(weak)
    assert (np.minimum(near, 1 - near) < 0.1).mean() > 0.6


def test_cutmix_pastes_a_box_and_weighs_targets_by_its_pixels():
    n = 60
    x = np.broadcast_to(np.arange(n)[:, None, None, None], (n, 12, 9, 2)).astype("uint8")  # each image one value
    mixed, parts = (np.asarray(v) for v in CutMix()(x, np.eye(n, dtype="float32"), generator()))
    for i, image in enumerate(mixed):
        pasted = image[..., 0] != i
        assert np.array_equal(image[..., 0], image[..., 1])
        rows, columns = np.flatnonzero(pasted.any(axis=1)), np.flatnonzero(pasted.any(axis=0))
        assert pasted.sum() == len(rows) * len(columns), "a box"
        for value, count in zip(*np.unique(image[..., 0], return_counts=True), strict=True):
            assert parts[i, int(value)] == pytest.approx(count / 108, abs=1e-5)
    assert 0.2 < np.mean(mixed[..., 0] != np.arange(n)[:, None, None]) < 0.6


def trained(task, shape, x, y, mixing, epochs=3, **options):
    keras.utils.set_random_seed(3)
    model = zoo.fnn(shape, task.num_outputs, units=(8,), augmentation=options.pop("augmentation", ()))
    model.compile(keras.optimizers.Adam(0.02), loss=task.loss_function(), metrics=task.metrics())
    y = task.adapted(y).encode(y)
    return model, fit(model, (x, y), epochs=epochs, batch_size=20, mixing=mixing, **options)


def blobs(n=90):
    y = np.arange(n) % 3
    return (np.eye(3)[y] + np.random.default_rng(0).normal(0, 0.1, (n, 3))).astype("float32"), y


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (zoo.Multiclass(3, soft=True), lambda y: y),
        (zoo.Binary(soft=True), lambda y: y // 2),
        (zoo.Regression(), lambda y: y.astype("float32")),
    ],
)
def test_training_learns_from_mixtures(task, target):
    x, y = blobs()
    model, history = trained(task, (3,), x, target(y), MixUp(0.4), epochs=20)
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    if "accuracy" in history:
        outputs = np.asarray(task.output()(model(x)))
        assert task.score(target(y), outputs) > 0.9 and history["accuracy"][-1] > 0.75


def test_soft_targets_mean_what_class_numbers_mean():
    hard, soft = zoo.Multiclass(3), zoo.Multiclass(3, soft=True)
    y, logits = np.array([0, 2, 1]), np.random.default_rng(0).normal(size=(3, 3)).astype("float32")
    assert float(soft.loss_function()(soft.encode(y), logits)) == pytest.approx(
        float(hard.loss_function()(y, logits)), rel=1e-5
    )
    metric = SoftBinaryAccuracy(threshold=0.0)
    metric.update_state(np.float32([[0.7], [0.3], [1.0], [0.0]]), np.float32([[2.0], [-1.0], [-1.0], [3.0]]))
    assert float(metric.result()) == 0.5


class Killed(Exception):
    pass


class KillAfter(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise Killed


def test_an_interrupted_training_with_mixing_and_a_preset_comes_to_the_same_end(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.training.loop.CHECKPOINT_SECONDS", 0)
    x, y = images(50), np.arange(50) % 3
    task, shape = zoo.Multiclass(3, soft=True), (12, 10, 1)

    def run(**options):
        return trained(task, shape, x, y, CutMix(), epochs=4, augmentation=for_images(), **options)

    whole, expected = run()
    file = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        run(checkpoint=file, callbacks=[KillAfter()])
    resumed, history = run(checkpoint=file, callbacks=[keras.callbacks.Callback()])
    assert history == expected
    for a, b in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def mixtures(hp):
    return {"mixing": MixUp(hp.Float("alpha", 0.1, 1.0))}


def test_a_recipe_mixes_with_soft_targets_of_its_own_and_a_search_may_choose_how(tmp_path):
    fields = {
        "data": functools.partial(zoo.data.digits, shape=(64,)),
        "builder": zoo.fnn,
        "task": zoo.Multiclass(10),
        "bounds": zoo.Bounds(),
        "space": mixtures,
        "trials": 1,
        "trial_epochs": 1,
        "batch_size": 256,
    }
    found = zoo.tune(zoo.Recipe(**fields), tmp_path, report=lambda line: None)
    assert not found.best.error and found.recipe.mixing == MixUp(found.best.values["alpha"])
    assert found.recipe.task.soft
    recipe = zoo.Recipe(**fields, mixing=MixUp())
    assert recipe.task == zoo.Multiclass(10, soft=True)
    assert recipe.describe()["mixing"] == {"MixUp": {"alpha": 0.2}}
    assert recipe.replace(mixing=MixUp(0.5)).fingerprint(without=()) != recipe.fingerprint(without=())
    with pytest.raises(TypeError, match="mixing='mixup' must be None, zoo.augment.MixUp"):
        zoo.Recipe(**fields, mixing="mixup")


PRESETS = {
    "image": (for_images, images, zoo.cnn, {"filters": (2,)}),
    "sequence": (for_sequences, series, zoo.cnn, {"filters": (2,)}),
    "text": (lambda strength: for_text(strength, synonyms=SYNONYMS), tokens, zoo.fnn, {"units": (2,)}),
}


@pytest.mark.parametrize("strength", ["light", "strong"])
@pytest.mark.parametrize("kind", PRESETS)
def test_presets_change_what_is_trained_and_nothing_else(kind, strength, tmp_path):
    from zoo.exporting.inference import inference_model

    preset, data, builder, arguments = PRESETS[kind]
    x = data()
    model = builder(x.shape[1:], 3, augmentation=preset(strength), **arguments)
    assert not np.allclose(model(x, training=True), model(x, training=True))
    assert np.array_equal(model(x), model(x, training=False))
    y = np.asarray(model(x))
    layer = model.get_layer("augmentation")
    changed = np.asarray(layer(x, training=True))
    assert changed.shape == x.shape and np.isfinite(changed).all()
    if kind == "image":
        assert changed.min() >= 0 and changed.max() <= 1
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), y)
    assert len(again.get_layer("augmentation").layers) == len(layer.layers)
    exported = inference_model(model)
    np.testing.assert_allclose(exported(x), y, atol=1e-5)
    assert not any(isinstance(inner, zoo.Augmentation) for inner in exported.layers)


def test_export_drops_own_layers_outside_augmentation_too():
    from zoo.exporting.inference import inference_model

    inputs = keras.Input((20, 6))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(Jitter()(inputs)))
    assert not any(isinstance(layer, Jitter) for layer in inference_model(model).layers)


def test_a_mask_goes_through_augmentation():
    x = series()
    masked = zoo.gru((20, 6), 3, units=(2,), preprocessing=[keras.layers.Masking()], augmentation=for_sequences())
    shorter = zoo.gru((12, 6), 3, units=(2,))
    shorter.set_weights(masked.get_weights())
    np.testing.assert_allclose(masked(x[:1]), shorter(x[:1, :12]), atol=1e-6)  # the rest is padding


@pytest.mark.parametrize(
    ("layers", "x", "options"),
    [
        (for_images("strong"), images(), {}),
        (for_images("strong", value_range=(0, 255)), np.uint8(images(2)[..., [0, 0, 0]] * 255), {"samples": 9}),
        (for_sequences("strong"), series(), {}),
        (for_text("strong", synonyms=SYNONYMS), tokens()[12:], {"words": [f"w{i}" for i in range(100)]}),
    ],
)
def test_the_sheet_shows_originals_and_versions(layers, x, options, tmp_path):
    figure = preview(layers, x, tmp_path / "sheet.png", versions=2, **options)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 3 * min(options.get("samples", 4), len(x))
    assert figure.axes[0].get_title() == "original"
    shown = [panel.images[0].get_array() for panel in figure.axes[:3] if panel.images]
    if shown:
        assert not np.array_equal(shown[0], shown[1]) and not np.array_equal(shown[1], shown[2])
        again = preview(layers, x, versions=2, **options)
        assert np.array_equal(again.axes[1].images[0].get_array(), shown[1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WordDropout(1.0), ValueError, r"rate=1.0 must lie in \[0, 1\)"),
        (lambda: WordSwap("often"), TypeError, r"rate='often' must be a number in \[0, 1\)"),
        (lambda: WordDropout(unknown=0), ValueError, "unknown=0 must be at least 1"),
        (lambda: SynonymReplacement({}), TypeError, r"synonyms=\{\} must be a table"),
        (lambda: SynonymReplacement({3: []}), ValueError, r"synonyms\[3\]=\[\] is empty"),
        (lambda: SynonymReplacement({3: [0]}), ValueError, r"synonyms\[3\]=0 must be at least 1"),
        (lambda: SynonymReplacement({"a": [1]}), TypeError, "token of synonyms='a' must be a whole number"),
        (lambda: Jitter(-1), ValueError, "stddev=-1 must be a number of at least 0"),
        (lambda: Scaling(float("nan")), ValueError, "stddev=nan"),
        (lambda: TimeMasking(1), ValueError, r"fraction=1 must lie in \[0, 1\)"),
        (lambda: WindowCrop(0), ValueError, r"smallest=0 must lie in \[0.01, 1\]"),
        (lambda: RandomCropAndResize(2), ValueError, "area=2"),
        (lambda: MixUp(0), ValueError, r"alpha=0 must lie in \[0.05, 100\]"),
        (lambda: for_images("strog"), ValueError, "strength='strog' is not known; did you mean 'strong'"),
        (lambda: for_sequences(2), ValueError, "strength=2 is not known"),
        (lambda: for_text("heavy"), ValueError, "it is one of 'light', 'strong'"),
        (lambda: for_images(value_range=(1, 0)), ValueError, r"value_range=\(1, 0\)"),
        (lambda: zoo.fnn((6,), 3, augmentation=[Jitter()]), ValueError, r"\(steps, channels\), not \(6,\)"),
        (lambda: zoo.gru((5, 3), 3, augmentation=for_images()), ValueError, r"RandomFlip .*channels\), not \(5, 3\)"),
        (
            lambda: zoo.cnn((9, 9, 1), 3, augmentation=[keras.layers.RandomCrop(8, 8)]),
            ValueError,
            r"RandomCrop changes the shape \(9, 9, 1\) to \(8, 8, 1\).*RandomCropAndResize keeps it",
        ),
        (lambda: preview([], np.zeros(3)), ValueError, r"x of shape \(3,\) cannot be drawn"),
        (lambda: preview([], series(), samples=0), ValueError, "samples=0"),
    ],
)
def test_bad_arguments_are_named_with_their_value(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_what_cannot_be_mixed_is_told():
    x, y = blobs()
    with pytest.raises(ValueError, match=r"class numbers have no mixture; use one-hot.*soft=True"):
        trained(zoo.Multiclass(3), (3,), x, y, MixUp())
    with pytest.raises(ValueError, match=r"CutMix cuts boxes out of images .* the model reads \(3,\)"):
        trained(dataclasses.replace(zoo.Multiclass(3), soft=True), (3,), x, y, CutMix())
    model = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(9, 2), keras.layers.GlobalMaxPooling1D()])
    with pytest.raises(ValueError, match="the model reads tokens"):
        MixUp().check(model, np.zeros((2, 2), "float32"))
