"""One step of SimpleRNN, LSTM and GRU, written to survive quantization; the formulas are those of Keras' cells.

No bias stands directly behind a product: the converter would make both one FULLY_CONNECTED, all steps would share its
bias, and the quantizer scales a shared bias by the input of the first step alone. With Keras' own cells a stacked GRU
in int8 was wrong by .12 on average where this one is by .005.
No mask is a SELECT, which the quantizer does not know: a mask of 0 or 1 is multiplied with, exactly so in int8.
"""

from collections.abc import Callable, Sequence

import keras
from keras import ops


def state_sizes(layer: keras.layers.Layer) -> list[int]:
    sizes = layer.cell.state_size
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


def step(layer: keras.layers.Layer, x, states: Sequence | None, mask=None) -> list:
    """The states (B, units) after input x (B, features); the first of them is the output.

    Args:
        states: those before, or None for zeros.
        mask: (B, 1) of 0 and 1; where it is 0, the states stay.
    """
    formula = next(function for kind, function in STEPS.items() if isinstance(layer, kind))
    zeros = [ops.zeros_like(x[:, :1]) * ops.zeros((1, size)) for size in state_sizes(layer)]
    after = formula(layer.cell, x, *(states or zeros))
    if mask is None:
        return after
    if states is None:  # a tensor of nothing but zeros has no range, and the quantizer gives it a scale of 0
        return [mask * new for new in after]
    return [mask * new + (1.0 - mask) * old for new, old in zip(after, states, strict=True)]


def _simple_rnn(cell, x, h):
    z = ops.matmul(x, cell.kernel) + ops.matmul(h, cell.recurrent_kernel)
    return [cell.activation(z + cell.bias if cell.use_bias else z)]


def _lstm(cell, x, h, c):
    z = ops.matmul(x, cell.kernel) + ops.matmul(h, cell.recurrent_kernel)
    i, f, g, o = _parts(z + cell.bias if cell.use_bias else z, 4)
    c = cell.recurrent_activation(f) * c + cell.recurrent_activation(i) * cell.activation(g)
    return [cell.recurrent_activation(o) * cell.activation(c), c]


def _gru(cell, x, h):
    n = cell.units
    w, u = cell.kernel, cell.recurrent_kernel
    if not cell.use_bias:
        b_input = b_recurrent = None
    elif cell.reset_after:
        b_input, b_recurrent = cell.bias[0], cell.bias[1]
    else:
        b_input, b_recurrent = cell.bias, None
    gates = ops.matmul(x, w[:, : 2 * n]) + ops.matmul(h, u[:, : 2 * n])
    if b_input is not None:
        gates = gates + (b_input[: 2 * n] if b_recurrent is None else b_input[: 2 * n] + b_recurrent[: 2 * n])
    z, r = _parts(cell.recurrent_activation(gates), 2)
    if cell.reset_after:  # r * (h u + b) = r * h u + r * b
        candidate = ops.matmul(x, w[:, 2 * n :]) + r * ops.matmul(h, u[:, 2 * n :])
        if b_recurrent is not None:
            candidate = candidate + (r * b_recurrent[2 * n :] + b_input[2 * n :])
    else:
        candidate = ops.matmul(x, w[:, 2 * n :]) + ops.matmul(r * h, u[:, 2 * n :])
        if b_input is not None:
            candidate = candidate + b_input[2 * n :]
    return [z * h + (1.0 - z) * cell.activation(candidate)]


def _parts(x, count):
    """Each (B, n) of (B, count * n). No SPLIT: by chance, the quantizer leaves a third of those in float."""
    n = x.shape[1] // count
    return [x[:, k * n : (k + 1) * n] for k in range(count)]


STEPS: dict[type, Callable[..., list]] = {
    keras.layers.SimpleRNN: _simple_rnn,
    keras.layers.LSTM: _lstm,
    keras.layers.GRU: _gru,
}
