"""Checkpoints of a training: one .npz, without pickle, so that loading a file runs no code.

It holds every variable of model and optimizer (random states are variables of their layers), the arrays that callbacks
hold (the best weights), and one JSON text with the rest.
"""

import inspect
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.errors import InvalidValue
from zoo.base.files import writing

History = dict[str, list[float]]
Callbacks = Sequence[keras.callbacks.Callback]


def save_checkpoint(
    path: Path, model: keras.Model, callbacks: Callbacks, epoch: int, history: History, fingerprint: str
) -> None:
    arrays = {f"variable/{i}": variable.numpy() for i, variable in enumerate(_variables(model))}
    counters: list[dict[str, Any]] = []
    for i, callback in enumerate(callbacks):
        counters.append({})
        settings = inspect.signature(type(callback)).parameters  # constructor arguments are not state
        for name, value in vars(callback).items():
            if name in settings or name.startswith("_"):
                continue
            if value is None or isinstance(value, bool | int | float | str | np.number):
                counters[-1][name] = value.item() if isinstance(value, np.number) else value
            elif isinstance(value, list) and value and all(isinstance(v, np.ndarray) for v in value):
                arrays |= {f"callback/{i}/{name}/{j}": v for j, v in enumerate(value)}
    state = {
        "fingerprint": fingerprint,
        "epoch": epoch,
        "history": history,
        "callbacks": counters,
        "stop_training": bool(model.stop_training),
    }
    with writing(path) as temporary:
        np.savez(temporary, state=np.frombuffer(json.dumps(state).encode(), "uint8"), **arrays)


def restore_checkpoint(path: Path, model: keras.Model, callbacks: Callbacks, fingerprint: str) -> tuple[int, History]:
    """Puts a training's state into model and callbacks; (0, {}) if the checkpoint is of other work.

    Returns:
        number of epochs done, and their history.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = dict(file)
        state = json.loads(arrays.pop("state").tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidValue(f"checkpoint {path} is damaged ({error}); remove it to train anew") from None
    if state["fingerprint"] != fingerprint:
        return 0, {}
    variables = _variables(model)
    if len(state["callbacks"]) != len(callbacks) or any(f"variable/{i}" not in arrays for i in range(len(variables))):
        raise InvalidValue(f"checkpoint {path} is of another model or other callbacks; remove it to train anew")
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"variable/{i}"])
    for i, (callback, counters) in enumerate(zip(callbacks, state["callbacks"], strict=True)):
        lists: dict[str, list[np.ndarray]] = {}
        for key in (k for k in arrays if k.startswith(f"callback/{i}/")):
            lists.setdefault(key.split("/")[2], []).append(arrays[key])
        for name, value in {**counters, **lists}.items():
            setattr(callback, name, value)
    model.stop_training = state["stop_training"]
    return state["epoch"], state["history"]


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
