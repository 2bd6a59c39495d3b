"""Each optimizer, several steps, against formulas/optimizers.py, and gradient descent through our training loop."""

import itertools

import keras
import numpy as np
import pytest
from formulas import losses
from formulas import optimizers as formula
from formulas.layers import dense

import zoo
from zoo.recipe.optimizers import make_optimizer
from zoo.training.loop import fit

pytestmark = pytest.mark.usefixtures("float64")
RNG = np.random.default_rng(0)
START = RNG.normal(size=(3, 2))
# Of all sizes, with a zero and a change of sign, so that no two formulas agree by chance.
GRADIENTS = list(RNG.normal(size=(7, 3, 2)) * np.array([1e-4, 1, 10, 0, -1, 3, 0.1])[:, None, None])


def path(optimizer, gradients, start=START):
    """The weights after each step of a Keras optimizer."""
    w = keras.Variable(start)
    for g in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g)], [w])
        yield w.numpy()


# Through our names where there is one, with Keras' own defaults.
OPTIMIZERS = {
    "sgd": (lambda: make_optimizer("sgd", 0.1), lambda: formula.sgd(START, GRADIENTS, 0.1)),
    "momentum": (
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: formula.momentum(START, GRADIENTS, 0.1, 0.9),
    ),
    "nesterov": (
        lambda: make_optimizer("sgd", 0.1, momentum=0.9),
        lambda: formula.nesterov(START, GRADIENTS, 0.1, 0.9),
    ),
    "adam": (lambda: make_optimizer("adam", 0.1), lambda: formula.adam(START, GRADIENTS, 0.1)),
    "adamw": (lambda: make_optimizer("adamw", 0.1), lambda: formula.adam(START, GRADIENTS, 0.1, decay=0.004)),
    "rmsprop": (lambda: make_optimizer("rmsprop", 0.1), lambda: formula.rmsprop(START, GRADIENTS, 0.1)),
    "rmsprop with momentum": (
        lambda: make_optimizer("rmsprop", 0.1, momentum=0.8),
        lambda: formula.rmsprop(START, GRADIENTS, 0.1, beta=0.8),
    ),
    "adagrad": (lambda: make_optimizer("adagrad", 0.1), lambda: formula.adagrad(START, GRADIENTS, 0.1)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_is_the_formula(name):
    optimizer, expected = OPTIMIZERS[name]
    for step, (ours, theirs) in enumerate(zip(path(optimizer(), GRADIENTS), expected(), strict=True)):
        # Keras keeps 0.999 in float32, and 1 - 0.999 is then off by 5e-5 of itself.
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=f"step {step}")


def test_momentum_without_the_factor_is_the_textbooks_at_a_higher_rate():
    """v = beta v + (1 - beta) g steps as Keras does at (1 - beta) times the rate."""
    ours = list(path(keras.optimizers.SGD(0.1, momentum=0.9), GRADIENTS))
    np.testing.assert_allclose(ours, list(formula.textbook_momentum(START, GRADIENTS, 1.0, 0.9)), atol=1e-6)
    assert not np.allclose(ours, list(formula.textbook_momentum(START, GRADIENTS, 0.1, 0.9)), atol=1e-2)


def test_nesterov_looks_ahead():
    """Keras' weights are the points at which the textbook takes its gradients, here in a valley 20 times as steep."""
    steepness = np.array([1.0, 20.0])
    w = keras.Variable(np.array([1.0, 1.0]))
    optimizer = make_optimizer("sgd", 0.02, momentum=0.9)
    for expected in formula.textbook_nesterov(np.array([1.0, 1.0]), lambda v: steepness * v, 0.02, 0.9, steps=8):
        optimizer.apply([keras.ops.convert_to_tensor(steepness * w.numpy())], [w])
        np.testing.assert_allclose(w.numpy(), expected, atol=1e-6)


def test_adam_corrects_its_bias():
    """The first step is of the rate's length whatever the gradient; uncorrected it is sqrt(10) times that."""
    g = [np.array([1e-3, 1.0, -50.0])]
    (first,) = path(make_optimizer("adam", 0.1), g, np.zeros(3))
    np.testing.assert_allclose(first, -0.1 * np.sign(g[0]), rtol=1e-2)
    (uncorrected,) = formula.textbook_adam(np.zeros(3), g, 0.1)
    np.testing.assert_allclose(uncorrected, -0.1 * np.sqrt(10) * np.sign(g[0]), rtol=1e-2)


def test_epsilon_of_adam_stands_beside_the_uncorrected_root():
    g = [np.full(3, 1e-7)] * 3
    ours = list(path(make_optimizer("adam", 0.1), g, np.zeros(3)))
    np.testing.assert_allclose(ours, list(formula.adam(np.zeros(3), g, 0.1)), rtol=1e-4)
    assert not np.allclose(ours, list(formula.algorithm_1_adam(np.zeros(3), g, 0.1)), rtol=0.1)


@pytest.mark.parametrize("name", ["rmsprop", "adagrad"])
def test_epsilon_is_inside_the_root(name):
    """So the least divisor is sqrt(1e-7) = 3e-4, and gradients below it take short steps."""
    g = [np.full(3, 1e-4)] * 3
    optimizer, ours, textbook = {
        "rmsprop": (make_optimizer("rmsprop", 0.1), formula.rmsprop, formula.textbook_rmsprop),
        "adagrad": (
            keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.0),
            lambda *arguments: formula.adagrad(*arguments, start=0.0),
            formula.textbook_adagrad,
        ),
    }[name]
    steps = list(path(optimizer, g, np.zeros(3)))
    np.testing.assert_allclose(steps, list(ours(np.zeros(3), g, 0.1)), rtol=1e-5)
    assert not np.allclose(steps, list(textbook(np.zeros(3), g, 0.1)), rtol=0.3)


