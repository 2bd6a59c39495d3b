"""Each loss of the tasks, and each penalty of the builders, against formulas/losses.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from formulas import losses as formula

import zoo

pytestmark = pytest.mark.usefixtures("float64")
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(20, 4)) * 3
CLASSES = RNG.integers(0, 4, 20)
ONE_HOT = formula.one_hot(CLASSES, 4)
YES = RNG.integers(0, 2, (20, 1)).astype("float64")
VALUES, TARGETS = RNG.normal(size=(2, 20, 3))


def gradient(loss, y, z):
    z = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(y, z)
    return tape.gradient(value, z).numpy()


def test_binary_cross_entropy_is_the_formula():
    loss, z = zoo.Binary().loss_function(), LOGITS[:, :1]
    assert float(loss(YES, z)) == pytest.approx(formula.binary_cross_entropy(YES, z), rel=1e-9)
    assert formula.stable_binary_cross_entropy(YES, z) == pytest.approx(formula.binary_cross_entropy(YES, z), rel=1e-9)
    np.testing.assert_allclose(gradient(loss, YES, z), (formula.sigmoid(z) - YES) / len(z), rtol=1e-9)


def test_categorical_sparse_and_likelihood_are_one_quantity():
    expected = formula.categorical_cross_entropy(ONE_HOT, LOGITS)
    assert formula.negative_log_likelihood(CLASSES, LOGITS) == pytest.approx(expected, rel=1e-12)
    sparse = zoo.Multiclass(4).loss_function()
    categorical = keras.losses.CategoricalCrossentropy(from_logits=True)
    assert float(sparse(CLASSES, LOGITS)) == pytest.approx(expected, rel=1e-9)
    assert float(categorical(ONE_HOT, LOGITS)) == pytest.approx(expected, rel=1e-9)
    for loss, y in ((sparse, CLASSES), (categorical, ONE_HOT)):
        by_sample = formula.cross_entropy_gradient(ONE_HOT, LOGITS)
        np.testing.assert_allclose(gradient(loss, y, LOGITS), by_sample / len(LOGITS), atol=1e-12)


def test_two_classes_are_binary_with_the_difference_of_logits():
    two = LOGITS[:, :2]
    sparse = zoo.Multiclass(2).loss_function()(YES[:, 0].astype(int), two)
    assert float(sparse) == pytest.approx(float(zoo.Binary().loss_function()(YES, two[:, 1:] - two[:, :1])), rel=1e-9)


def test_label_smoothing_is_the_formula():
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    expected = formula.categorical_cross_entropy(formula.smoothed(ONE_HOT, 0.1), LOGITS)
    assert float(loss(ONE_HOT, LOGITS)) == pytest.approx(expected, rel=1e-9)
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    expected = formula.binary_cross_entropy(YES * 0.9 + 0.05, LOGITS[:, :1])  # of two classes, half goes to each
    assert float(loss(YES, LOGITS[:, :1])) == pytest.approx(expected, rel=1e-9)


def test_large_logits_give_no_overflow():
    """From logits the loss is what it should be; from a probability that has become 0, Keras' epsilon."""
    z = np.array([[1000.0, 0.0, -1000.0]])
    with np.errstate(all="ignore"):
        assert not np.isfinite(formula.negative_log_likelihood(np.array([2]), z)), "as introductions write it"
    loss = zoo.Multiclass(3).loss_function()
    for y, expected in ((0, 0), (1, 1000), (2, 2000)):
        assert float(loss(np.array([y]), z)) == pytest.approx(expected)
        assert np.isfinite(gradient(loss, np.array([y]), z)).all()
    binary = zoo.Binary().loss_function()
    for logit, y, expected in ((1000, 0, 1000), (1000, 1, 0), (-1000, 1, 1000)):
        assert float(binary(np.array([[y]]), np.array([[logit]], "float64"))) == pytest.approx(expected)
        assert formula.stable_binary_cross_entropy(y, np.float64(logit)) == pytest.approx(expected)
    p = np.array([[1.0, 0.0]])
    from_probabilities = keras.losses.SparseCategoricalCrossentropy()
    assert float(from_probabilities(np.array([1]), p)) == pytest.approx(-np.log(keras.config.epsilon()), rel=1e-5)


def test_squared_absolute_and_huber_errors_are_the_formulas():
    expected = formula.mean_squared_error(TARGETS, VALUES)
    assert float(zoo.Regression(3).loss_function()(TARGETS, VALUES)) == pytest.approx(expected, rel=1e-9)
    expected = formula.mean_absolute_error(TARGETS, VALUES)
    assert float(keras.losses.MeanAbsoluteError()(TARGETS, VALUES)) == pytest.approx(expected, rel=1e-9)
    (metric,) = zoo.Regression(3).metrics()
    metric.update_state(TARGETS, VALUES)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-9)
    for delta in (0.5, 1.0):
        assert (np.abs(TARGETS - VALUES) > delta).any() and (np.abs(TARGETS - VALUES) < delta).any()
        expected = formula.huber(TARGETS, VALUES, delta)
        assert float(keras.losses.Huber(delta)(TARGETS, VALUES)) == pytest.approx(expected, rel=1e-9)


