"""Activations, and the derivatives that back-propagation multiplies by."""

import math

import numpy as np


def linear(x):
    return x


def sigmoid(x):
    """The logistic function (P.-F. Verhulst, 1845)."""
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(x):
    return sigmoid(x) * (1 - sigmoid(x))


def tanh(x):
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


def tanh_derivative(x):
    return 1 - tanh(x) ** 2


def relu(x):
    """V. Nair and G. Hinton, ICML 2010."""
    return np.where(x > 0, x, 0)


def relu_derivative(x):
    return np.where(x > 0, 1.0, 0.0)


def leaky_relu(x, slope=0.01):
    """A. Maas, A. Hannun, A. Ng, ICML 2013, with its slope."""
    return np.where(x > 0, x, slope * x)


def leaky_relu_derivative(x, slope=0.01):
    return np.where(x > 0, 1.0, slope)


def prelu(x, alpha):
    """The slope is learned, one a feature (K. He et al., ICCV 2015)."""
    return np.where(x > 0, x, alpha * x)


def elu(x, alpha=1.0):
    """D.-A. Clevert, T. Unterthiner, S. Hochreiter, ICLR 2016."""
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


def gelu(x):
    """x * P(X <= x) for a standard normal X (D. Hendrycks and K. Gimpel, 2016)."""
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def gelu_by_tanh(x):
    """The approximation of the same paper."""
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x):
    """S. Elfwing, E. Uchibe, K. Doya, Neural Networks 2018; swish with beta 1."""
    return x * sigmoid(x)


def softmax(x):
    """As introductions write it (J. Bridle, 1990): overflows from about x = 89 in float32."""
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def shifted_softmax(x):
    """The same number, since e^(x - c) / sum e^(x - c) does not depend on c; nothing here exceeds 1."""
    return softmax(x - x.max(axis=-1, keepdims=True))


def softmax_derivative(x):
    """The Jacobian of one vector x (U,): d p_i / d x_j = p_i (1[i = j] - p_j), (U, U)."""
    p = softmax(x)
    return np.diag(p) - np.outer(p, p)
