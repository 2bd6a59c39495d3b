"""A good guest: what zoo does in a process leaves that process as it was, except for its results."""

import subprocess
import sys

from conftest import ROOT

PROGRAM = '''
import codecs, logging, os, random, signal, sys, warnings
from pathlib import Path

os.chdir(sys.argv[1])
import keras, keras_tuner, matplotlib, numpy as np, optuna, tensorflow as tf
from absl import logging as absl_logging

def model():
    return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])

matplotlib.use("svg")
mine = model()  # the session of the caller has state: names and a trained model
mine.compile("sgd", "mse")
x, y = np.zeros((8, 3), "float32"), np.zeros((8, 1), "float32")
mine.fit(x, y, verbose=0)
names = model().layers[-1].name
logging.getLogger("zoo.caller").setLevel(logging.INFO)
optuna.logging.set_verbosity(optuna.logging.INFO)
warnings.filterwarnings("ignore", message="of the caller")
np.random.seed(7)
random.seed(7)

HANDLERS = ("strict", "ignore", "replace", "xmlcharrefreplace", "backslashreplace", "namereplace", "surrogateescape")
LOGGERS = ("", "tensorflow", "absl", "optuna", "keras_tuner", "keras", "matplotlib")

def snapshot():
    import matplotlib.pyplot
    custom = {}
    for name in ("zoo", "zoo_replace", "zoo-replace", "replace_counted", "count"):
        try:
            custom[name] = codecs.lookup_error(name)
        except LookupError:
            custom[name] = None
    return {
        "matplotlib's backend": matplotlib.get_backend(),
        "matplotlib's rcParams": dict(matplotlib.rcParams),
        "pyplot's figures": matplotlib.pyplot.get_fignums(),
        **{f"log level of {name or 'root'}": logging.getLogger(name).level for name in LOGGERS},
        **{f"log handlers of {name or 'root'}": list(logging.getLogger(name).handlers) for name in LOGGERS},
        **{f"propagation of {name}": logging.getLogger(name).propagate for name in LOGGERS},
        "absl's verbosity": absl_logging.get_verbosity(),
        "Optuna's verbosity": optuna.logging.get_verbosity(),
        "TensorFlow's optimizer options": tf.config.optimizer.get_experimental_options(),
        "TensorFlow's jit": tf.config.optimizer.get_jit(),
        "eager functions": tf.config.functions_run_eagerly(),
        "TensorFlow's threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "devices": tf.config.get_visible_devices(),
        "Keras' backend": keras.config.backend(),
        "Keras' float type": keras.config.floatx(),
        "Keras' epsilon": keras.config.epsilon(),
        "Keras' image format": keras.config.image_data_format(),
        "Keras' dtype policy": keras.config.dtype_policy().name,
        "Keras' traceback filter": keras.config.is_traceback_filtering_enabled(),
        "Keras' interactive logging": keras.config.is_interactive_logging_enabled(),
        "codec error handlers": {name: codecs.lookup_error(name) for name in HANDLERS},
        "further codec error handlers": custom,
        "warnings filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "signal handlers": {s: signal.getsignal(s) for s in signal.valid_signals()},
        "wakeup descriptor": signal.set_wakeup_fd(signal.set_wakeup_fd(-1)),
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "umask": os.umask(os.umask(0o22)),
        "Python's random state": random.getstate(),
        "NumPy's random state": str(np.random.get_state()),
        "NumPy's error state": np.geterr(),
        "NumPy's print options": np.get_printoptions(),
        "sys.excepthook": sys.excepthook,
        "standard streams": (sys.stdin, sys.stdout, sys.stderr),
        "recursion limit": sys.getrecursionlimit(),
        "sys.argv": list(sys.argv),
        "predictions of the caller's model": mine.predict(x, verbose=0).tolist(),
        "functions of TensorFlow": (tf.random.get_global_generator, tf.function, tf.data.Dataset.from_tensor_slices),
    }

def compare(before, step):
    """Names what a step changed, then goes on from there: each step is blamed for its own."""
    after = snapshot()
    for name, value in before.items():
        if after[name] != value:
            old, new = value, after[name]
            if isinstance(old, dict):
                keys = [key for key in {**old, **new} if old.get(key, "absent") != new.get(key, "absent")]
                old, new = ({key: side.get(key, "absent") for key in keys} for side in (old, new))
            elif isinstance(old, list) and isinstance(new, list):
                old, new = [v for v in old if v not in new], [v for v in new if v not in old]
            old, new = (" ".join(str(side).split())[:120] for side in (old, new))
            print(f"{step} changed {name}: {old} -> {new}")
    return after

before = snapshot()
import zoo
before = compare(before, "import zoo")
for name in zoo.__all__:
    getattr(zoo, name)
before = compare(before, "importing every public name")
built = [zoo.cnn((8, 8, 1), 10), zoo.lstm((9, 2), 3), zoo.fnn((4,), 1)]
random.seed(7)  # Keras draws initial weights from the caller's numbers, in its own layers too
before = compare(before, "calling builders")
dataset = zoo.data.digits(shape=(64,))
rows = [f"{i % 7},{i % 5}.5,{('yes', 'n\u00e4')[i % 2]}" for i in range(80)]
Path("table.csv").write_text("\\n".join(["a,b,target", *rows]), encoding="latin-1")
zoo.data.table("table.csv")
before = compare(before, "loading data")

def quiet(line):
    pass

zoo.tune("quick.py", "out", report=quiet)
before = compare(before, "a search")
zoo.train("quick.py", "out", report=quiet)
before = compare(before, "a training")
export = zoo.export("quick.py", "out", report=quiet)
before = compare(before, "an export")
zoo.find_learning_rate("quick.py", "out", report=quiet)
before = compare(before, "the learning-rate finder")
zoo.verify("out", report=quiet)
zoo.summary("out")
file = next(Path("out/tflite").glob("*.tflite"))
zoo.predict(file, np.zeros((1, 64), "float32"))
zoo.benchmark(file, (1,), 0.05)
zoo.describe(file)
before = compare(before, "running files")
last = model().layers[-1].name
if int(last.split("_")[-1]) <= int(names.split("_")[-1]):
    print(f"something cleared Keras' session: a new layer is called {last} after {names}")
'''


def test_the_process_is_left_as_it_was(tmp_path):
    from conftest import write_recipe

    recipe = write_recipe(tmp_path / "quick.py")
    assert recipe.is_file()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "", f"\n{done.stdout}"
