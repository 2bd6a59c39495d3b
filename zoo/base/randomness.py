"""The caller's random numbers: verbs seed Python and NumPy for themselves, and restore what they found."""

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Restores the states of `random` and `numpy.random`. Works as a decorator too."""
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
