"""The runner: against the bare interpreter, alone, and with bad input."""

import ast
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import zoo
from zoo import deploy
from zoo.exporting.metadata import seal
from zoo.runtime import prediction as asking


@pytest.fixture(scope="module")
def file():
    from zoo.recipe.collection import folder

    return folder("tflite") / "digits_cnn" / "digits_cnn.int8.tflite"


def test_it_imports_nothing_else_of_zoo():
    imported = set()
    for node in ast.walk(ast.parse(Path(deploy.__file__).read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported - sys.stdlib_module_names == {"numpy", "ai_edge_litert"}


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


def convert(call, signature, path, *tracked, calibration=None, integers=None):
    """Writes `call` as a .tflite file by way of a SavedModel; with `calibration` (dicts of inputs) as int8."""
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    for each in tracked:
        archive.track(each)
    archive.add_endpoint("edge", call, [tf.TensorSpec(shape, dtype, name=name) for name, shape, dtype in signature])
    archive.write_out(path.parent / "saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path.parent / "saved_model"), signature_keys=["edge"])
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: iter(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if integers:
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(integers)
    path.write_bytes(converter.convert())
    return path


def named(model, output_name):
    def call(input):  # noqa: A002  (the argument's name becomes the input's)
        return {output_name: model(input)}

    return call


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


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_input_files(file, tmp_path, suffix):
    x = zoo.data.digits().test.x[:5]
    path = tmp_path / f"input{suffix}"
    if suffix == ".npy":
        np.save(path, x)
    elif suffix == ".npz":
        np.savez(path, x=x, y=np.zeros(5))
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
    np.savez(tmp_path / "y.npz", y=np.zeros(3))
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    for name, message in (
        ("a.txt", "is a .npy or .npz of arrays or a .csv of numbers, not .txt"),
        ("y.npz", "holds y; name the arrays"),
        ("a.csv", "cannot be read"),
        ("b.csv", "cannot be read"),
        ("object.npy", "cannot be read as .npz or .npy: Object arrays cannot be loaded"),
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


UNITS = 5


@pytest.fixture(scope="module")
def lstm():
    """A whole-sequence LSTM of Keras, its one-step function with explicit state, and sequences (n, steps, features)."""
    import keras

    keras.utils.set_random_seed(0)
    layer, dense = keras.layers.LSTM(UNITS), keras.layers.Dense(3, "softmax")
    whole = keras.Sequential([keras.Input((None, 4)), layer, dense])

    def step(input, state_0, state_1):  # noqa: A002
        h, (_, c) = layer.cell(input, [state_0, state_1])
        return {"probabilities": dense(h), "next_state_0": h, "next_state_1": c}

    x = np.random.default_rng(0).uniform(-2, 2, size=(20, 7, 4)).astype("float32")
    return whole, step, x


STEP = [("input", (1, 4), "float32"), ("state_0", (1, UNITS), "float32"), ("state_1", (1, UNITS), "float32")]


@pytest.fixture(scope="module")
def streaming(lstm, tmp_path_factory):
    whole, step, _ = lstm
    return convert(step, STEP, tmp_path_factory.mktemp("streaming") / "step.tflite", whole)


def test_streaming_agrees_with_the_whole_sequence(lstm, streaming):
    whole, _, x = lstm
    runner = zoo.Runner(streaming)
    assert runner.streaming and runner.input_shape == (None, 4) and runner.output_name == "probabilities"
    np.testing.assert_allclose(runner.predict(x), whole.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_allclose(runner.predict(x[0, :3]), whole.predict(x[:1, :3], verbose=0), atol=1e-6)

    for steps in range(1, 4):
        y = runner.step(x[0, steps - 1])
        np.testing.assert_array_equal(y, runner.predict(x[0, :steps]))  # has a state of its own
    runner.reset()
    np.testing.assert_array_equal(runner.step(x[0, :1]), runner.predict(x[:1, :1]))
    np.testing.assert_array_equal(runner.predict_one(x[0]), runner.predict(x[:1]))


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
@pytest.mark.filterwarnings(r"ignore:\s+Warning. tf.lite.Interpreter is deprecated")  # by the converter itself
@pytest.mark.parametrize("integers", [None, "int8", "uint8"])
def test_streaming_in_int8(lstm, tmp_path, integers):
    """The states going in and coming out have scales of their own."""
    whole, step, x = lstm
    calibration = []
    for sequence in x:
        h = c = np.zeros((1, UNITS), "float32")
        for x_t in sequence[:, None]:
            calibration.append({"input": x_t, "state_0": h, "state_1": c})
            y = step(x_t, h, c)
            h, c = np.asarray(y["next_state_0"]), np.asarray(y["next_state_1"])
    runner = zoo.Runner(
        convert(step, STEP, tmp_path / "step.tflite", whole, calibration=calibration, integers=integers)
    )
    if integers:
        about = {each["name"]: each for each in deploy.describe(runner.path)["inputs"]}
        assert {each["dtype"] for each in about.values()} == {integers}
    np.testing.assert_allclose(runner.predict(x), whole.predict(x, verbose=0), atol=0.05)
    for x_t in x[0]:
        y = runner.step(x_t)
    np.testing.assert_array_equal(y, runner.predict(x[:1]))


def test_steps_are_for_streaming_files(lstm, streaming, file):
    with pytest.raises(ValueError, match=r"digits_cnn.int8.tflite keeps no state from step to step: call predict"):
        zoo.Runner(file).step(np.zeros((8, 8, 1)))
    runner = zoo.Runner(streaming)
    with pytest.raises(ValueError, match=r"the step has shape \(5,\); step.tflite reads \(4,\), one step at a time"):
        runner.step(np.zeros(5))
    with pytest.raises(ValueError, match=r"NaN or infinite values in 1 of 1 samples"):
        runner.step(np.full(4, np.nan))
    with pytest.raises(
        ValueError, match=r"shape \(2, 0, 4\); step.tflite reads \(any, 4\), or n of them: \(n, any, 4\)"
    ):
        runner.predict(np.zeros((2, 0, 4)))


def test_any_number_of_steps(lstm, tmp_path):
    whole, _, x = lstm
    path = convert(
        named(whole, "probabilities"),
        [("input", (1, None, 4), "float32")],
        tmp_path / "a.tflite",
        whole,
    )
    runner = zoo.Runner(path)
    assert runner.input_shape == (None, 4) and not runner.streaming
    for steps in (7, 1, 3, 3):
        expected = whole.predict(x[:, :steps], verbose=0)
        np.testing.assert_allclose(runner.predict(x[:, :steps]), expected, atol=1e-6)
    np.testing.assert_allclose(runner.predict_one(x[0, :2]), whole.predict(x[:1, :2], verbose=0), atol=1e-6)
    each = runner.predict_each(x[0, : 1 + n % 7] for n in itertools.count())
    for n, y in zip(range(9), each, strict=False):
        np.testing.assert_array_equal(y, runner.predict(x[0, : 1 + n % 7])[0])

    np.savetxt(tmp_path / "one.csv", x[0], delimiter=",")
    np.savetxt(tmp_path / "rows.csv", x.reshape(20, -1), delimiter=",")
    np.testing.assert_array_equal(asking.read_input(tmp_path / "one.csv", (None, 4)), x[0])
    np.testing.assert_array_equal(asking.read_input(tmp_path / "rows.csv", (None, 4)), x)


def test_a_state_inside_the_file_does_not_last(file, tmp_path):
    import keras

    from zoo.exporting.strategies.fused import FusedLSTM

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 4), batch_size=1), FusedLSTM(UNITS), keras.layers.Dense(3)])
    path = convert(named(model, "value"), [("input", (1, 6, 4), "float32")], tmp_path / "f.tflite", model)
    x = np.random.default_rng(0).uniform(-2, 2, size=(5, 6, 4)).astype("float32")
    runner = zoo.Runner(path)
    expected = np.concatenate([model(sample[None]) for sample in x])
    for _ in range(2):
        np.testing.assert_allclose(runner.predict(x), expected, atol=1e-6)
        np.testing.assert_allclose(runner.predict_one(x[2]), expected[2:3], atol=1e-6)
    assert runner._keeps_state and not zoo.Runner(file)._keeps_state


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,), dtype="int32"), keras.layers.Embedding(9, 3), keras.layers.GlobalAveragePooling1D()]
    model = keras.Sequential(layers)
    path = tmp_path_factory.mktemp("tokens") / "tokens.tflite"
    return model, convert(named(model, "value"), [("input", (1, 4), "int32")], path, model)


