"""Losses, each the mean over samples, and penalties."""

import numpy as np

from formulas.activations import sigmoid, softmax


def one_hot(y, classes):
    return np.eye(classes)[y]


def smoothed(y, smoothing):
    """Part of the certainty spread over all classes (C. Szegedy et al., CVPR 2016); y one-hot (B, classes)."""
    return y * (1 - smoothing) + smoothing / y.shape[-1]


def binary_cross_entropy(y, z):
    """y in [0, 1], z the logit of 1."""
    p = sigmoid(z)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()


def stable_binary_cross_entropy(y, z):
    """The same number without e^z for any z > 0: log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)."""
    return (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).mean()


def categorical_cross_entropy(y, z):
    """y one-hot or a distribution, z logits, both (B, classes)."""
    return -(y * np.log(softmax(z))).sum(axis=-1).mean()


def negative_log_likelihood(y, z):
    """The mean negative log-probability of the classes y (B,)."""
    return -np.log(softmax(z)[np.arange(len(y)), y]).mean()


def cross_entropy_gradient(y, z):
    """The derivative by the logits of one sample: softmax minus the one-hot target."""
    return softmax(z) - y


def mean_squared_error(y, p):
    return ((y - p) ** 2).mean()


def mean_absolute_error(y, p):
    return np.abs(y - p).mean()


def huber(y, p, delta=1.0):
    """Square near 0, straight from `delta` on (P. Huber, 1964)."""
    error = np.abs(y - p)
    return np.where(error <= delta, error**2 / 2, delta * error - delta**2 / 2).mean()


def l1(w, rate):
    return rate * np.abs(w).sum()


def l2(w, rate):
    """Without the factor 1/2 of some textbooks, so its gradient is 2 * rate * w."""
    return rate * (w**2).sum()


def elastic_net(w, l1_rate, l2_rate):
    """H. Zou and T. Hastie, 2005."""
    return l1(w, l1_rate) + l2(w, l2_rate)


def max_norm(w, limit):
    """Each unit's incoming weights, a column of w (F, U), shortened to at most `limit` (N. Srivastava et al., 2014)."""
    lengths = np.sqrt((w**2).sum(axis=0))
    return w * np.minimum(1, limit / lengths)
