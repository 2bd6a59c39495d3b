"""Sequences of different lengths in int8: a mask that can be quantized, and calibration samples of every length."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class IntegerMasking(keras.layers.Masking):
    """keras.layers.Masking for quantization: looks at the signs of a step, and zeroes it by a product.

    NOT_EQUAL in int8 aborts the interpreter when a scale is 1, which a constant of 0 has, and SELECT the quantizer does
    not know. SIGN and SQUARE stay in float, where an int8 zero is exactly 0 again; 1 against 0.5 is safe.
    """

    def compute_mask(self, inputs, mask=None):
        x = inputs - self.mask_value if self.mask_value else inputs
        return ops.max(ops.square(ops.sign(x)), axis=-1) > 0.5

    def call(self, inputs):
        return inputs * ops.cast(self.compute_mask(inputs), inputs.dtype)[..., None]


def mask_value(layers) -> float | None:
    """What a padded step holds; None where no layer makes a mask."""
    for layer in layers:
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
        if isinstance(layer, keras.layers.Embedding) and layer.mask_zero:
            return 0.0
    return None


def with_every_length(x: np.ndarray, padding: float) -> np.ndarray:
    """The samples (n, T, ...), and further ones cut to each length from 0 to T.

    Each step has a mask of its own, and one that was always the same while calibrating has no range, for which the
    quantizer gives a scale of 0. Steps that are missing in a sample are filled with those that it has, over again.
    """
    steps = x.shape[1]
    more = []
    for length in range(steps + 1):
        sample = x[length % len(x)]
        valid = (sample.reshape(steps, -1) != padding).any(axis=1)
        filled = sample[np.resize(np.flatnonzero(valid), steps)] if valid.any() else sample
        more.append(np.where(np.arange(steps).reshape(-1, *[1] * (x.ndim - 2)) < length, filled, padding))
    return np.concatenate([x, np.asarray(more, dtype=x.dtype)])
