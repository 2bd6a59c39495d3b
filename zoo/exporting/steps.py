"""One step of SimpleRNN, LSTM and GRU, written for speed and for int8; the formulas are those of Keras' cells.

- Products with the inputs are computed for all steps at once.
- A bias is never added directly to a product with the state. The converter would fuse both to one FULLY_CONNECTED, all
  steps would share its bias, and the quantizer scales a shared bias by the input of the first step only. With Keras'
  cells the mean error of a stacked GRU in int8 was .12, here it is .005.
- Masks are products with 0 or 1, which are exact in int8, because the quantizer does not support SELECT.
"""

from collections.abc import Callable, Sequence

import keras
from keras import ops


def state_sizes(layer: keras.layers.Layer) -> list[int]:
    sizes = layer.cell.state_size
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


def projected(layer: keras.layers.Layer, sequences) -> list[list]:
    """The products of the inputs (B, T, features) with the weights: for each of T steps a list of (B, n)."""
    parts = _formulas(layer)[0](layer.cell, sequences)
    return [list(step) for step in zip(*(ops.unstack(part, axis=1) for part in parts), strict=True)]


def step(layer: keras.layers.Layer, inputs: Sequence, states: Sequence | None, mask=None) -> list:
    """The states (B, units) after a step; the first one is the output.

    Args:
        inputs: of this step, from `projected`.
        states: before the step, or None for zeros.
        mask: (B, 1) of 0 and 1; where it is 0, the states stay.
    """
    # Zero states are left out of the formulas: a constant zero has no range, and its scale would be 0.
    before = states or [None] * len(state_sizes(layer))
    after = _formulas(layer)[1](layer.cell, inputs, *before, split=_split if mask is None else _slices)
    if mask is None:
        return after
    if states is None:
        return [mask * new for new in after]
    return [mask * new + (1.0 - mask) * old for new, old in zip(after, states, strict=True)]


def _inputs(cell, x):
    z = ops.matmul(x, cell.kernel)
    return [z + cell.bias if cell.use_bias else z]


def _simple_rnn(cell, inputs, h, split):
    return [cell.activation(_plus_product(inputs[0], h, cell.recurrent_kernel))]


def _lstm(cell, inputs, h, c, split):
    i, f, g, o = split(_plus_product(inputs[0], h, cell.recurrent_kernel), 4)
    new = cell.recurrent_activation(i) * cell.activation(g)
    c = new if c is None else cell.recurrent_activation(f) * c + new
    return [cell.recurrent_activation(o) * cell.activation(c), c]


def _gru_inputs(cell, x):
    n = 2 * cell.units
    gates, candidate = ops.matmul(x, cell.kernel[:, :n]), ops.matmul(x, cell.kernel[:, n:])
    if not cell.use_bias:
        return [gates, candidate]
    bias = cell.bias[0] if cell.reset_after else cell.bias
    in_gates = bias[:n] + cell.bias[1][:n] if cell.reset_after else bias[:n]
    return [gates + in_gates, candidate + bias[n:]]


def _gru(cell, inputs, h, split):
    n, u = cell.units, cell.recurrent_kernel
    z, r = split(cell.recurrent_activation(_plus_product(inputs[0], h, u[:, : 2 * n])), 2)
    candidate = inputs[1]
    if not cell.reset_after:
        candidate = _plus_product(candidate, None if h is None else r * h, u[:, 2 * n :])
    else:
        if h is not None:
            candidate = candidate + r * ops.matmul(h, u[:, 2 * n :])
        if cell.use_bias:  # r * (h u + b)
            candidate = candidate + r * cell.bias[1][2 * n :]
    candidate = cell.activation(candidate)
    return [candidate - z * candidate if h is None else candidate + z * (h - candidate)]


def _plus_product(x, h, weights):
    return x if h is None else x + ops.matmul(h, weights)


def _split(x, count):
    """(B, n) -> `count` tensors (B, n / count)."""
    return ops.split(x, count, axis=1)


def _slices(x, count):
    """The same for models with masks: the quantizer that supports masks randomly leaves a third of SPLITs in float."""
    size = x.shape[1] // count
    return [x[:, start : start + size] for start in range(0, x.shape[1], size)]


def _formulas(layer) -> tuple[Callable[..., list], Callable[..., list]]:
    return next(functions for kind, functions in FORMULAS.items() if isinstance(layer, kind))


FORMULAS: dict[type, tuple[Callable[..., list], Callable[..., list]]] = {
    keras.layers.SimpleRNN: (_inputs, _simple_rnn),
    keras.layers.LSTM: (_inputs, _lstm),
    keras.layers.GRU: (_gru_inputs, _gru),
}
