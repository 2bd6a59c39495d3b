"""Integer files take features of any scale: what treats each by itself stays in float32, what is behind is integers."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest
from conftest import converted_here

import zoo
from zoo import targets
from zoo.conversion import convert
from zoo.conversion.inference import inference_model
from zoo.conversion.preamble import cut
from zoo.layers import layer_losses
from zoo.precisions import PRECISIONS
from zoo.verification import operators

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
    monkeypatch.setitem(PRECISIONS, precision, dataclasses.replace(PRECISIONS[precision], real_preamble=False))


@pytest.mark.parametrize("precision", ["int8", "int16x8"])
def test_columns_of_any_scale_and_codes_keep_their_meaning(tmp_path, precision):
    x = table()
    model = table_model(x)
    runner = converted_here(model, tmp_path, {precision: None}, x)[precision]
    assert error(runner, model, x) < 0.02
    path = tmp_path / f"{precision}.tflite"
    assert operators(path)[1] == {"DEQUANTIZE"}, "behind the preamble nothing is real but the output"
    content = targets.read_model(path)
    (signature,) = content.signatureDefs
    assert [entry.name for entry in signature.inputs] == [b"input"]
    assert [targets.type_name(tensor) for tensor in targets.inputs_and_outputs(content)[0]] == ["FLOAT32"]
    assert targets.refusal(path, targets.TARGETS["browser"]) is None


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
    assert operators(tmp_path / "int8.tflite")[1] == {"DEQUANTIZE"}


def pictures():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (60, 8, 8, 3)).astype("float32")
    layers = [keras.layers.Normalization(mean=[124.0, 116.0, 104.0], variance=[3420.0, 3260.0, 3290.0])]
    return zoo.cnn((8, 8, 3), 3, filters=(4,), preprocessing=[keras.layers.Rescaling(1.0), *layers]), x


def test_pictures_are_integers_throughout_byte_for_byte_as_without_a_preamble(tmp_path, monkeypatch):
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
    first, second = cut(model, integer_codes)
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
    assert cut(inference_model(model), True) is None


def test_a_column_far_from_zero_is_cut_too():
    """A range holds 0: of the years 2000 to 2030 it has four steps."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Normalization(mean=2015.0, variance=80.0)])
    model.add(keras.layers.Dense(2))
    assert cut(inference_model(model), True) is not None


def test_the_same_weights_give_the_same_bytes(tmp_path, converter_process):
    hashes = set()
    for name in ("one", "two"):
        x = table(50)
        model = table_model(x)
        model.set_weights([np.full(w.shape, 0.1, w.dtype) for w in model.get_weights()])
        (tmp_path / name).mkdir()
        convert(model, tmp_path / name, output=None, output_name="v", strategies={"int8": None}, calibration=x)
        assert not (tmp_path / name / "strategies").exists()
        hashes.add(hashlib.sha256((tmp_path / name / "int8.tflite").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_product_behind_the_preamble_is_told(tmp_path):
    """The gate lets pass what stands before anything is computed of several features, not these ops wherever."""
    layers = [keras.layers.Dense(2), keras.layers.Activation("tanh"), keras.layers.Rescaling(3.0)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    converted_here(model, tmp_path, {"float32": None}, np.zeros((1, 3), "float32"))
    assert operators(tmp_path / "float32.tflite")[1] == {"FULLY_CONNECTED", "TANH", "MUL"}


def test_the_layers_that_lose_most_are_those_behind_it(converter_here):
    x = table(80)
    losses = layer_losses(table_model(x), x, output=None, strategy="auto")
    assert {loss.layer for loss in losses} == {"category_8", "flatten", "concatenate", "dense", "output"}
    assert max(loss.error for loss in losses) < 0.7


def test_a_table_is_exported_and_passes_the_gates(tmp_path, converter_here):
    x = table()
    result = zoo.export(
        table_model(x), tmp_path, calibration=x, test=x, precisions=["int8"], name="table", report=lambda line: None
    )
    assert result.verified, [file.refusal for file in result.files]
    (detail,) = (check.detail for check in result.files[0].checks if check.name == "int8 throughout")
    assert detail.endswith("in integers behind GATHER, MINIMUM, MUL, RELU, SUB, which treat each feature by itself")
