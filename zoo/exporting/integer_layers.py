"""Layers that can be quantized, in place of those of Keras, and calibration samples for sequences with padding."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("zoo")
def integer_elu(x, alpha=1.0):
    """keras.activations.elu made of ops with int8 kernels, which TFLite's ELU lacks."""
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


@keras.saving.register_keras_serializable("zoo")
class IntegerLayerNormalization(keras.layers.LayerNormalization):
    """keras.layers.LayerNormalization without the negation of Keras' formula, which has no int8 kernel."""

    def call(self, inputs, mask=None):
        x = inputs - ops.mean(inputs, axis=self.axis, keepdims=True)
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=self.axis, keepdims=True) + self.epsilon)
        shape = [inputs.shape[i] if i in self._axes(inputs) else 1 for i in range(len(inputs.shape))]
        if self.scale:
            x = x * ops.reshape(self.gamma, shape)
        return x + ops.reshape(self.beta, shape) if self.center else x

    def _axes(self, inputs):
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        return [axis % len(inputs.shape) for axis in axes]


@keras.saving.register_keras_serializable("zoo")
class IntegerMasking(keras.layers.Masking):
    """keras.layers.Masking for quantization: computes the mask from signs, and zeroes masked steps by a product.

    NOT_EQUAL in int8 aborts the interpreter if a scale is 1, as for the constant 0, and the quantizer does not support
    SELECT. SIGN and SQUARE stay in float, where an int8 zero is exactly 0; the threshold 0.5 is far from 0 and 1.
    """

    def compute_mask(self, inputs, mask=None):
        x = inputs - self.mask_value if self.mask_value else inputs
        return ops.max(ops.square(ops.sign(x)), axis=-1) > 0.5

    def call(self, inputs):
        return inputs * ops.cast(self.compute_mask(inputs), inputs.dtype)[..., None]


def mask_value(layers) -> float | None:
    """The value of padded steps; None if no layer creates a mask."""
    for layer in layers:
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
        if isinstance(layer, keras.layers.Embedding) and layer.mask_zero:
            return 0.0
    return None


def with_every_length(x: np.ndarray, padding: float) -> np.ndarray:
    """The samples (n, T, ...), and further ones cut to each length from 0 to T.

    Each step has its own mask. A mask that is constant in calibration has no range, so the quantizer would give it a
    scale of 0. Missing steps of a sample are filled by repeating its valid steps.
    """
    steps = x.shape[1]
    more = []
    for length in range(steps + 1):
        sample = x[length % len(x)]
        valid = (sample.reshape(steps, -1) != padding).any(axis=1)
        filled = sample[np.resize(np.flatnonzero(valid), steps)] if valid.any() else sample
        more.append(np.where(np.arange(steps).reshape(-1, *[1] * (x.ndim - 2)) < length, filled, padding))
    return np.concatenate([x, np.asarray(more, dtype=x.dtype)])
