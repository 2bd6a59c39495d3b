"""Fully convolutional networks for series, of a fixed or of any length.

Source: Z. Wang, W. Yan, T. Oates, Time series classification from scratch with deep neural networks, IJCNN 2017.
"""

from collections.abc import Sequence

import keras

from zoo.base.checks import check_input_shape, check_number, check_size, check_size_for_each, check_sizes
from zoo.models.blocks import Activation, Hidden, Initializer, Layers, Regularizer, entrance, with_logits
from zoo.models.sequences import AveragePooling, MaskedConv1D


def fcn(
    input_shape: Sequence[int | None],
    num_outputs: int,
    *,
    filters: Sequence[int] = (128, 256, 128),
    kernel_size: int | Sequence[int] = (8, 5, 3),
    mask_value: float | None = None,
    activation: Activation = "relu",
    negative_slope: float | None = None,
    kernel_initializer: Initializer = "auto",
    regularizer: Regularizer = None,
    bias_regularizer: Regularizer = None,
    activity_regularizer: Regularizer = None,
    max_norm: float | None = None,
    dropout: float = 0.0,
    spatial_dropout: float = 0.0,
    noise: float = 0.0,
    normalization: str | None = "batch",
    preprocessing: Layers = (),
    augmentation: Layers = (),
    name: str = "fcn",
) -> keras.Model:
    """Convolutions that keep the length, then the mean over time: `zoo.fcn((100, 3), 5, filters=(64, 128, 64))`.

    Args:
        input_shape: of one sample, (steps, channels); steps may be None, for any number.
        num_outputs: size of the logits.
        filters: one number a convolution. kernel_size: in steps; one number for all, or one for each.
        mask_value: what all channels of a step hold that only pads a shorter series; such steps change nothing.
        dropout, spatial_dropout: after each convolution.
        activation, negative_slope, kernel_initializer, regularizer, bias_regularizer, activity_regularizer, max_norm,
            noise, normalization: see `zoo.models.blocks.Hidden`.
        preprocessing: layers that come first and stay in the exported file.
        augmentation: layers that change the input in training only.

    Returns:
        Uncompiled model, (B, steps, channels) -> logits (B, num_outputs).

    Raises:
        ValueError, TypeError: a bad argument, with its name, its value and what is allowed.
    """
    input_shape = check_input_shape(input_shape, (2,), "(steps, channels), where steps may be None", open_axis=0)
    num_outputs = check_size("num_outputs", num_outputs)
    filters = check_sizes("filters", filters)
    kernel_size = check_size_for_each("kernel_size", kernel_size, len(filters), of="convolution")
    if mask_value is not None:
        check_number("mask_value", mask_value)
    hidden = Hidden(
        activation=activation, negative_slope=negative_slope, kernel_initializer=kernel_initializer,
        regularizer=regularizer, bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
        max_norm=max_norm, dropout=dropout, spatial_dropout=spatial_dropout, noise=noise, normalization=normalization,
    )  # fmt: skip

    inputs, x = entrance(input_shape, preprocessing, augmentation, mask_value=mask_value)
    for size, width in zip(filters, kernel_size, strict=True):
        x = MaskedConv1D(size, width, **hidden.linear())(x)
        x = hidden.after(x)  # (B, T, size)
    return with_logits(inputs, AveragePooling()(x), num_outputs, hidden, name)
