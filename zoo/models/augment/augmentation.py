"""The layer that applies others in training only, and the base class of the layers here."""

import abc
import inspect
from collections.abc import Sequence
from typing import ClassVar

import keras

from zoo.base.errors import InvalidValue


@keras.saving.register_keras_serializable(package="zoo")
class Augmentation(keras.layers.Layer):
    """Applies its layers in order in training; otherwise returns its input.

    Keras' own `Random*` layers default to training=True, so `model.export()` would leave them on (keras#19108). Inside
    this layer they are on in training steps only.

    Args:
        layers: Keras layers that keep the label valid and, at the end, the shape of the input; in between
            `keras.layers.Reshape` may turn a sequence of rows into an image.

    Raises ValueError at build: an image layer on an input that is no image, or a changed shape.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)
        self.supports_masking = True  # steps keep their order, so an incoming mask stays valid

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
                x = layer(x, training=True) if "training" in inspect.signature(layer.call).parameters else layer(x)
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
    """Changes its input at random in training; otherwise returns its input.

    A subclass implements `change` for a whole batch, and names in `axes` the axes of a sample.

    Args:
        seed: of its random numbers; by default each layer draws its own.
    """

    axes: ClassVar[tuple[str, ...]]  # of one sample

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)  # its state is a variable, which a checkpoint keeps
        self.supports_masking = True

    @abc.abstractmethod
    def change(self, x):
        """The changed x, of the same shape and dtype."""

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
    if len(input_shape) != 4:  # Keras would treat a batch of three axes as one image
        raise InvalidValue(f"{name} changes samples of shape (height, width, channels), not {tuple(input_shape[1:])}")
    changed = tuple(layer.compute_output_shape(input_shape))
    if changed != tuple(input_shape):
        hint = "; zoo.augment.RandomCropAndResize keeps it" if isinstance(layer, keras.layers.RandomCrop) else ""
        raise InvalidValue(
            f"{name} changes the shape {tuple(input_shape[1:])} to {changed[1:]}, which is not there at inference{hint}"
        )
