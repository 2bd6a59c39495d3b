"""Normalization that clips outliers."""

import keras
from keras import ops

from zoo.base.checks import check_number
from zoo.models.saving import saved


@saved
class ClippedNormalization(keras.layers.Normalization):
    """`keras.layers.Normalization`, clipped at `limit` standard deviations.

    For features that rarely differ from one value, such as rain: a rare value may lie hundreds of deviations away,
    outside of what the network was trained on, and would take up most of the range of an int8 file.

    Args:
        limit: in standard deviations.
    """

    def __init__(self, limit: float = 3.0, **kwargs):
        super().__init__(**kwargs)
        self.limit = check_number("limit", limit, 0.1, 1000)

    def call(self, inputs):
        return ops.clip(super().call(inputs), -self.limit, self.limit)
