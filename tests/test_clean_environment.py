"""The wheel in a fresh environment, with what deployment needs and without TensorFlow."""

import json
import os
import shutil
import subprocess
import sys
import venv

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The `zoo` command of a fresh virtual environment into which the wheel alone was installed."""
    place = tmp_path_factory.mktemp("clean")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    # Build from the files that git tracks, as for a release, without build folders of this checkout.
    tracked = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]
    for name in tracked:
        if (ROOT / name).is_file():
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "source" / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*pip, "wheel", "--no-deps", "-w", place, place / "source"], check=True)
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv", with_pip=True)
    python = place / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", "-c", ROOT / "constraints.txt"]
    subprocess.run([*install, wheel], check=True)

    def call(*arguments, check=0):
        command = [place / "venv" / "bin" / "zoo", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, timeout=60)
        assert done.returncode == check, done.stderr
        return done

    call.python, call.unpacked = python, place / "unpacked"
    shutil.unpack_archive(wheel, call.unpacked, "zip")
    return call


def test_the_wheel_has_every_module(clean):
    tracked = subprocess.check_output(["git", "ls-files", "zoo/*.py"], cwd=ROOT, text=True).split()
    assert [name for name in tracked if not (clean.unpacked / name).is_file()] == []


def test_tensorflow_is_not_installed(clean):
    assert subprocess.run([clean.python, "-c", "import tensorflow"], capture_output=True).returncode == 1


def test_list_show_and_predict(clean):
    (entry,) = [e for e in json.loads(clean("list", "--json").stdout) if e["name"] == "digits_gru"]
    assert "site-packages" in entry["path"] and entry["record"]["verified"]
    file = clean("show", "digits_gru").stdout.splitlines()[-1]
    assert file.endswith("digits_gru.int8.tflite")
    answers = clean("predict", file, ROOT / "tests" / "digits.csv").stdout.splitlines()
    assert len(answers) == 10
    right = sum(line.split()[1] == str(digit) for digit, line in enumerate(answers))
    assert right >= 9
    assert json.loads(clean("benchmark", file, "--seconds", "0.05", "--json").stdout)[0]["median_us"] > 0


def test_the_deployed_program_needs_only_numpy_and_litert(clean, tmp_path):
    from zoo.runs.fit import RUN

    for name in ("digits_gru.int8.tflite", "digits_gru.int8.golden.json"):
        shutil.copy(ROOT / "tflite" / "digits_gru" / name, tmp_path)
    program = RUN.format(file="digits_gru.int8.tflite", golden="digits_gru.int8.golden.json", dtype="float32")
    assert len(program.splitlines()) <= 10
    (tmp_path / "run.py").write_text(program)
    answers = subprocess.check_output([clean.python, "run.py"], cwd=tmp_path, text=True)
    assert answers.count("as recorded") == 5 and "DIFFERS" not in answers


def test_a_released_file_is_found_and_run_by_its_name(clean):
    assert clean("list", "digits*", "--max-bytes", "26000").stdout.splitlines()[1].startswith("digits_cnn")
    program = "import zoo; print(zoo.load_tflite('digits_cnn').path, zoo.load_tflite('digits_cnn', 'float32').labels)"
    printed = subprocess.check_output([clean.python, "-c", program], text=True, cwd=clean.unpacked.parent)
    assert "site-packages" in printed and "('0', '1'" in printed


def test_the_keras_model_is_in_the_wheel(clean):
    """Loads it from the installed package, with the interpreter of these tests, which has TensorFlow."""
    load = [clean.python, "-c", "import zoo; zoo.load('digits_cnn')"]
    done = subprocess.run(load, capture_output=True, text=True, cwd=clean.unpacked.parent)
    assert "MissingPackage: zoo.load needs keras: pip install 'keras-zoo[train]'; zoo.load_tflite does" in done.stderr
    program = (
        "import zoo; from zoo.recipe.collection import folder; "
        "print(zoo.__file__, zoo.load('digits_cnn').count_params(),"
        "(folder('saved_models') / 'digits_cnn/1/saved_model.pb').is_file())"
    )
    environment = {**os.environ, "PYTHONPATH": str(clean.unpacked)}
    printed = subprocess.check_output([sys.executable, "-c", program], text=True, env=environment, cwd=clean.unpacked)
    assert printed.split() == [str(clean.unpacked / "zoo" / "__init__.py"), "16986", "True"]


@pytest.mark.parametrize("verb", [["run", "digits_fnn"], ["train", "digits_fnn"], ["verify", "digits_fnn"]])
def test_verbs_that_need_tensorflow_say_how_to_install_it(clean, verb):
    done = clean(*verb, check=2)
    assert "pip install 'keras-zoo[train]'" in done.stderr and "Traceback" not in done.stderr


def test_builders_say_how_to_install_tensorflow(clean):
    done = subprocess.run([clean.python, "-c", "import zoo; zoo.cnn"], capture_output=True, text=True)
    assert "MissingPackage: zoo.cnn needs keras" in done.stderr and "keras-zoo[train]" in done.stderr
