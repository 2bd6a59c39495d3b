"""The learning-rate finder, where the largest stable rate is known: on a quadratic it is two by the curvature."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import write_recipe

import zoo
from zoo.cli import cli
from zoo.training.loop import fit
from zoo.training.rate_finder import rate_curve

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5)).astype("float32") * np.array([1, 1, 2, 2, 3], "float32")
Y = (X @ RNG.normal(size=(5, 1)) * 3).astype("float32")
CURVATURE = 2 * np.linalg.eigvalsh(X.T @ X / len(X)).max()  # largest eigenvalue of the Hessian of the mean square


def linear(optimizer=None):
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer or keras.optimizers.SGD(0.01), loss="mse")
    return model


@pytest.mark.parametrize("batch_size", ["all", 32])
def test_the_suggestion_lies_below_the_largest_stable_rate(batch_size):
    curve = rate_curve(linear(), (X, Y), batch_size=batch_size)
    limit = 2 / CURVATURE
    assert limit / 100 < curve.suggestion < limit
    assert limit < curve.rates[-1] < 10, "it goes on until it diverges, and no further"
    assert len(curve.rates) == len(curve.losses) == len(curve.smoothed) < 120
    np.testing.assert_allclose(np.diff(np.log(curve.rates)), np.log(1e7) / 119, rtol=1e-6)


def test_each_step_is_gradient_descent_at_its_rate():
    model = linear()
    w = model.get_weights()[0].astype("float64")
    curve = rate_curve(model, (X, Y), batch_size="all", lowest=1e-5, highest=1e-1, steps=40)
    for rate, loss in zip(curve.rates, curve.losses, strict=True):
        error = X @ w - Y
        assert loss == pytest.approx((error**2).mean(), rel=1e-4)
        w -= rate * 2 * X.T @ error / len(X)


def test_the_model_is_left_as_it_was_and_the_seed_decides():
    model = linear(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10), clipnorm=1.0))
    fit(model, (X, Y), epochs=2)
    optimizer = model.optimizer
    before = [v.numpy() for v in (*model.variables, *optimizer.variables)]
    first, again, other = (rate_curve(model, (X, Y), seed=seed) for seed in (1, 1, 2))
    assert model.optimizer is optimizer
    for value, variable in zip(before, (*model.variables, *optimizer.variables), strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)
    assert first == again != other
    fit(model, (X, Y), epochs=1)  # and it trains on


def test_what_gives_no_rate_is_told():
    with pytest.raises(ValueError, match="not compiled"):
        rate_curve(keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)]), (X, Y))
    with pytest.raises(ValueError, match="lowest=1 and highest=0.1"):
        rate_curve(linear(), (X, Y), lowest=1, highest=0.1)
    with pytest.raises(ValueError, match="steps=5"):
        rate_curve(linear(), (X, Y), steps=5)
    with pytest.raises(ValueError, match="loss diverged after .*: lower `lowest`"):
        rate_curve(linear(), (X, Y), lowest=10.0, highest=1e4)


def test_a_recipe_is_drawn(tmp_path):
    recipe = write_recipe(tmp_path / "quick.py", more="class_weight='balanced', schedule='one_cycle', batch_size=64,")
    told = []
    curve = zoo.find_learning_rate(recipe, tmp_path / "run", report=told.append)
    assert 1e-4 < curve.suggestion < 1
    assert (tmp_path / "run" / "plots" / "learning_rate.png").read_bytes().startswith(b"\x89PNG")
    assert f"{curve.suggestion:.2g}" in told[-1]
    asked = CliRunner().invoke(cli, ["find-lr", str(recipe), "--out", str(tmp_path / "cli"), "--json"])
    assert asked.exit_code == 0, asked.output
    assert json.loads(asked.stdout)["suggestion"] == curve.suggestion
