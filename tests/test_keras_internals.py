"""Without Keras' private names, public ones give the same cost tables and the same files."""

import keras
import numpy as np
import pytest
from conftest import converted_here
from test_conversion import MODELS, moved, samples
from test_cost import CASES

from zoo.base import keras_internals
from zoo.exporting.inference import inference_model
from zoo.exporting.parts import split_model
from zoo.exporting.precisions import PRECISIONS
from zoo.models.cost import costs

NAMES = ["NODES_BY_DEPTH", "FUNCTIONAL"]


@pytest.fixture(params=NAMES)
def hide(request, monkeypatch):
    def call():
        monkeypatch.setattr(keras_internals, request.param, "_a_name_that_keras_lacks")

    return call


@pytest.mark.parametrize("case", CASES)
def test_costs_are_equal(case, hide):
    model = CASES[case]()
    lengths = [None, 7] if None in model.inputs[0].shape[1:] else [None]
    expected = [costs(model, steps=steps) for steps in lengths]
    hide()
    assert [costs(model, steps=steps) for steps in lengths] == expected


@pytest.mark.parametrize("model", [keras.Sequential([keras.layers.Dense(2)]), keras.Model(), object()])
def test_models_without_a_graph_have_none(model, hide):
    assert keras_internals.graph_of(model) is None
    hide()
    assert keras_internals.graph_of(model) is None


def test_a_graph_is_that_of_a_model_whose_layers_can_be_replaced():
    class Own(keras.Model):
        pass

    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(2)(inputs)
    assert keras_internals.is_graph(keras.Model(inputs, outputs))
    assert keras_internals.is_graph(keras.Sequential())
    assert not keras_internals.is_graph(Own(inputs, outputs))


@pytest.mark.parametrize("family", ["table", "tokens"])
def test_parts_are_equal(family, hide):
    model = inference_model(moved(MODELS[family](), None)[0])

    def parts():
        split = split_model(model, PRECISIONS["int8"], True)
        return [part and [type(layer).__name__ for layer in part.layers if layer.weights] for part in split]

    expected = parts()
    hide()
    assert parts() == expected


def test_files_are_equal(tmp_path, hide):
    keras.utils.set_random_seed(1)
    model = MODELS["table"]()
    model, x = moved(model, samples("table", model, 40))
    expected = converted_here(model, tmp_path, {"int8": None}, x)["int8"].predict(x)
    hide()
    np.testing.assert_array_equal(converted_here(model, tmp_path, {"int8": None}, x)["int8"].predict(x), expected)
