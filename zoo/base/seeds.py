"""Repeatable random draws that leave the caller's random states alone."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Restores the states of `random` and NumPy's global generator. Also a decorator."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds Python's `random` and NumPy's global generator within the block; restores the caller's states after it.

    Keras draws the seeds of its initializers and random layers from `random`. TensorFlow's global seed is left alone,
    because setting it clears every compiled function of the process.
    """
    with random_state_kept():
        random.seed(int(seed))
        np.random.seed(int(seed) % 2**32)  # NumPy takes 32 bits
        yield
