"""Augmentation of series (B, T, channels). A step of only zeros is padding, before or after the series.

Padding stays padding and a real step never becomes all zero, so masks stay valid. Defaults suit channels of about unit
variance, as after `keras.layers.Normalization`.
"""

import abc

import keras
from keras import ops

from zoo.base.checks import check_number
from zoo.models.augment.augmentation import RandomLayer
from zoo.models.saving import saved


def real(x):
    """Mask of the steps that are not padding, (B, T, 1)."""
    return ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True)


def ends(x):
    """Indices of the first and the last real step, (B, 1, 1) in float32 each; 0 and T - 1 if there is none."""
    steps = ops.cast(real(x), "int32")
    last = ops.shape(x)[1] - 1 - ops.argmax(ops.flip(steps, axis=1), axis=1, keepdims=True)
    return ops.cast(ops.argmax(steps, axis=1, keepdims=True), "float32"), ops.cast(last, "float32")


class SequenceLayer(RandomLayer):
    """Changes real steps only; a subclass implements `changed` and can ignore padding."""

    axes = ("steps", "channels")

    @abc.abstractmethod
    def changed(self, x):
        """The changed series (B, T, C), with any values in padded steps."""

    def change(self, x):
        changed = ops.cast(self.changed(x), x.dtype)
        return ops.where(ops.logical_and(real(x), real(changed)), changed, x)

    def uniform(self, x, low: float = 0.0, high: float = 1.0):
        """One random number a series, (B, 1, 1)."""
        return keras.random.uniform((ops.shape(x)[0], 1, 1), low, high, dtype="float32", seed=self.generator)


@saved
class Jitter(SequenceLayer):
    """Adds noise to every value. `keras.layers.GaussianNoise` would add it to padding too.

    Source: T. Um et al., Data augmentation of wearable sensor data, ICMI 2017.

    Args:
        stddev: of the noise.
    """

    def __init__(self, stddev: float = 0.05, seed: int | None = None, **kwargs):
        super().__init__(seed, **kwargs)
        self.stddev = check_number("stddev", stddev, 0)

    def changed(self, x):
        return x + keras.random.normal(ops.shape(x), stddev=self.stddev, dtype=x.dtype, seed=self.generator)


@saved
class Scaling(SequenceLayer):
    """Multiplies each channel of each series by a random number around 1.

    Source: T. Um et al., Data augmentation of wearable sensor data, ICMI 2017.

    Args:
        stddev: of the factor.
    """

    def __init__(self, stddev: float = 0.1, seed: int | None = None, **kwargs):
        super().__init__(seed, **kwargs)
        self.stddev = check_number("stddev", stddev, 0)

    def changed(self, x):
        batch, _, channels = ops.shape(x)
        return x * keras.random.normal((batch, 1, channels), 1.0, self.stddev, dtype=x.dtype, seed=self.generator)


@saved
class WindowCrop(SequenceLayer):
    """Cuts a window out of each series and stretches it to full length by linear interpolation.

    Source: A. Le Guennec et al., Data augmentation for time series classification using convolutional neural networks,
    AALTD 2016, whose slices stay short; stretched, they fit a model of fixed length.

    Args:
        smallest: least share of a series in a window; the largest is 1.
    """

    def __init__(self, smallest: float = 0.8, seed: int | None = None, **kwargs):
        super().__init__(seed, **kwargs)
        self.smallest = check_number("smallest", smallest, 0.01, 1)

    def changed(self, x):
        first, last = ends(x)
        share = self.uniform(x, self.smallest, 1.0)
        start = first + self.uniform(x) * (last - first) * (1.0 - share)
        steps = ops.reshape(ops.arange(ops.shape(x)[1], dtype="float32"), (1, -1, 1))
        place = ops.clip(start + (steps - first) * share, first, last)  # (B, T, 1), source position of each step
        before = ops.floor(place)
        after = ops.minimum(before + 1.0, last)
        weight = ops.cast(place - before, x.dtype)
        return (1 - weight) * _steps_of(x, before) + weight * _steps_of(x, after)


class _Masking(SequenceLayer):
    def __init__(self, fraction: float, seed: int | None = None, **kwargs):
        super().__init__(seed, **kwargs)
        self.fraction = check_number("fraction", fraction, 0, below=1)

    def masked(self, x, indices, first, length):
        """The means in place of a random run of indices among `length` ones from `first` on."""
        run = ops.floor(self.uniform(x) * (ops.floor(self.fraction * length) + 1.0))
        start = first + ops.floor(self.uniform(x) * (length - run + 1.0))
        return ops.where(ops.logical_and(indices >= start, indices < start + run), _mean(x), x)


@saved
class TimeMasking(_Masking):
    """Replaces a run of steps by the mean of the series.

    Source: D. Park et al., SpecAugment, Interspeech 2019, where the mean is zero; a step of zeros would be padding.

    Args:
        fraction: longest run, as a share of the real steps; all lengths up to it are equally likely.
    """

    def __init__(self, fraction: float = 0.2, seed: int | None = None, **kwargs):
        super().__init__(fraction, seed, **kwargs)

    def changed(self, x):
        first, last = ends(x)
        steps = ops.reshape(ops.arange(ops.shape(x)[1], dtype="float32"), (1, -1, 1))
        return self.masked(x, steps, first, last - first + 1.0)


@saved
class ChannelMasking(_Masking):
    """Replaces neighbouring channels by their means, such as frequencies of a spectrogram or sensors.

    Source: D. Park et al., SpecAugment, Interspeech 2019, where the mean is zero.

    Args:
        fraction: largest share of channels; all counts up to it are equally likely.
    """

    def __init__(self, fraction: float = 0.25, seed: int | None = None, **kwargs):
        super().__init__(fraction, seed, **kwargs)

    def changed(self, x):
        channels = ops.shape(x)[2]
        return self.masked(x, ops.arange(channels, dtype="float32"), 0.0, channels)


def _mean(x):
    """Of each channel over the real steps, (B, 1, C)."""
    steps = ops.sum(ops.cast(real(x), x.dtype), axis=1, keepdims=True)
    return ops.sum(x, axis=1, keepdims=True) / ops.maximum(steps, 1)


def _steps_of(x, indices):
    """The steps of x (B, T, C) at indices (B, T, 1)."""
    return ops.take_along_axis(x, ops.broadcast_to(ops.cast(indices, "int32"), ops.shape(x)), axis=1)
