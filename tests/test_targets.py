"""What each target refuses, in words, and the C array; on files made by hand, so without any converter or runtime."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from zoo.runtime import micro
from zoo.runtime.compatibility import where
from zoo.runtime.targets import TARGETS, incompatibility, operators, read_model

ROOT = Path(__file__).parent.parent
RELEASED = sorted((ROOT / "tflite").glob("*/*.tflite"))
EXAMPLE = next(path for path in RELEASED if path.name == "digits_cnn.int8.tflite")


def one_op(name="ADD", inputs=("FLOAT32",), outputs=("FLOAT32",), custom=None, variable=(), signature=None) -> bytes:
    """A .tflite file with one operator. Tensors have shape (1, 4) and, where int8, scale 0.5 and zero point -3.

    Args:
        variable: the numbers of the inputs that are variable tensors; the caller of the file sets the others.
        signature: the shape of each tensor with open dimensions as -1.
    """
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.customCode = custom
    code.version = 1

    graph = schema.SubGraphT()
    graph.tensors = []
    for number, kind in enumerate([*inputs, *outputs]):
        tensor = schema.TensorT()
        tensor.name = f"t{number}".encode()
        tensor.shape = [1, 4]
        tensor.shapeSignature = signature
        tensor.type = getattr(schema.TensorType, kind)
        tensor.isVariable = number in variable
        if kind == "INT8":
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5], [-3]
        graph.tensors.append(tensor)
    operator = schema.OperatorT()
    operator.inputs = list(range(len(inputs)))
    operator.outputs = list(range(len(inputs), len(graph.tensors)))
    graph.operators = [operator]
    graph.inputs = [i for i in operator.inputs if i not in variable]
    graph.outputs = operator.outputs

    model = schema.ModelT()
    model.version = 3
    model.operatorCodes, model.subgraphs, model.buffers = [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


FUSED = {"name": "UNIDIRECTIONAL_SEQUENCE_LSTM", "inputs": ("FLOAT32", "FLOAT32"), "variable": (1,)}
CASES = {
    "plain": (one_op(), {}),
    "custom": (
        one_op("CUSTOM", custom="FlexErf"),
        {
            "litert": "FlexErf is no builtin op, and LiteRT runs no others",
            "browser": "FlexErf is no builtin op, and LiteRT.js runs no others",
            "micro": "FlexErf is no builtin op, and LiteRT Micro runs no others",
        },
    ),
    "lacking": (one_op("SELECT"), {"micro": "op SELECT is not in LiteRT Micro"}),
    "select_v2": (one_op("SELECT_V2"), {}),
    "hybrid": (
        one_op("FULLY_CONNECTED", ("FLOAT32", "INT8")),
        {
            "micro": "FULLY_CONNECTED has float inputs and integer weights (a dynamic-range file), which LiteRT Micro "
            "does not compute; use int8 or float32"
        },
    ),
    "hybrid_int4": (
        one_op("CONV_2D", ("FLOAT32", "INT4")),
        {
            "browser": "input t1 is INT4, and LiteRT.js accepts FLOAT32, INT32, UINT8 there",
            "micro": "CONV_2D has float inputs and integer weights (a dynamic-range file), which LiteRT Micro does not "
            "compute; use int8 or float32",
        },
    ),
    "integer_indices": (one_op("GATHER", ("FLOAT32", "INT32")), {}),
    "float16": (
        one_op("DEQUANTIZE", ("FLOAT16",)),
        {
            "browser": "input t0 is FLOAT16, and LiteRT.js accepts FLOAT32, INT32, UINT8 there",
            "micro": "LiteRT Micro has no tensors of FLOAT16",
        },
    ),
    "fused": (
        one_op(**FUSED),
        {"browser": "UNIDIRECTIONAL_SEQUENCE_LSTM keeps its state in variable tensors, which LiteRT.js lacks"},
    ),
    "int8_edges": (
        one_op("RELU", ("INT8",), ("INT8",)),
        {
            "browser": "input t0 is INT8, and LiteRT.js accepts FLOAT32, INT32, UINT8 there; "
            "output t1 is INT8, and LiteRT.js accepts FLOAT32, INT32, UINT8 there"
        },
    ),
    "open_batch": (
        one_op(signature=[-1, 4]),
        {
            "browser": "input t0 has the open shape (-1, 4), and LiteRT.js needs a fixed one; "
            "output t1 has the open shape (-1, 4), and LiteRT.js needs a fixed one"
        },
    ),
}
CASES["hybrid"][1]["browser"] = "input t1 is INT8, and LiteRT.js accepts FLOAT32, INT32, UINT8 there"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_a_target_refuses_what_it_lacks_and_says_so(case, target):
    content, expected = CASES[case]
    assert incompatibility(content, TARGETS[target]) == expected.get(target)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_released_files_are_refused_nowhere_but_where_an_op_is_missing(path):
    lacking = {  # by data set: the masks of series of several lengths, and an activation
        "japanese_vowels": "op REDUCE_ANY, SIGN is not in LiteRT Micro",
        "breast_cancer": "op GELU is not in LiteRT Micro",
        "movie_sentiment": "op SELECT is not in LiteRT Micro",
    }
    micro = lacking.get(path.stem.split(".")[0].rpartition("_")[0])
    if path.stem in ("traffic_gru.float32", "watch_gru.float32"):  # any number of steps, in a loop
        micro = "a loop of WHILE may not end in LiteRT Micro; export with strategy='unrolled'"
    if path.stem.endswith("float16"):
        micro = "; ".join(filter(None, [micro, "LiteRT Micro has no tensors of FLOAT16"]))
    fused = path.stem == "fashion_mnist_lstm.int8"  # for its accuracy; the float32 file beside it runs in browsers
    browser = "UNIDIRECTIONAL_SEQUENCE_LSTM keeps its state in variable tensors, which LiteRT.js lacks"
    found = {name: incompatibility(path, target) for name, target in TARGETS.items()}
    if path.stem.endswith("int8_io"):  # made for microcontrollers
        assert "is INT8, and LiteRT.js accepts FLOAT32" in found.pop("browser")
        assert found == {"litert": None, "micro": micro}
    else:
        assert found == {**dict.fromkeys(TARGETS), "micro": micro, "browser": browser if fused else None}


def test_ops_of_old_files_and_of_later_versions_have_names():
    model = read_model(one_op("TANH"))
    assert [name for name, _, _ in operators(model)] == ["TANH"]
    model.operatorCodes[0].builtinCode = 0  # as files were written before there were 127 ops
    assert [name for name, _, _ in operators(model)] == ["TANH"]
    model.operatorCodes[0].builtinCode = 9999
    assert [name for name, _, _ in operators(model)] == ["number 9999"]


def test_foreign_and_damaged_files_are_refused_as_such(tmp_path):
    with pytest.raises(ValueError, match="this is not a TFLite file"):
        incompatibility(b"no", TARGETS["litert"])
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(EXAMPLE.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"damaged.tflite is damaged: its operators cannot be read"):
        incompatibility(damaged, TARGETS["litert"])
    with pytest.raises(FileNotFoundError):
        incompatibility(tmp_path / "none.tflite", TARGETS["litert"])


def test_without_tflite_micro_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'keras-zoo\[micro\]'"):
        micro.arena_bytes(EXAMPLE)


def test_the_model_part_ends_where_the_archive_starts(tmp_path):
    with zipfile.ZipFile(EXAMPLE) as archive:
        start = archive.infolist()[0].header_offset
    content = micro.model_part(EXAMPLE)
    assert content == EXAMPLE.read_bytes()[:start] and start < EXAMPLE.stat().st_size
    (tmp_path / "bare.tflite").write_bytes(content.replace(b"zoo.json", b"no.other"))
    assert micro.model_part(tmp_path / "bare.tflite") == (tmp_path / "bare.tflite").read_bytes()


MAIN = """
#include <stdint.h>
#include <stdio.h>
#include "sealed_int8.h"

