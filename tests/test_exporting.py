"""`zoo export` of any Keras model: the files, what is in them, and what goes wrong in words."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from conftest import ROOT

import zoo
from zoo.base.files import locked, read_json
from zoo.runs.contents import guessed_task
from zoo.runs.file_checks import interval

LABELS = ["down", "up"]

pytestmark = pytest.mark.usefixtures("converter_here")


def quiet(line):
    pass


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """model.keras, x.npz, labels.txt, and the export of these in out/."""
    place = tmp_path_factory.mktemp("export")
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(240, 4, 3)).astype("float32")
    y = (x.sum(axis=(1, 2)) > 0).astype("int64")
    model = keras.Sequential(
        [keras.Input((4, 3)), keras.layers.GRU(6, dropout=0.1), keras.layers.Dense(2, activation="softmax")]
    )
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=8, verbose=0)
    model.save(place / "model.keras")
    np.savez(place / "x.npz", x=x, y=y)
    (place / "labels.txt").write_text("\n".join(LABELS))
    result = zoo.export(place / "model.keras", place / "out", test=(x, y), labels=LABELS, report=quiet)
    assert result.verified, [file.refusal for file in result.files]
    return place


def test_the_result_lists_what_was_measured(place):
    record = read_json(place / "out" / "record.json")
    assert list(record["files"]) == ["float32", "int8"] and record["verified"]
    for file in record["files"].values():
        assert file["strategy"] == "unrolled" and file["samples"] == 120, "half of the data calibrated"
        low, high = file["interval"]
        assert low <= file["score"] - file["score_keras"] <= high
        assert (place / "out" / "tflite" / file["file"]).stat().st_size == file["bytes"]


def test_zipfile_reads_what_the_file_tells(place):
    for path in (place / "out" / "tflite").glob("*.tflite"):
        with zipfile.ZipFile(path) as archive:
            assert archive.read("labels.txt").decode().split() == LABELS
            told = json.loads(archive.read("zoo.json"))
        score = read_json(place / "out" / "record.json")["files"][told["precision"]]["score"]
        assert told["score"] == score and told["versions"]["keras"] == keras.__version__
        assert zoo.describe(path)["description"] == told


def test_golden_answers_are_those_of_a_bare_interpreter(place):
    from ai_edge_litert.interpreter import Interpreter

    for path in (place / "out" / "tflite").glob("*.tflite"):
        golden = read_json(path.with_name(f"{path.stem}.golden.json"))
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        for given, wanted in zip(golden["inputs"], golden["outputs"], strict=True):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.array([given], "float32"))
            interpreter.invoke()
            answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
            np.testing.assert_allclose(answer, wanted, atol=1e-6)


def test_the_saved_model_runs_in_a_process_without_our_code(place):
    program = """
