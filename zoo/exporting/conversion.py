"""Converts a Keras model to a SavedModel and .tflite files, in a child process."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from zoo.base.errors import CheckFailed, InvalidValue
from zoo.base.files import write_json
from zoo.base.keras_internals import is_graph
from zoo.exporting.inference import layers_of
from zoo.exporting.strategies import STRATEGIES, choose

__all__ = ["STRATEGIES", "choose", "convert", "load_keras"]

# Layers without a builtin op, and what to do instead.
WITHOUT_BUILTIN_OP = {
    keras.layers.TextVectorization: "tokenise outside of the model, feed the token numbers, and ship the vocabulary "
    "with `files`",
    keras.layers.IntegerLookup: "look up outside of the model and feed the indices",
    keras.layers.Hashing: "hash outside of the model and feed the numbers",
    keras.layers.HashedCrossing: "hash outside of the model and feed the numbers",
}


def convert(
    model: keras.Model,
    folder: Path,
    *,
    output: keras.layers.Layer | None,
    output_name: str,
    strategies: Mapping[str, str | None],
    calibration: np.ndarray,
    values: bool = False,
    compare: bool = False,
) -> None:
    """Writes `saved_model/` and one `<precision>.tflite` per precision into `folder`, which must exist.

    Args:
        model: with one input and one output. Layers that act in training only are removed.
        output: a layer to append to the model.
        strategies: the recurrent strategy for each precision to convert to, see `choose`.
        calibration: training samples that determine the range of every tensor, (n, *input_shape).
        values: whether the outputs are values, for which int8 is too coarse, see zoo/exporting/parts.py.
        compare: instead of files, write layers.json: the errors of the int8 layers against the float ones.

    Raises ValueError if a layer has no builtin op, CheckFailed with the converter's last message if it fails.
    """
    for layer in layers_of(model):
        if instead := WITHOUT_BUILTIN_OP.get(type(layer)):
            raise InvalidValue(f"{layer.name} ({type(layer).__name__}) has no builtin op in TFLite; {instead}")
    job = {"precisions": dict(strategies), "output_name": output_name, "values": values, "compare": compare}
    job["output"] = None if output is None else keras.saving.serialize_keras_object(output)
    if getattr(model, "inputs", None):  # Keras casts bytes of images, the converter does not
        calibration = np.asarray(calibration, model.inputs[0].dtype)
    if _loads_in_child(model):
        model.save(folder / "model.keras")
    else:
        from zoo.exporting.saved_model import save_function

        def function(x):  # of classes that only this process has
            outputs = model(x, training=False)
            return {output_name: outputs if output is None else output(outputs)}

        save_function(model, folder / "saved_model", function, calibration.shape[1:], str(calibration.dtype))
    np.save(folder / "calibration.npy", calibration)
    write_json(folder / "job.json", job)
    defaults = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
    environment = {**defaults, **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    child = subprocess.run(
        [sys.executable, "-m", "zoo.exporting.child", str(folder)], capture_output=True, text=True, env=environment
    )
    if child.returncode:
        step = (child.stdout.strip().splitlines() or ["reading the model"])[-1]
        if child.returncode < 0:
            reason = f"the converter was ended by {signal.Signals(-child.returncode).name}"
        else:
            reason = conversion_error(child.stderr)
        raise CheckFailed(f"export of {model.name} failed while {step}: {reason}")
    for name in ("model.keras", "calibration.npy", "job.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "strategies", ignore_errors=True)
    shutil.rmtree(folder / "saved_model" / "assets", ignore_errors=True)


def conversion_error(stderr: str) -> str:
    """The reason in the converter's output: ops without a builtin, with their layers; else the last line."""
    missing = dict.fromkeys(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", stderr))
    if missing:
        names = dict.fromkeys(re.findall(rf'"[^"]*?([\w.]+)/(?:{"|".join(missing)})[^"/]*@', stderr))
        layers = f" (in {', '.join(names)})" if names else ""
        return (
            f"TFLite has no builtin op for {', '.join(missing)}{layers}; use layers made of builtin ops, "
            "or do this step outside of the model"
        )
    return (stderr.strip().splitlines() or ["no reason was given"])[-1]


def _loads_in_child(model: keras.Model) -> bool:
    """Whether a fresh process can load the model: all classes are from Keras or zoo, and none holds a function."""
    if not is_graph(model):
        return False
    modules = {type(layer).__module__.split(".")[0] for layer in layers_of(model)}
    return modules <= {"keras", "zoo"} and not any(isinstance(layer, keras.layers.Lambda) for layer in layers_of(model))


def load_keras(path: str | Path) -> keras.Model:
    """A model from a .keras file, without running code of the file.

    Raises FileNotFoundError or ValueError for a missing or damaged file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}; train one first")
    try:
        return keras.saving.load_model(path, compile=False)  # the optimizer's class need not be known
    except Exception as error:  # zip, HDF5, JSON and Keras raise different classes
        reason = str(error).strip().splitlines()
        raise InvalidValue(
            f"{path} is not a whole .keras file: {reason[0] if reason else type(error).__name__}"
        ) from None
