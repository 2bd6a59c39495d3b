"""examples/c: built with the library of the installed ai-edge-litert, it gives the golden outputs.

`make test-targets` runs these tests. They need a C compiler and make: apt-get install gcc make.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from test_targets import EXAMPLE, RELEASED, one_op

from zoo.base.files import read_json
from zoo.deploy import Runner
from zoo.runtime.targets import read_model

FLAGS = "CFLAGS=-std=c11 -g -Wall -Wextra -Wconversion -pedantic -Werror -fsanitize=address,undefined"


def keeps_state(path):
    """Whether a file has variable tensors, as the fused LSTM does."""
    return any(tensor.isVariable for graph in read_model(path).subgraphs for tensor in graph.tensors)


RUNNABLE = [path for path in RELEASED if not keeps_state(path)]
REJECTED = [path for path in RELEASED if keeps_state(path)]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """`classify`, built in a copy of examples/c with the address sanitizer, which detects memory errors."""
    if not shutil.which("cc") or not shutil.which("make"):
        pytest.skip("needs a C compiler and make: apt-get install gcc make")
    folder = shutil.copytree(ROOT / "examples" / "c", tmp_path_factory.mktemp("c") / "c")
    (folder / "classify").unlink(missing_ok=True)
    done = subprocess.run(["make", "-C", folder, f"PYTHON={sys.executable}", FLAGS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "classify"


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_bytes(zipfile.ZipFile(EXAMPLE).read("labels.txt"))
    return path


def classify(program, *arguments, numbers=""):
    return subprocess.run([program, *arguments], input=numbers, capture_output=True, text=True, timeout=120)


def as_text(samples):
    return "\n".join(",".join(map(str, np.asarray(sample).reshape(-1).tolist())) for sample in samples)


def golden_of(path):
    golden = read_json(path.with_name(f"{path.stem}.golden.json"))
    return golden["inputs"], np.array(golden["outputs"])


def test_each_family_has_a_file_that_runs():
    families = {path.parent.name.rsplit("_", 1)[1] for path in RUNNABLE}
    assert families == {path.parent.name.rsplit("_", 1)[1] for path in RELEASED}
    assert {"fnn", "cnn", "fcn", "lstm", "gru", "micro"} <= families


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_released_files_give_their_golden_outputs(program, path):
    inputs, expected = golden_of(path)
    done = classify(program, path, numbers=as_text(inputs))
    assert done.returncode == 0, done.stderr
    outputs = np.array([line.split() for line in done.stdout.splitlines()], "float64")
    steps = 1.01 / 256 if "int" in path.suffixes[0] else 1e-6  # other machines may round integers differently
    np.testing.assert_allclose(outputs, expected, atol=steps * max(1, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_litert_rejects_a_file_with_variable_tensors(program, path):
    """The fused LSTM: LiteRT's Python interpreter runs it, and LiteRT's C interface does not."""
    inputs, expected = golden_of(path)
    np.testing.assert_allclose(Runner(path).predict(np.array(inputs, "float32")), expected, atol=1e-6)
    done = classify(program, path, numbers=as_text(inputs))
    assert done.returncode == 1 and not done.stdout
    assert "Variable tensors not yet supported" in done.stderr
    assert done.stderr.splitlines()[-1] == "classify: LiteRtCreateModelFromFile says 5: unsupported"


def test_the_rejected_file_is_the_fused_lstm():
    assert [path.name for path in REJECTED] == ["fashion_mnist_lstm.int8.tflite"]


def test_labels_are_printed(program, labels):
    inputs, expected = golden_of(EXAMPLE)
    lines = classify(program, EXAMPLE, labels, numbers=as_text(inputs)).stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [str(digit) for digit in expected.argmax(axis=1)]


def test_a_single_output_is_the_probability_of_the_second_label(program, tmp_path):
    path = ROOT / "tflite" / "breast_cancer_fnn" / "breast_cancer_fnn.int8.tflite"
    names = zipfile.ZipFile(path).read("labels.txt").decode().split()
    (tmp_path / "labels.txt").write_text("\n".join(names))
    inputs, expected = golden_of(path)
    assert 0 < (expected[:, 0] >= 0.5).sum() < len(expected), "the samples should have both labels"
    lines = classify(program, path, tmp_path / "labels.txt", numbers=as_text(inputs)).stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [names[int(p >= 0.5)] for (p,) in expected]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("1 2", "the input ends after 2 of the 64 numbers of a sample"),
        ("1, 2, three", "number 3 of a sample is not a finite number"),
        ("inf " * 64, "number 1 of a sample is not a finite number"),
    ],
)
def test_invalid_numbers_give_a_one_line_error(program, numbers, message):
    done = classify(program, EXAMPLE, numbers=numbers)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == f"classify: {message}"


def test_invalid_files_give_a_one_line_error(program, labels, tmp_path):
    def message(*arguments):
        done = classify(program, *arguments)
        assert done.returncode == 1
        return done.stderr.splitlines()[-1].removeprefix("classify: ").replace(f"{tmp_path}{os.sep}", "")

    (tmp_path / "text.tflite").write_text("no model")
    (tmp_path / "two.tflite").write_bytes(one_op("ADD", ("FLOAT32", "FLOAT32")))
    (tmp_path / "two.txt").write_text("a\nb\n")
    assert message() == "usage: classify MODEL.tflite [LABELS.txt] < NUMBERS"
    assert message(tmp_path / "none.tflite") == "none.tflite: No such file or directory"
    assert message(EXAMPLE, tmp_path / "none.txt") == "none.txt: No such file or directory"
    assert message(tmp_path / "text.tflite").startswith("LiteRtCreateModelFromFile says 50")
    assert message(EXAMPLE, tmp_path / "two.txt") == "two.txt has 2 labels, and the model 10 outputs"
    assert message(tmp_path / "two.tflite") == (
        "two.tflite has 2 inputs and 1 outputs; this program runs files with one of each"
    )


def test_make_names_the_missing_library(program, tmp_path):
    done = subprocess.run(
        ["make", "-C", program.parent, "-B", f"LITERT={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and program.is_file()
    assert f'no libLiteRt.so in "{tmp_path}": pip install ai-edge-litert, or give LITERT=FOLDER' in done.stdout


def test_the_commands_of_the_readme_run(program, tmp_path):
    (commands,) = re.findall(r"```sh\n(.*?)```", (ROOT / "examples" / "c" / "README.md").read_text(), re.DOTALL)
    first, _, others = commands.partition("\n")
    assert first.startswith("pip install ai-edge-litert"), "already installed for these tests"
    shutil.copytree(ROOT / "examples" / "c", tmp_path / "examples" / "c", ignore=shutil.ignore_patterns("classify"))
    for name in ("tflite", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", others], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    labels = [line.split()[-1] for line in done.stdout.splitlines() if len(line.split()) == 11]
    assert len(labels) == 10 and sum(label == str(digit) for digit, label in enumerate(labels)) >= 9
