"""Depthwise-separable convolutional networks, for microcontrollers.

Source: A. Howard et al., MobileNets, 2017 (with its width multiplier); Y. Zhang et al., Hello Edge: keyword spotting on
microcontrollers, 2017 (DS-CNN), in the form of MLPerf Tiny (C. Banbury et al., 2021), which is the default.
"""

from collections.abc import Sequence
from typing import Unpack

import keras

from zoo.base.checks import check_input_shape, check_number, check_rate, check_size_for_each, check_sizes
from zoo.base.errors import InvalidValue
from zoo.models.blocks import Hidden, Knobs, entrance, spatial_axes, with_logits
from zoo.models.builder import builder


@builder(normalization="batch")
def ds_cnn(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    filters: Sequence[int] = (64, 64, 64, 64, 64),
    strides: Sequence[int] = (2, 1, 1, 1, 1),
    first_kernel_size: int | Sequence[int] = (10, 4),
    kernel_size: int | Sequence[int] = 3,
    width_multiplier: float = 1.0,
    name: str = "ds_cnn",
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """A convolution, then depthwise-separable ones: `zoo.ds_cnn((49, 10, 1), 12)` is MLPerf Tiny's keyword spotter.

    Args:
        input_shape: of one sample: (height, width, channels) of an image, or (steps, channels) of a series or a sound,
            which `preprocessing` may turn into a spectrogram.
        filters: number of filters of the first convolution, and of each separable one after it.
        strides: one number for each of `filters`.
        first_kernel_size, kernel_size: of the first convolution and of the depthwise ones; one number, or one for each
            axis. A series takes the first of two.
        width_multiplier: factor on all numbers of filters, which are then rounded.
        dropout: fraction of features dropped in training, before the logits.
        spatial_dropout: fraction of whole channels dropped in training, after each separable convolution.
    """
    dropout = check_rate("dropout", knobs.pop("dropout", 0.0))
    hidden = Hidden(**knobs)
    input_shape = check_input_shape(input_shape, (2, 3), "(height, width, channels) or (steps, channels)")
    inputs, x = entrance(input_shape, hidden)
    axes, rank = spatial_axes(x), len(x.shape) - 2
    filters = check_sizes("filters", filters)
    strides = check_sizes("strides", strides)
    if len(strides) != len(filters):
        raise InvalidValue(f"strides={strides} has {len(strides)} numbers and filters={filters} {len(filters)}")
    if rank == 1 and first_kernel_size == (10, 4):
        first_kernel_size = 10
    first_kernel_size = check_size_for_each("first_kernel_size", first_kernel_size, rank)
    kernel_size = check_size_for_each("kernel_size", kernel_size, rank)
    width_multiplier = check_number("width_multiplier", width_multiplier, above=0)

    first, *others = (max(1, round(size * width_multiplier)) for size in filters)
    x = axes.convolution(
        first, first_kernel_size, strides=strides[0], padding="same", **hidden.linear(use_bias=True)
    )(x)  # fmt: skip
    x = hidden.after(x, drop=False)  # (B, H, W, first)
    for size, stride in zip(others, strides[1:], strict=True):
        x = axes.depthwise(kernel_size, strides=stride, padding="same", **hidden.linear("depthwise", use_bias=True))(x)
        x = hidden.after(x, drop=False)
        x = axes.convolution(size, 1, **hidden.linear(use_bias=True))(x)
        x = hidden.after(x)  # (B, H, W, size)
    x = axes.global_pooling()(x)  # (B, filters[-1])
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return with_logits(inputs, x, num_outputs, hidden, name)
