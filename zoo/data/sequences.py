"""Sequences of different lengths as one array, padded with zeros at the end."""

from collections.abc import Sequence

import numpy as np

from zoo.base.errors import InvalidValue


def pad(sequences: Sequence[np.ndarray], steps: int | None = None) -> np.ndarray:
    """Sequences of (T,) tokens or (T, C) values as one array, (n, steps) or (n, steps, C), with zeros at the end.

    Args:
        steps: length of the array; by default that of the longest sequence.

    Raises:
        ValueError: no sequences, one without steps, different C, one longer than `steps`, or a step of zeros, which a
            model's mask treats as padding.
    """
    sequences = [np.asarray(sequence) for sequence in sequences]
    if not sequences:
        raise InvalidValue("there are no sequences to pad")
    longest = max(len(sequence) for sequence in sequences)
    steps = longest if steps is None else steps
    if longest > steps:
        raise InvalidValue(f"steps={steps} is less than the longest sequence, which has {longest}")
    padded = np.zeros((len(sequences), steps, *sequences[0].shape[1:]), np.result_type(*{s.dtype for s in sequences}))
    for i, sequence in enumerate(sequences):
        if sequence.shape[1:] != padded.shape[2:]:
            raise InvalidValue(
                f"sequence {i} has steps of shape {sequence.shape[1:]}, the first one {padded.shape[2:]}"
            )
        if len(sequence) == 0:
            raise InvalidValue(f"sequence {i} has no steps; leave it out")
        silent = np.flatnonzero(~_any_value(sequence[None])[0])
        if silent.size:
            raise InvalidValue(
                f"sequence {i} has a step of zeros, step {silent[0]}, which looks like padding; "
                "shift or scale the values so that no real step is all zeros"
            )
        padded[i, : len(sequence)] = sequence
    return padded


def lengths(x: np.ndarray) -> np.ndarray:
    """Length of each sequence without padding, (n,), of an array (n, steps) of tokens or (n, steps, C) of values."""
    filled = _any_value(np.asarray(x))
    return np.where(filled.any(axis=1), filled.shape[1] - filled[:, ::-1].argmax(axis=1), 0)


def _any_value(x: np.ndarray) -> np.ndarray:
    """(n, steps): whether a step has a value other than zero."""
    if x.ndim < 2:
        raise InvalidValue(f"an array of shape {x.shape} has no sequences: (n, steps) or (n, steps, C) is needed")
    return (x != 0).reshape(*x.shape[:2], -1).any(axis=2)
