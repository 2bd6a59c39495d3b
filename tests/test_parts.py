"""What of an integer file stays in float32: what treats each feature by itself at the start, and values at the end."""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import converted_here

import zoo
from zoo.exporting.inference import inference_model
from zoo.exporting.layer_losses import measured_layer_losses
from zoo.exporting.parts import split_model
from zoo.exporting.precisions import PRECISIONS
from zoo.runs.file_checks import float_operators, operators
from zoo.runtime import targets

SCALES = 10.0 ** np.arange(-3, 5)
CODES = 40


def table(n=300):
    """Columns of scales from 1e-3 to 1e4, and one of codes."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(n, len(SCALES))) * SCALES + rng.normal(size=len(SCALES)) * SCALES
    return np.concatenate([columns, rng.integers(0, CODES, (n, 1))], axis=1).astype("float32")


def adapted(x):
    layer = keras.layers.Normalization()
    layer.adapt(x)
    return layer


def table_model(x):
    keras.utils.set_random_seed(1)
    return zoo.fnn((9,), 3, units=(16,), categories={8: CODES}, preprocessing=[adapted(x[:, :8])])


def sequences(padded):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(100, 5, 4)) * [1e-3, 1, 100, 1e4]).astype("float32")
    layer = adapted(x)
    return layer, x * (np.arange(5) < rng.integers(1, 6, (100, 1)))[..., None].astype("float32") if padded else x


def error(runner, model, x):
    """The mean error of a file, as a part of the spread of the model's outputs."""
    expected = model.predict(x, verbose=0)
    return float(np.abs(runner.predict(x) - expected).mean() / expected.std())


def without(monkeypatch, precision="int8"):
    monkeypatch.setitem(PRECISIONS, precision, dataclasses.replace(PRECISIONS[precision], float_prefix=False))


@pytest.mark.parametrize("precision", ["int8", "int16x8"])
def test_columns_of_any_scale_and_codes_keep_their_meaning(tmp_path, precision):
    x = table()
    model = table_model(x)
    runner = converted_here(model, tmp_path, {precision: None}, x)[precision]
    assert error(runner, model, x) < 0.02
    path = tmp_path / f"{precision}.tflite"
    assert float_operators(path, precision, False)[1] == ["DEQUANTIZE"], "behind the prefix only the output is float"
    content = targets.read_model(path)
    (signature,) = content.signatureDefs
    assert [entry.name for entry in signature.inputs] == [b"input"]
    assert [targets.type_name(tensor) for tensor in targets.inputs_and_outputs(content)[0]] == ["FLOAT32"]
    assert targets.incompatibility(path, targets.TARGETS["browser"]) is None


def test_with_one_scale_for_the_whole_input_they_do_not(tmp_path, monkeypatch):
    without(monkeypatch)
    x = table()
    model = table_model(x)
    assert error(converted_here(model, tmp_path, {"int8": None}, x)["int8"], model, x) > 0.5


@pytest.mark.parametrize(
    ("strategy", "padded"), [("unrolled", False), ("unrolled", True), ("fused", True), ("streaming", False)]
)
def test_recurrent_layers_read_what_a_normalization_made_of_sequences(tmp_path, strategy, padded):
    keras.utils.set_random_seed(1)
    layer, x = sequences(padded)
    model = zoo.lstm((5, 4), 3, units=(6,), preprocessing=[layer], mask_value=0.0 if padded else None)
    runner = converted_here(model, tmp_path, {"int8": strategy}, x)["int8"]
    assert error(runner, model, x) < 0.05  # .7 with one scale; .02 to .03 is what int8 costs an LSTM
    assert float_operators(tmp_path / "int8.tflite", "int8", False)[1] == ["DEQUANTIZE"]


def pictures():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (60, 8, 8, 3)).astype("float32")
    layers = [keras.layers.Normalization(mean=[124.0, 116.0, 104.0], variance=[3420.0, 3260.0, 3290.0])]
    return zoo.cnn((8, 8, 3), 3, filters=(4,), preprocessing=[keras.layers.Rescaling(1.0), *layers]), x


