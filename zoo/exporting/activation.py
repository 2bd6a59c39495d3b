"""ELU that can be quantized: TFLite's own ELU op stays in float, or makes the converter fail."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
def integer_elu(x, alpha=1.0):
    """keras.activations.elu made of ops with int8 kernels: x above 0, alpha (exp(x) - 1) below."""
    positive = ops.relu(x)
    return positive + alpha * ops.exp(x - positive) - alpha


@keras.saving.register_keras_serializable("zoo")
class IntegerELU(keras.layers.ELU):
    def call(self, inputs):
        return integer_elu(inputs, self.alpha)


def with_integer_activation(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer, with `integer_elu` if its activation is ELU."""
    if getattr(layer, "activation", None) is keras.activations.elu:
        layer.activation = integer_elu
    return layer
