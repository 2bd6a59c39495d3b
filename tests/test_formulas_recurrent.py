"""Recurrent layers, masked and in both directions, against formulas/recurrent.py."""

import keras
import numpy as np
import pytest
from formulas import recurrent as formula
from formulas.layers import dense

import zoo

pytestmark = pytest.mark.usefixtures("float64")
X = np.random.default_rng(0).normal(size=(5, 6, 3))  # (B, T, F)
# Whole, padded on the right, padded on the left, a gap, and no step at all.
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1], [0] * 6], bool)
CLOSE = {"rtol": 1e-9, "atol": 1e-12}

# The layer, its options and its formula.
LAYERS = {
    "rnn": (keras.layers.SimpleRNN, {}, formula.simple_rnn),
    "lstm": (keras.layers.LSTM, {}, formula.lstm),
    "gru": (keras.layers.GRU, {}, formula.gru_reset_after),
    "gru, reset before": (keras.layers.GRU, {"reset_after": False}, formula.gru),
}
BUILDERS = {"rnn": zoo.rnn, "lstm": zoo.lstm, "gru": zoo.gru}


def weighted(layer):
    layer.build(X.shape)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_the_formula_with_and_without_a_mask(name):
    kind, options, expected = LAYERS[name]
    layer = weighted(kind(4, return_sequences=True, **options))
    weights = layer.get_weights()
    np.testing.assert_allclose(layer(X), expected(X, *weights), **CLOSE)
    np.testing.assert_allclose(layer(X, mask=MASK), expected(X, *weights, mask=MASK), **CLOSE)
    last = weighted(kind(4, **options))
    last.set_weights(weights)
    np.testing.assert_allclose(last(X, mask=MASK), expected(X, *weights, mask=MASK)[:, -1], **CLOSE)


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_masked_might_as_well_not_be_there(name):
    """A masked step repeats the state before it; so padding on the right gives the state of the last real step."""
    kind, options, _ = LAYERS[name]
    layer = weighted(kind(4, return_sequences=True, **options))
    y = layer(X, mask=MASK).numpy()
    for sample, there in enumerate(MASK):
        if there.any():
            alone = layer(X[sample : sample + 1, there]).numpy()[0]
            np.testing.assert_allclose(y[sample, there], alone, **CLOSE)
            np.testing.assert_allclose(y[sample, -1], alone[-1], **CLOSE)
    np.testing.assert_array_equal(y[1, 3:], y[1, [2, 2, 2]])
    np.testing.assert_array_equal(y[2, :2], 0)
    np.testing.assert_array_equal(y[4], 0)


@pytest.mark.parametrize("name", LAYERS)
def test_the_backward_half_is_aligned_to_time(name):
    """At step t the forward half has read all before it, the backward half all after it, and both step t itself."""
    kind, options, expected = LAYERS[name]
    both = keras.layers.Bidirectional(kind(4, return_sequences=True, **options))
    weights = weighted(both).get_weights()
    forward, backward = weights[:3], weights[3:]
    np.testing.assert_allclose(both(X), formula.bidirectional(expected, X, forward, backward), **CLOSE)
    masked = formula.bidirectional(expected, X, forward, backward, MASK)
    np.testing.assert_allclose(both(X, mask=MASK), formula.given_out(masked, MASK), **CLOSE)

    last = keras.layers.Bidirectional(kind(4, **options))
    weighted(last).set_weights(weights)
    ends = np.concatenate([masked[:, -1, :4], masked[:, 0, 4:]], axis=-1)  # the backward half ends at the first step
    np.testing.assert_allclose(last(X, mask=MASK), ends, **CLOSE)


@pytest.mark.parametrize("name", BUILDERS)
def test_builder_is_the_formula(name, randomized):
    """Stacked, one way and both; steps of zeros are masked where Masking comes first."""
    expected = LAYERS[name][2]
    model = randomized(BUILDERS[name]((6, 3), 2, units=(4, 5)))
    *weights, w, b = model.get_weights()
    states = expected(expected(X, *weights[:3]), *weights[3:])
    np.testing.assert_allclose(model(X), dense(states[:, -1], w, b), **CLOSE)

    preprocessing = [keras.layers.Masking(0.0)]
    model = randomized(BUILDERS[name]((6, 3), 2, units=(4, 5), bidirectional=True, preprocessing=preprocessing))
    *weights, w, b = model.get_weights()
    padded = X * MASK[..., None]
    first = formula.bidirectional(expected, padded, weights[:3], weights[3:6], MASK)
    second = formula.bidirectional(expected, first, weights[6:9], weights[9:12], MASK)
    ends = np.concatenate([second[:, -1, :5], second[:, 0, 5:]], axis=-1)
    np.testing.assert_allclose(model(padded), dense(ends, w, b), **CLOSE)


def test_the_reset_gate_stands_after_the_product_by_default():
    """The two variants differ, and the second has a bias more."""
    after, before = weighted(keras.layers.GRU(4)), weighted(keras.layers.GRU(4, reset_after=False))
    w, u, b = before.get_weights()
    assert [v.shape for v in (b, after.get_weights()[2])] == [(12,), (2, 12)]
    after.set_weights([w, u, np.stack([b, np.zeros(12)])])
    assert np.abs(after(X).numpy() - before(X).numpy()).max() > 0.01


def test_the_lstm_starts_out_remembering():
    """The bias of the forget gate begins at 1, all others at 0 (R. Jozefowicz et al., ICML 2015)."""
    _, _, bias, *_ = zoo.lstm((6, 3), 2, units=(4,)).get_weights()
    np.testing.assert_array_equal(bias, [0] * 4 + [1] * 4 + [0] * 8)