def test_the_sum_of_adagrad_starts_at_a_tenth():
    """So a first gradient well below sqrt(0.1) takes a short step, not one of the rate's length."""
    g = [np.full(3, 0.01)]
    (first,) = path(make_optimizer("adagrad", 0.1), g, np.zeros(3))
    np.testing.assert_allclose(first, -0.1 * 0.01 / np.sqrt(0.1), rtol=1e-2)
    (textbook,) = formula.textbook_adagrad(np.zeros(3), g, 0.1)
    np.testing.assert_allclose(textbook, -0.1, rtol=1e-2)


def test_adamw_decays_weights_apart_from_gradients():
    """L2 in the loss is the same as decay for SGD, but Adam divides it by the root like any gradient."""
    w, rate = np.array([1.0, -2.0]), 0.5
    adamw = keras.optimizers.AdamW(0.1, weight_decay=rate)
    (decayed,) = path(adamw, [np.zeros(2)], w)
    np.testing.assert_allclose(decayed, w * (1 - 0.1 * rate), rtol=1e-6)
    penalty = 2 * (rate / 2) * w  # the gradient of losses.l2(w, rate / 2)
    (sgd,) = path(keras.optimizers.SGD(0.1), [penalty], w)
    np.testing.assert_allclose(sgd, decayed, rtol=1e-6)
    (adam,) = path(keras.optimizers.Adam(0.1), [penalty], w)
    np.testing.assert_allclose(adam, w - 0.1 * np.sign(w), rtol=1e-5)


def test_clipping_is_the_formula():
    gradients = [np.array([3.0, -4.0]), np.array([0.3, 0.4]), np.array([[12.0]])]
    cases = {
        "clipvalue": formula.clipped_by_value,
        "clipnorm": formula.clipped_by_norm,
        "global_clipnorm": formula.clipped_by_global_norm,
    }
    for argument, clipped in cases.items():
        variables = [keras.Variable(np.zeros_like(g)) for g in gradients]
        keras.optimizers.SGD(1.0, **{argument: 2.0}).apply(gradients, variables)
        for variable, expected in zip(variables, clipped(gradients, 2.0), strict=True):
            np.testing.assert_allclose(-variable.numpy(), expected, rtol=1e-5, err_msg=argument)
    expected = formula.clipped_by_global_norm(gradients, 2.0)
    assert losses.l2(np.concatenate([g.ravel() for g in expected]), 1) == pytest.approx(4)


def test_moving_average_of_weights_is_the_formula():
    w = keras.Variable(START)
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
    weights = []
    for g in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(g)], [w])
        weights.append(w.numpy())
    np.testing.assert_allclose(weights, list(formula.sgd(START, GRADIENTS, 0.1)), atol=1e-6)
    optimizer.finalize_variable_values([w])  # what fit does at its end
    np.testing.assert_allclose(w.numpy(), formula.moving_average(weights, 0.8), atol=1e-6)


def test_learning_rate_decides_between_crawling_settling_and_diverging():
    """On w^2, where a step multiplies w by 1 - 2 lr: it settles for any lr below 1."""
    for lr in (0.001, 0.3, 0.9, 1.1):
        w = keras.Variable(1.0)
        optimizer = make_optimizer("sgd", lr)
        for _ in range(10):
            optimizer.apply([2 * w.value], [w])
        assert float(w) == pytest.approx((1 - 2 * lr) ** 10, rel=1e-4)
        assert {0.001: 0.9 < float(w) < 1, 0.3: float(w) < 1e-3, 0.9: float(w) < 0.2, 1.1: float(w) > 5}[lr]


def linear_model(x, y, w, b, lr, batches):
    """Gradient descent on the mean squared error, with its derivative by hand, over the given batches of samples."""
    for batch in batches:
        error = dense(x[batch], w, b) - y[batch]
        scale = 2 / error.size
        w, b = w - lr * scale * x[batch].T @ error, b - lr * scale * error.sum(axis=0)
    return w, b


@pytest.mark.parametrize("batch_size", [10, 1, 4], ids=["gradient descent", "sgd", "mini-batch"])
def test_our_training_takes_the_steps_of_gradient_descent(batch_size):
    """All samples a step, one, or some, the last batch being smaller; two epochs in a given order."""
    x, y = RNG.normal(size=(10, 3)), RNG.normal(size=(10, 2))
    orders = [np.arange(10), np.arange(10)[::-1]]
    model = zoo.fnn((3,), 2, units=())
    w, b = model.get_weights()
    model.compile(make_optimizer("sgd", 0.05), zoo.Regression(2).loss_function())
    history = fit(model, (x, y), epochs=2, batch_size=batch_size, order=lambda epoch, n: orders[epoch])

    batches = [order[i : i + batch_size] for order in orders for i in range(0, 10, batch_size)]
    assert len(batches) == 2 * -(-10 // batch_size)
    for ours, expected in zip(model.get_weights(), linear_model(x, y, w, b, 0.05, batches), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    if batch_size == 10:
        first = losses.mean_squared_error(y, dense(x, w, b))
        assert history["loss"][0] == pytest.approx(first, rel=1e-6), "the loss is that before the step"


def test_optimizers_differ_from_each_other():
    """The gradients above tell any two formulas apart, at the tolerance of the test above."""
    ends = {name: list(expected())[-1] for name, (_, expected) in OPTIMIZERS.items()}
    for one, other in itertools.combinations(ends, 2):
        assert np.abs(ends[one] - ends[other]).max() > 1e-3, (one, other)
