"""Registers our layers with Keras, so that it can load them from a file."""

import inspect
from typing import Any, TypeVar

import keras

Class = TypeVar("Class", bound=type)


def saved(layer: Class) -> Class:
    """Class decorator: registers a layer whose constructor's arguments are attributes, and writes its `get_config`."""
    kind: Any = layer
    if "get_config" not in vars(layer):
        own = [p.name for p in inspect.signature(layer).parameters.values() if p.kind is not p.VAR_KEYWORD]

        def get_config(self):
            return {**super(kind, self).get_config(), **{name: getattr(self, name) for name in own}}

        kind.get_config = get_config
    return keras.saving.register_keras_serializable(package="zoo")(kind)