def test_tokens_are_whole_numbers(tokens):
    model, path = tokens
    runner, x = zoo.Runner(path), np.array([[0, 1, 2, 3], [8, 7, 6, 5]])
    for dtype in ("int32", "int64", "uint8", "float32"):  # a .csv is read as float32
        np.testing.assert_allclose(runner.predict(x.astype(dtype)), model.predict(x, verbose=0), atol=1e-6)
    for bad in (0.5, np.nan, 1e12):
        with pytest.raises(ValueError, match="values that are not whole int32 in 1 of 2 samples"):
            runner.predict(np.array([[0, 1, 2, 3], [bad, 0, 0, 0]]))
    with pytest.raises(ValueError, match="in 1 of 1 samples"):
        runner.predict(np.array([2**40, 0, 0, 0]))


def test_several_inputs_are_named(tmp_path):
    signature = [("a", (1, 2), "float32"), ("b", (1, 2), "float32")]
    path = convert(lambda a, b: {"sum": a + b}, signature, tmp_path / "sum.tflite")
    with pytest.raises(ValueError, match=r"sum.tflite has the inputs a, b; the Runner reads models of one input"):
        zoo.Runner(path)
    path = convert(lambda a: {"p": a + 1.0, "q": a * 2.0}, signature[:1], tmp_path / "two.tflite")
    with pytest.raises(ValueError, match=r"two.tflite has the outputs p, q; the Runner reads models of one output"):
        zoo.Runner(path)
    path = convert(lambda a: {"p": a + 1.0}, [("a", (3, 2), "float32")], tmp_path / "three.tflite")
    with pytest.raises(ValueError, match=r"three.tflite reads 3 samples at a time; the Runner gives it one"):
        zoo.Runner(path)
    assert [each["name"] for each in deploy.describe(tmp_path / "sum.tflite")["inputs"]] == ["a", "b"]


