"""Private names of other packages: hidden one by one, a search gives the same results."""

import re
import sys

import keras
import keras_tuner
import numpy as np
import pytest
from conftest import ROOT

import zoo
from zoo.base.keras_internals import flatten_layers, learning_rate
from zoo.tuning.sharing import structure

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
DATA = {"x": X[:40], "y": Y[:40], "validation_data": (X[40:], Y[40:])}
FILES = sorted((ROOT / "zoo" / "tuning").glob("*.py"))


def called_by_zoo():
    return sys._getframe(2).f_globals["__name__"].startswith("zoo.")


def hide_flatten_layers(monkeypatch):
    real = keras.Layer._flatten_layers

    def hidden(self, *args, **options):
        if called_by_zoo():
            raise AttributeError("_flatten_layers")
        return real(self, *args, **options)

    monkeypatch.setattr(keras.Layer, "_flatten_layers", hidden)


def hide_learning_rate(monkeypatch):
    def read(self):
        if called_by_zoo() or "_learning_rate" not in self.__dict__:
            raise AttributeError("_learning_rate")
        return self.__dict__["_learning_rate"]

    hidden = property(read, lambda self, value: self.__dict__.__setitem__("_learning_rate", value))
    monkeypatch.setattr(keras.optimizers.Optimizer, "_learning_rate", hidden, raising=False)


HIDDEN = {"_flatten_layers": hide_flatten_layers, "_learning_rate": hide_learning_rate}


def build(hp):
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    penalty = keras.regularizers.L2(hp.Float("penalty", 1e-4, 1e-2))
    layers = [
        inner,
        keras.layers.Dropout(hp.Float("dropout", 0.1, 0.5)),
        keras.layers.Dense(2, None, True, "he_normal"),
    ]
    layers[2].kernel_regularizer = penalty
    model = keras.Sequential([keras.Input((4,)), *layers])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    if hp.Boolean("schedule"):
        rate = keras.optimizers.schedules.CosineDecay(rate, 8)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def trials(folder):
    tuner = zoo.Tuner(build, max_trials=6, seed=3, directory=folder, report=lambda line: None)
    found = tuner.search(**DATA, epochs=4, batch_size=8).trials
    tuner.history.close()
    assert not any(t.error for t in found)
    return [(t.values, t.metrics, t.epochs, t.pruned) for t in found]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return trials(tmp_path_factory.mktemp("seen"))


def test_the_same_seed_gives_the_same_search(expected, tmp_path):
    """`build` sets no seed."""
    assert trials(tmp_path) == expected


@pytest.mark.parametrize("name", HIDDEN)
def test_a_search_without_a_private_name_gives_the_same_results(name, expected, tmp_path, monkeypatch):
    HIDDEN[name](monkeypatch)
    assert trials(tmp_path) == expected


def nested():
    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [keras.layers.Dense(2), keras.layers.Dropout(0.5)]

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    inputs = keras.Input((5, 3))
    x = keras.layers.Bidirectional(keras.layers.GRU(4))(inputs)
    return keras.Model(inputs, Own()(keras.Sequential([keras.layers.Dense(3)])(x)))


def test_layers_at_any_depth_are_found_without_the_private_name(monkeypatch):
    model = nested()
    kinds = sorted(type(layer).__name__ for layer in flatten_layers(model))
    assert {"GRU", "Dropout", "Functional", "Sequential", "Bidirectional"} <= set(kinds)
    hide_flatten_layers(monkeypatch)
    found = flatten_layers(model)
    assert found[0] is model and len({id(layer) for layer in found}) == len(found)
    assert set(kinds) == {type(layer).__name__ for layer in found}


def test_a_constant_rate_is_shared_without_the_private_name_and_a_schedule_only_with_itself(monkeypatch):
    hide_learning_rate(monkeypatch)

    def signature(rate):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        return structure(model)

    assert isinstance(learning_rate(keras.optimizers.SGD(0.1)), keras.Variable)
    assert signature(0.1) == signature(0.2)
    decay = keras.optimizers.schedules.CosineDecay
    assert signature(decay(0.1, 5)) == signature(decay(0.1, 5)) != signature(decay(0.2, 5))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_room_uses_no_private_name_of_another_package(file):
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"(\w+)\._[a-z]", text)) <= {"self", "cls", "os"}
    assert not re.search(r"from \w+(\.\w+)*\.(_\w+|python|src)\b|import _", text)
    if file.name == "tuner.py":
        ours = set(re.findall(r"self\.(_[a-z]\w*)", text))
        assert not ours & set(dir(keras_tuner.Tuner)), "neither called nor overridden by accident"
