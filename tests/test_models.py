"""One contract for every builder, and counts worked out by hand; formulas are in test_formulas_*.py."""

import keras
import numpy as np
import pytest

import zoo

BUILDERS = {
    "fnn": (zoo.fnn, (6,), {"units": (8, 4)}),
    "cnn2d": (zoo.cnn, (8, 8, 2), {"filters": (4, 6)}),
    "cnn1d": (zoo.cnn, (12, 3), {"filters": (4, 6)}),
    "rnn": (zoo.rnn, (5, 3), {"units": (4,)}),
    "lstm": (zoo.lstm, (5, 3), {"units": (4, 3)}),
    "gru": (zoo.gru, (5, 3), {"units": (4,), "bidirectional": True}),
}


def build(name, **more):
    builder, shape, arguments = BUILDERS[name]
    return builder(shape, 3, **{**arguments, **more})


@pytest.fixture(params=BUILDERS)
def name(request):
    return request.param


def sample(name, n=7):
    return np.random.default_rng(0).normal(size=(n, *BUILDERS[name][1])).astype("float32")


def test_ends_in_linear_logits(name):
    model = build(name)
    assert model.output_shape == (None, 3)
    assert model.layers[-1].name == "logits"
    assert model.layers[-1].activation is keras.activations.linear
    assert not model.compiled


def test_every_weight_has_a_finite_gradient(name):
    import tensorflow as tf

    model = build(name, dropout=0.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(sample(name), training=True) ** 2)
    for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None, weight.path
        values = gradient.numpy()
        assert np.isfinite(values).all() and np.abs(values).max() > 0, weight.path


def test_dropout_and_augmentation_act_in_training_only(name):
    model = build(name, dropout=0.5, augmentation=[keras.layers.GaussianNoise(0.5)])
    x = sample(name)
    assert np.array_equal(model(x, training=False), model(x, training=False))
    assert not np.allclose(model(x, training=True), model(x, training=True))
    assert np.array_equal(model(x), model(x, training=False)), "augmentation must be off unless it is asked for"


def test_penalties_are_in_the_losses(name):
    model = build(name, regularizer=keras.regularizers.L2(0.5))
    kernels = [w.numpy() for w in model.weights if w.path.endswith("/kernel")]
    assert float(sum(model.losses)) == pytest.approx(sum(0.5 * float((k**2).sum()) for k in kernels), rel=1e-5)
    assert not build(name).losses


def test_keras_file_round_trip(name, tmp_path):
    model = build(name, augmentation=[keras.layers.GaussianNoise(0.5)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(sample(name), verbose=0), model.predict(sample(name), verbose=0))


def test_same_seed_same_weights(name):
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        weights.append(build(name).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        # a Dense layer has (inputs + 1) * units
        (lambda: zoo.fnn((6,), 3, units=(8, 4)), (6 + 1) * 8 + (8 + 1) * 4 + (4 + 1) * 3),
        # a convolution without bias k*k*in*out, with four numbers a channel of batch normalization
        (
            lambda: zoo.cnn((8, 8, 2), 3, filters=(4,), convolutions=1),
            9 * 2 * 4 + 4 * 4 + (4 + 1) * 3,
        ),
        (lambda: zoo.rnn((5, 3), 3, units=(4,)), 4 * (3 + 4 + 1) + (4 + 1) * 3),
        (lambda: zoo.lstm((5, 3), 3, units=(4,)), 4 * 4 * (3 + 4 + 1) + (4 + 1) * 3),
        # reset_after keeps one bias for the input and one for the state
        (lambda: zoo.gru((5, 3), 3, units=(4,)), 3 * 4 * (3 + 4 + 2) + (4 + 1) * 3),
    ],
)
def test_parameter_counts(model, parameters):
    assert model().count_params() == parameters


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: zoo.fnn((), 3), ValueError, r"input_shape=\(\)"),
        (lambda: zoo.fnn(64, 3), TypeError, "input_shape=64 must be a tuple"),
        (lambda: zoo.fnn((4,), 0), ValueError, "num_outputs=0 must be at least 1"),
        (lambda: zoo.fnn((4,), 3, units=64), TypeError, "units=64 must be a tuple"),
        (lambda: zoo.fnn((4,), 3, units=(8, -1)), ValueError, r"units\[1\]=-1"),
        (lambda: zoo.fnn((4,), 3, units=(8.5,)), TypeError, r"units\[0\]=8.5"),
        (lambda: zoo.fnn((4,), 3, dropout=1.0), ValueError, r"dropout=1.0 must lie in \[0, 1\)"),
        (lambda: zoo.fnn((4,), 3, dropout="much"), TypeError, "dropout='much'"),
        (lambda: zoo.fnn((4,), 3, activation="rellu"), ValueError, "did you mean 'relu'"),
        (lambda: zoo.fnn((4,), 3, activation=3), TypeError, "activation=3"),
        (lambda: zoo.fnn((4,), 3, regularizer="l3"), ValueError, "regularizer='l3' is not known; It is one of 'l1'"),
        (lambda: zoo.fnn((4,), 3, regularizer=0.1), TypeError, "regularizer=0.1"),
        (lambda: zoo.fnn((4,), 3, normalization="bacth"), ValueError, "did you mean 'batch'"),
        (lambda: zoo.fnn((4,), 3, augmentation="flip"), TypeError, "augmentation='flip' must be a tuple"),
        (lambda: zoo.cnn((4,), 3), ValueError, r"input_shape=\(4,\) does not fit.*height, width"),
        (lambda: zoo.cnn((4, 4, 1), 3, filters=(4, 8, 16, 32)), ValueError, "use at most 3 stages"),
        (lambda: zoo.cnn((4, 4, 1), 3, filters=()), ValueError, r"filters=\(\) is empty"),
        (lambda: zoo.cnn((4, 4, 1), 3, head="pol"), ValueError, "did you mean 'pool'"),
        (lambda: zoo.rnn((4,), 3), ValueError, "steps, features"),
        (lambda: zoo.rnn((4, 2), 3, cell="ltsm"), ValueError, "did you mean 'lstm'"),
    ],
)
def test_bad_arguments_are_named_with_their_value(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_layer_as_activation_is_built_for_each_place():
    model = zoo.fnn((4,), 2, units=(3, 3), activation=keras.layers.PReLU())
    assert sum("alpha" in weight.path for weight in model.weights) == 2
