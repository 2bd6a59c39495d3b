"""LiteRT Micro itself: it answers as LiteRT does, in a measured arena, and what it cannot run is refused in words.

`make test-targets` runs these, with tflite-micro from the extra [micro].
"""

import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.schema_py_generated import BuiltinOperator
from sklearn.datasets import load_digits
from test_targets import EXAMPLE, RELEASED, one_op

from zoo.base.errors import CheckFailed
from zoo.base.files import read_json
from zoo.exporting.strategies.fused import FusedLSTM
from zoo.runtime import micro
from zoo.runtime.micro import arena_bytes, micro_run
from zoo.runtime.targets import MICRO_OPS, TARGETS, incompatibility, inputs_and_outputs, read_model

DIGITS = load_digits().images[:50].astype("float32")
ENDLESS = ("traffic_gru.float32", "watch_gru.float32")  # their loops, which end in LiteRT, do not there
OWN_KERNELS = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # without XNNPACK, whose int8 kernels round otherwise

MODELS = {
    "fnn": ((64,), [keras.layers.Dense(16, "relu")]),
    "cnn": ((8, 8, 1), [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()]),
    "lstm": ((8, 8), [FusedLSTM(8)]),
}


def convert(family, path, precision):
    """Writes a small model of a family, untrained, as "float32", "float16", "dynamic" or "int8_io"."""
    keras.utils.set_random_seed(0)
    shape, layers = MODELS[family]
    model = keras.Sequential([keras.Input(shape), *(type(x).from_config(x.get_config()) for x in layers)])
    model.add(keras.layers.Dense(300 if precision == "dynamic" else 10))  # the converter leaves small layers alone
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("edge", model.call, [tf.TensorSpec((1, *shape), name="input")])
    archive.write_out(str(path.with_suffix("")), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path.with_suffix("")), signature_keys=["edge"])
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8_io":
        converter.experimental_new_quantizer = False
        converter.representative_dataset = lambda: ([x.reshape(1, *shape)] for x in DIGITS)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())
    return path


