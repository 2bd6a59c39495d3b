"""Feed-forward networks.

Source: D. Rumelhart, G. Hinton, R. Williams, Learning representations by back-propagating errors, Nature 1986;
dropout by N. Srivastava et al., JMLR 2014; batch normalization by S. Ioffe and C. Szegedy, ICML 2015.
"""

from collections.abc import Sequence

import keras

from zoo.models.blocks import (
    Activation,
    Layers,
    Regularizer,
    check_activation,
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


def fnn(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    units: Sequence[int] = (64, 32),
    activation: Activation = "relu",
    regularizer: Regularizer = None,
    dropout: float = 0.0,
    normalization: str | None = None,
    preprocessing: Layers = (),
    augmentation: Layers = (),
    name: str = "fnn",
) -> keras.Model:
    """Fully connected layers: `zoo.fnn((64,), 10, units=(128, 64), dropout=0.2)`.

    Args:
        input_shape: of one sample; an input of more than one axis is flattened.
        num_outputs: size of the logits.
        units: one size a hidden layer; () gives a linear model.
        activation: Keras name, function or layer, after each hidden layer.
        regularizer: penalty on every kernel: "l1", "l2", "l1_l2" or a Keras object.
        dropout: fraction of each hidden layer's outputs that training drops.
        normalization: None, "batch" or "layer", before each activation.
        preprocessing: layers that come first and stay in the exported file.
        augmentation: layers that change the input in training only.

    Returns:
        Uncompiled model, (B, *input_shape) -> logits (B, num_outputs).

    Raises:
        ValueError, TypeError: a bad argument, with its name, its value and what is allowed.
    """
    input_shape = check_input_shape(input_shape, (1, 2, 3, 4), "(features,) or any shape, which is flattened")
    num_outputs = check_size("num_outputs", num_outputs)
    units = check_sizes("units", units, minimum_length=0)
    activation = check_activation("activation", activation)
    regularizer = check_regularizer("regularizer", regularizer)
    dropout = check_rate("dropout", dropout)
    normalization = check_normalization(normalization)

    inputs, x = entrance(input_shape, preprocessing, augmentation)
    if len(input_shape) > 1:
        x = keras.layers.Flatten()(x)  # (B, features)
    for size in units:
        x = keras.layers.Dense(size, use_bias=normalization != "batch", kernel_regularizer=regularizer)(x)  # (B, size)
        x = normalize_activate_drop(x, activation=activation, normalization=normalization, dropout=dropout)
    return with_logits(inputs, x, num_outputs, regularizer, name)
