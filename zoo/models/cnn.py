"""Convolutional networks, over images or over series.

Source: Y. LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998; stages of
3x3 convolutions by K. Simonyan and A. Zisserman (VGG), ICLR 2015; global average pooling by M. Lin et al.
(Network in Network), ICLR 2014.
"""

from collections.abc import Sequence

import keras

from zoo.models.blocks import (
    Activation,
    Layers,
    Regularizer,
    check_activation,
    check_choice,
    check_input_shape,
    check_normalization,
    check_rate,
    check_regularizer,
    check_size,
    check_sizes,
    entrance,
    normalize_activate_drop,
    with_logits,
)

# By the number of spatial axes: convolution, max pooling, global average pooling.
LAYERS = {
    1: (keras.layers.Conv1D, keras.layers.MaxPooling1D, keras.layers.GlobalAveragePooling1D),
    2: (keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.GlobalAveragePooling2D),
}


def cnn(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    filters: Sequence[int] = (16, 32),
    kernel_size: int = 3,
    convolutions: int = 2,
    head: str = "pool",
    units: Sequence[int] = (),
    activation: Activation = "relu",
    regularizer: Regularizer = None,
    dropout: float = 0.0,
    normalization: str | None = "batch",
    preprocessing: Layers = (),
    augmentation: Layers = (),
    name: str = "cnn",
) -> keras.Model:
    """Stages of convolutions with max-pooling between them: `zoo.cnn((28, 28, 1), 10, filters=(32, 64, 128))`.

    Args:
        input_shape: of one sample: (height, width, channels) of an image or (steps, channels) of a series.
        num_outputs: size of the logits.
        filters: one number a stage; between two stages, pooling halves each spatial axis.
        kernel_size: width of every kernel, in pixels or steps.
        convolutions: convolutions a stage.
        head: "pool" averages each channel over space, "flatten" keeps every position.
        units: hidden Dense layers between head and logits.
        activation: Keras name, function or layer, after each convolution and hidden layer.
        regularizer: penalty on every kernel: "l1", "l2", "l1_l2" or a Keras object.
        dropout: fraction that training drops at the end of each stage and after each hidden layer.
        normalization: None, "batch" or "layer", before each activation.
        preprocessing: layers that come first and stay in the exported file.
        augmentation: layers that change the input in training only.

    Returns:
        Uncompiled model, (B, *input_shape) -> logits (B, num_outputs).

    Raises:
        ValueError, TypeError: a bad argument, with its name, its value and what is allowed.
    """
    input_shape = check_input_shape(input_shape, (2, 3), "(height, width, channels) or (steps, channels)")
    num_outputs = check_size("num_outputs", num_outputs)
    filters = check_sizes("filters", filters)
    kernel_size = check_size("kernel_size", kernel_size)
    convolutions = check_size("convolutions", convolutions)
    check_choice("head", head, ("pool", "flatten"))
    units = check_sizes("units", units, minimum_length=0)
    activation = check_activation("activation", activation)
    regularizer = check_regularizer("regularizer", regularizer)
    dropout = check_rate("dropout", dropout)
    normalization = check_normalization(normalization)
    smallest = min(input_shape[:-1])
    if 2 ** (len(filters) - 1) > smallest:
        raise ValueError(
            f"filters={filters} halves the input {len(filters) - 1} times, but input_shape={input_shape} has an axis "
            f"of {smallest}; use at most {smallest.bit_length()} stages"
        )

    convolution, pooling, global_pooling = LAYERS[len(input_shape) - 1]
    use_bias = normalization != "batch"  # batch normalization brings a bias of its own
    inputs, x = entrance(input_shape, preprocessing, augmentation)
    for stage, size in enumerate(filters):
        if stage:
            x = pooling()(x)  # (B, H/2, W/2, C)
        for step in range(convolutions):
            x = convolution(size, kernel_size, padding="same", use_bias=use_bias, kernel_regularizer=regularizer)(x)
            last = step == convolutions - 1
            x = normalize_activate_drop(  # (B, H, W, size)
                x, activation=activation, normalization=normalization, dropout=dropout if last else 0.0
            )
    x = global_pooling()(x) if head == "pool" else keras.layers.Flatten()(x)  # (B, features)
    for size in units:
        x = keras.layers.Dense(size, use_bias=use_bias, kernel_regularizer=regularizer)(x)  # (B, size)
        x = normalize_activate_drop(x, activation=activation, normalization=normalization, dropout=dropout)
    return with_logits(inputs, x, num_outputs, regularizer, name)
