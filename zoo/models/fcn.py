"""Fully convolutional networks for series, of a fixed or of any length.

Source: Z. Wang, W. Yan, T. Oates, Time series classification from scratch with deep neural networks, IJCNN 2017.
"""

from collections.abc import Sequence
from typing import Unpack

import keras

from zoo.base.checks import check_input_shape, check_size_for_each, check_sizes
from zoo.models.blocks import Hidden, Knobs, entrance, with_logits
from zoo.models.builder import builder
from zoo.models.sequences import AveragePooling, MaskedConv1D


@builder(normalization="batch")
def fcn(
    input_shape: Sequence[int | None],
    num_outputs: int,
    *,
    filters: Sequence[int] = (128, 256, 128),
    kernel_size: int | Sequence[int] = (8, 5, 3),
    mask_value: float | None = None,
    name: str = "fcn",
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """Convolutions that keep the length, then average pooling over time: `zoo.fcn((100, 3), 5, filters=(64, 128, 64))`.

    Args:
        input_shape: of one sample, (steps, channels); steps may be None, for any number.
        filters: one number per convolution. kernel_size: in steps; one number for all, or one for each.
        mask_value: value of all channels of a padded step; padded steps do not change the outputs.
        dropout, spatial_dropout: fraction of outputs, or of whole channels, that training drops after each convolution.
    """
    hidden = Hidden(**knobs)
    input_shape = check_input_shape(input_shape, (2,), "(steps, channels), where steps may be None", open_axis=0)
    filters = check_sizes("filters", filters)
    kernel_size = check_size_for_each("kernel_size", kernel_size, len(filters), of="convolution")

    inputs, x = entrance(input_shape, hidden, mask_value=mask_value)
    for size, width in zip(filters, kernel_size, strict=True):
        x = MaskedConv1D(size, width, **hidden.linear())(x)
        x = hidden.after(x)  # (B, T, size)
    return with_logits(inputs, AveragePooling()(x), num_outputs, hidden, name)
