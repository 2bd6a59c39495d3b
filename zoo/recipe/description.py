"""Values of a recipe as plain JSON, and the source text of its functions."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np


def described(value: Any) -> Any:
    """A value of a recipe as plain JSON: functions by name, layers and optimizers by their configuration."""
    if isinstance(value, keras.layers.Layer | keras.regularizers.Regularizer | keras.optimizers.Optimizer):
        config = {k: v for k, v in value.get_config().items() if k not in ("name", "trainable", "dtype", "seed")}
        plain: Any = {type(value).__name__: described(config)}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {type(value).__name__: described(dataclasses.asdict(value))}
    elif isinstance(value, Mapping):
        plain = {str(k): described(v) for k, v in value.items()}
    elif isinstance(value, list | tuple):
        plain = [described(v) for v in value]
    elif value is None or isinstance(value, str | bool | int | float):
        plain = value
    elif isinstance(value, np.generic):
        plain = value.item()
    elif hasattr(value, "__qualname__"):
        plain = f"{value.__module__}.{value.__qualname__}"
    elif hasattr(value, "func"):  # functools.partial
        plain = {described(value.func): [described(value.args), described(value.keywords)]}
    else:
        plain = repr(value)
    return plain


def source_of(function: Any) -> str:
    """Source text of a function or of a partial's function; "" if there is none."""
    try:
        return inspect.getsource(getattr(function, "func", function))
    except (OSError, TypeError):
        return ""


def keyword_arguments(function: Callable) -> list[str]:
    """Names of the keyword-only arguments."""
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
