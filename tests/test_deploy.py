"""The runner: against the bare interpreter, alone, and with bad input."""

import ast
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import zoo
from zoo import deploy


@pytest.fixture(scope="module")
def file():
    from zoo.collection import folder

    return folder("tflite") / "digits_cnn" / "digits_cnn.int8.tflite"


def test_it_imports_nothing_else_of_zoo():
    imported = set()
    for node in ast.walk(ast.parse(Path(deploy.__file__).read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= {"hashlib", "json", "dataclasses", "pathlib", "typing", "numpy", "ai_edge_litert"}


def test_answers_are_those_of_the_bare_interpreter(file):
    x = zoo.data.digits().test.x[:20]
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    expected = []
    for sample in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
        interpreter.invoke()
        expected.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    np.testing.assert_array_equal(zoo.Runner(file).predict(x), expected)
    np.testing.assert_array_equal(zoo.Runner(file).predict(x[0]), expected[:1])


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
def test_a_file_with_integer_input_and_output_is_scaled(tmp_path):
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    x = np.random.default_rng(0).uniform(-1, 1, size=(50, 4)).astype("float32")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in x)
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (tmp_path / "integers.tflite").write_bytes(converter.convert())
    np.testing.assert_allclose(
        zoo.Runner(tmp_path / "integers.tflite").predict(x), model.predict(x, verbose=0), atol=0.05
    )


def test_predictions_carry_labels(file, tmp_path):
    x = zoo.data.digits().test.x[:5]
    prediction = zoo.predict(file, x)
    assert prediction.labels == tuple("0123456789")
    rows = prediction.as_rows()
    for row, outputs in zip(rows, prediction.outputs, strict=True):
        assert row["label"] == str(outputs.argmax()) and row["confidence"] == pytest.approx(outputs.max())


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_input_files(file, tmp_path, suffix):
    x = zoo.data.digits().test.x[:5]
    path = tmp_path / f"input{suffix}"
    if suffix == ".npy":
        np.save(path, x)
    else:
        np.savetxt(path, x.reshape(5, 64), delimiter=",")
    np.testing.assert_array_equal(zoo.predict(file, path).outputs, zoo.predict(file, x).outputs)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 7, 8, 1)), r"the input has shape \(3, 7, 8, 1\); digits_cnn.int8.tflite reads \(8, 8, 1\)"),
        (np.zeros((0, 8, 8, 1)), r"shape \(0, 8, 8, 1\)"),
        (np.full((2, 8, 8, 1), np.nan), "NaN or infinite values in 2 of 2 samples"),
        (np.full((8, 8, 1), np.inf), "NaN or infinite"),
        (np.array([["a"]]), "of type <U1"),
        (np.zeros((8, 8, 1), complex), "of type complex128"),
        (np.zeros((8, 8, 1), bool), "of type bool"),
    ],
)
def test_bad_arrays(file, x, message):
    with pytest.raises(ValueError, match=message):
        zoo.predict(file, x)


def test_bad_input_files(file, tmp_path):
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "a.csv").write_text("1,2\n3\n")
    (tmp_path / "b.csv").write_text("one,two\n")
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    for name, message in (
        ("a.txt", "is a .npy array or a .csv of numbers, not .txt"),
        ("a.csv", "cannot be read"),
        ("b.csv", "cannot be read"),
        ("object.npy", "cannot be read: Object arrays cannot be loaded"),
        ("cut.npy", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            zoo.predict(file, tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere.npy"):
        zoo.predict(file, tmp_path / "nowhere.npy")
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere.tflite"):
        zoo.predict("nowhere.tflite", np.zeros(3))


def test_truncated_and_changed_files(file, tmp_path):
    content = file.read_bytes()
    for length in (0, 6, 100, len(content) // 2, len(content) - 10):
        (tmp_path / "cut.tflite").write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut.tflite"):
            zoo.Runner(tmp_path / "cut.tflite")
    (tmp_path / "record.json").write_bytes((file.parent / "record.json").read_bytes())
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    (tmp_path / file.name).write_bytes(changed)
    with pytest.raises(ValueError, match="not the file that its record describes"):
        zoo.Runner(tmp_path / file.name)