def test_pictures_are_integers_throughout_byte_for_byte_as_without_a_start(tmp_path, monkeypatch):
    found = []
    for name in ("with", "without"):
        keras.utils.set_random_seed(1)
        model, x = pictures()
        (tmp_path / name).mkdir()
        converted_here(model, tmp_path / name, {"int8": None}, x)
        found.append((tmp_path / name / "int8.tflite").read_bytes())
        without(monkeypatch)
    assert found[0] == found[1]
    (_, _, outputs), *_ = targets.operators(targets.read_model(found[0]))
    assert targets.type_name(outputs[0]) == "INT8"


def sliced():
    inputs = keras.Input((9,))
    codes = keras.layers.Flatten()(keras.layers.Embedding(CODES, 4)(inputs[:, 8:]))
    x = keras.layers.Concatenate()(
        [keras.layers.Normalization(mean=np.zeros(8), variance=SCALES)(inputs[:, :8]), codes]
    )
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def batch_normalized():
    model = keras.Sequential(
        [keras.Input((9,)), keras.layers.GaussianNoise(0.1), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    )
    model.layers[1].moving_variance.assign(np.append(SCALES, 1.0))
    return model


def nested():
    normalization = keras.layers.Normalization(mean=np.zeros(9), variance=np.append(SCALES, 1.0))
    inputs = keras.Input((9,))
    x = keras.Sequential([keras.layers.Rescaling(2.0), normalization])(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Concatenate()([keras.layers.Dense(9)(x), x, inputs])))


@pytest.mark.parametrize("build", [lambda: table_model(table()), sliced, batch_normalized, nested])
@pytest.mark.parametrize("integer_codes", [True, False])
def test_both_parts_together_are_the_model(build, integer_codes):
    model, x = inference_model(build()), table(20)
    first, second, _ = split_model(model, dataclasses.replace(PRECISIONS["int8"], integer_codes=integer_codes), False)
    between = keras.tree.flatten(first(x))
    np.testing.assert_allclose(second(between), model(x), atol=1e-5)
    assert first.count_params() < model.count_params()
    integers = ["int" in keras.backend.standardize_dtype(tensor.dtype) for tensor in between]
    assert any(integers) == (integer_codes and "numbers" in [layer.name for layer in model.layers])


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Rescaling(1 / 255)],
        [keras.layers.Normalization(mean=120.0, variance=3600.0)],
        [keras.layers.Normalization(mean=[124.0, 116.0], variance=[3420.0, 3260.0])],
        [keras.layers.Dense(2), keras.layers.Normalization(mean=[0.0, 0.0], variance=[1.0, 1e6])],
    ],
)
def test_what_one_scale_does_no_harm_to_is_not_cut(layers):
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(2)])
    assert split_model(inference_model(model), PRECISIONS["int8"], False)[0] is None


