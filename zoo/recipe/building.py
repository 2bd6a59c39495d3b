"""Steps of building a recipe's model: new layers, adapted preprocessing, the momentum of batch normalization."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf

from zoo.data.blocks import Array, Stored, slices


def copies(layers: Sequence[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """New layers of the same configuration. A recipe's own layers are patterns and never part of a model."""
    return [type(layer).from_config({**layer.get_config(), "name": None}) for layer in layers]


def adapt(layer: keras.layers.Layer, model: keras.Model, x: Array) -> None:
    """Adapts a preprocessing layer to its inputs in the model; padded time steps are left out."""
    before_layer = keras.Model(model.inputs[0], layer.input)
    mask_values = [inner.mask_value for inner in model.layers if isinstance(inner, keras.layers.Masking)]

    def inputs_of_layer(x: np.ndarray) -> np.ndarray:
        values = np.concatenate([np.asarray(before_layer(x[i : i + 4096])) for i in range(0, len(x), 4096)])
        for mask_value in mask_values:
            values = values[(x != mask_value).any(axis=-1)][None]  # (1, steps of all samples, features)
        return values

    if isinstance(x, Stored):  # a piece at a time
        shape = (None, None, *layer.input.shape[2:]) if mask_values else layer.input.shape
        layer.adapt(
            tf.data.Dataset.from_generator(
                lambda: filter(np.size, map(inputs_of_layer, slices(x))),
                output_signature=tf.TensorSpec(shape, layer.input.dtype),
            )
        )
    else:
        layer.adapt(inputs_of_layer(x))


def lower_momentum(model: keras.Model, steps: int) -> None:
    """Lowers BatchNorm's momentum so that its moving averages converge even in short trainings.

    They start at 0 and 1. Keras' momentum of 0.99 leaves a tenth of that start after 240 steps, so that the network of
    a small data set is right in training and wrong in inference. From 920 steps on the momentum is Keras' own.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 1e-4 ** (1 / steps))


def in_new_session(function: Callable[[], keras.Model]) -> keras.Model:
    """Calls a function in a new Keras session, which counts layer names from one: written files must not depend on the
    caller's layers.

    Keras has one session per thread, so a new thread leaves the caller's session as it is.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()
