"""Each gate refuses a file that is wrong in its way, and a refused file does not stay where good ones are."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.runs.file_checks import check_file

TASK = zoo.Multiclass(3)
X = np.random.default_rng(0).normal(size=(100, 6)).astype("float32")
BOUNDS = zoo.Bounds(score=0.5)


def tflite(model, path, select=False, calibration=None):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    ops = [tf.lite.OpsSet.TFLITE_BUILTINS] + ([tf.lite.OpsSet.SELECT_TF_OPS] if select else [])
    converter.target_spec.supported_ops = ops
    path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("gates")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(keras.layers.Dense(8, "relu")(inputs)))
    reference = model.predict(X, verbose=0)
    return tflite(model, folder / "good.float32.tflite"), reference, model


def refused(report):
    return {check.name for check in report.checks if not check.held}


def test_a_good_file_passes(good):
    path, reference, _ = good
    y = reference.argmax(axis=1)
    report = check_file(path, "float32", X, y, reference, TASK, BOUNDS)
    assert report.verified and report.score == 1.0 and report.samples == 100 and report.difference < 1e-5


def test_a_file_of_other_weights_fails_parity_and_accuracy(good, tmp_path):
    _, reference, model = good
    other = keras.models.clone_model(model)
    other.set_weights([w + 0.3 * (-1) ** i for i, w in enumerate(model.get_weights())])
    path = tflite(other, tmp_path / "other.tflite")
    report = check_file(path, "float32", X, reference.argmax(axis=1), reference, TASK, BOUNDS)
    assert {"parity", "mean parity", "loss against Keras"} <= refused(report)
    assert report.score < 1


def test_a_difference_in_a_single_sample_is_found(good):
    path, reference, _ = good
    changed = reference.copy()
    changed[-1, 0] += 0.01
    report = check_file(path, "float32", X, reference.argmax(axis=1), changed, TASK, BOUNDS)
    assert "parity" in refused(report)


def test_nan_is_refused(good, tmp_path):
    _, reference, model = good
    broken = keras.models.clone_model(model)
    weights = model.get_weights()
    weights[-1][0] = np.nan
    broken.set_weights(weights)
    report = check_file(
        tflite(broken, tmp_path / "nan.tflite"), "float32", X, np.zeros(100, int), reference, TASK, BOUNDS
    )
    assert "finite" in refused(report) and report.score is None


def test_select_tf_ops_are_refused(tmp_path, good):
    class Determinant(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.det(x[:, :, None] * x[:, None, :])[:, None]

    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(3)(Determinant()(inputs)))
    path = tflite(model, tmp_path / "flex.tflite", select=True)
    report = check_file(path, "float32", X, np.zeros(100, int), good[1], TASK, BOUNDS)
    assert not report.verified
    assert "FlexMatrixDeterminant is no builtin op" in report.refusal


def test_a_float_file_that_calls_itself_int8_is_refused(good):
    path, reference, _ = good
    report = check_file(path, "int8", X, reference.argmax(axis=1), reference, TASK, BOUNDS)
    assert refused(report) == {"int8 throughout"}
    assert "FULLY_CONNECTED" in report.refusal


def test_accuracy_below_the_recipes_bound_is_refused(good):
    path, reference, _ = good
    report = check_file(path, "float32", X, (reference.argmax(axis=1) + 1) % 3, reference, TASK, BOUNDS)
    assert refused(report) == {"bound"}


def test_a_file_that_keeps_its_state_is_refused(tmp_path):
    """What a fused LSTM does: the first invoke is right, and each one leaks into the next."""

    class Counter(tf.Module):
        def __init__(self):
            self.total = tf.Variable(tf.zeros((1, 3)))

        @tf.function(input_signature=[tf.TensorSpec((1, 3), tf.float32)])
        def call(self, x):
            self.total.assign_add(x)
            return {"value": self.total.read_value()}

    module = Counter()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"edge": module.call})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"), signature_keys=["edge"])
    converter.experimental_enable_resource_variables = True
    path = tmp_path / "leaks.float32.tflite"
    path.write_bytes(converter.convert())
    x = np.eye(3, dtype="float32")
    assert np.array_equal(zoo.Runner(path).predict(x[:1]), x[:1]), "alone, the first sample is right"
    report = check_file(path, "float32", x, x, x, zoo.Regression(3), zoo.Bounds(score=10))
    assert "parity" in refused(report)


@pytest.mark.parametrize("content", [b"", b"abc", b"\0" * 3000, b"\x1c\0\0\0TFL3" + bytes(range(256)) * 8])
def test_what_is_no_tflite_file_is_refused(tmp_path, content):
    path = tmp_path / "bad.float32.tflite"
    path.write_bytes(content)
    report = check_file(path, "float32", X, np.zeros(100, int), np.zeros((100, 3)), TASK, BOUNDS)
    assert refused(report) == {"loads"}


def test_verify_moves_a_refused_file_away(quick_run, tmp_path, zoo_command):
    shutil.copytree(quick_run, tmp_path / "copy")
    run = tmp_path / "copy" / "run"
    bad = run / "tflite" / "quick_fnn.int8.tflite"
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    done = zoo_command("verify", run, "--recipe", tmp_path / "copy" / "quick_fnn.py", check=1)
    assert "quick_fnn.int8.tflite" in done.stderr and "Traceback" not in done.stderr
    assert not bad.exists() and (run / "refused" / bad.name).exists()
    assert "not the file that its record describes" in (run / "refused" / f"{bad.name}.txt").read_text()
    assert (run / "tflite" / "quick_fnn.float32.tflite").exists()
    zoo_command("verify", run, check=0)  # what is left is good


def test_an_export_below_its_bound_leaves_no_file_among_the_good(quick_run, tmp_path, zoo_command):
    from conftest import write_recipe

    shutil.copytree(quick_run / "run", tmp_path / "run")
    recipe = write_recipe(tmp_path / "quick_fnn.py", score=1.1)
    done = zoo_command("export", recipe, "--out", tmp_path / "run", check=1)
    assert "bound: accuracy" in done.stderr
    assert not list((tmp_path / "run" / "tflite").iterdir())
    assert len(list((tmp_path / "run" / "refused").glob("*.tflite"))) == 2
    assert json.loads((tmp_path / "run" / "record.json").read_text())["verified"] is False