def test_absolute_error_is_less_moved_by_an_outlier():
    """Its gradient does not grow with the error, and what it fits best is the median, not the mean."""
    y, p = np.zeros((2, 1)), np.array([[1.0], [100.0]])
    small, large = gradient(keras.losses.MeanSquaredError(), y, p)[:, 0]
    assert large == pytest.approx(100 * small)
    small, large = gradient(keras.losses.MeanAbsoluteError(), y, p)[:, 0]
    assert large == small
    sample = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    candidates = np.linspace(0, 50, 5001)
    squared = [formula.mean_squared_error(sample, c) for c in candidates]
    absolute = [formula.mean_absolute_error(sample, c) for c in candidates]
    assert candidates[np.argmin(squared)] == pytest.approx(sample.mean())
    assert candidates[np.argmin(absolute)] == pytest.approx(np.median(sample))


BUILDERS = {
    "fnn": lambda **more: zoo.fnn((4,), 3, units=(5,), **more),
    "cnn": lambda **more: zoo.cnn((4, 4, 1), 3, filters=(2,), **more),
    "lstm": lambda **more: zoo.lstm((3, 2), 3, units=(2,), **more),
}
PENALTIES = {
    "l1": ("l1", lambda w: formula.l1(w, 0.01)),
    "l2": ("l2", lambda w: formula.l2(w, 0.01)),
    "l1 of 0.3": (keras.regularizers.L1(0.3), lambda w: formula.l1(w, 0.3)),
    "l2 of 0.3": (keras.regularizers.L2(0.3), lambda w: formula.l2(w, 0.3)),
    "elastic net": (keras.regularizers.L1L2(0.2, 0.3), lambda w: formula.elastic_net(w, 0.2, 0.3)),
}


@pytest.mark.parametrize("builder", BUILDERS)
def test_penalties_are_the_formulas(builder, randomized):
    """On every kernel, the logits' too, and on no bias."""
    for name, (regularizer, expected) in PENALTIES.items():
        model = randomized(BUILDERS[builder](regularizer=regularizer))
        kernels = [w.numpy() for w in model.weights if w.path.endswith("/kernel")]
        assert len(kernels) >= 2
        total = float(sum(model.losses))
        assert total == pytest.approx(sum(expected(w) for w in kernels), rel=1e-6), name  # L1(0.3) keeps it in float32


def test_l2_pulls_a_weight_by_twice_its_rate_and_l1_by_the_rate_alone():
    w = tf.Variable([-2.0, 0.5])
    for regularizer, expected in ((keras.regularizers.L2(0.1), [-0.4, 0.1]), (keras.regularizers.L1(0.1), [-0.1, 0.1])):
        with tf.GradientTape() as tape:
            penalty = regularizer(w)
        np.testing.assert_allclose(tape.gradient(penalty, w), expected, rtol=1e-6)


def test_the_penalty_of_activities_is_divided_by_the_batch():
    x = RNG.normal(size=(5, 3))
    layer = keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(0.5))
    y = layer(x).numpy()
    assert float(layer.losses[0]) == pytest.approx(formula.l2(y, 0.5) / 5, rel=1e-9)
    # Only the samples are counted, so a sequence of ten times the steps is penalized ten times as much.
    sequence = keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(0.5))
    y = sequence(RNG.normal(size=(5, 10, 3))).numpy()
    assert float(sequence.losses[0]) == pytest.approx(formula.l2(y, 0.5) / 5, rel=1e-9)


def test_max_norm_is_the_formula_and_acts_after_each_update():
    w = RNG.normal(size=(4, 6)) * np.array([0.1, 0.1, 1, 1, 3, 3])
    lengths = np.sqrt((w**2).sum(axis=0))
    assert (lengths < 1.5).any() and (lengths > 1.5).any()
    np.testing.assert_allclose(keras.constraints.MaxNorm(1.5)(w), formula.max_norm(w, 1.5), rtol=1e-5)
    variable = keras.Variable(w)
    variable.constraint = keras.constraints.MaxNorm(1.5)
    keras.optimizers.SGD(0.1).apply([np.ones_like(w)], [variable])
    np.testing.assert_allclose(variable.numpy(), formula.max_norm(w - 0.1, 1.5), rtol=1e-5)
