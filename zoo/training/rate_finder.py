"""The learning-rate finder: raises the rate step by step until the loss diverges; it falls fastest at a good rate.

Source: L. Smith, Cyclical learning rates for training neural networks, WACV 2017. The rate is raised by a constant
factor, as S. Gugger did for fastai in 2018, so that each decade has the same number of steps.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.base.errors import InvalidValue
from zoo.base.files import writing
from zoo.base.plots import panels, save
from zoo.recipe.batches import BatchSize, batch_of, check_batch_size
from zoo.training.epoch import create_variables, same_rounding
from zoo.training.feed import Data, shuffled

AVERAGE = 0.9  # decay of the running average that detects divergence
DIVERGED = 4.0  # ends the search: a running average of this many times the least one
WIDTH = 3.0  # standard deviation of the smoothing, in steps
FIRST = 10  # steps with the loss of an untrained model, whose slope is noise


@dataclass(frozen=True)
class RateCurve:
    """The loss by learning rate.

    Attributes:
        rates: of each step, in rising order.
        losses: of each step's batch, penalties included. smoothed: their average over neighbouring steps.
        suggestion: the rate at which the smoothed loss falls fastest, by the logarithm of the rate.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float

    def plot(self, file: str | Path) -> None:
        """Draws the curve; the file's suffix gives the format."""
        with writing(file) as temporary:
            _plot_rates(self, temporary)


def rate_curve(
    model: keras.Model,
    train: Data,
    *,
    batch_size: BatchSize = 32,
    sample_weight: np.ndarray | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 120,
    seed: int = 0,
) -> RateCurve:
    """Trains while the learning rate rises from `lowest` to `highest`, then restores the model.

    Args:
        model: compiled; a copy of its optimizer is used, without its learning rate or schedule.
        train, sample_weight: as for `zoo.training.fit`.
        steps: from `lowest` to `highest`; the search ends earlier if the loss diverges.
        seed: of the order of samples.

    Raises:
        ValueError: bad arguments, or a loss that never falls.
    """
    if not model.compiled:
        raise InvalidValue("the model is not compiled; call model.compile(optimizer, loss) first")
    if not 0 < lowest < highest < math.inf:
        raise InvalidValue(f"lowest={lowest!r} and highest={highest!r} must be rates above 0, with lowest < highest")
    if not isinstance(steps, int) or steps < 20:
        raise InvalidValue(f"steps={steps!r} must be a whole number of at least 20")
    check_batch_size(batch_size)
    samples = len(train[0])
    size = min(batch_of(samples, batch_size), samples)
    order = np.concatenate([shuffled(seed)(epoch, samples) for epoch in range(-(-steps * size // samples))])
    used, batches = np.unique(order[: steps * size], return_inverse=True)  # only these samples go into memory
    batches = batches.reshape(steps, size)

    create_variables(model, *train)
    optimizer, variables = model.optimizer, [*model.variables, *model.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    rate = keras.optimizers.schedules.ExponentialDecay(lowest, steps - 1, highest / lowest)
    try:
        model.optimizer = type(optimizer).from_config({**optimizer.get_config(), "learning_rate": rate})
        model.optimizer.build(model.trainable_variables)
        data = tuple(tf.constant(v[used]) for v in (train if sample_weight is None else (*train, sample_weight)))
        with same_rounding:
            losses = _sweep(model, data, tf.constant(batches, "int64")).numpy()
    finally:
        model.optimizer = optimizer
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        model.reset_metrics()
    rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
    return _curve(rates[: len(losses)], losses)


def _sweep(model: keras.Model, data: tuple[tf.Tensor, ...], batches: tf.Tensor) -> tf.Tensor:
    """The loss of each step until it diverges, (k,): one call into TensorFlow."""
    steps = int(batches.shape[0])

    def step(batch):
        x, y, *weight = (tf.gather(values, batch) for values in data)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True), *weight, training=True)
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return tf.cast(loss, "float32")

    @tf.function(autograph=False)
    def sweep():
        def body(i, losses, average, least, diverged):
            loss = step(batches[i])
            average = AVERAGE * average + (1 - AVERAGE) * loss
            unbiased = average / (1 - AVERAGE ** tf.cast(i + 1, "float32"))
            least = tf.minimum(least, unbiased)
            diverged = ~tf.math.is_finite(loss) | (unbiased > DIVERGED * tf.abs(least))
            return i + 1, losses.write(i, loss), average, least, diverged

        count, losses, *_ = tf.while_loop(
            lambda i, losses, average, least, diverged: (i < steps) & ~diverged,
            body,
            (tf.constant(0), tf.TensorArray("float32", steps), 0.0, float("inf"), False),
            parallel_iterations=1,
        )
        return losses.stack()[:count]

    return sweep()


def _curve(rates: np.ndarray, losses: np.ndarray) -> RateCurve:
    finite = int(np.isfinite(losses).sum())  # all but perhaps the last one
    rates, losses = rates[:finite], losses[:finite].astype("float64")
    if finite <= FIRST + 1:
        raise InvalidValue(f"loss diverged after {finite} steps: lower `lowest` or rescale the inputs")
    # Smoothed to both sides: a running average lags, and would suggest a rate several times too large. Diverged losses
    # are cut off first, or smoothing would spread them over the steps before.
    cut = np.minimum(losses, 2 * np.abs(losses[:FIRST]).max())
    weights = np.exp(-0.5 * ((np.arange(finite)[:, None] - np.arange(finite)) / WIDTH) ** 2)
    smoothed = weights @ cut / weights.sum(axis=1)
    slope = np.gradient(smoothed, np.log(rates))[FIRST : int(smoothed.argmin()) + 1]
    if len(slope) == 0 or slope.min() >= 0:
        raise InvalidValue(f"the loss falls at no rate between {rates[0]:.2g} and {rates[-1]:.2g}: lower `lowest`")
    suggestion = float(rates[FIRST + int(slope.argmin())])
    return RateCurve(tuple(rates.tolist()), tuple(losses.tolist()), tuple(smoothed.tolist()), suggestion)


def _plot_rates(curve: RateCurve, file: Path) -> None:
    drawing, (panel,) = panels(1)
    panel.plot(curve.rates, curve.losses, ".", color="0.7", label="loss of a batch")
    panel.plot(curve.rates, curve.smoothed, label="smoothed")
    panel.axvline(curve.suggestion, color="0.3", linestyle="--", label=f"suggested: {curve.suggestion:.2g}")
    top = max(curve.smoothed[0], min(curve.smoothed)) * 1.5  # cuts off the diverged end
    panel.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(min(0, *curve.smoothed), top))
    panel.legend()
    save(drawing, file)
