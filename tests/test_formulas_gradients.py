"""Back-propagation against finite differences, and against the chain rule written out; what bias and variance are."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from formulas import activations as formula
from formulas.layers import dense
from formulas.losses import binary_cross_entropy, categorical_cross_entropy, cross_entropy_gradient, one_hot

import zoo
from zoo.recipe.optimizers import make_optimizer
from zoo.training.loop import fit

pytestmark = pytest.mark.usefixtures("float64")
CLASSES = np.array([0, 2, 1])
PENALTY = {"regularizer": keras.regularizers.L1L2(0.01, 0.02)}
MODELS = {
    "fnn": lambda: zoo.fnn((3,), 3, units=(4, 3), activation="tanh", **PENALTY),
    "fnn with relu and batch normalization": lambda: zoo.fnn((3,), 3, units=(4,), normalization="batch"),
    "cnn": lambda: zoo.cnn((5, 4, 1), 3, filters=(2, 3), kernel_size=2, convolutions=1, **PENALTY),
    "cnn over series": lambda: zoo.cnn((6, 2), 3, filters=(3, 3), convolutions=1, normalization="layer"),
    "rnn": lambda: zoo.rnn((4, 2), 3, units=(2, 2)),
    "lstm": lambda: zoo.lstm((4, 2), 3, units=(2,), bidirectional=True),
    "gru": lambda: zoo.gru((4, 2), 3, units=(2,), preprocessing=[keras.layers.Masking(0.0)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_back_propagation_is_the_slope_of_the_loss(name, randomized):
    """Central differences, (L(w + h) - L(w - h)) / 2 h, of every single weight, in training, penalties included."""
    model = randomized(MODELS[name]())
    x = np.random.default_rng(1).normal(size=(3, *model.input_shape[1:]))
    if name == "gru":
        x[1, 2:] = 0  # masked
    task_loss = zoo.Multiclass(3).loss_function()

    @tf.function
    def loss():
        return task_loss(CLASSES, model(x, training=True)) + tf.add_n([tf.zeros((), "float64"), *model.losses])

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [weight.value for weight in model.trainable_weights])
    h = 1e-6
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        values, slopes = weight.numpy(), np.zeros(weight.shape)
        for index in np.ndindex(*weight.shape):
            sides = []
            for side in (h, -h):
                moved = values.copy()
                moved[index] += side
                weight.assign(moved)
                sides.append(float(loss()))
            slopes[index] = (sides[0] - sides[1]) / (2 * h)
        weight.assign(values)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8, err_msg=weight.path)
        assert np.abs(slopes).max() > 1e-6, f"{weight.path} does not act on the loss"


def test_back_propagation_is_the_chain_rule_layer_by_layer(randomized):
    model = randomized(zoo.fnn((3,), 3, units=(4, 5), activation="sigmoid"))
    w1, b1, w2, b2, w3, b3 = model.get_weights()
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)), one_hot(rng.integers(0, 3, 6), 3)

    h1 = dense(x, w1, b1, formula.sigmoid)  # forwards, each layer's output kept
    h2 = dense(h1, w2, b2, formula.sigmoid)
    z = dense(h2, w3, b3)
    d3 = cross_entropy_gradient(y, z) / len(x)  # backwards: dL/dz of each layer from that of the next
    d2 = d3 @ w3.T * h2 * (1 - h2)
    d1 = d2 @ w2.T * h1 * (1 - h1)
    expected = [x.T @ d1, d1.sum(axis=0), h1.T @ d2, d2.sum(axis=0), h2.T @ d3, d3.sum(axis=0)]

    with tf.GradientTape() as tape:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)(y, model(x, training=True))
    assert float(loss) == pytest.approx(categorical_cross_entropy(y, z), rel=1e-9)
    for ours, theirs in zip(tape.gradient(loss, model.trainable_weights), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def trained(x, y, epochs=60, **arguments):
    """A model that has seen all of (x, y) `epochs` times."""
    keras.utils.set_random_seed(1)
    model = zoo.fnn(x.shape[1:], 1, **arguments)
    model.compile(make_optimizer("adam", 0.03), loss=zoo.Binary().loss_function())
    fit(model, (x, y), epochs=epochs, batch_size=len(x))
    return model


def test_a_linear_model_keeps_its_bias_where_a_hidden_layer_has_none():
    """No line parts the corners of XOR (M. Minsky and S. Papert, 1969): underfitting shows in training already."""
    x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], "float64")
    y = np.array([[0], [1], [1], [0]], "float64")
    linear, deep = trained(x, y, epochs=150, units=()), trained(x, y, units=(16,))
    assert binary_cross_entropy(y, linear(x).numpy()) == pytest.approx(np.log(2), abs=1e-2), "as good as no answer"
    assert binary_cross_entropy(y, deep(x).numpy()) < 0.1


def test_variance_is_what_a_large_model_learns_of_noise():
    """Labels drawn by lot can be learned by heart and not foretold: overfitting is the gap to validation."""
    rng = np.random.default_rng(1)
    (x, y), (others, answers) = ((rng.normal(size=(n, 10)), rng.integers(0, 2, (n, 1)) * 1.0) for n in (40, 400))
    right, foretold = {}, {}
    for name, regularizer in {"large": None, "penalized": keras.regularizers.L2(0.3)}.items():
        model = trained(x, y, epochs=40, units=(64,), regularizer=regularizer)
        right[name] = ((model(x).numpy() > 0) == y).mean()
        foretold[name] = ((model(others).numpy() > 0) == answers).mean()
    assert right["large"] == 1
    assert all(abs(share - 0.5) < 0.1 for share in foretold.values()), "four deviations of 400 tosses"
    assert right["penalized"] < 0.9, "a penalty trades variance for bias"
