"""Layers that keep no state over time."""

import numpy as np


def neuron(x, w, b, activation):
    """y = a(sum_i w_i x_i + b), of one sample and one unit (W. McCulloch and W. Pitts, 1943; F. Rosenblatt, 1958)."""
    total = b
    for x_i, w_i in zip(x, w, strict=True):
        total = total + w_i * x_i
    return activation(total)


def dense(x, w, b, activation=lambda z: z):
    """Each column of w is a neuron: x (B, F), w (F, U) -> (B, U)."""
    return activation(x @ w + b)


def convolution(x, w):
    """s(t) = sum_k x(k) w(t - k), the mathematical convolution, at each t where w (K,) lies inside x (T,)."""
    steps, size = len(x), len(w)
    return np.array([sum(x[k] * w[t - k] for k in range(t - size + 1, t + 1)) for t in range(size - 1, steps)])


def same_padding(size, kernel_size, stride):
    """Pads one axis with zeros so that ceil(size / stride) positions fit; an odd zero goes to the end."""
    zeros = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return zeros // 2, zeros - zeros // 2


def windows(x, kernel_size, stride, padding, fill=0.0):
    """Every window of x (B, H, W, F) that a kernel sees: (B, H', W', kernel, kernel, F)."""
    if padding == "same":
        rows, columns = (same_padding(n, kernel_size, stride) for n in x.shape[1:3])
        x = np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=fill)
    at = [range(0, n - kernel_size + 1, stride) for n in x.shape[1:3]]
    rows = [np.stack([x[:, i : i + kernel_size, j : j + kernel_size] for j in at[1]], axis=1) for i in at[0]]
    return np.stack(rows, axis=1)


def convolution_2d(x, w, b, stride=1, padding="valid"):
    """Cross-correlation: applies the kernel w (K, K, F, filters) to each window without flipping it."""
    return np.einsum("bhwijf,ijfg->bhwg", windows(x, len(w), stride, padding), w) + b


def convolution_1d(x, w, b, stride=1, padding="valid"):
    """x (B, T, F), w (K, F, filters) -> (B, T', filters): at each t, sum_k w_k x_(t+k)."""
    if padding == "same":
        x = np.pad(x, ((0, 0), same_padding(x.shape[1], len(w), stride), (0, 0)))
    at = range(0, x.shape[1] - len(w) + 1, stride)
    return np.stack([sum(x[:, t + k] @ w[k] for k in range(len(w))) + b for t in at], axis=1)


def depthwise_2d(x, w, b, stride=1, padding="valid"):
    """One kernel per channel, without a sum over channels: w (K, K, F, 1) -> (B, H', W', F)."""
    return np.einsum("bhwijf,ijf->bhwf", windows(x, len(w), stride, padding), w[..., 0]) + b


def max_pooling_2d(x, size, padding="valid"):
    return windows(x, size, size, padding, fill=-np.inf).max(axis=(3, 4))


def average_pooling_2d(x, size, padding="valid"):
    """Padding does not count in the mean."""
    total = windows(x, size, size, padding).sum(axis=(3, 4))
    return total / windows(np.ones_like(x), size, size, padding).sum(axis=(3, 4))


def global_average(x):
    """Over all axes between samples and channels."""
    return x.mean(axis=tuple(range(1, x.ndim - 1)))


def normalized(x, mean, variance, gamma, beta, epsilon=1e-3):
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_statistics(x):
    """Of each channel over samples and space, the variance with 1/n (S. Ioffe and C. Szegedy, ICML 2015)."""
    axes = tuple(range(x.ndim - 1))
    return x.mean(axis=axes), x.var(axis=axes)


def layer_normalization(x, gamma, beta, epsilon=1e-3):
    """By the statistics of each vector of features (J. Ba, J. Kiros, G. Hinton, 2016)."""
    return normalized(x, x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True), gamma, beta, epsilon)
