"""Sequences of different lengths in int8: a quantizable mask, and calibration samples of every length."""

import keras
import numpy as np
from keras import ops


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
