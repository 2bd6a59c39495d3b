"""Recurrent networks: simple, LSTM and GRU cells, stacked, one way or both, over real values or tokens.

Source: J. Elman, Finding structure in time, 1990; S. Hochreiter and J. Schmidhuber, Long short-term memory, Neural
Computation 1997; K. Cho et al. (GRU), EMNLP 2014; M. Schuster and K. Paliwal (bidirectional), IEEE TSP 1997.
The GRU is Keras' default, reset_after=True, which applies the reset gate after the product (the cuDNN variant).
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Unpack

import keras

from zoo.base.checks import check_choice, check_flag, check_input_shape, check_rate, check_size, check_sizes
from zoo.base.errors import InvalidValue
from zoo.models.blocks import Hidden, Knobs, Regularizer, check_regularizer, entrance, with_logits
from zoo.models.builder import builder, check_names
from zoo.models.sequences import AttentionPooling, AveragePooling

CELLS = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
HEADS = {"last": None, "pool": AveragePooling, "attention": AttentionPooling}


@builder(without=("negative_slope",), activation="tanh")
def rnn(
    input_shape: Sequence[int | None],
    num_outputs: int,
    *,
    cell: str = "simple",
    units: Sequence[int] = (64,),
    bidirectional: bool = False,
    head: str = "last",
    mask_value: float | None = None,
    vocabulary_size: int | None = None,
    embedding_dim: int = 32,
    recurrent_regularizer: Regularizer = None,
    recurrent_dropout: float = 0.0,
    name: str | None = None,
    **knobs: Unpack[Knobs],
) -> keras.Model:
    """Stacked recurrent layers: `zoo.rnn((28, 28), 10, cell="gru", units=(64,))`.

    Args:
        input_shape: of one sample: (steps, features) of real values, or (steps,) of tokens; steps may be None, for any
            number.
        cell: "simple", "lstm" or "gru"; `zoo.lstm` and `zoo.gru` are this function with the cell named.
        units: one state size per layer.
        bidirectional: runs each layer in both directions and concatenates, so outputs are twice as wide.
        head: "last" uses the last step, "pool" the mean over the steps, "attention" a mean with learned weights. "each"
            is per step: every step gives num_outputs / steps of the outputs, such as a forecast whose steps are the
            hours ahead, each with the values at that hour of earlier days.
        mask_value: value of all features of a padded step; padded steps do not change the outputs.
        vocabulary_size: number of tokens, of input_shape=(steps,); token 0 is padding.
        embedding_dim: size of a token's embedding.
        activation: of the candidate state, a Keras name or function; the gates keep Keras' sigmoid.
        regularizer, recurrent_regularizer: penalty on the kernels for the input, and for the state.
        dropout: fraction of each recurrent layer's outputs that training drops.
        spatial_dropout: fraction of the features of each recurrent layer's input, dropped in all steps alike.
        recurrent_dropout: fraction of the state that training drops from one step to the next (Gal, 2016).
        normalization: None, "layer" or "batch", of each recurrent layer's outputs.
    """
    hidden = Hidden(**knobs)
    meaning = "(steps, features), or (steps,) with vocabulary_size; steps may be None"
    input_shape = check_input_shape(input_shape, (1, 2), meaning, open_axis=0)
    num_outputs = check_size("num_outputs", num_outputs)
    check_choice("head", head, [*HEADS, "each"])
    vocabulary_size = check_tokens(input_shape, vocabulary_size, embedding_dim, mask_value)
    if hidden.activation == "prelu" or isinstance(hidden.activation, keras.layers.Layer):
        raise InvalidValue(
            f"activation={hidden.activation!r} is a layer; a recurrent cell takes the name of a function, or one"
        )

    dtype = None if vocabulary_size is None else "int32"
    inputs, x = entrance(input_shape, hidden, dtype=dtype, mask_value=mask_value)
    if vocabulary_size is not None:
        x = keras.layers.Embedding(vocabulary_size, int(embedding_dim), mask_zero=True)(x)  # (B, T, embedding_dim)
    x = recurrent_stack(x, cell, units, bidirectional, head, hidden, recurrent_regularizer, recurrent_dropout)
    name = name or (cell if cell != "simple" else "rnn")
    if head != "each":
        return with_logits(inputs, x, num_outputs, hidden, name)
    steps = x.shape[1]
    if steps is None or num_outputs % steps:
        raise InvalidValue(
            f"head='each' shares num_outputs={num_outputs} among {'any number of' if steps is None else steps} steps, "
            "which must be a divisor of it"
        )
    return with_logits(inputs, x, num_outputs // steps, hidden, name, partial(keras.layers.Reshape, (num_outputs,)))


def recurrent_stack(
    x: keras.KerasTensor,
    cell: str,
    units: Sequence[int],
    bidirectional: bool,
    head: str,
    hidden: Hidden,
    recurrent_regularizer: Regularizer,
    recurrent_dropout: float,
) -> keras.KerasTensor:
    """(B, T, features) -> (B, size of the last layer, doubled if bidirectional); with head="each", (B, T, size)."""
    check_choice("cell", cell, CELLS)
    units = check_sizes("units", units)
    bidirectional = check_flag("bidirectional", bidirectional)
    recurrent_regularizer = check_regularizer("recurrent_regularizer", recurrent_regularizer)
    recurrent_dropout = check_rate("recurrent_dropout", recurrent_dropout)
    for depth, size in enumerate(units):
        if hidden.spatial_dropout:
            x = keras.layers.SpatialDropout1D(hidden.spatial_dropout)(x)
        layer = CELLS[cell](
            size,
            activation=hidden.activation,
            **hidden.linear(use_bias=True),
            recurrent_regularizer=recurrent_regularizer,
            recurrent_constraint=hidden.constraint(),
            recurrent_dropout=recurrent_dropout,
            return_sequences=depth < len(units) - 1 or head != "last",
        )
        x = keras.layers.Bidirectional(layer)(x) if bidirectional else layer(x)  # (B, T, size), last one (B, size)
        x = hidden.after(x, activate=False, spatial=False)
    pooling = HEADS.get(head)
    return x if pooling is None else pooling()(x)


def check_tokens(
    input_shape: Sequence[int | None], vocabulary_size: int | None, embedding_dim: int, mask_value: float | None
) -> int | None:
    """The size of the vocabulary, or None for real values. Raises ValueError if arguments contradict each other."""
    check_size("embedding_dim", embedding_dim)
    if vocabulary_size is None:
        if len(input_shape) == 1:
            raise InvalidValue(
                f"input_shape={input_shape} are tokens, which need vocabulary_size; real values are (steps, features)"
            )
        return None
    vocabulary_size = check_size("vocabulary_size", vocabulary_size, minimum=2)
    if len(input_shape) != 1:
        raise InvalidValue(f"vocabulary_size={vocabulary_size} goes with input_shape=(steps,), not {input_shape}")
    if mask_value is not None:
        raise InvalidValue(
            f"mask_value={mask_value} with vocabulary_size={vocabulary_size}: of tokens, 0 pads; leave it out"
        )
    return vocabulary_size


def _with_cell(cell: str) -> Callable[..., keras.Model]:
    """`rnn` as a builder with the cell named."""
    signature = inspect.signature(rnn)
    parameters = [parameter for name, parameter in signature.parameters.items() if name != "cell"]

    def build(input_shape: Sequence[int | None], num_outputs: int, **arguments: Any) -> keras.Model:
        check_names(cell, arguments, [parameter.name for parameter in parameters])
        return rnn(input_shape, num_outputs, cell=cell, **arguments)

    build.__name__ = build.__qualname__ = cell
    build.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    build.__doc__ = f'`zoo.rnn` with cell="{cell}": `zoo.{cell}((28, 28), 10, units=(64,))`.\n\n{rnn.__doc__}'
    return build


lstm = _with_cell("lstm")
gru = _with_cell("gru")
