"""Layers without a state over time, and what acts in training only, against formulas/layers.py."""

import keras
import numpy as np
import pytest
from formulas import layers as formula
from formulas.activations import relu, tanh

import zoo

pytestmark = pytest.mark.usefixtures("float64")
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 7, 6, 3))
SERIES = RNG.normal(size=(2, 9, 3))
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def test_neuron_and_network_are_the_formulas(randomized):
    """A layer is its neurons side by side, depth is layers one after the other."""
    model = randomized(zoo.fnn((3,), 2, units=(5, 4), activation="tanh"))
    w1, b1, w2, b2, w3, b3 = model.get_weights()
    x = RNG.normal(size=(6, 3))
    expected = formula.dense(formula.dense(formula.dense(x, w1, b1, tanh), w2, b2, tanh), w3, b3)
    np.testing.assert_allclose(model(x), expected, **CLOSE)
    by_neuron = [[formula.neuron(sample, w1[:, i], b1[i], tanh) for i in range(5)] for sample in x]
    np.testing.assert_allclose(by_neuron, formula.dense(x, w1, b1, tanh), **CLOSE)


def weighted(layer, x):
    """The layer's output on x, and its weights, drawn so that no bias is zero."""
    layer.build(x.shape)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer(x).numpy(), layer.get_weights()


@pytest.mark.parametrize(("stride", "padding"), [(1, "valid"), (1, "same"), (2, "valid"), (2, "same"), (3, "same")])
def test_convolutions_are_the_formulas(stride, padding):
    for size in (2, 3, 4):  # where padding is uneven, the odd zero comes after
        options = {"strides": stride, "padding": padding}
        y, (w, b) = weighted(keras.layers.Conv2D(4, size, **options), IMAGES)
        np.testing.assert_allclose(y, formula.convolution_2d(IMAGES, w, b, stride, padding), **CLOSE)
        y, (w, b) = weighted(keras.layers.Conv1D(4, size, **options), SERIES)
        np.testing.assert_allclose(y, formula.convolution_1d(SERIES, w, b, stride, padding), **CLOSE)
        y, (w, b) = weighted(keras.layers.DepthwiseConv2D(size, **options), IMAGES)
        np.testing.assert_allclose(y, formula.depthwise_2d(IMAGES, w, b, stride, padding), **CLOSE)


def test_convolution_layers_compute_cross_correlation():
    """s(t) = sum_k x(k) w(t - k) flips the kernel; a layer does not."""
    x, w = RNG.normal(size=9), RNG.normal(size=4)
    layer = keras.layers.Conv1D(1, 4, use_bias=False)
    layer.build((1, 9, 1))
    layer.set_weights([w[:, None, None]])
    ours = layer(x[None, :, None]).numpy().ravel()
    np.testing.assert_allclose(ours, formula.convolution(x, w[::-1]), **CLOSE)
    np.testing.assert_allclose(formula.convolution(x, w), np.convolve(x, w, "valid"), **CLOSE)
    assert not np.allclose(ours, formula.convolution(x, w), atol=0.1)


def test_a_convolution_moves_with_its_input():
    layer = keras.layers.Conv1D(2, 3)
    long = RNG.normal(size=(1, 12, 3))
    np.testing.assert_allclose(layer(long[:, 2:]), layer(long)[:, 2:], **CLOSE)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pooling_is_the_formula(padding):
    y = keras.layers.MaxPooling2D(2, padding=padding)(IMAGES - 5)  # all below zero: padding must not win
    np.testing.assert_allclose(y, formula.max_pooling_2d(IMAGES - 5, 2, padding), **CLOSE)
    y = keras.layers.AveragePooling2D(2, padding=padding)(IMAGES)
    np.testing.assert_allclose(y, formula.average_pooling_2d(IMAGES, 2, padding), **CLOSE)
    np.testing.assert_allclose(keras.layers.GlobalAveragePooling2D()(IMAGES), formula.global_average(IMAGES), **CLOSE)


def test_cnn_is_the_formula(randomized):
    model = randomized(zoo.cnn((7, 6, 3), 2, filters=(4, 5), convolutions=1))
    w1, gamma1, beta1, mean1, variance1, w2, gamma2, beta2, mean2, variance2, w3, b3 = (
        w.numpy() for w in model.weights
    )
    x = formula.convolution_2d(IMAGES, w1, 0, padding="same")
    x = relu(formula.normalized(x, mean1, variance1, gamma1, beta1))
    x = formula.convolution_2d(formula.max_pooling_2d(x, 2), w2, 0, padding="same")
    x = relu(formula.normalized(x, mean2, variance2, gamma2, beta2))
    np.testing.assert_allclose(model(IMAGES), formula.dense(formula.global_average(x), w3, b3), **CLOSE)

    model = randomized(zoo.cnn((9, 3), 2, filters=(4,), convolutions=2, head="flatten", normalization=None))
    w1, b1, w2, b2, w3, b3 = model.get_weights()
    x = relu(formula.convolution_1d(SERIES, w1, b1, padding="same"))
    x = relu(formula.convolution_1d(x, w2, b2, padding="same"))
    np.testing.assert_allclose(model(SERIES), formula.dense(x.reshape(2, -1), w3, b3), **CLOSE)


