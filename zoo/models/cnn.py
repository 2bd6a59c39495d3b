"""Convolutional networks, over images or over series.

Source: Y. LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998; stages of
3x3 convolutions by K. Simonyan and A. Zisserman (VGG), ICLR 2015; strides in place of pooling by J. Springenberg et
al., ICLR 2015; global average pooling by M. Lin et al. (Network in Network), ICLR 2014.
"""

from collections.abc import Sequence
from functools import partial
from typing import Unpack

import keras

from zoo.base.checks import check_choice, check_input_shape, check_size_for_each, check_sizes
from zoo.base.errors import InvalidValue
from zoo.models.blocks import Hidden, Knobs, entrance, spatial_axes, with_logits
from zoo.models.builder import builder
from zoo.models.views import MeanOfViews, Views


@builder(normalization="batch")
def cnn(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    filters: Sequence[int] = (16, 32),
    kernel_size: int | Sequence[int] = 3,
    convolutions: int | Sequence[int] = 2,
    downsampling: str = "pool",
    head: str = "pool",
    units: Sequence[int] = (),
    mirrored: bool = False,
    shifted: bool = False,
    name: str = "cnn",
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """Stages of convolutions, the resolution halved between them: `zoo.cnn((28, 28, 1), 10, filters=(32, 64, 128))`.

    Args:
        input_shape: of one sample: (height, width, channels) of an image, or (steps, channels) of a series or a sound,
            which `preprocessing` may turn into a spectrogram.
        filters: one number per stage; between two stages each spatial axis is halved.
        kernel_size: in pixels or steps, of every kernel; one number, or one for each axis.
        convolutions: number per stage; one number, or one for each stage.
        downsampling: "pool" is max pooling of 2x2 between stages; "stride" gives the first convolution of the next
            stage a stride of 2.
        head: "pool" averages each channel over space, "flatten" keeps every position.
        units: hidden Dense layers between head and logits.
        dropout, spatial_dropout: fraction of outputs, or of whole channels, dropped in training at the end of each
            stage; dropout after each hidden Dense layer too.
        mirrored: test-time augmentation (flip): averages the outputs for an image and for its horizontal flip. Twice
            the work at inference, none in training, no more weights. Train with `RandomFlip("horizontal")`.
        shifted: test-time augmentation (shift): averages over the image and its shifts by one pixel up, down, left and
            right. Five times the work at inference. Train with `RandomTranslation`.
    """
    hidden = Hidden(**knobs)
    input_shape = check_input_shape(input_shape, (2, 3), "(height, width, channels) or (steps, channels)")
    inputs, x = entrance(input_shape, hidden)
    axes = spatial_axes(x)
    filters = check_sizes("filters", filters)
    kernel_size = check_size_for_each("kernel_size", kernel_size, len(x.shape) - 2)
    convolutions = check_size_for_each("convolutions", convolutions, len(filters), "stage")
    check_choice("downsampling", downsampling, ("pool", "stride"))
    check_choice("head", head, ("pool", "flatten"))
    units = check_sizes("units", units, minimum_length=0)
    check_halvings("filters", filters, x.shape[1:])
    for argument, given in (("mirrored", mirrored), ("shifted", shifted)):
        if given and len(x.shape) != 4:
            raise InvalidValue(
                f"{argument}=True is for images, but input_shape={input_shape} is of a series; leave it out"
            )

    views = Views(mirrored, shifted)
    if views.count > 1:
        x = views(x)  # (count * B, H, W, C)
    for stage, (size, count) in enumerate(zip(filters, convolutions, strict=True)):
        if stage and downsampling == "pool":
            x = axes.max_pooling()(x)  # (B, H/2, W/2, C)
        for step in range(count):
            strides = 2 if downsampling == "stride" and stage and not step else 1
            x = axes.convolution(size, kernel_size, strides=strides, padding="same", **hidden.linear())(x)
            x = hidden.after(x, drop=step == count - 1)  # (B, H, W, size)
    x = axes.global_pooling()(x) if head == "pool" else keras.layers.Flatten()(x)  # (B, features)
    for size in units:
        x = keras.layers.Dense(size, **hidden.linear())(x)  # (B, size)
        x = hidden.after(x)
    mean = partial(MeanOfViews, views.count) if views.count > 1 else None
    return with_logits(inputs, x, num_outputs, hidden, name, mean)


def check_halvings(argument: str, sizes: Sequence[int], input_shape: Sequence[int]) -> None:
    """Raises ValueError where an axis is too small to be halved before each stage but the first."""
    smallest = min(input_shape[:-1])
    if 2 ** (len(sizes) - 1) > smallest:
        raise InvalidValue(
            f"{argument}={tuple(sizes)} halves the input {len(sizes) - 1} times, but input_shape={tuple(input_shape)} "
            f"has an axis of {smallest}; use at most {smallest.bit_length()} stages"
        )
