"""What zoo leaves as it was in the caller's process: options, random states, sessions, filters and log levels."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import codecs, json, logging, os, random, sys, warnings
import keras, keras_tuner, matplotlib, numpy as np, optuna, sklearn, tensorflow as tf
import matplotlib.pyplot

def snapshot():
    state = np.random.get_state()
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in sorted(logging.root.manager.loggerDict)
                                     if name.split(".")[0] in ("tensorflow", "absl", "matplotlib", "keras"))]
    return {
        "options of TensorFlow": tf.config.optimizer.get_experimental_options(),
        "random": hash(random.getstate()),
        "numpy.random": [state[0], hash(state[1].tobytes()), *state[2:]],
        "float type and policy of Keras": [keras.config.floatx(), keras.config.dtype_policy().name],
        "warnings": [repr(f) for f in warnings.filters],
        "log levels": {logger.name: [logger.level, len(logger.filters), len(logger.handlers)] for logger in loggers},
        "matplotlib": [matplotlib.get_backend(), matplotlib.pyplot.get_fignums()],
        "environment": sorted(set(os.environ) - {"TF_CPP_MIN_LOG_LEVEL", "TF2_BEHAVIOR"}),
        "working directory": os.getcwd(),
    }

np.random.seed(3); random.seed(3)
own = [keras.layers.Dense(1).name for _ in range(3)]
before = snapshot()
import zoo
imported = snapshot()

class OwnDense(keras.layers.Dense):
    pass

def data():
    x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
    return zoo.data.Dataset.split("own", x, (x.sum(axis=1) > 0).astype("int32"))

recipe = zoo.Recipe(
    data=data, builder=zoo.fnn, arguments={"units": (4,), "dropout": 0.1, "normalization": "batch"},
    task=zoo.Multiclass(2), preprocessing=[keras.layers.Normalization()], epochs=2, trials=0, bounds=zoo.Bounds(),
    mixing=zoo.augment.MixUp(),
)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
named = snapshot()
trained = zoo.train(recipe, "out", report=lambda line: None)
zoo.find_learning_rate(recipe, "out", report=lambda line: None)
after = snapshot()
print(json.dumps({
    "import": [before, imported], "calls": [named, after],
    "names": [own, keras.layers.Dense(1).name, [layer.name for layer in trained.model.layers]],
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path_factory.mktemp("guest"),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("when", ["import", "calls"])
def test_the_process_is_as_it_was(seen, when):
    before, after = seen[when]
    for what, value in before.items():
        if isinstance(value, dict):  # what a library adds by itself, such as another logger, does not count
            after[what] = {name: after[what].get(name) for name in value}
        assert after[what] == value, what


def test_layer_names_go_on_in_the_callers_session_and_start_anew_in_a_trained_model(seen):
    own, following, trained = seen["names"]
    assert own == ["dense", "dense_1", "dense_2"]
    assert following == "dense_4", "dense_3 is in the caller's second model"
    assert "dense" in trained
