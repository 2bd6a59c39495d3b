"""The command as a user meets it: quick, quiet, with one clear line and the right exit code for each mistake."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, start, write_recipe

from zoo.recipe.collection import folder

FILE = folder("tflite") / "digits_fnn" / "digits_fnn.int8.tflite"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["show", "digits_gru"],
        ["list", "digits*", "--max-bytes", "50000", "--sort", "accuracy", "--json"],
        ["run", "--help"],
        ["data", "list"],
        ["data", "list", "--help"],
    ],
)
def test_listing_and_help_import_nothing_heavy(arguments):
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['zoo', *{arguments!r}]\n"
        "try: runpy.run_module('zoo', run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code in (0, None), stop.code\n"
        "loaded = {'tensorflow', 'keras', 'keras_tuner', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "print(loaded or None, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert done.stderr.strip() == "None"
    assert "digits" in done.stdout or "Usage" in done.stdout


def test_import_zoo_imports_nothing_heavy():
    program = "import sys, zoo\nassert not {'tensorflow', 'keras', 'numpy', 'click'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_every_public_name_is_there_and_documented():
    import zoo

    for name in zoo.__all__:
        assert getattr(zoo, name).__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'cnnn'"):
        _ = zoo.cnnn


BAD = [
    (["data", "prepare", "diamnds"], "there is no data set 'diamnds'; did you mean 'diamonds'?"),
    (["data", "lst"], "there is no command 'lst'; did you mean 'list'?"),
    (["lst"], "there is no command 'lst'; did you mean 'list'?"),
    (["frobnicate"], "there is no command 'frobnicate'; it is one of list, show"),
    (["show", "digits_cn"], "there is no recipe 'digits_cn'; did you mean digits_cnn?"),
    (["run", "digits_cn"], "did you mean digits_cnn?"),
    (["run", "../../etc/passwd"], "there is no recipe"),
    (["run", "nowhere.py"], "there is no recipe file nowhere.py"),
    (["verify", "digits_cn"], "did you mean digits_cnn?"),
    (["reproduce", "digits_cn"], "did you mean digits_cnn?"),
    (["reproduce", "nan.py"], "nan.py is not released; `zoo run nan.py` trains it into runs/nan/"),
    (["reproduce", "digits_fnn", "--seeds", "0"], "seeds=0 must be at least 1"),
    (["list", "--sort", "byte"], "sort='byte' is not known; did you mean 'bytes'?"),
    (["summary", "digits_cn"], "did you mean digits_cnn?"),
    (["summary", "cut"], "cut/model.keras is not a whole .keras file"),
    (["summary", "digits_fnn", "--steps", "9"], "steps=9 goes with samples of any length; fnn reads (64,)"),
    (["summary", "digits_fnn", "--folder", "cut"], "there is no cut/record.json"),
    (["tune", "digits_fnn", "--objective", "val_acuracy", "--out", "out"], "did you mean 'val_accuracy'?"),
    (["tune", "digits_fnn", "--trials", "0", "--out", "out"], "there is nothing to search; set trials"),
    (["tune", "digits_fnn", "--trials", "-1", "--out", "out"], "trials=-1 must be a whole number of at least 0"),
    (["tune", "digits_fnn", "--trials", "many"], "'many' is not a valid integer"),
    (["run", "digits_fnn", "--seeds", "0", "--out", "out"], "seeds=0 must be at least 1"),
    (["run", "digits_fnn", "--out", "a_file"], "a_file"),
    (["export", "digits_fnn", "--out", "out"], "there is no model out/model.keras; train one first"),
    (["export", "digits_fnn", "--out", "cut"], "cut/model.keras is not a whole .keras file"),
    (["export", "cut/model.keras", "--out", "out"], "give --data: samples for cut/model.keras"),
    (["export", "cut/model.keras", "--data", "x.npy", "--out", "out"], "cut/model.keras is not a whole .keras file"),
    (["export", "digits_fnn", "--data", "x.npy"], "--data and --labels are for a .keras file"),
    (["verify", "cut"], "there is no .tflite file in cut"),
    (["verify", "alone.tflite"], "has no record.json beside it"),
    (["predict", "nowhere.tflite", "x.npy"], "there is no file nowhere.tflite"),
    (["predict", "cut.tflite", "x.npy"], "cut.tflite is damaged"),
    (["predict", str(FILE), "nowhere.npy"], "there is no file nowhere.npy"),
    (["predict", str(FILE), "x.npy"], "the input has shape (2, 3)"),
    (["predict", str(FILE), "nan.npy"], "NaN or infinite values in 1 of 1 samples"),
    (["predict", str(FILE), "text.npy"], "the input is of type <U1"),
    (["benchmark", "cut.tflite"], "cut.tflite is damaged"),
    (["benchmark", str(FILE), "--threads", "0"], "threads=[0] must be"),
    (["new", "my-data"], "name='my-data' must be letters"),
    (["new", "taken"], "taken.py exists already"),
    (["run", "knob.py", "--out", "out"], "zoo.models.fnn.fnn: argument='unis'"),
    (["tune", "empty.py", "--out", "out"], "'rate' has the empty range 0.1 to 0.1"),
    (["run", "nan.py", "--out", "out"], "data set 'nan', train: x has NaN or infinite values in 1 of"),
]


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    place = tmp_path_factory.mktemp("mistakes")
    (place / "cut").mkdir()
    (place / "cut" / "model.keras").write_bytes(b"PK\x03\x04 half a file")
    (place / "cut.tflite").write_bytes(FILE.read_bytes()[:5000])
    (place / "alone.tflite").write_bytes(FILE.read_bytes())
    (place / "a_file").write_text("")
    (place / "taken.py").write_text("")
    np.save(place / "x.npy", np.zeros((2, 3)))
    np.save(place / "nan.npy", np.full(64, np.nan))
    np.save(place / "text.npy", np.array(["a"]))
    write_recipe(place / "knob.py", arguments={"unis": (3,)})
    write_recipe(place / "empty.py", more="space=lambda hp: {'learning_rate': hp.Float('rate', 0.1, 0.1)},")
    write_recipe(place / "nan.py")
    text = (place / "nan.py").read_text().replace("functools.partial(zoo.data.digits, shape=(64,))", "data")
    data = "import numpy as np\ndef data():\n    x, y = np.arange(400.).reshape(100, 4), np.arange(100) % 2\n"
    (place / "nan.py").write_text(
        text.replace(
            "import zoo\n", f"import zoo\n{data}    x[0, 0] = np.nan\n    return zoo.data.Dataset.split('nan', x, y)\n"
        )
    )
    return place


@pytest.mark.parametrize(
    ("arguments", "message"), BAD, ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else ""
)
def test_a_mistake_gives_one_clear_line_and_exit_code_2(zoo_command, mistakes, arguments, message):
    before = sorted(mistakes.rglob("*"))
    done = zoo_command(*arguments, cwd=mistakes, check=2)
    lines = [line for line in done.stderr.splitlines() if line.startswith("zoo: ")]
    assert len(lines) == 1 and message in lines[0], done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    whole = {".tflite", ".keras", ".json", ".md", ".png", ".npy", ".py"}
    assert not [p for p in mistakes.rglob("*") if p not in before and p.suffix in whole]


@pytest.mark.parametrize("arguments", [["lst"], ["verify", "alone.tflite"], ["run", "knob.py", "--out", "out"]])
def test_a_mistake_in_a_process_of_its_own(zoo_process, mistakes, arguments):
    done = zoo_process(*arguments, cwd=mistakes, check=2)
    first, *of_the_recipe = done.stderr.splitlines()
    assert first.startswith("zoo: ") and done.stdout == ""
    assert all(line.startswith("  knob.py:") for line in of_the_recipe)


def test_a_failed_check_exits_with_1(zoo_command, mistakes, tmp_path):
    done = zoo_command("show", "cut.tflite", cwd=mistakes, check=1)
    assert "checksum: False" in done.stdout and "zoo: cut.tflite is damaged" in done.stderr
    space = "space=lambda hp: {'learning_rate': hp.Float('rate', 1e-3, 1e-2), 'batch_size': -1},"
    done = zoo_command("tune", write_recipe(tmp_path / "hopeless.py", more=space), "--out", tmp_path / "out", check=1)
    assert "every one of 2 trials failed; the first one with: batch_size=-1" in done.stderr
    assert "Traceback" not in done.stderr


def test_json(zoo_command, tmp_path):
    names = [entry["name"] for entry in json.loads(zoo_command("list", "--json", check=0).stdout)]
    assert {"digits_fnn", "digits_cnn", "digits_lstm", "digits_gru"} <= set(names)
    assert json.loads(zoo_command("show", "digits_fnn", "--json", check=0).stdout)["record"]["verified"]
    x = tmp_path / "x.npy"
    np.save(x, np.zeros((2, 64)))
    rows = json.loads(zoo_command("predict", FILE, x, "--json", check=0).stdout)
    assert len(rows) == 2 and len(rows[0]["probabilities"]) == 10 and rows[0]["label"] in "0123456789"
    (one,) = json.loads(zoo_command("benchmark", FILE, "--threads", "1", "--seconds", "0.05", "--json", check=0).stdout)
    assert one["bytes"] == FILE.stat().st_size and one["median_us"] > 0 and one["peak_memory_kb"] > 1000


def wait_for(process, text, seconds=600):
    """Reads stderr until a line has the text."""
    seen = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        line = process.stderr.readline()
        seen.append(line)
        if text in line:
            return
        assert line or process.poll() is None, "".join(seen)
    raise AssertionError("".join(seen))


def start_zoo(*arguments):
    command = [sys.executable, "-m", "zoo", *arguments]
    return start(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT)


@pytest.mark.parametrize("moment", ["trial  2", "epoch"])
def test_interrupt_gives_one_line_and_the_same_command_goes_on(tmp_path, moment, zoo_command):
    recipe = write_recipe(tmp_path / "long.py", more="")
    recipe.write_text(recipe.read_text().replace("epochs=4", "epochs=3000").replace("trials=2", "trials=4"))
    process = start_zoo("run", recipe, "--out", tmp_path / "out")
    wait_for(process, moment)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130
    assert re.search(r"^zoo: interrupted; finished results are kept", stderr, re.MULTILINE), stderr
    assert "Traceback" not in stderr
    assert not list((tmp_path / "out").rglob("*.tflite"))
    assert (tmp_path / "out" / "search.db").exists()
    done = zoo_command("tune", recipe, "--out", tmp_path / "out", check=0)
    assert "trials are in the history" in done.stderr


STUCK = '''
import time
from pathlib import Path

import tensorflow as tf


class Stuck(keras.layers.Layer):
    """An epoch with it never ends: TensorFlow is inside one call, in which Python sees no signal."""

    def call(self, x):
        if tf.executing_eagerly():
            return x
        held = tf.py_function(self.wait, [x], x.dtype)
        held.set_shape(x.shape)
        return held

    def wait(self, x):
        Path({started!r}).touch()
        while True:
            time.sleep(1)


def stuck(input_shape, num_outputs, *, preprocessing=(), augmentation=(), **_):
    return keras.Sequential([keras.Input(input_shape), *preprocessing, Stuck(), keras.layers.Dense(num_outputs)])


RECIPE = '''


def test_interrupt_ends_a_training_that_is_inside_one_long_call(tmp_path):
    started = tmp_path / "started"
    recipe = write_recipe(tmp_path / "slow.py", arguments={})
    text = recipe.read_text().replace("trials=2", "trials=0").replace("builder=zoo.fnn", "builder=stuck")
    recipe.write_text(text.replace("RECIPE = ", STUCK.format(started=str(started)), 1))
    process = start_zoo("train", recipe, "--out", tmp_path / "out")
    while not started.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)  # a safety net: without the thread that ends it, it never ends
    assert process.returncode == 130 and "zoo: interrupted" in stderr


def test_kill_at_any_moment_and_the_same_command_comes_to_the_same_files(quick_run, tmp_path):
    whole, out = quick_run / "run", tmp_path / "out"
    for moment in ("trial  1", "training quick_fnn", "exporting", None):
        process = start_zoo("run", quick_run / "quick_fnn.py", "--out", out)
        if moment is None:
            _, stderr = process.communicate(timeout=200)
            assert process.returncode == 0, stderr
        else:
            wait_for(process, moment)
            process.kill()
            process.communicate()
            for path in out.rglob("*.json"):
                json.loads(path.read_text())  # whole, whenever it was
    for precision in ("float32", "int8"):
        name = f"tflite/quick_fnn.{precision}.tflite"
        assert (out / name).read_bytes() == (whole / name).read_bytes()
