"""From a Keras model to a SavedModel and .tflite files, in a process of its own."""

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
from zoo.exporting.inference import layers_of
from zoo.exporting.strategies import STRATEGIES, choose, is_graph

__all__ = ["STRATEGIES", "choose", "convert", "load_keras"]

# Layers that have no builtin op, and what to do instead.
NOT_IN_A_FILE = {
    "TextVectorization": "tokenise outside of the model, feed the token numbers, and ship the vocabulary with `files`",
    "IntegerLookup": "look up outside of the model and feed the positions",
    "Hashing": "hash outside of the model and feed the numbers",
    "HashedCrossing": "hash outside of the model and feed the numbers",
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
    """Writes `saved_model/` and one `<precision>.tflite` a precision into `folder`, which must exist.

    Args:
        model: of one input and one output; `output` is put behind it, and what acts in training alone is left out.
        strategies: the recurrent strategy for each precision that is wanted, see `choose`.
        calibration: samples of train from which the range of every tensor is learnt, (n, *input_shape).
        values: whether the outputs are values, of which int8 would tell too few apart, see zoo/conversion/parts.py.
        compare: instead of files, write layers.json: how far the int8 layers are from the float ones.

    Raises:
        ValueError: a layer that has no builtin op, with what to use instead.
        CheckFailed: the converter refused the model or died; with its last words.
    """
    for layer in layers_of(model):
        if instead := NOT_IN_A_FILE.get(type(layer).__name__):
            raise InvalidValue(f"{layer.name} ({type(layer).__name__}) has no builtin op in TFLite; {instead}")
    job = {
        "precisions": dict(strategies),
        "output": None if output is None else keras.saving.serialize_keras_object(output),
        "output_name": output_name,
        "values": values,
        "compare": compare,
    }
    if getattr(model, "inputs", None):  # as Keras reads bytes of images, which the converter does not
        calibration = np.asarray(calibration, model.inputs[0].dtype)
    if _can_be_loaded_elsewhere(model):
        model.save(folder / "model.keras")
    else:
        _save_here(model, output, output_name, calibration, folder / "saved_model")
    np.save(folder / "calibration.npy", calibration)
    write_json(folder / "job.json", job)
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "tensorflow",
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    child = subprocess.run(
        [sys.executable, "-m", "zoo.exporting.child", str(folder)], capture_output=True, text=True, env=environment
    )
    if child.returncode:
        step = (child.stdout.strip().splitlines() or ["reading the model"])[-1]
        if child.returncode < 0:
            reason = f"the converter was ended by {signal.Signals(-child.returncode).name}"
        else:
            reason = why(child.stderr)
        raise CheckFailed(f"export of {model.name} failed while {step}: {reason}")
    for name in ("model.keras", "calibration.npy", "job.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "strategies", ignore_errors=True)
    shutil.rmtree(folder / "saved_model" / "assets", ignore_errors=True)


def why(stderr: str) -> str:
    """The reason in what a converter wrote: the ops that no builtin does, with their layers; or its last line."""
    missing = dict.fromkeys(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", stderr))
    if missing:
        places = dict.fromkeys(re.findall(rf'"[^"]*?([\w.]+)/(?:{"|".join(missing)})[^"/]*@', stderr))
        layers = f" (in {', '.join(places)})" if places else ""
        return (
            f"TFLite has no builtin op for {', '.join(missing)}{layers}; use layers made of builtin ops, "
            "or do this step outside of the model"
        )
    return (stderr.strip().splitlines() or ["no reason was given"])[-1]


def _can_be_loaded_elsewhere(model: keras.Model) -> bool:
    """Whether a fresh process knows all its classes: they are of Keras or ours, and none holds a function."""
    if not is_graph(model):
        return False
    modules = {type(layer).__module__.split(".")[0] for layer in layers_of(model)}
    return modules <= {"keras", "zoo"} and not any(isinstance(layer, keras.layers.Lambda) for layer in layers_of(model))


def _save_here(
    model: keras.Model, output: keras.layers.Layer | None, output_name: str, x: np.ndarray, path: Path
) -> None:
    """The SavedModel of a model with classes of the caller's own, as it is."""
    from zoo.exporting.child import _save

    def function(inputs):
        outputs = model(inputs, training=False)
        return {output_name: outputs if output is None else output(outputs)}

    _save(model, path, function, x.shape[1:], str(x.dtype))


def load_keras(path: str | Path) -> keras.Model:
    """A model from a .keras file. Raises FileNotFoundError or ValueError for a missing or damaged one; runs no code."""

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}; train one first")
    try:
        return keras.saving.load_model(path, compile=False)  # an optimizer of the caller's own class is not needed
    except Exception as error:  # zip, HDF5, JSON and Keras each raise their own
        reason = str(error).strip().splitlines()
        raise InvalidValue(
            f"{path} is not a whole .keras file: {reason[0] if reason else type(error).__name__}"
        ) from None