def test_a_column_far_from_zero_is_cut_too():
    """A range holds 0: of the years 2000 to 2030 it has four steps."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Normalization(mean=2015.0, variance=80.0)])
    model.add(keras.layers.Dense(2))
    assert split_model(inference_model(model), PRECISIONS["int8"], False)[0] is not None


VALUE = keras.layers.Rescaling([10.0, 4000.0], [3.0, 100.0], name="value")  # two outputs in unlike units


def numbers(n=300):
    return np.random.default_rng(0).normal(size=(n, 6)).astype("float32")


def test_values_of_an_int8_file_are_not_256_steps(tmp_path):
    keras.utils.set_random_seed(1)
    model, x = zoo.fnn((6,), 2, units=(16,)), numbers()
    expected = np.asarray(VALUE(model.predict(x, verbose=0)))
    answers, errors = {}, {}
    for values in (True, False):
        runner = converted_here(model, tmp_path, {"int8": None}, x, VALUE, "value", values)["int8"]
        outputs = runner.predict(x)
        answers[values] = len(np.unique(outputs[:, 1]))
        errors[values] = (np.abs(outputs - expected).mean(axis=0) / expected.std(axis=0)).max()
        path = tmp_path / "int8.tflite"
        assert float_operators(path, "int8", True)[1:] == [["DEQUANTIZE"], ["FULLY_CONNECTED"] * values]
        told = float_operators(path, "int8", False)[1]  # of classes, where the gate lets no real end pass
        assert told == ["DEQUANTIZE", *["FULLY_CONNECTED"] * values]
    assert answers[True] == len(x) and answers[False] <= 256
    assert errors[True] < 0.02 and errors[False] > 0.5


@pytest.mark.parametrize("precision", ["int8_io", "int16x8"])
def test_where_integers_are_asked_for_or_are_enough_values_stay_integers(tmp_path, precision):
    model, x = zoo.fnn((6,), 2, units=(8,)), numbers(50)
    converted_here(model, tmp_path, {precision: None}, x, VALUE, "value", True)
    assert operators(tmp_path / f"{precision}.tflite")[1] <= {"DEQUANTIZE"}


@pytest.mark.parametrize(
    ("layers", "end"),
    [
        ([keras.layers.Dense(4), keras.layers.Dense(2)], True),
        ([keras.layers.Dense(4), keras.layers.Dense(2, "relu"), keras.layers.Reshape((2, 1))], True),
        ([keras.layers.Dense(4), keras.layers.Dense(2), keras.layers.Softmax()], False),
        ([keras.layers.Dense(4), keras.layers.Dense(2, "sigmoid")], False),
        ([keras.layers.Rescaling(2.0), keras.layers.Dense(2)], False),  # nothing would be left for integers
    ],
)
def test_the_end_is_the_last_layer_of_values(layers, end):
    model = inference_model(keras.Sequential([keras.Input((6,)), *layers]))
    start, first, last = split_model(model, PRECISIONS["int8"], True)
    assert start is None and (last is not None) == end
    if end:
        np.testing.assert_allclose(last(first(numbers(9))), model(numbers(9)), atol=1e-6)


@pytest.mark.parametrize("strategy", ["streaming", "unrolled"])
def test_values_at_every_step(tmp_path, strategy):
    keras.utils.set_random_seed(1)
    layer, x = sequences(False)
    layers = [layer, keras.layers.GRU(6, return_sequences=True), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((5, 4)), *layers])
    runner = converted_here(model, tmp_path, {"int8": strategy}, x, values=True)["int8"]
    expected, outputs = model.predict(x, verbose=0), runner.predict(x)
    expected = expected[:, -1] if strategy == "streaming" else expected
    assert np.abs(outputs - expected).mean() / expected.std() < 0.06
    _, between, end = float_operators(tmp_path / "int8.tflite", "int8", True)
    assert between == ["DEQUANTIZE"]
    assert "FULLY_CONNECTED" in end


def test_a_forecast_is_exported_and_passes_the_gates(tmp_path, converter_here):
    keras.utils.set_random_seed(1)
    layer, x = sequences(False)
    model = zoo.gru((5, 4), 3, units=(6,), preprocessing=[layer])
    y = 1000 * model.predict(x, verbose=0)
    result = zoo.export(
        model, tmp_path, calibration=x, test=(x, y), precisions=["int8"], task=zoo.Forecasting(3), name="forecast",
        report=lambda line: None,
    )  # fmt: skip
    assert result.verified, [file.refusal for file in result.files]
    (detail,) = (check.detail for check in result.files[0].checks if check.name == "int8 throughout")
    assert "behind MUL, SUB, which treat each feature separately" in detail
    assert detail.endswith(", except the last, FULLY_CONNECTED, which output values")


def test_a_product_behind_the_start_is_told(tmp_path):
    """The gate lets pass what stands before anything is computed of several features, not these ops wherever."""
    layers = [keras.layers.Dense(2), keras.layers.Activation("tanh"), keras.layers.Rescaling(3.0)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    converted_here(model, tmp_path, {"float32": None}, np.zeros((1, 3), "float32"))
    assert float_operators(tmp_path / "float32.tflite", "int8", False)[1] == ["FULLY_CONNECTED", "MUL", "TANH"]


def test_the_layers_that_lose_most_are_those_behind_it(converter_here):
    x = table(80)
    losses = measured_layer_losses(table_model(x), x, output=None, strategy="auto")
    assert {loss.layer for loss in losses} == {"category_8", "flatten", "concatenate", "dense", "output"}
    assert max(loss.error for loss in losses) < 0.7


def test_a_table_is_exported_and_passes_the_gates(tmp_path, converter_here):
    x = table()
    result = zoo.export(
        table_model(x), tmp_path, calibration=x, test=x, precisions=["int8"], name="table", report=lambda line: None
    )
    assert result.verified, [file.refusal for file in result.files]
    (detail,) = (check.detail for check in result.files[0].checks if check.name == "int8 throughout")
    assert detail.endswith("in integers behind GATHER, MINIMUM, MUL, RELU, SUB, which treat each feature separately")
