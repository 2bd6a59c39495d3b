"""Shared fixtures: a quick recipe, a run of it, and the `zoo` command."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib
import io
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent


# A shell ignores SIGINT for what it starts in the background, and children inherit that: `make test &` would fail.
WITH_DEFAULT_SIGNALS = (
    "import os, signal, sys\nfor number in signal.SIGINT, signal.SIGHUP:\n    signal.signal(number, signal.SIG_DFL)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)


def start(command, **options):
    """A process that Ctrl-C ends, also where the tests themselves run in the background. Keywords are Popen's."""
    program = [sys.executable, "-c", WITH_DEFAULT_SIGNALS, *map(str, command)]
    return subprocess.Popen(program, text=True, **options)


@pytest.fixture(scope="session")
def zoo_process():
    """Runs `python -m zoo ...` in a new process, and returns the completed process."""

    def call(*arguments, cwd=None, check=None):
        command = [sys.executable, "-m", "zoo", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)
        return _checked(done, check)

    return call


@pytest.fixture(scope="session")
def zoo_command(converter_here):
    """Runs `zoo ...` in this process, which saves the import of TensorFlow."""
    from zoo.cli import main

    def call(*arguments, cwd=None, check=None):
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patched,
            contextlib.chdir(cwd or Path.cwd()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as stop,
        ):
            patched.setattr(sys, "argv", ["zoo", *map(str, arguments)])
            main()
        return _checked(subprocess.CompletedProcess(arguments, stop.value.code, out.getvalue(), err.getvalue()), check)

    return call


def _checked(done, code):
    if code is not None:
        assert done.returncode == code, f"exit code {done.returncode}, {code} expected\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def converter_here():
    """Converts in this process, in all later tests of the session; `converter_process` undoes this for one test."""

    def run(command, **options):
        from zoo.exporting import child

        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # hides the converter's output
            warnings.simplefilter("ignore")
            child.main(Path(command[-1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    import zoo.exporting.conversion

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(zoo.exporting.conversion, "subprocess", SimpleNamespace(run=run))
        yield


@pytest.fixture
def converter_process(monkeypatch):
    """Converts in a child process, as for users."""
    monkeypatch.setattr("zoo.exporting.conversion.subprocess", subprocess)


RECIPE = '''"""A quick recipe for tests: digits, few epochs."""
import functools
import keras
import zoo


def space(hp):
    """Learning rates for which a few epochs are enough."""
    optimizer = hp.Choice("optimizer", ["sgd", "adam"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.9, 0.95) if optimizer == "sgd" else None
    rate = hp.Float("learning_rate", 5e-3, 3e-2, sampling="log")
    return {{"optimizer": optimizer, "learning_rate": rate, "momentum": momentum}}


RECIPE = zoo.Recipe(
    data=functools.partial(zoo.data.digits, shape={shape}),
    builder=zoo.{builder},
    arguments={arguments},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 16)],
    augmentation=[keras.layers.GaussianNoise(0.05)],
    learning_rate=1e-2,
    epochs=4,
    trials=2,
    finalists=1,
    trial_epochs=1,
    bounds=zoo.Bounds(score={score}),
    {more}
)
'''


def write_recipe(path, *, builder="fnn", shape=(64,), arguments=None, score=0.3, more=""):
    arguments = {"units": (16,), "dropout": 0.1} if arguments is None else arguments
    more = more if "space=" in more else f"space=space, {more}"
    path.write_text(RECIPE.format(shape=shape, builder=builder, arguments=arguments, score=score, more=more))
    return path


GATE = """
import sqlite3
import time
from pathlib import Path

HISTORY, ALLOWED = Path({history!r}), Path({allowed!r})


def finished():
    if not HISTORY.is_file():
        return 0
    database = sqlite3.connect(HISTORY, timeout=60)
    try:
        ended = "SELECT COUNT(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"  # a killed one is neither
        return database.execute(ended).fetchone()[0]
    except sqlite3.OperationalError:  # its tables are not there yet
        return 0
    finally:
        database.close()


@functools.wraps(zoo.fnn)
def gated(*arguments, **knobs):
    while finished() >= int(ALLOWED.read_text()):
        time.sleep(0.02)
    return zoo.fnn(*arguments, **knobs)


RECIPE = """


class Gate:
    """A recipe at `path` whose search in `folder` waits as soon as `allow(n)` trials are finished.

    So a test that kills a search meets it in the middle, however fast the machine is. Workers that were at work
    already may finish one trial each beyond the number.
    """

    def __init__(self, path, folder, **options):
        self.allowed = path.with_suffix(".allowed")
        write_recipe(path, **options)
        text = path.read_text()
        gate = GATE.format(history=str(folder / "search.db"), allowed=str(self.allowed))
        path.write_text(text.replace("RECIPE = ", gate, 1).replace("builder=zoo.fnn", "builder=gated"))

    def allow(self, trials):
        new = self.allowed.with_suffix(".new")
        new.write_text(str(trials))
        new.replace(self.allowed)


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory, converter_here):
    """A folder with quick_fnn.py and a verified run of it in `run/`."""
    import zoo

    folder = tmp_path_factory.mktemp("quick")
    result = zoo.run(write_recipe(folder / "quick_fnn.py"), folder / "run", report=lambda line: None)
    assert result.verified, [file.refusal for file in result.files]
    return folder


@pytest.fixture
def float64():
    """Keras in double precision, so that formulas agree to ten digits and finite differences approximate gradients."""
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # Keras keeps the policy from its first use, whatever floatx becomes
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def randomized():
    """Draws new values for all weights of a model: Keras' zero biases would hide an error in a formula."""
    import numpy as np

    def draw(model, seed=0, scale=0.5):
        rng = np.random.default_rng(seed)
        for weight in model.weights:
            if "seed_generator" not in weight.path:
                values = rng.normal(size=weight.shape) * scale
                weight.assign(abs(values) + 0.5 if "variance" in weight.path else values)
        return model

    return draw


def converted_here(model, folder, strategies, x, output=None, output_name="probabilities", values=False):
    """Does the work of `convert` in this process: one second, and six less for the import of TensorFlow."""
    import keras
    import numpy as np

    from zoo.base.files import write_json
    from zoo.deploy import Runner
    from zoo.exporting import child

    model.save(folder / "model.keras")
    np.save(folder / "calibration.npy", x)
    job = {
        "precisions": strategies, "output": output and keras.saving.serialize_keras_object(output),
        "output_name": output_name, "values": values, "compare": False,
    }  # fmt: skip
    write_json(folder / "job.json", job)
    with warnings.catch_warnings():  # a warning of the converter is not an error
        warnings.simplefilter("ignore")
        child.main(folder)
    return {precision: Runner(folder / f"{precision}.tflite", trusted=True) for precision in strategies}