import sys, numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
x = np.load(sys.argv[2])["x"]
many = loaded.signatures["serve"](input=tf.constant(x))["probabilities"].numpy()
one = loaded.signatures["edge"](input=tf.constant(x[:1]))["probabilities"].numpy()
assert many.shape == (240, 2) and np.allclose(many.sum(axis=1), 1, atol=1e-5) and np.allclose(one, many[:1], atol=1e-6)
assert not [name for name in sys.modules if name == "zoo" or name.startswith("zoo.")]
"""
    command = [sys.executable, "-c", program, place / "out" / "saved_model" / "1", place / "x.npz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place)
    assert done.returncode == 0, done.stderr


def test_verify_measures_again_with_the_data_of_the_export(place):
    arrays = np.load(place / "x.npz")
    assert zoo.verify(place / "out", test=(arrays["x"], arrays["y"]), report=quiet).verified
    with pytest.raises(ValueError, match="these are not the data of"):
        zoo.verify(place / "out", test=(arrays["x"] + 1, arrays["y"]), report=quiet)
    with pytest.raises(ValueError, match="names no recipe; give the data it was measured on"):
        zoo.verify(place / "out", report=quiet)


def test_the_command_exports_for_a_microcontroller(place, zoo_command):
    out = place / "micro"
    done = zoo_command(
        "export", place / "model.keras", "--data", place / "x.npz", "--labels", place / "labels.txt", "--out", out,
        "--precision", "int8_io", "--target", "micro", "--c-array", check=0,
    )  # fmt: skip
    assert "model.int8_io.tflite: passed on 120 test samples" in done.stderr
    assert {path.suffix for path in (out / "c").iterdir()} == {".c", ".h"}
    shown = zoo_command("show", out / "tflite" / "model.int8_io.tflite", check=0).stdout
    assert "checksum: True" in shown and "dtype int8" in shown


MODEL = keras.Sequential([keras.Input((4, 3)), keras.layers.GRU(2), keras.layers.Dense(2)], name="small")
X = np.zeros((10, 4, 3), "float32")
BAD = {
    "no data": (MODEL, {}, "give calibration=x"),
    "another shape": (MODEL, {"calibration": np.zeros((10, 5, 3))}, r"reads samples of shape \(4, 3\).*\(5, 3\)"),
    "NaN": (MODEL, {"calibration": np.full((10, 4, 3), np.nan)}, "x has NaN or infinite values"),
    "text": (MODEL, {"calibration": np.array([["a"]])}, "of type <U1"),
    "one sample": (MODEL, {"calibration": X[:1]}, "x has 1 sample; give at least 2"),
    "too few targets": (MODEL, {"test": (X, np.zeros(3, int))}, "x has 10 samples and y 3"),
    "foreign targets": (MODEL, {"test": (X, np.full(10, 7))}, "does not go with outputs"),
    "precision": (MODEL, {"calibration": X, "precisions": ["int4"]}, "precision='int4' is not known"),
    "no precision": (MODEL, {"calibration": X, "precisions": []}, r"precisions=\(\) is empty"),
    "strategy": (MODEL, {"calibration": X, "strategy": "fused"}, "'fused' is impossible in float32: gru.* is a GRU"),
    "target": (MODEL, {"calibration": X, "target": "phone"}, "target='phone' is not known"),
    "loop in int8": (MODEL, {"calibration": X, "strategy": "while"}, "'while' is impossible in int8: the converter"),
    "recipe with data": ("digits_fnn", {"calibration": X}, "recipe digits_fnn has its own data"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_told_in_words(tmp_path, case):
    model, arguments, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        zoo.export(model, tmp_path / "out", report=quiet, **arguments)
    assert not list(tmp_path.rglob("*.tflite"))


def test_several_inputs_are_told(tmp_path):
    a, b = keras.Input((2,)), keras.Input((2,))
    with pytest.raises(ValueError, match="has 2 inputs; models of one input and one output can be exported"):
        zoo.export(keras.Model([a, b], a + b), tmp_path, calibration=np.zeros((10, 2)), report=quiet)


def test_a_layer_without_a_builtin_op_is_told_with_what_to_do(tmp_path):
    inputs = keras.Input((1,), dtype="int64")
    hashed = keras.layers.Hashing(8, output_mode="one_hot")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(hashed))
    with pytest.raises(ValueError, match="hashing.* has no builtin op in TFLite; hash outside of the model"):
        zoo.export(model, tmp_path, calibration=np.arange(10).reshape(10, 1), report=quiet)


def test_two_exports_into_one_folder_at_once(place, tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="another process is writing to"):
        zoo.export(MODEL, tmp_path, calibration=X, report=quiet)


def test_a_full_disk_leaves_nothing_that_looks_whole(place, tmp_path):
    command = (
        f"ulimit -f 12; trap '' XFSZ; exec {sys.executable} -m zoo export {place / 'model.keras'} "
        f"--data {place / 'x.npz'} --precision float32 --out {tmp_path / 'out'}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in (1, 2), done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("zoo: ")]
    assert len(told) == 1 and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.rglob("*.tflite")) and not list(tmp_path.rglob("record.json"))
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".export")]


def test_what_outputs_mean_is_read_off_them():
    y = np.array([0, 1, 2])
    assert guessed_task(np.eye(3), y)[1] == "probabilities"
    assert guessed_task(np.eye(3) * 2 - 1, y)[1] == "logits"
    assert guessed_task(np.array([[0.2], [0.8], [0.5]]), np.array([0, 1, 1]))[1] == "probability"
    assert guessed_task(np.array([[20.0], [8.0], [5.0]]), np.array([0.5, 1, 1]))[1] == "value"


def test_the_interval_is_that_of_the_mean():
    """Against the normal distribution, which the mean of many differences comes close to."""
    differences = np.random.default_rng(1).normal(0.1, 1.0, 4000)
    low, high = interval(differences)
    half = 1.96 * differences.std() / np.sqrt(len(differences))
    assert low == pytest.approx(differences.mean() - half, abs=0.004)
    assert high == pytest.approx(differences.mean() + half, abs=0.004)


def test_the_layers_that_lose_most_are_named(quick_run, zoo_command):
    done = zoo_command("verify", quick_run / "run", "--recipe", quick_run / "quick_fnn.py", "--layers", check=0)
    head, *rows = done.stdout.splitlines()
    assert head.startswith("LAYER") and any("logits" in row for row in rows)
    errors = [float(row.split()[-1]) for row in rows]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0
