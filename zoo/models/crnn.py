"""Convolutions that shorten a sequence, then recurrent layers.

Source: B. Shi, X. Bai, C. Yao, An end-to-end trainable neural network for image-based sequence recognition, 2015; for
audio E. Cakir et al., Convolutional recurrent neural networks for polyphonic sound event detection, 2017; for sensors
F. Ordonez and D. Roggen (DeepConvLSTM), 2016.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import keras

from zoo.base.checks import check_choice, check_input_shape, check_size, check_sizes
from zoo.base.errors import InvalidValue
from zoo.models.blocks import Hidden, Knobs, Regularizer, entrance, with_logits
from zoo.models.builder import builder
from zoo.models.rnn import HEADS, recurrent_stack
from zoo.models.sequences import MaskedConv1D


@builder(normalization="batch")
def crnn(
    input_shape: Sequence[int | None],
    num_outputs: int,
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    strides: int = 2,
    cell: str = "gru",
    units: Sequence[int] = (64,),
    bidirectional: bool = False,
    head: str = "last",
    mask_value: float | None = None,
    recurrent_regularizer: Regularizer = None,
    recurrent_dropout: float = 0.0,
    name: str = "crnn",
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """Convolutions, then recurrent layers: `zoo.crnn((100, 6), 7, filters=(32, 64), cell="gru", units=(64,))`.

    Args:
        input_shape: of one sample: (steps, channels) of a series, where steps may be None, or (steps, height, channels)
            of a spectrogram or of an image that is read column by column.
        filters: one number per convolution.
        kernel_size: in steps (and along the height), of every kernel.
        strides: in steps: each convolution divides the length, and the height, by this.
        cell, units, bidirectional, head, recurrent_regularizer, recurrent_dropout: see `zoo.rnn`.
        mask_value: value of all channels of a padded step; padded steps do not change the outputs.
        activation: of the convolutions; the cells keep tanh.
        dropout: fraction of outputs dropped in training, after each convolution and each recurrent layer.
        spatial_dropout: fraction of whole channels dropped in training, after each convolution.
    """
    hidden = Hidden(**knobs)
    meaning = "(steps, channels), where steps may be None, or (steps, height, channels)"
    input_shape = check_input_shape(input_shape, (2, 3), meaning, open_axis=0)
    if len(input_shape) == 3 and (input_shape[0] is None or mask_value is not None):
        raise InvalidValue(f"input_shape={input_shape}, mask_value={mask_value}: lengths may differ in a series alone")
    filters = check_sizes("filters", filters)
    kernel_size = check_size("kernel_size", kernel_size)
    strides = check_size("strides", strides)
    check_choice("head", head, HEADS)

    inputs, x = entrance(input_shape, hidden, mask_value=mask_value)
    convolution = MaskedConv1D if len(input_shape) == 2 else keras.layers.Conv2D
    for size in filters:
        x = convolution(size, kernel_size, strides=strides, padding="same", **hidden.linear())(x)
        x = hidden.after(x)  # (B, T/strides, C), of a spectrogram (B, T/strides, H/strides, C)
    if len(x.shape) == 4:
        x = keras.layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)  # (B, T, H * C)
    cells = replace(
        hidden, activation="tanh", negative_slope=None, kernel_initializer="auto", normalization=None,
        spatial_dropout=0.0,
    )  # fmt: skip
    x = recurrent_stack(x, cell, units, bidirectional, head, cells, recurrent_regularizer, recurrent_dropout)
    return with_logits(inputs, x, num_outputs, hidden, name)
