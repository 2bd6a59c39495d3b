"""Optimizers by name, the schedule's formula, and the space of a search."""

import math

import keras_tuner
import pytest
from keras_tuner.engine.base_tuner import BaseTuner

from zoo.optimizer import OPTIMIZERS, make_optimizer, optimizer_space


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_is_kerass_own(name):
    optimizer = make_optimizer(name, 0.01)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == pytest.approx(0.01)


def test_momentum_is_nesterovs():
    optimizer = make_optimizer("sgd", 0.1, momentum=0.9)
    assert optimizer.momentum == 0.9 and optimizer.nesterov


def test_cosine_is_the_formula():
    rate = make_optimizer("adam", 0.5, schedule="cosine", steps=100)._learning_rate
    for step in range(0, 101, 5):
        expected = 0.5 * step / 10 if step < 10 else 0.5 * (1 + math.cos(math.pi * (step - 10) / 90)) / 2
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adm", "learning_rate": 0.1}, "optimizer='adm' is not known"),
        ({"optimizer": "adam", "learning_rate": 0}, "learning_rate=0 must be"),
        ({"optimizer": "adam", "learning_rate": float("nan")}, "learning_rate=nan must be"),
        ({"optimizer": "adam", "learning_rate": "fast"}, "learning_rate='fast'"),
        ({"optimizer": "adam", "learning_rate": 0.1, "momentum": 0.9}, "'adam', which has none"),
        ({"optimizer": "sgd", "learning_rate": 0.1, "momentum": 1.0}, r"momentum=1.0 must lie in \[0, 1\)"),
        ({"optimizer": "sgd", "learning_rate": 0.1, "schedule": "cosin"}, "schedule='cosin' is not known"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(**arguments)


def test_the_space_draws_momentum_only_where_there_is_one(tmp_path):
    seen = []

    class Tuner(BaseTuner):
        def run_trial(self, trial, *args, **kwargs):
            values = trial.hyperparameters.values
            assert ("momentum" in values) == (values["optimizer"] == "sgd")
            fields = optimizer_space(trial.hyperparameters)
            make_optimizer(fields.pop("optimizer"), **fields)
            seen.append(values["optimizer"])
            return 0.0

    class Space(keras_tuner.HyperModel):
        def build(self, hp):
            optimizer_space(hp)

    oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=40, seed=3)
    oracle.verbose = 0
    Tuner(oracle, Space(), directory=tmp_path, project_name="space").search(verbose=0)
    assert set(seen) == {"sgd", "adam", "adamw", "rmsprop"} and len(seen) == 40
