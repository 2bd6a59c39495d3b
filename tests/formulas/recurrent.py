"""Recurrent layers: x (B, T, F) -> the state after each step (B, T, U), starting at zero.

`mask` (B, T) is False at steps that are not there: such a step repeats the state before it.
"""

import numpy as np

from formulas.activations import sigmoid, tanh


def recurrent(step, x, initial, mask=None):
    """`step` maps (x_t, states) to the next states; the first of them is the output."""
    states, outputs = initial, []
    for t in range(x.shape[1]):
        after = step(x[:, t], states)
        if mask is not None:
            there = mask[:, t, None]
            after = tuple(np.where(there, new, old) for new, old in zip(after, states, strict=True))
        states = after
        outputs.append(states[0])
    return np.stack(outputs, axis=1)


def zeros(x, u):
    return np.zeros((len(x), len(u)))


def simple_rnn(x, w, u, b, mask=None, activation=tanh):
    """h_t = a(x_t W + h_(t-1) U + b) (J. Elman, 1990)."""

    def step(x_t, states):
        (h,) = states
        return (activation(x_t @ w + h @ u + b),)

    return recurrent(step, x, (zeros(x, u),), mask)


def lstm(x, w, u, b, mask=None):
    """S. Hochreiter and J. Schmidhuber, 1997, with the forget gate of F. Gers et al., 2000. Columns: i, f, g, o."""

    def step(x_t, states):
        h, c = states
        i, f, g, o = np.split(x_t @ w + h @ u + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    return recurrent(step, x, (zeros(x, u), zeros(x, u)), mask)


def gru(x, w, u, b, mask=None):
    """K. Cho et al., EMNLP 2014: the reset gate acts on the state before it is multiplied. Columns: z, r, candidate."""
    (wz, wr, wc), (uz, ur, uc), (bz, br, bc) = (np.split(v, 3, axis=-1) for v in (w, u, b))

    def step(x_t, states):
        (h,) = states
        z = sigmoid(x_t @ wz + h @ uz + bz)
        r = sigmoid(x_t @ wr + h @ ur + br)
        candidate = tanh(x_t @ wc + (r * h) @ uc + bc)
        return (z * h + (1 - z) * candidate,)

    return recurrent(step, x, (zeros(x, u),), mask)


def gru_reset_after(x, w, u, b, mask=None):
    """The reset gate acts on the product, which has its own bias: b (2, 3 U) for input and state."""
    (wz, wr, wc), (uz, ur, uc) = (np.split(v, 3, axis=-1) for v in (w, u))
    (bz, br, bc), (dz, dr, dc) = (np.split(v, 3) for v in b)

    def step(x_t, states):
        (h,) = states
        z = sigmoid(x_t @ wz + bz + h @ uz + dz)
        r = sigmoid(x_t @ wr + br + h @ ur + dr)
        candidate = tanh(x_t @ wc + bc + r * (h @ uc + dc))
        return (z * h + (1 - z) * candidate,)

    return recurrent(step, x, (zeros(x, u),), mask)


def bidirectional(layer, x, forward, backward, mask=None):
    """Forward and backward states, aligned at each step t: (B, T, 2 U).

    M. Schuster and K. Paliwal, 1997.
    """
    reversed_mask = None if mask is None else mask[:, ::-1]
    ahead = layer(x, *forward, mask=mask)
    back = layer(x[:, ::-1], *backward, mask=reversed_mask)[:, ::-1]
    return np.concatenate([ahead, back], axis=-1)


def given_out(outputs, mask):
    """In sequences from Keras' Bidirectional, masked steps are zeros; single layers repeat the state."""
    return np.where(mask[..., None], outputs, 0)
