"""Mixes pairs of samples of a batch and their targets: `Recipe.mixing`.

`keras.layers.MixUp` takes images only. `keras.layers.CutMix` has no alpha, and weights labels by the area of the box
before it is rounded to whole pixels; here labels are weighted by pixels.
"""

import abc
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from zoo.base.checks import check_number
from zoo.base.errors import InvalidValue


@dataclass(frozen=True)
class Mixing(abc.ABC):
    """Mixes each sample of a batch with another one; its share follows Beta(alpha, alpha).

    Attributes:
        alpha: near 0 most samples stay unchanged, 1 makes all shares equally likely, larger values favour one half.
    """

    alpha: float

    def __post_init__(self) -> None:
        # Below 0.05, the gamma variates that Keras computes the shares from underflow in float32.
        check_number("alpha", self.alpha, 0.05, 100)

    @abc.abstractmethod
    def __call__(self, x, y, generator: keras.random.SeedGenerator):
        """(x, y) of a batch, mixed: x in float32, y in its own dtype (one-hot, probabilities or real values)."""

    def check(self, model: keras.Model, y: np.ndarray) -> None:
        """Raises ValueError if inputs or targets of this kind cannot be mixed."""
        name = type(self).__name__
        if not np.issubdtype(y.dtype, np.floating):
            raise InvalidValue(
                f"{name} mixes targets, but these are {y.dtype}: class numbers have no mixture; "
                "use one-hot targets in float32, as Multiclass(..., soft=True) makes them"
            )
        if any(isinstance(layer, keras.layers.Embedding) for layer in model.layers):
            raise InvalidValue(f"{name} mixes values, but the model reads tokens, which have no mixture")


@dataclass(frozen=True)
class MixUp(Mixing):
    """The weighted mean of two samples of any shape.

    Source: H. Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018; here each sample of a batch has its
    own weight.
    """

    alpha: float = 0.2

    def __call__(self, x, y, generator):
        batch = ops.shape(x)[0]
        other = _others(batch, generator)
        weight = keras.random.beta((batch,), self.alpha, self.alpha, dtype="float32", seed=generator)
        return _mean(ops.cast(x, "float32"), other, weight), _mean(y, other, weight)


@dataclass(frozen=True)
class CutMix(Mixing):
    """Pastes a box of another image into each image; targets are weighted by the share of pixels.

    Source: S. Yun et al., CutMix: regularization strategy to train strong classifiers with localizable features,
    ICCV 2019; here each image of a batch has its own box.
    """

    alpha: float = 1.0

    def __call__(self, x, y, generator):
        x = ops.cast(x, "float32")
        batch, height, width, _ = ops.shape(x)
        other = _others(batch, generator)
        part = ops.sqrt(1.0 - keras.random.beta((batch,), self.alpha, self.alpha, dtype="float32", seed=generator))
        inside = ops.logical_and(  # (B, H, W)
            _span(part, height, batch, generator)[:, :, None], _span(part, width, batch, generator)[:, None, :]
        )
        x = ops.where(inside[..., None], ops.take(x, other, axis=0), x)
        return x, _mean(y, other, 1.0 - ops.mean(ops.cast(inside, "float32"), axis=(1, 2)))

    def check(self, model, y):
        super().check(model, y)
        if len(model.input_shape) != 4:
            raise InvalidValue(
                f"CutMix cuts boxes out of images (height, width, channels), but the model reads "
                f"{model.input_shape[1:]}; MixUp takes any shape"
            )


@keras.saving.register_keras_serializable(package="zoo")
class SoftBinaryAccuracy(keras.metrics.BinaryAccuracy):
    """Keras' binary accuracy for mixed targets: a target is rounded to its nearer class."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(ops.cast(ops.greater(y_true, 0.5), "float32"), y_pred, sample_weight)


def _others(batch, generator):
    """For each sample the index of its partner."""
    return keras.random.shuffle(ops.arange(batch), seed=generator)


def _mean(values, other, weight):
    weight = ops.cast(ops.reshape(weight, (-1, *[1] * (len(values.shape) - 1))), values.dtype)
    return weight * values + (1 - weight) * ops.take(values, other, axis=0)


def _span(part, length, batch, generator):
    """Mask (B, length) of a box with this share of the axis, around a random centre."""
    centre = keras.random.uniform((batch,), 0, length, dtype="float32", seed=generator)
    half = part * ops.cast(length, "float32") / 2
    positions = ops.arange(length, dtype="float32") + 0.5
    return ops.abs(positions - centre[:, None]) < half[:, None]