def lite_run(path, x, resolver):
    """What LiteRT answers to each sample, with a fresh state."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    if scale:
        x = np.clip(np.round(x / np.float32(scale)) + zero_point, -128, 127).astype("int8")
    outputs = []
    for sample in x:
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0])
    scale, zero_point = target["quantization"]
    return (np.stack(outputs).astype("float32") - zero_point) * (scale or 1)


def assert_agrees(path, quantum):
    shape = tuple(inputs_and_outputs(read_model(path))[0][0].shape[1:])
    x = DIGITS.reshape(-1, *shape)
    outputs, arena = micro_run(path, x)
    print(f"\n{path.name}: arena {arena} bytes", end="")
    assert np.ptp(outputs, axis=0).max() > 3 * quantum  # it answers something
    np.testing.assert_allclose(outputs, lite_run(path, x, OWN_KERNELS), atol=1.01 * quantum, rtol=0)
    np.testing.assert_allclose(outputs, lite_run(path, x, OpResolverType.AUTO), atol=2.01 * quantum, rtol=0)
    assert arena % 16 == 0
    assert 500 < arena < 100_000
    assert arena_bytes(path) == arena


@pytest.mark.parametrize(
    "path", [path for path in RELEASED if path.name.startswith("digits")], ids=lambda path: path.stem
)
def test_released_files_answer_as_in_litert(path):
    assert_agrees(path, 1e-5 if "float32" in path.name else 1 / 256)


@pytest.mark.parametrize(
    "path",
    [path for path in RELEASED if incompatibility(path, TARGETS["micro"]) is None],
    ids=lambda path: path.stem,
)
def test_released_files_give_their_golden_answers(path):
    golden = read_json(path.with_name(f"{path.stem}.golden.json"))
    x, expected = np.array(golden["inputs"], "float32"), np.array(golden["outputs"])
    outputs, _ = micro_run(path, x)
    own, scale = lite_run(path, x, OWN_KERNELS), max(1, np.abs(expected).max())
    exact, near = (1e-5, 1e-5) if "float32" in path.name else (1.01 / 256, 2.01 / 256)
    rounding = np.abs(own - expected).max() / scale  # of XNNPACK, whose answers the golden ones are
    if path.stem == "fashion_mnist_gru.int8":  # 28 steps of 128 units, each rounded: three runtimes, three answers
        exact = rounding
    np.testing.assert_allclose(outputs, own, atol=exact * scale, rtol=0)
    np.testing.assert_allclose(outputs, expected, atol=max(near, 1.01 * rounding) * scale, rtol=0)


@pytest.mark.parametrize("path", [path for path in RELEASED if path.stem in ENDLESS], ids=lambda path: path.stem)
def test_a_loop_without_an_end_is_told(path, monkeypatch):
    with pytest.raises(CheckFailed, match="WHILE may not end"):
        arena_bytes(path)
    monkeypatch.setattr(micro, "incompatibility", lambda path, target: None)  # rightly so: it does not end
    monkeypatch.setattr(micro, "TIMEOUT", 5)
    with pytest.raises(CheckFailed, match="an invoke did not end within"):
        arena_bytes(path)


@pytest.mark.parametrize("family", MODELS)
def test_full_integer_files_answer_as_in_litert(family, tmp_path):
    path = convert(family, tmp_path / f"{family}.tflite", "int8_io")
    _, (output,) = inputs_and_outputs(read_model(path))
    assert_agrees(path, output.quantization.scale[0])


def test_a_state_does_not_leak_into_the_next_sample(tmp_path):
    path = convert("lstm", tmp_path / "lstm.tflite", "float32")
    assert any(tensor.isVariable for tensor in read_model(path).subgraphs[0].tensors)
    outputs, _ = micro_run(path, np.stack([DIGITS[0], DIGITS[1], DIGITS[0]]))
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert_agrees(path, 1e-5)


def test_the_arena_is_the_smallest(tmp_path):
    arena = arena_bytes(EXAMPLE)
    program = (
        "import sys; from tflite_micro.python.tflite_micro import runtime; "
        "runtime.Interpreter.from_file(sys.argv[1], arena_size=int(sys.argv[2]))"
    )
    done = [
        subprocess.run([sys.executable, "-c", program, EXAMPLE, str(size)], capture_output=True)
        for size in (arena, arena - micro.ALIGNMENT)
    ]
    assert done[0].returncode == 0
    assert done[1].returncode != 0


def test_the_list_of_ops_is_that_of_the_package(tmp_path):
    """Each builtin op in a file of its own: most of these fail, but only ops that are not registered are not found."""
    names = [name for name in vars(BuiltinOperator) if not name.startswith("_") and name != "CUSTOM"]
    for name in names:
        (tmp_path / f"{name}.tflite").write_bytes(one_op(name))
    program = (
        "import os, sys; from pathlib import Path; from tflite_micro.python.tflite_micro import runtime\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.tflite')):\n"
        "    if os.fork() == 0:\n"
        "        try: runtime.Interpreter.from_file(str(path), arena_size=100000)\n"
        "        except RuntimeError: pass\n"
        "        finally: os._exit(0)\n"
        "    os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    lacking = {name for name in names if f"Didn't find op for builtin opcode '{name}'" in done.stderr}
    assert set(names) - lacking == MICRO_OPS


def test_a_dynamic_range_file_is_refused_in_words(tmp_path, monkeypatch):
    path = convert("fnn", tmp_path / "fnn.tflite", "dynamic")
    with pytest.raises(CheckFailed, match=r"FULLY_CONNECTED has float inputs and integer weights"):
        arena_bytes(path)
    monkeypatch.setattr(micro, "incompatibility", lambda path, target: None)  # rightly so: it does not run
    with pytest.raises(CheckFailed, match="FLOAT32 with filter type: INT8 not supported"):
        arena_bytes(path)


def test_a_float16_file_is_refused_in_words(tmp_path, monkeypatch):
    path = convert("fnn", tmp_path / "fnn.tflite", "float16")
    with pytest.raises(CheckFailed, match=r"LiteRT Micro has no tensors of FLOAT16"):
        arena_bytes(path)
    monkeypatch.setattr(micro, "incompatibility", lambda path, target: None)
    with pytest.raises(CheckFailed, match="DEQUANTIZE"):
        arena_bytes(path)


def test_an_op_that_it_lacks_is_refused_in_words(tmp_path, monkeypatch):
    path = tmp_path / "select.tflite"
    path.write_bytes(one_op("SELECT", ("BOOL", "FLOAT32", "FLOAT32")))
    with pytest.raises(CheckFailed, match=r"select.tflite does not run on LiteRT Micro: op SELECT is not in LiteRT"):
        arena_bytes(path)
    monkeypatch.setattr(micro, "incompatibility", lambda path, target: None)
    with pytest.raises(CheckFailed, match="Didn't find op for builtin opcode 'SELECT'"):
        arena_bytes(path)


def test_a_crash_ends_a_child_and_is_told(tmp_path):
    path = tmp_path / "argmax.tflite"
    path.write_bytes(one_op("ARG_MAX"))  # without the second input, the axis, which its kernel reads nonetheless
    with pytest.raises(CheckFailed, match="its process was ended by SIGSEGV"):
        arena_bytes(path)
