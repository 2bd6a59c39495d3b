"""What tests share: a quick recipe, a run of it, and the `zoo` command as a user has it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def zoo_command():
    """Runs `python -m zoo ...` in a process of its own and gives what came out."""

    def call(*arguments, cwd=None, environment=None, check=None):
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            timeout=300,
        )
        if check is not None:
            assert done.returncode == check, (
                f"exit code {done.returncode}, {check} expected\n{done.stdout}\n{done.stderr}"
            )
        return done

    return call


RECIPE = '''"""A quick recipe for tests: digits, few epochs."""
import functools
import keras
import zoo

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
    trial_epochs=1,
    bounds=zoo.Bounds(score={score}),
    {more}
)
'''


def write_recipe(path, *, builder="fnn", shape=(64,), arguments=None, score=0.3, more=""):
    arguments = {"units": (16,), "dropout": 0.1} if arguments is None else arguments
    path.write_text(RECIPE.format(shape=shape, builder=builder, arguments=arguments, score=score, more=more))
    return path


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory):
    """A folder with quick_fnn.py and a verified run of it in `run/`."""
    import zoo

    folder = tmp_path_factory.mktemp("quick")
    result = zoo.run(write_recipe(folder / "quick_fnn.py"), folder / "run", report=lambda line: None)
    assert result.verified, [file.refusal for file in result.files]
    return folder


@pytest.fixture
def float64():
    """Keras in double precision: a formula holds to ten digits, and finite differences can tell a gradient."""
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # the policy is kept from its first use on, whatever floatx becomes
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def randomized():
    """Draws every weight of a model anew, in place: a bias of zero, as Keras makes them, would hide a wrong formula."""
    import numpy as np

    def draw(model, seed=0, scale=0.5):
        rng = np.random.default_rng(seed)
        for weight in model.weights:
            if "seed_generator" not in weight.path:
                values = rng.normal(size=weight.shape) * scale
                weight.assign(abs(values) + 0.5 if "variance" in weight.path else values)
        return model

    return draw
