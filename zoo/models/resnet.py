"""Residual networks, over images or over series.

Source: K. He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2 (the small ones for CIFAR).
As in MLPerf Tiny (C. Banbury et al., 2021), whose ResNet-8 is the default: convolutions keep their biases beside batch
normalization, and a 1x1 convolution without normalization widens the shortcut where the paper pads it with zeros.
"""

from collections.abc import Sequence
from typing import Unpack

import keras

from zoo.base.checks import check_input_shape, check_size, check_size_for_each, check_sizes
from zoo.models.blocks import AXES, Axes, Hidden, Knobs, entrance, with_logits
from zoo.models.builder import builder
from zoo.models.cnn import check_halvings


@builder(normalization="batch")
def resnet(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    filters: Sequence[int] = (16, 32, 64),
    blocks: int = 1,
    kernel_size: int | Sequence[int] = 3,
    name: str = "resnet",
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """Stages of residual blocks: `zoo.resnet((32, 32, 3), 10)` is ResNet-8, with `blocks=3` it is ResNet-20.

    Args:
        input_shape: of one sample: (height, width, channels) of an image or (steps, channels) of a series.
        filters: one number per stage; the first block of each stage after the first has a stride of 2.
        blocks: residual blocks per stage, each of two convolutions.
        kernel_size: in pixels or steps; one number, or one for each axis.
        dropout, spatial_dropout: fraction of outputs, or of whole channels, dropped in training at the end of each
            block.
    """
    hidden = Hidden(**knobs)
    input_shape = check_input_shape(input_shape, (2, 3), "(height, width, channels) or (steps, channels)")
    filters = check_sizes("filters", filters)
    blocks = check_size("blocks", blocks)
    kernel_size = check_size_for_each("kernel_size", kernel_size, len(input_shape) - 1)
    check_halvings("filters", filters, input_shape)

    axes = AXES[len(input_shape) - 1]
    inputs, x = entrance(input_shape, hidden)
    x = axes.convolution(filters[0], kernel_size, padding="same", **hidden.linear(use_bias=True))(x)
    x = hidden.after(x, drop=False)  # (B, H, W, filters[0])
    for stage, size in enumerate(filters):
        for block in range(blocks):
            x = residual_block(x, size, kernel_size, 2 if stage and not block else 1, axes, hidden)
    return with_logits(inputs, axes.global_pooling()(x), num_outputs, hidden, name)


def residual_block(
    x: keras.KerasTensor, filters: int, kernel_size: Sequence[int], strides: int, axes: Axes, hidden: Hidden
) -> keras.KerasTensor:
    """(B, H, W, C) -> (B, H/strides, W/strides, filters)."""
    shortcut = x
    convolution = axes.convolution
    x = convolution(filters, kernel_size, strides=strides, padding="same", **hidden.linear(use_bias=True))(x)
    x = hidden.after(x, drop=False)
    x = convolution(filters, kernel_size, padding="same", **hidden.linear(use_bias=True))(x)
    x = hidden.normalized(x)
    if strides != 1 or shortcut.shape[-1] != filters:
        shortcut = convolution(filters, 1, strides=strides, padding="same", **hidden.linear(use_bias=True))(shortcut)
    return hidden.after(keras.layers.Add()([x, shortcut]), normalize=False)
