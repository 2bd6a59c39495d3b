"""Optimizers by name and as objects, what contradicts what, and the space of a search."""

import keras
import keras_tuner
import pytest
from keras_tuner.engine.base_tuner import BaseTuner

from zoo.recipe.optimizers import OPTIMIZERS, decay_space, make_optimizer, narrow_space, optimizer_space
from zoo.recipe.schedules import Step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_is_kerass_own(name):
    optimizer = make_optimizer(name, 0.01)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == pytest.approx(0.01)


def test_momentum_is_nesterovs_unless_it_is_not_to_be():
    optimizer = make_optimizer("sgd", 0.1, momentum=0.9)
    assert optimizer.momentum == 0.9 and optimizer.nesterov
    assert make_optimizer("sgd", 0.1, momentum=0.9, nesterov=True).nesterov
    assert not make_optimizer("sgd", 0.1, momentum=0.9, nesterov=False).nesterov
    assert not make_optimizer("sgd", 0.1).nesterov
    assert make_optimizer("rmsprop", 0.1, momentum=0.9).momentum == 0.9


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_clips_decays_and_averages_as_keras_spells_it(name):
    for argument in ("clipnorm", "global_clipnorm", "clipvalue", "weight_decay"):
        assert getattr(make_optimizer(name, 0.1, **{argument: 0.5}), argument) == 0.5
    averaging = make_optimizer(name, 0.1, ema_momentum=0.95)
    assert averaging.use_ema and averaging.ema_momentum == 0.95
    plain, theirs = make_optimizer(name, 0.1).get_config(), OPTIMIZERS[name](0.1).get_config()
    assert {**plain, "name": ""} == {**theirs, "name": ""}, "what is left out is Keras' own default"


def test_an_object_is_a_pattern():
    pattern = keras.optimizers.Lion(0.02, beta_1=0.8, clipnorm=1.0)
    one, other = make_optimizer(pattern), make_optimizer(pattern)
    assert type(one) is keras.optimizers.Lion and one is not pattern and one is not other
    assert one.get_config() == pattern.get_config()
    assert float(make_optimizer(pattern, schedule=Step(0.1, 2), steps=10, epochs=5).learning_rate) == pytest.approx(
        0.02
    )
    rate = make_optimizer(pattern, schedule=Step(0.1, 2), steps=10, epochs=5)._learning_rate
    assert float(rate(4)) == pytest.approx(0.002)
    scheduled = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100))
    assert float(make_optimizer(scheduled)._learning_rate(50)) == pytest.approx(0.05)
    with pytest.raises(ValueError, match=r"schedule='step' with optimizer=SGD\(...\), which has one"):
        make_optimizer(scheduled, schedule="step")
    for argument, value in {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "ema_momentum": 0.9}.items():
        with pytest.raises(ValueError, match=rf"{argument}={value} with optimizer=Lion\(...\); give it to that object"):
            make_optimizer(pattern, **{argument: value})


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
        ({"optimizer": "sgd"}, "learning_rate=None"),
        ({"optimizer": "sgd", "learning_rate": 0.1, "nesterov": True}, "nesterov=True with momentum=None"),
        ({"optimizer": "sgd", "learning_rate": 0.1, "nesterov": True, "momentum": 0}, "nesterov=True with momentum=0"),
        (
            {"optimizer": "rmsprop", "learning_rate": 0.1, "nesterov": True, "momentum": 0.9},
            "'rmsprop', which has none",
        ),
        ({"optimizer": "adam", "learning_rate": 0.1, "clipnorm": 0}, "clipnorm=0 must be a number above 0"),
        ({"optimizer": "adam", "learning_rate": 0.1, "clipnorm": 1, "clipvalue": 2}, "clipnorm=1 and clipvalue=2"),
        ({"optimizer": "adam", "learning_rate": 0.1, "weight_decay": -1}, "weight_decay=-1"),
        ({"optimizer": "adam", "learning_rate": 0.1, "ema_momentum": 1.0}, r"ema_momentum=1.0 must lie in \[0, 1\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(**arguments)
    with pytest.raises(TypeError, match="must be a name such as 'adam' or an object"):
        make_optimizer(keras.optimizers.Adam, 0.1)


ALL = {"sgd", "adam", "adamw", "rmsprop"}


@pytest.mark.parametrize(
    ("draw", "optimizers", "rates", "momenta"),
    [
        (optimizer_space, ALL, (1e-4, 1e-1), (0.9, 0.99)),
        (narrow_space, ALL, (1e-3, 3e-1), (0.9, 0.99)),
        (decay_space, {"sgd", "adamw"}, (1e-3, 5e-1), (0.8, 0.97)),
    ],
)
def test_a_space_draws_momentum_only_where_there_is_one(draw, optimizers, rates, momenta, tmp_path):
    seen = []

    class Tuner(BaseTuner):
        def run_trial(self, trial, *args, **kwargs):
            values = trial.hyperparameters.values
            assert ("momentum" in values) == (values["optimizer"] == "sgd")
            fields = draw(trial.hyperparameters)
            assert rates[0] <= fields["learning_rate"] <= rates[1]
            assert fields["momentum"] is None or momenta[0] <= fields["momentum"] <= momenta[1]
            assert not (values["optimizer"] == "sgd" and fields.get("weight_decay"))
            make_optimizer(**fields)
            seen.append(values["optimizer"])
            return 0.0

    class Space(keras_tuner.HyperModel):
        def build(self, hp):
            draw(hp)

    oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=40, seed=3)
    oracle.verbose = 0
    Tuner(oracle, Space(), directory=tmp_path, project_name="space").search(verbose=0)
    assert set(seen) == optimizers and len(seen) == 40
