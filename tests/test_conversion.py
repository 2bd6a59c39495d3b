"""Every family becomes a builtin-only file that agrees with Keras; what acts in training stays behind."""

import hashlib

import keras
import numpy as np
import pytest

import zoo
from zoo.conversion import convert, load_keras
from zoo.conversion.inference import inference_model
from zoo.deploy import Runner
from zoo.verification import operators

NOISE = [keras.layers.GaussianNoise(0.5), keras.layers.RandomTranslation(0.3, 0.3)]
MODELS = {
    "fnn": lambda: zoo.fnn((6,), 3, units=(8,), normalization="batch", dropout=0.3, augmentation=NOISE[:1]),
    "cnn": lambda: zoo.cnn((8, 8, 1), 3, filters=(4, 6), dropout=0.3, augmentation=NOISE),
    "cnn1d": lambda: zoo.cnn((12, 3), 3, filters=(4, 6), head="flatten", units=(5,)),
    "rnn": lambda: zoo.rnn((5, 3), 3, units=(4,), recurrent_dropout=0.2),
    "lstm": lambda: zoo.lstm((5, 3), 3, units=(6, 4), dropout=0.3, recurrent_dropout=0.2),
    "gru": lambda: zoo.gru((5, 3), 3, units=(4,), recurrent_dropout=0.2),
    "bidirectional": lambda: zoo.lstm((5, 3), 3, units=(4, 3), bidirectional=True),
}


def moved(model, x):
    """The model with weights and statistics that are not those of a fresh one."""
    rng = np.random.default_rng(1)
    model.set_weights([w + rng.uniform(0, 0.2, w.shape).astype("float32") for w in model.get_weights()])
    return model, x


@pytest.fixture(scope="module", params=MODELS)
def converted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    keras.utils.set_random_seed(1)
    model = MODELS[request.param]()
    x = np.random.default_rng(0).normal(size=(200, *model.input_shape[1:])).astype("float32")
    model, x = moved(model, x)
    output = keras.layers.Softmax(name="probabilities")
    convert(model, folder, output=output, output_name="probabilities", precisions=("float32", "int8"), calibration=x)
    return model, x, folder


def test_the_float_file_is_the_keras_model(converted):
    model, x, folder = converted
    expected = keras.ops.softmax(model.predict(x, verbose=0)).numpy()
    runner = Runner(folder / "float32.tflite")
    np.testing.assert_allclose(runner.predict(x), expected, atol=1e-5)
    assert runner.output_name == "probabilities"


def test_the_int8_file_computes_in_integers_and_is_close(converted):
    model, x, folder = converted
    expected = keras.ops.softmax(model.predict(x, verbose=0)).numpy()
    outputs = Runner(folder / "int8.tflite").predict(x)
    assert np.abs(outputs - expected).mean() < 0.03  # untrained weights; recipes hold their own bounds
    _, real = operators(folder / "int8.tflite")
    assert real <= {"QUANTIZE", "DEQUANTIZE"}
    assert "DEQUANTIZE" in real, "the output is given back as float32"


def test_no_file_needs_an_op_that_is_not_builtin(converted):
    *_, folder = converted
    for precision in ("float32", "int8"):
        ops, _ = operators(folder / f"{precision}.tflite")
        assert not [op for op in ops if op.startswith(("Flex", "CUSTOM")) or op == "WHILE"], ops


def test_the_saved_model_has_two_named_signatures(converted):
    import tensorflow as tf

    model, x, folder = converted
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    expected = keras.ops.softmax(model.predict(x, verbose=0)).numpy()
    for signature, batch in (("serve", x), ("edge", x[:1])):
        call = loaded.signatures[signature]
        assert list(call.structured_input_signature[1]) == ["input"]
        np.testing.assert_allclose(call(input=tf.constant(batch))["probabilities"], expected[: len(batch)], atol=1e-5)


def test_the_same_weights_give_the_same_bytes_whatever_was_built_before(tmp_path):
    hashes = set()
    for name in ("one", "two"):  # Keras counts its names on, so that the second model's are others
        model = MODELS["bidirectional"]()
        model.set_weights([np.full(w.shape, 0.1, "float32") for w in model.get_weights()])
        x = np.linspace(-1, 1, 150, dtype="float32").reshape(10, 5, 3)
        (tmp_path / name).mkdir()
        convert(model, tmp_path / name, output=None, output_name="value", precisions=("int8",), calibration=x)
        hashes.add(hashlib.sha256((tmp_path / name / "int8.tflite").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_inference_model_keeps_what_preprocessing_learnt():
    normalization = keras.layers.Normalization()
    x = np.random.default_rng(0).normal(100, 20, size=(50, 6)).astype("float32")
    normalization.adapt(x)
    model = zoo.fnn((6,), 3, preprocessing=[normalization])
    np.testing.assert_allclose(inference_model(model)(x), model(x), atol=1e-5)


def test_inference_model_drops_what_acts_in_training():
    model = MODELS["cnn"]()
    copy = inference_model(model)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(copy(x, training=False), model(x, training=False), atol=1e-6)
    kinds = {type(layer).__name__ for layer in copy.layers}
    assert not kinds & {"Augmentation", "Dropout", "SpatialDropout2D", "GaussianNoise"}


def test_a_model_that_the_converter_refuses_gives_one_clear_error(tmp_path):
    inputs = keras.Input((4,), name="input")
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    with pytest.raises(zoo.CheckFailed, match="export of strange failed while reading the model: .*[Ll]ambda"):
        convert(
            keras.Model(inputs, outputs, name="strange"),
            tmp_path, output=None, output_name="v", precisions=("float32",), calibration=np.zeros((1, 4), "float32"),
        )  # fmt: skip


def test_a_converter_that_dies_is_told(tmp_path, monkeypatch):
    import signal
    import subprocess

    dead = subprocess.CompletedProcess([], -signal.SIGSEGV, stdout="converting to int8\n", stderr="")
    monkeypatch.setattr("subprocess.run", lambda *a, **k: dead)
    model = MODELS["fnn"]()
    with pytest.raises(zoo.CheckFailed, match="export of fnn failed while converting to int8: .* ended by SIGSEGV"):
        convert(model, tmp_path, output=None, output_name="v", precisions=("int8",), calibration=np.zeros((1, 6)))


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_truncated_keras_file_is_told(tmp_path, keep):
    MODELS["fnn"]().save(tmp_path / "model.keras")
    content = (tmp_path / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(content[:keep])
    with pytest.raises(ValueError, match=r"model.keras is not a whole .keras file"):
        load_keras(tmp_path / "model.keras")
    with pytest.raises(FileNotFoundError, match="there is no model"):
        load_keras(tmp_path / "other.keras")
