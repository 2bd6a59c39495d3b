"""The layer that switches others on in training alone, and what the layers of this package have in common."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import keras

from zoo.base.errors import InvalidValue


@keras.saving.register_keras_serializable(package="zoo")
class Augmentation(keras.layers.Layer):
    """Applies its layers, one after the other, in training; at any other time it gives back its input.

    Keras' own `Random*` layers take training=True for granted, so that `model.export()` leaves them switched on
    (keras#19108); inside this layer they are off unless a training step switches them on.

    Args:
        layers: Keras layers that keep the meaning of the label and, in the end, the shape of the input; in between
            `keras.layers.Reshape` may make steps of rows an image again.

    Raises:
        ValueError: a layer for images where the input is none, or one that changes the shape, when it is built.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)
        self.supports_masking = True  # steps keep their places, so a mask that comes in still holds

    def build(self, input_shape):
        shape = tuple(input_shape)
        for layer in self.layers:
            if hasattr(layer, "transform_images"):
                _check_image_layer(layer, shape)
            if not layer.built:
                layer.build(shape)
            shape = tuple(layer.compute_output_shape(shape))
        if shape != tuple(input_shape):
            raise InvalidValue(
                f"augmentation changes the shape {tuple(input_shape[1:])} to {shape[1:]}, which is not there at "
                "inference; end with keras.layers.Reshape to the former"
            )
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


class RandomLayer(keras.layers.Layer, abc.ABC):
    """Changes its input in training, by random numbers of its own; at any other time it gives back its input.

    A subclass says in `change` how, of a whole batch at once, and in `axes` what it reads.

    Args:
        seed: of its random numbers; drawn anew for each layer by default.
    """

    axes: ClassVar[tuple[str, ...]]  # of one sample

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)  # its state is a variable, which a checkpoint keeps
        self.supports_masking = True

    @abc.abstractmethod
    def change(self, x):
        """What a training step reads instead of x, of the same shape and dtype."""

    def build(self, input_shape):
        if len(input_shape) != len(self.axes) + 1:
            raise InvalidValue(
                f"{type(self).__name__} changes samples of shape ({', '.join(self.axes)}), not {tuple(input_shape[1:])}"
            )
        self.built = True

    def call(self, x, training=False):
        return self.change(x) if training else x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def _check_image_layer(layer: keras.layers.Layer, input_shape: tuple[int | None, ...]) -> None:
    name = type(layer).__name__
    if len(input_shape) != 4:  # with three axes Keras would take the batch for one image
        raise InvalidValue(f"{name} changes samples of shape (height, width, channels), not {tuple(input_shape[1:])}")
    changed = tuple(layer.compute_output_shape(input_shape))
    if changed != tuple(input_shape):
        hint = "; zoo.augment.RandomCropAndResize keeps it" if isinstance(layer, keras.layers.RandomCrop) else ""
        raise InvalidValue(
            f"{name} changes the shape {tuple(input_shape[1:])} to {changed[1:]}, which is not there at inference{hint}"
        )