int main(void) {
    if ((uintptr_t)sealed_int8 % 16) return 1;
    fprintf(stderr, "%.9g %d %.9g %d", SEALED_INT8_INPUT_SCALE, SEALED_INT8_INPUT_ZERO_POINT,
            SEALED_INT8_OUTPUT_SCALE, SEALED_INT8_OUTPUT_ZERO_POINT);
    return fwrite(sealed_int8, 1, sealed_int8_len, stdout) != sealed_int8_len;
}
"""


@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c11"), ("g++", "c++11")])
def test_the_c_array_compiles_and_holds_the_model(compiler, standard, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    model = one_op("RELU", ("INT8",), ("INT8",))
    sealed = tmp_path / "sealed.int8.tflite"
    sealed.write_bytes(model)
    with zipfile.ZipFile(sealed, "a") as archive:
        archive.writestr("labels.txt", "zero")
    source, header = micro.write_c_array(sealed, tmp_path / "firmware", arena=4096)
    assert (source.name, header.name) == ("sealed_int8.c", "sealed_int8.h")
    assert "4096 bytes" in header.read_text()
    assert "Operators: RELU." in header.read_text()
    (tmp_path / "firmware" / "main.c").write_text(MAIN)
    strict = [f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    built = subprocess.run(
        [compiler, *strict, "-o", "main", "main.c", source.name],
        cwd=source.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    done = subprocess.run([source.parent / "main"], capture_output=True)
    assert done.returncode == 0
    assert done.stdout == model
    assert done.stderr == b"0.5 -3 0.5 -3"


def test_the_header_says_what_a_program_must_know(tmp_path):
    path = tmp_path / "lstm.tflite"
    path.write_bytes(one_op(**FUSED))
    header = micro.c_header(path)
    assert "Reset() before each sequence" in header
    assert "INPUT: FLOAT32, shape 1 x 4." in header
    assert "SCALE" not in header
    assert "arena" not in header
    path.write_bytes(one_op("ADD", ("INT8", "INT8"), ("INT8",)))
    assert "#define LSTM_INPUT_1_SCALE 5.000000000e-01f\n#define LSTM_INPUT_1_ZERO_POINT (-3)\n" in micro.c_header(path)


def test_a_name_that_c_does_not_take_is_refused(tmp_path):
    path = tmp_path / "1st.tflite"
    path.write_bytes(one_op())
    with pytest.raises(ValueError, match="'1st' is no name for C"):
        micro.write_c_array(path, tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert len(micro.write_c_array(path, tmp_path, name="first")) == 2


def test_what_is_no_sample_of_the_file_is_refused(tmp_path):
    path = tmp_path / "add.tflite"
    path.write_bytes(one_op("ADD", ("FLOAT32", "FLOAT32")))
    with pytest.raises(ValueError, match="2 inputs and 1 outputs"):
        micro.micro_run(path, np.zeros((1, 4)))
    path.write_bytes(one_op("RELU"))
    with pytest.raises(ValueError, match=r"the input has shape \(1, 5\); .* reads \(n, 4\)"):
        micro.micro_run(path, np.zeros((1, 5)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        micro.micro_run(path, np.full((1, 4), np.nan))


def test_where_a_file_runs_is_asked_and_measured():
    litert, browser, micro = where(EXAMPLE)
    assert litert.runs and "us a sample here" in litert.detail
    assert browser.runs is not False
    assert micro.runs is not False


def test_where_a_file_does_not_run_and_why(tmp_path):
    (tmp_path / "custom.tflite").write_bytes(one_op("REDUCE_ANY"))
    answers = {answer.target: answer for answer in where(tmp_path / "custom.tflite")}
    assert (
        answers["LiteRT Micro"].runs is False
        and "op REDUCE_ANY is not in LiteRT Micro" in answers["LiteRT Micro"].detail
    )
    (tmp_path / "none.tflite").write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match="is not a TFLite file"):
        where(tmp_path / "none.tflite")
