"""From a Keras model to a SavedModel and .tflite files, in a process of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from zoo.errors import CheckFailed
from zoo.files import write_json

__all__ = ["convert", "load_keras"]


def convert(
    model: keras.Model,
    folder: Path,
    *,
    output: keras.layers.Layer | None,
    output_name: str,
    precisions: Sequence[str],
    calibration: np.ndarray,
) -> None:
    """Writes `saved_model/` and one `<precision>.tflite` a precision into `folder`, which must exist.

    Args:
        model: ends in logits; `output` is put behind them, and what acts in training alone is left out.
        calibration: samples of train from which int8 learns the range of every tensor, (n, *input_shape).

    Raises:
        CheckFailed: the converter refused the model or died; with its last words.
    """
    model.save(folder / "model.keras")
    np.save(folder / "calibration.npy", calibration)
    job = {
        "precisions": list(precisions),
        "output": None if output is None else keras.saving.serialize_keras_object(output),
        "output_name": output_name,
    }
    write_json(folder / "job.json", job)
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "tensorflow",
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    child = subprocess.run(
        [sys.executable, "-m", "zoo.conversion.child", str(folder)], capture_output=True, text=True, env=environment
    )
    if child.returncode:
        step = (child.stdout.strip().splitlines() or ["reading the model"])[-1]
        if child.returncode < 0:
            reason = f"the converter was ended by {signal.Signals(-child.returncode).name}"
        else:
            reason = (child.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise CheckFailed(f"export of {model.name} failed while {step}: {reason}")
    for name in ("model.keras", "calibration.npy", "job.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "saved_model" / "assets", ignore_errors=True)


def load_keras(path: str | Path) -> keras.Model:
    """A model from a .keras file. Raises FileNotFoundError or ValueError for a missing or damaged one; runs no code."""
    import zoo.augment  # noqa: F401  (registers the layer that the file may hold)

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}; train one first")
    try:
        return keras.saving.load_model(path)
    except Exception as error:  # zip, HDF5, JSON and Keras each raise their own
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"{path} is not a whole .keras file: {reason[0] if reason else type(error).__name__}"
        ) from None
