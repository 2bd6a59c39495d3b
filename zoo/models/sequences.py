"""Layers for sequences of different lengths: padded steps are masked and do not change the outputs.

Masks are multiplied in, because int8 files have no operator that selects between two tensors.
"""

import keras
from keras import ops

from zoo.models.saving import saved


@keras.saving.register_keras_serializable(package="zoo")
class MaskedConv1D(keras.layers.Conv1D):
    """keras.layers.Conv1D with padding="same" that treats padded steps as zeros and passes the mask on."""

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, kernel_size, **{**kwargs, "padding": "same"})
        self.supports_masking = True

    def call(self, x, mask=None):
        return super().call(x if mask is None else x * weights_of(mask, x))

    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None else previous_mask[:, :: self.strides[0]]


@keras.saving.register_keras_serializable(package="zoo")
class AveragePooling(keras.layers.Layer):
    """The mean over the steps that are not padded: (B, T, C) -> (B, C)."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        if mask is None:
            return ops.mean(x, axis=1)
        weights = weights_of(mask, x)
        return ops.sum(x * (weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)), axis=1)

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


@saved
class AttentionPooling(AveragePooling):
    """A weighted mean over the steps, with learned weights: (B, T, C) -> (B, C).

    Source: Z. Yang et al., Hierarchical attention networks, NAACL 2016, equations 5 to 7: u = tanh(W x + b), the
    weights are softmax(u . v) over the steps.

    Args:
        units: size of u.
    """

    def __init__(self, units: int = 16, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = keras.layers.Dense(units, activation="tanh", name="hidden")
        self.score = keras.layers.Dense(1, use_bias=False, name="score")

    def build(self, input_shape):
        self.hidden.build(input_shape)
        self.score.build((*input_shape[:-1], self.units))
        self.built = True

    def call(self, x, mask=None):
        scores = self.score(self.hidden(x))  # (B, T, 1)
        if mask is None:
            return ops.sum(x * ops.softmax(scores, axis=1), axis=1)
        # |score| is at most the sum of |v|, too small for exp to overflow. The logarithm replaces a division, because
        # DIV in int8 fails if the divisor is rounded to 0. A sequence of only padding gets the sum 1.
        valid = weights_of(mask, x)
        total = ops.sum(ops.exp(scores) * valid, axis=1, keepdims=True) + (1.0 - ops.max(valid, axis=1, keepdims=True))
        return ops.sum(x * (ops.exp(scores - ops.log(total)) * valid), axis=1)


def weights_of(mask, x):
    """A mask (B, T) as 0 and 1, (B, T, 1)."""
    return ops.cast(mask, x.dtype)[..., None]
