"""What every family shares: checked knobs, the way in, one hidden block, the way out."""

import numbers
from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras

from zoo.augment import Augmentation
from zoo.checks import check_choice, check_size

Activation: TypeAlias = str | Callable
Regularizer: TypeAlias = str | keras.regularizers.Regularizer | None
Layers: TypeAlias = Sequence[keras.layers.Layer]

REGULARIZERS = ("l1", "l2", "l1_l2", "orthogonal_regularizer")
NORMALIZATIONS = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}


def check_input_shape(input_shape: Sequence[int], ranks: Sequence[int], meaning: str) -> tuple[int, ...]:
    """The shape as a tuple. `meaning` says in words what the family reads, for the error message."""
    if not isinstance(input_shape, Sequence) or isinstance(input_shape, str):
        raise TypeError(f"input_shape={input_shape!r} must be a tuple of whole numbers, without the batch: {meaning}")
    if len(input_shape) not in ranks or not all(isinstance(n, numbers.Integral) and n > 0 for n in input_shape):
        raise ValueError(f"input_shape={tuple(input_shape)} does not fit; without the batch it must be {meaning}")
    return tuple(int(n) for n in input_shape)


def check_sizes(argument: str, values: Sequence[int], minimum_length: int = 1) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{argument}={values!r} must be a tuple with one size a layer, such as (64, 32)")
    if len(values) < minimum_length:
        raise ValueError(f"{argument}=() is empty; it must hold one size a layer, such as (64, 32)")
    return tuple(check_size(f"{argument}[{i}]", value) for i, value in enumerate(values))


def check_rate(argument: str, value: float) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{argument}={value!r} must be a number in [0, 1), not {type(value).__name__}")
    if not 0 <= value < 1:
        raise ValueError(f"{argument}={value} must lie in [0, 1): it is the fraction that is dropped in training")
    return float(value)


def check_activation(argument: str, value: Activation) -> Activation:
    """A Keras name, a function or a layer such as `keras.layers.LeakyReLU(0.1)`."""
    if isinstance(value, str):
        check_choice(argument, value, (n for n in vars(keras.activations) if n.islower() and n not in _NO_ACTIVATION))
    elif not callable(value):
        raise TypeError(f"{argument}={value!r} must be a name such as 'relu', a function or a Keras layer")
    return value


_NO_ACTIVATION = {"get", "serialize", "deserialize"} | {n for n in vars(keras.activations) if n.startswith("_")}


def check_regularizer(argument: str, value: Regularizer) -> keras.regularizers.Regularizer | None:
    """None, a Keras name ("l1", "l2", "l1_l2") or object; `keras.regularizers.L1L2(l1, l2)` is the elastic net."""
    if value is None or isinstance(value, keras.regularizers.Regularizer):
        return value
    if not isinstance(value, str):
        raise TypeError(f"{argument}={value!r} must be None, a name such as 'l2' or a keras.regularizers.Regularizer")
    check_choice(argument, value, REGULARIZERS)
    return keras.regularizers.get(value)


def entrance(
    input_shape: tuple[int, ...], preprocessing: Layers, augmentation: Layers
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, and what the family's first layer reads: preprocessed always, augmented in training only."""
    for argument, layers in (("preprocessing", preprocessing), ("augmentation", augmentation)):
        if not isinstance(layers, Sequence) or not all(isinstance(layer, keras.layers.Layer) for layer in layers):
            raise TypeError(f"{argument}={layers!r} must be a tuple of Keras layers")
    inputs = keras.Input(input_shape, name="input")
    x = inputs
    for layer in preprocessing:
        x = layer(x)
    if augmentation:
        x = Augmentation(augmentation, name="augmentation")(x)
    return inputs, x


def normalize_activate_drop(
    x: keras.KerasTensor, *, activation: Activation, normalization: str | None, dropout: float
) -> keras.KerasTensor:
    """What follows a linear layer in a hidden block, in the order of Ioffe and Szegedy (2015)."""
    if normalization is not None:
        x = NORMALIZATIONS[normalization]()(x)
    # A layer is built afresh for each place, because PReLU and its like have weights of their own.
    if isinstance(activation, keras.layers.Layer):
        x = activation.__class__.from_config({**activation.get_config(), "name": None})(x)
    else:
        x = keras.layers.Activation(activation)(x)
    return keras.layers.Dropout(dropout)(x) if dropout else x


def check_normalization(value: str | None) -> str | None:
    if value is not None:
        check_choice("normalization", value, NORMALIZATIONS)
    return value


def with_logits(
    inputs: keras.KerasTensor,
    x: keras.KerasTensor,
    num_outputs: int,
    regularizer: keras.regularizers.Regularizer | None,
    name: str,
) -> keras.Model:
    """Closes a model with its linear layer, `logits` (n, num_outputs)."""
    logits = keras.layers.Dense(num_outputs, kernel_regularizer=regularizer, name="logits")(x)  # (B, num_outputs)
    return keras.Model(inputs, logits, name=name)
