"""Optimizers. Each takes the weights w and an iterable of gradients, and yields w after each step.

The prefix `textbook_` marks formulas that Keras computes differently.
"""

import numpy as np


def sgd(w, gradients, lr):
    for g in gradients:
        w = w - lr * g
        yield w


def momentum(w, gradients, lr, beta):
    """B. Polyak, 1964: the velocity sums steps up, so it grows to 1 / (1 - beta) of one."""
    v = 0.0
    for g in gradients:
        v = beta * v - lr * g
        w = w + v
        yield w


def textbook_momentum(w, gradients, lr, beta):
    """The velocity averages gradients."""
    v = 0.0
    for g in gradients:
        v = beta * v + (1 - beta) * g
        w = w - lr * v
        yield w


def nesterov(w, gradients, lr, beta):
    """Y. Nesterov, 1983, in the form of Y. Bengio et al., 2013: w is the point that is looked ahead to."""
    v = 0.0
    for g in gradients:
        v = beta * v - lr * g
        w = w + beta * v - lr * g
        yield w


def textbook_nesterov(w, gradient, lr, beta, steps):
    """Takes the gradient (a function) at the look-ahead point w + beta v, and yields these points."""
    v = 0.0
    for _ in range(steps):
        v = beta * v - lr * gradient(w + beta * v)
        w = w + v
        yield w + beta * v


def adam(w, gradients, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7, decay=0.0):
    """D. Kingma and J. Ba, ICLR 2015, in the order of its section 2: the correction on the rate, epsilon on the
    uncorrected root. With `decay`, AdamW (I. Loshchilov and F. Hutter, ICLR 2019): it is no part of the gradient."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        w = w - lr * decay * w
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        w = w - lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)
        yield w


def textbook_adam(w, gradients, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Without bias correction: m and v start at 0, so the first steps have the wrong length."""
    m = v = 0.0
    for g in gradients:
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        w = w - lr * m / (np.sqrt(v) + epsilon)
        yield w


def algorithm_1_adam(w, gradients, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Algorithm 1 of the paper: epsilon is added to the bias-corrected root."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        w = w - lr * m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        yield w


def rmsprop(w, gradients, lr, rho=0.9, epsilon=1e-7, beta=0.0):
    """T. Hinton, 2012, with epsilon inside the root; `beta` is a momentum of steps."""
    v = step = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        step = beta * step + lr * g / np.sqrt(v + epsilon)
        w = w - step
        yield w


def textbook_rmsprop(w, gradients, lr, rho=0.9, epsilon=1e-7):
    v = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        w = w - lr * g / (np.sqrt(v) + epsilon)
        yield w


def adagrad(w, gradients, lr, start=0.1, epsilon=1e-7):
    """J. Duchi, E. Hazan, Y. Singer, 2011, with a sum that starts above 0 and epsilon inside the root."""
    total = start
    for g in gradients:
        total = total + g**2
        w = w - lr * g / np.sqrt(total + epsilon)
        yield w


def textbook_adagrad(w, gradients, lr, epsilon=1e-7):
    total = 0.0
    for g in gradients:
        total = total + g**2
        w = w - lr * g / (np.sqrt(total) + epsilon)
        yield w


def clipped_by_value(gradients, limit):
    return [np.clip(g, -limit, limit) for g in gradients]


def clipped_by_norm(gradients, limit):
    """Clips each array by its own norm."""
    return [g * min(1, limit / np.sqrt((g**2).sum())) for g in gradients]


def clipped_by_global_norm(gradients, limit):
    """All by the length of all together, so their direction stays (R. Pascanu et al., ICML 2013)."""
    length = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * min(1, limit / length) for g in gradients]


def moving_average(values, beta):
    """Exponential, of weights after each step, starting at the first (B. Polyak and A. Juditsky, 1992)."""
    average = values[0]
    for value in values[1:]:
        average = beta * average + (1 - beta) * value
    return average