def test_a_sealed_file_tells_of_itself(streaming, tmp_path):
    path = tmp_path / "sealed.tflite"
    path.write_bytes(seal(streaming.read_bytes(), {"name": "step"}, {"labels.txt": "é\nb\nc\n", "vocab.txt": "x"}))
    runner = zoo.Runner(path)
    assert runner.labels == ("é", "b", "c") and runner.description["name"] == "step"
    x = np.ones((2, 3, 4))
    np.testing.assert_array_equal(runner.predict(x), zoo.Runner(streaming, trusted=True).predict(x))

    about = deploy.describe(path)
    json.dumps(about, allow_nan=False)
    assert about["checksum"] is True and about["damage"] is None and about["labels"] == 3
    assert (about["bytes"], about["sha256"]) == (path.stat().st_size, runner.sha256)
    assert about["files"] == ["zoo.json", "labels.txt", "vocab.txt"] and about["description"] == runner.description
    assert {"name": "input", "shape": [1, 4], "dtype": "float32", "quantization": None} in about["inputs"]
    assert {each["name"] for each in about["outputs"]} == {"probabilities", "next_state_0", "next_state_1"}
    plain = deploy.describe(streaming)
    assert (plain["checksum"], plain["description"], plain["files"]) == (None, {}, [])

    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    about = deploy.describe(path)
    assert about["checksum"] is False and "its checksum does not match" in about["damage"] and about["inputs"] == []
    assert about["description"]["name"] == "step"


def test_a_checksum_spares_the_child(streaming, file, tmp_path, monkeypatch):
    sealed = tmp_path / "sealed.tflite"
    sealed.write_bytes(seal(streaming.read_bytes(), {}, {}))
    monkeypatch.setattr(deploy, "_damage_in_child", lambda model: "was run in a child")
    zoo.Runner(sealed)
    zoo.Runner(file)  # by its record.json
    zoo.Runner(streaming, trusted=True)
    with pytest.raises(ValueError, match="step.tflite was run in a child"):
        zoo.Runner(streaming)


def test_many_inputs(file, tmp_path):
    """More than one block of them, of another type and layout, from a file on disk."""
    x = np.random.default_rng(0).integers(0, 17, size=(1100, 8, 8, 1))
    runner = zoo.Runner(file)
    expected = np.concatenate([runner.predict_one(sample) for sample in x.astype("float32")])
    np.save(tmp_path / "x.npy", x.astype("float64"))
    for same in (x, np.load(tmp_path / "x.npy", mmap_mode="r"), np.asfortranarray(x.astype("float32"))):
        np.testing.assert_array_equal(runner.predict(same), expected)
    assert isinstance(runner.predict_each(iter(x)), Iterator)
    np.testing.assert_array_equal(list(runner.predict_each(x[:5])), expected[:5])
    bad = x.astype("float64")
    bad[[3, 600, 1099]] = 1e300  # is infinite as float32
    with pytest.raises(ValueError, match="NaN or infinite values in 3 of 1100 samples"):
        runner.predict(bad)
    with pytest.raises(ValueError, match=r"the input has shape \(2, 8, 8, 1\)"):
        next(runner.predict_each([x[:2]]))


def test_memory_does_not_grow_with_the_inputs(file):
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    from benchmarks.runner import peak_memory

    assert peak_memory(file, 20_000) - peak_memory(file, 2_000) < 2_000, "kB; the outputs alone are 720"


def test_numbers_that_a_scaled_tensor_takes():
    detail = {"quantization": (0.5, -3), "dtype": np.int16}
    x = np.array([0.0, 1.0, -1.24, 1e9], "float32")
    q = deploy._to_tensor(x, detail)
    assert q.dtype == np.int16 and q.tolist() == [-3, -1, -5, 32767]
    np.testing.assert_array_equal(deploy._to_floats(q[:3], detail), [0, 1, -1])
    wider = {"quantization": (0.25, 0), "dtype": np.int8}
    assert deploy._rescaled(q[:3], detail, wider).tolist() == [0, 4, -4]
    assert deploy._rescaled(q, detail, dict(detail)) is q


def test_an_input_that_the_file_cannot_compute(tokens):
    with pytest.raises(ValueError, match=r"tokens.tflite cannot compute this input: .*"):
        zoo.Runner(tokens[1]).predict(np.array([0, 1, 2, 99]))


def test_labels_that_do_not_exclude_each_other_are_all_named():
    prediction = asking.Prediction("label_probabilities", np.array([[0.9, 0.2, 0.8], [0.1, 0.2, 0.5]]), ("a", "b"))
    assert prediction.classes is None
    assert [row["labels"] for row in prediction.as_rows()] == [["a", "2"], []]
