"""Seeds: the same weights as `keras.utils.set_random_seed` gives, without a trace in the caller's process."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.base.seeds import seeded

BUILDERS = {
    "cnn": lambda **more: zoo.cnn((8, 8, 1), 3, filters=(4, 4), dropout=0.3, spatial_dropout=0.1, noise=0.1, **more),
    "fnn": lambda **more: zoo.fnn((6,), 3, units=(5, 4), dropout=0.2, **more),
    "lstm": lambda **more: zoo.lstm((6, 3), 3, units=(4, 4), dropout=0.2, recurrent_dropout=0.2, noise=0.1, **more),
    "gru": lambda **more: zoo.gru((6, 3), 3, units=(4,), bidirectional=True, recurrent_dropout=0.2, **more),
    "crnn": lambda **more: zoo.crnn((12, 3), 3, filters=(4,), units=(4,), dropout=0.2, **more),
}
INITIALIZERS = ["auto", "glorot_normal", "he_uniform", "lecun_normal", "orthogonal", "truncated_normal"]


def variables(build):
    """Weights, and the states of the random layers."""
    return [variable.numpy() for variable in build().variables]


@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize("family", BUILDERS)
def test_a_seed_gives_the_variables_that_it_always_gave(family, initializer):
    def build():
        return BUILDERS[family](kernel_initializer=initializer)

    keras.utils.set_random_seed(7)
    expected = variables(build)
    random.random()  # the caller's states may be any
    with seeded(7):
        found = variables(build)
    assert len(found) == len(expected) > 3
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    with seeded(8):
        assert not all(np.array_equal(a, b) for a, b in zip(variables(build), expected, strict=True))


@pytest.mark.parametrize("seed", [0, 2**32 + 5, np.int64(3)])
def test_the_callers_random_states_stay_even_after_an_error(seed):
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.rand()
    random.seed(1)
    np.random.seed(1)
    with pytest.raises(RuntimeError), seeded(seed):
        random.random()
        np.random.rand()
        raise RuntimeError
    assert (random.random(), np.random.rand()) == expected


def test_a_seed_leaves_compiled_functions_compiled():
    """TensorFlow keeps the random state of an op in its kernel: a cleared kernel starts anew."""
    draw = tf.function(lambda: tf.random.normal([], seed=5))
    first = float(draw())
    with seeded(1):
        zoo.fnn((6,), 3)
    assert float(draw()) != first
    keras.utils.set_random_seed(1)
    keras.utils.set_random_seed(1)
    again = float(draw())
    keras.utils.set_random_seed(1)
    assert float(draw()) == again, "what a cleared kernel gives"