def test_batch_normalization_is_the_formula_in_training_and_after():
    layer = keras.layers.BatchNormalization()
    layer.build(IMAGES.shape)
    gamma, beta, mean, variance = [RNG.normal(size=3) for _ in range(3)] + [RNG.uniform(0.5, 2, size=3)]
    layer.set_weights([gamma, beta, mean, variance])

    batch_mean, batch_variance = formula.batch_statistics(IMAGES)
    y = layer(IMAGES, training=True)
    np.testing.assert_allclose(y, formula.normalized(IMAGES, batch_mean, batch_variance, gamma, beta), rtol=1e-6)
    mean, variance = 0.99 * mean + 0.01 * batch_mean, 0.99 * variance + 0.01 * batch_variance
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-6)  # with 1/n, not 1/(n - 1)
    y = layer(IMAGES, training=False)
    np.testing.assert_allclose(y, formula.normalized(IMAGES, mean, variance, gamma, beta), rtol=1e-6, atol=1e-9)


def test_layer_normalization_is_the_formula():
    y, (gamma, beta) = weighted(keras.layers.LayerNormalization(), IMAGES)
    np.testing.assert_allclose(y, formula.layer_normalization(IMAGES, gamma, beta), rtol=1e-6, atol=1e-9)


def output_of(model, kind):
    """The model up to its first layer of this kind, that one included."""
    layer = next(layer for layer in model.layers if isinstance(layer, kind))
    return keras.Model(model.input, layer.output)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_scales_survivors_so_that_the_expectation_stays(rate):
    keras.utils.set_random_seed(1)
    model = output_of(zoo.fnn((4,), 2, units=(400,), activation="sigmoid", dropout=rate), keras.layers.Dropout)
    x = RNG.normal(size=(50, 4))
    after, training = model(x).numpy(), model(x, training=True).numpy()
    ratio = training / after  # a sigmoid is never 0
    dropped = ratio == 0
    np.testing.assert_allclose(ratio[~dropped], 1 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / dropped.size)
    assert abs(dropped.mean() - rate) < 4 * deviation
    assert abs(ratio.mean() - 1) < 4 * deviation / (1 - rate)
    assert 0 < dropped[:, 0].sum() < 50 and 0 < dropped[0].sum() < 400, "each sample and each unit by itself"
    without = output_of(zoo.fnn((4,), 2, units=(400,), activation="sigmoid"), keras.layers.Activation)
    without.set_weights(model.get_weights())
    np.testing.assert_array_equal(after, without(x), err_msg="nothing is dropped or scaled after training")


@pytest.mark.parametrize(
    ("kind", "shape"), [(keras.layers.SpatialDropout1D, (40, 5, 30)), (keras.layers.SpatialDropout2D, (40, 3, 3, 30))]
)
def test_spatial_dropout_drops_whole_channels(kind, shape):
    y = kind(0.5, seed=1)(np.ones(shape), training=True).numpy().reshape(40, -1, 30)
    assert (y == y[:, :1]).all(), "every position of a channel shares its fate"
    assert set(np.unique(y)) == {0, 2}
    assert abs((y[:, 0] == 0).mean() - 0.5) < 4 * np.sqrt(0.25 / 1200)


def test_recurrent_dropout_drops_the_same_units_at_every_step():
    """A state of ones that is only carried on is scaled by 1 / (1 - p) a step, or gone: Y. Gal and Z. Ghahramani."""
    keras.utils.set_random_seed(1)
    model = zoo.rnn((5, 1), 300, units=(300,), activation="linear", recurrent_dropout=0.5)
    ones = np.ones((1, 300))
    model.set_weights([ones, np.eye(300), np.zeros(300), np.eye(300), np.zeros(300)])  # h_t = x_t + dropped h_(t-1)
    x = np.array([1.0, 0, 0, 0, 0]).reshape(1, 5, 1)
    np.testing.assert_array_equal(model(x), ones)
    y = model(x, training=True).numpy()
    assert set(np.unique(y)) == {0, 2**4}
    assert abs((y == 0).mean() - 0.5) < 4 * np.sqrt(0.25 / 300), "of four masks drawn apart, 1/16 would survive"


def test_augmentation_keeps_what_the_label_means():
    """A flip gives a picture or its mirror image, each sample by itself; noise has the deviation that it is given."""
    images = IMAGES[:1].repeat(40, axis=0)
    model = zoo.cnn((7, 6, 3), 2, augmentation=[keras.layers.RandomFlip("horizontal", seed=1)])
    flipped = model.get_layer("augmentation")(images, training=True).numpy()
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((flipped == images).all(axis=(1, 2, 3)) | mirrored).all() and 5 < mirrored.sum() < 35
    np.testing.assert_array_equal(model.get_layer("augmentation")(images, training=False), images)
    noise = zoo.Augmentation([keras.layers.GaussianNoise(0.3, seed=1)])(np.zeros((50, 100)), training=True).numpy()
    assert noise.std() == pytest.approx(0.3, rel=0.05) and abs(noise.mean()) < 0.02
