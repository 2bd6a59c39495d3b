"""Preprocessing of table rows: numbers are normalized, categories one-hot."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.models.saving import saved


@saved
class TableFeatures(keras.layers.Normalization):
    """(B, values) -> (B, features): the preprocessing of a table, `categories` being that of its data set.

    Numbers are normalized by mean and variance of the training data, as in Keras' layer. Each code becomes a one-hot
    vector. Features keep the order of the input.

    Args:
        categories: for each input value, its number of categories; 0 for a number.

    Raises ValueError: another number of values in the input.
    """

    def __init__(self, categories: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.categories = tuple(check_size(f"categories[{i}]", n, minimum=0) for i, n in enumerate(categories))
        sizes = np.maximum(self.categories, 1)
        self._source = np.repeat(np.arange(len(sizes)), sizes).astype("int32")  # input value of each feature
        self._code = np.concatenate([np.arange(n) for n in sizes]).astype("float32")
        self._is_code = np.repeat(np.array(self.categories) > 0, sizes).astype("float32")

    def build(self, input_shape=None):
        if input_shape is not None and input_shape[-1] != len(self.categories):
            raise InvalidValue(f"categories tells of {len(self.categories)} values, the input has {input_shape[-1]}")
        super().build(input_shape)

    def call(self, inputs):
        numbers = ops.take(super().call(inputs), self._source, axis=-1)
        apart = ops.take(ops.cast(inputs, numbers.dtype), self._source, axis=-1) - self._code
        same = 1 - ops.minimum(ops.square(apart), 1)  # codes are whole numbers: 1 for this category, else 0
        return numbers * (1 - self._is_code) + same * self._is_code

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self._source))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
