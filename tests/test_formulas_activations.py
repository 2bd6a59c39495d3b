"""Each activation, by name through a builder and with its derivative, against formulas/activations.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from formulas import activations as formula
from formulas.layers import dense

import zoo

pytestmark = pytest.mark.usefixtures("float64")
X = np.linspace(-4, 4, 24).reshape(6, 4)
ALPHA = np.array([-0.5, 0.0, 0.1, 0.7])  # of PReLU, one a unit

# What a builder's `activation` takes, a name or what makes a layer, and the formula.
ACTIVATIONS = {
    "linear": ("linear", formula.linear),
    "sigmoid": ("sigmoid", formula.sigmoid),
    "tanh": ("tanh", formula.tanh),
    "relu": ("relu", formula.relu),
    "leaky relu": ("leaky_relu", lambda x: formula.leaky_relu(x, slope=0.2)),
    "leaky relu as a layer": (keras.layers.LeakyReLU, lambda x: formula.leaky_relu(x, slope=0.3)),
    "leaky relu of 0.01": (lambda: keras.layers.LeakyReLU(0.01), formula.leaky_relu),
    "prelu": (keras.layers.PReLU, lambda x: formula.prelu(x, ALPHA)),
    "elu": ("elu", formula.elu),
    "gelu": ("gelu", formula.gelu),
    "silu": ("silu", formula.silu),
    "softmax": ("softmax", formula.softmax),
}


def derivative(activation, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.activations.get(activation)(x)
    return tape.gradient(y, x).numpy()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_the_formula(name, randomized):
    activation, expected = ACTIVATIONS[name]
    activation = activation if isinstance(activation, str) else activation()
    model = randomized(zoo.fnn((4,), 3, units=(4,), activation=activation))
    for weight in model.weights:
        if weight.path.endswith("/alpha"):
            weight.assign(ALPHA)
    (w1, b1), (w2, b2) = (layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Dense))
    before = dense(X, w1, b1)
    assert before.min() < -1 and before.max() > 1, "both sides of zero must be seen"
    # Keras keeps slopes, and TensorFlow the root in gelu, in float32 whatever the inputs.
    np.testing.assert_allclose(model(X), dense(expected(before), w2, b2), rtol=1e-6, atol=1e-7)


def test_derivatives_are_the_formulas():
    x = X.reshape(-1)
    for name in ("sigmoid", "tanh", "relu"):
        expected = getattr(formula, f"{name}_derivative")(x)
        np.testing.assert_allclose(derivative(name, x), expected, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(derivative("leaky_relu", x), formula.leaky_relu_derivative(x, slope=0.2), rtol=1e-7)
    x = tf.constant(X[3])
    with tf.GradientTape() as tape:
        tape.watch(x)
        p = keras.activations.softmax(x[None])[0]
    np.testing.assert_allclose(tape.jacobian(p, x), formula.softmax_derivative(X[3]), atol=1e-12)


def test_sigmoid_and_tanh_saturate_and_relu_does_not():
    """Gradients vanish through layers of what saturates: at best a quarter passes each sigmoid."""
    x = np.array([-10.0, -1.0, 0.0, 1.0, 10.0])
    slope = derivative("sigmoid", x)
    assert slope.max() == slope[2] == 0.25 and slope[[0, -1]].max() < 1e-4
    slope = derivative("tanh", x)
    assert slope.max() == slope[2] == 1 and slope[[0, -1]].max() < 1e-8
    assert derivative("relu", x).tolist() == [0, 0, 0, 1, 1], "and no gradient at 0"
    assert derivative("leaky_relu", x)[0] == pytest.approx(0.2), "a unit that is off can come back"


def test_deep_sigmoids_let_gradients_vanish(randomized):
    sizes = {}
    for activation in ("sigmoid", "relu"):
        model = zoo.fnn((4,), 1, units=(4,) * 8, activation=activation)
        for weight in model.weights:  # each layer passes on what it gets, so the activation alone is seen
            weight.assign(np.eye(*weight.shape) if len(weight.shape) == 2 else np.zeros(weight.shape))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(np.abs(X)))
        sizes[activation] = np.abs(tape.gradient(loss, model.trainable_weights[0])).max()
    assert sizes["sigmoid"] < 0.25**8 * sizes["relu"]


def test_softmax_is_shifted_so_that_nothing_overflows():
    x = np.array([[1000.0, 999.0, -1000.0]], "float32")
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(formula.softmax(x)).any(), "as introductions write it"
    output = zoo.Multiclass(3).output()  # what a file ends in
    np.testing.assert_allclose(output(x), formula.shifted_softmax(x.astype("float64")), atol=1e-6)
    np.testing.assert_allclose(formula.shifted_softmax(X), formula.softmax(X), rtol=1e-12)


def test_gelu_is_exact_as_a_name_and_approximate_as_an_op():
    x = X.reshape(-1)
    np.testing.assert_allclose(keras.activations.gelu(x), formula.gelu(x), atol=1e-7)
    np.testing.assert_allclose(keras.ops.gelu(x), formula.gelu_by_tanh(x), atol=1e-7)
    assert 1e-4 < np.abs(formula.gelu(x) - formula.gelu_by_tanh(x)).max() < 1e-3


def test_the_slope_of_leaky_relu_has_three_values():
    at = np.array([-1.0])
    assert np.allclose(keras.activations.leaky_relu(at), -0.2)
    assert np.allclose(keras.layers.LeakyReLU()(at), -0.3)
    assert np.allclose(formula.leaky_relu(at), -0.01)
    assert np.allclose(keras.layers.LeakyReLU(0.01)(at), -0.01)
