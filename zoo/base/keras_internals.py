"""Private names of Keras, each with a public way to fall back on when a release removes it."""

from typing import Any

import keras

# Models, layers and optimizers.


def flatten_layers(layer: keras.Layer) -> list[keras.Layer]:
    """A model or layer, and all layers inside it at any depth, each once."""
    try:
        return list(layer._flatten_layers())
    except AttributeError:
        return list(_inside(layer, {}).values())


def _inside(layer: keras.Layer, found: dict[int, keras.Layer]) -> dict[int, keras.Layer]:
    found[id(layer)] = layer
    values = layer.layers if isinstance(layer, keras.Model) else list(vars(layer).values())
    for value in values:
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, keras.Layer) and id(part) not in found:
                _inside(part, found)
    return found


def learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """The variable, or the schedule; without the private name, a schedule's present value."""
    try:
        return optimizer._learning_rate
    except AttributeError:
        return optimizer.learning_rate
