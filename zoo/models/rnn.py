"""Recurrent networks: simple, LSTM and GRU cells, stacked, one way or both.

Source: J. Elman, Finding structure in time, 1990; S. Hochreiter and J. Schmidhuber, Long short-term memory, Neural
Computation 1997; K. Cho et al. (GRU), EMNLP 2014; M. Schuster and K. Paliwal (bidirectional), IEEE TSP 1997.
The GRU is Keras' default, reset_after=True, which applies the reset gate after the product (the cuDNN variant).
"""

from collections.abc import Sequence
from functools import partial

import keras

from zoo.models.blocks import (
    Activation,
    Layers,
    Regularizer,
    check_activation,
    check_choice,
    check_input_shape,
    check_rate,
    check_regularizer,
    check_size,
    check_sizes,
    entrance,
    with_logits,
)

CELLS = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def rnn(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    cell: str = "simple",
    units: Sequence[int] = (64,),
    bidirectional: bool = False,
    activation: Activation = "tanh",
    regularizer: Regularizer = None,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    preprocessing: Layers = (),
    augmentation: Layers = (),
    name: str | None = None,
) -> keras.Model:
    """Recurrent layers, of which the last one's last step is read: `zoo.rnn((28, 28), 10, cell="gru", units=(64,))`.

    Args:
        input_shape: of one sample, (steps, features).
        num_outputs: size of the logits.
        cell: "simple", "lstm" or "gru"; `zoo.lstm` and `zoo.gru` are this function with the cell named.
        units: one state size a layer.
        bidirectional: reads each layer's input both ways and concatenates, so states are twice as wide.
        activation: of the candidate state; the gates keep Keras' sigmoid.
        regularizer: penalty on every input kernel: "l1", "l2", "l1_l2" or a Keras object.
        dropout: fraction of each recurrent layer's outputs that training drops.
        recurrent_dropout: fraction of the state that training drops from one step to the next (Gal, 2016).
        preprocessing: layers that come first and stay in the exported file.
        augmentation: layers that change the input in training only.

    Returns:
        Uncompiled model, (B, steps, features) -> logits (B, num_outputs).

    Raises:
        ValueError, TypeError: a bad argument, with its name, its value and what is allowed.
    """
    input_shape = check_input_shape(input_shape, (2,), "(steps, features)")
    num_outputs = check_size("num_outputs", num_outputs)
    check_choice("cell", cell, CELLS)
    units = check_sizes("units", units)
    activation = check_activation("activation", activation)
    regularizer = check_regularizer("regularizer", regularizer)
    dropout = check_rate("dropout", dropout)
    recurrent_dropout = check_rate("recurrent_dropout", recurrent_dropout)

    inputs, x = entrance(input_shape, preprocessing, augmentation)
    for depth, size in enumerate(units):
        layer = CELLS[cell](
            size,
            activation=activation,
            kernel_regularizer=regularizer,
            recurrent_dropout=recurrent_dropout,
            return_sequences=depth < len(units) - 1,
        )
        x = keras.layers.Bidirectional(layer)(x) if bidirectional else layer(x)  # (B, T, size), last one (B, size)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return with_logits(inputs, x, num_outputs, regularizer, name or (cell if cell != "simple" else "rnn"))


def _named(cell: str) -> partial[keras.Model]:
    """`rnn` with its cell chosen, under the name by which users know it."""
    builder = partial(rnn, cell=cell)
    builder.__name__ = builder.__qualname__ = cell  # type: ignore[attr-defined]
    builder.__module__ = __name__
    builder.__doc__ = f'`zoo.rnn` with cell="{cell}": `zoo.{cell}((28, 28), 10, units=(64,))`.\n\n{rnn.__doc__}'
    return builder


lstm = _named("lstm")
gru = _named("gru")
