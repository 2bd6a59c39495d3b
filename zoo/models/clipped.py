"""Normalization that cuts off what lies far outside of what train has."""

import keras
from keras import ops

from zoo.base.checks import check_number


@keras.saving.register_keras_serializable(package="zoo")
class ClippedNormalization(keras.layers.Normalization):
    """`keras.layers.Normalization`, cut off at so many standard deviations.

    For features that are seldom anything but one value, such as rain: an hour of it may lie hundreds of deviations
    away, where no network knows what it does, and where eight bits would have nothing left for all the rest.

    Args:
        limit: in standard deviations.
    """

    def __init__(self, limit: float = 3.0, **kwargs):
        super().__init__(**kwargs)
        check_number("limit", limit, 0.1, 1000)
        self.limit = limit

    def call(self, inputs):
        return ops.clip(super().call(inputs), -self.limit, self.limit)

    def get_config(self):
        return {**super().get_config(), "limit": self.limit}
