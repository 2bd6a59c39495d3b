"""Label-preserving changes of the input, in training only.

A builder takes any Keras layers as `augmentation=(...)`, for images for instance
`(keras.layers.RandomTranslation(0.1, 0.1), keras.layers.RandomRotation(0.03))`, and wraps them in one `Augmentation`.
"""

from collections.abc import Sequence

import keras


@keras.saving.register_keras_serializable(package="zoo")
class Augmentation(keras.layers.Layer):
    """Applies its layers, one after the other, in training; at any other time it gives back its input.

    Keras' own `Random*` layers take training=True for granted, so that `model.export()` leaves them switched on
    (keras#19108); inside this layer they are off unless a training step switches them on.

    Args:
        layers: Keras layers that keep the shape of their input and the meaning of its label.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)

    def build(self, input_shape):
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
        self.built = True

    def call(self, x, training=False):
        if training:
            for layer in self.layers:
                x = layer(x, training=True) if layer._call_has_training_arg else layer(x)
        return x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "layers": [keras.saving.serialize_keras_object(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config):
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config.pop("layers")]
        return cls(layers, **config)
