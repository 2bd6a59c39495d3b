"""One epoch as one compiled function, and what TensorFlow needs around it."""

import re
import threading
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.data.blocks import Array
from zoo.models.augment import Mixing
from zoo.training.devices import on_each, scope_of, steps_of
from zoo.training.feed import Block

Compiled = tuple[Any, Any]  # two functions of TensorFlow, see `compile_epoch`
# Each model has compiled functions of its own. TensorFlow warns of that in a search, and of the single step that
# several devices run outside of compiled functions.
EXPECTED_WARNINGS = re.compile(r"(compile_epoch|predict)\.<locals>|MirroredStrategy eagerly has significant overhead")


class _SameRounding:
    """See `same_rounding`. Blocks may be nested; the last one to end restores the option."""

    def __init__(self) -> None:
        self._lock, self._depth = threading.Lock(), 0
        self._before: bool | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._before = tf.config.optimizer.get_experimental_options().get("arithmetic_optimization")
                tf.get_logger().addFilter(_is_unexpected)
            self._depth += 1
            self._set(False)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._depth -= 1
            self._set(self._before if self._depth == 0 else False)
            if self._depth == 0:
                tf.get_logger().removeFilter(_is_unexpected)

    @staticmethod
    def _set(enabled: bool | None) -> None:
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": enabled})


# Within `with same_rounding:` compiled functions round as Keras' `fit` does, to the last bit. Grappler re-associates
# products if it knows their shapes, and inside a loop it knows fewer than outside; within the block it never does. The
# option applies to calls, not to functions, so that the caller's own functions are as before after the block.
same_rounding = _SameRounding()


def _is_unexpected(record: Any) -> bool:
    return not EXPECTED_WARNINGS.search(record.getMessage())


def compile_epoch(
    model: keras.Model, batch_size: int | tf.Variable, mixing: Mixing | None = None, generator: Any = None
) -> Compiled:
    """Two functions, each one call into TensorFlow: train on all samples in an order, evaluate on all samples.

    They take ((x, y) or (x, y, weights), order, whether this is the first block), and return loss and metrics so far.
    """
    train_step, test_step = steps_of(model)

    def begin(first) -> None:
        tf.cond(first, lambda: (model.reset_metrics(), True)[1], lambda: True)

    def over_batches(samples, step) -> None:
        """Calls step(first, end) for each batch, the smaller last one included, inside TensorFlow."""

        def body(first):
            step(first, tf.minimum(first + batch_size, samples))
            return (first + batch_size,)

        start = tf.constant(0, "int64")
        tf.while_loop(lambda first: first < samples, body, (start,), parallel_iterations=1)

    @tf.function(autograph=False)
    def train_epoch(data, order, first):
        begin(first)

        def step(first, end):
            batch = order[first:end]
            x, y, *weights = (tf.gather(values, batch) for values in data)
            if mixing is not None:
                x, y = mixing(x, y, generator)
            train_step((x, y, *weights))

        over_batches(tf.size(order, out_type=tf.int64), step)
        return model.get_metrics_result()

    @tf.function(autograph=False)
    def evaluate_epoch(data, order, first):  # in the order of the data
        begin(first)
        x, y = data
        over_batches(tf.shape(x, out_type=tf.int64)[0], lambda first, end: test_step((x[first:end], y[first:end])))
        return model.get_metrics_result()

    return train_epoch, evaluate_epoch


def run_epoch(function: Any, blocks: Iterable[Block]) -> dict[str, float]:
    """Calls a compiled function on each block and keeps none: two are in memory, this one and the next.

    Returns:
        loss and metrics over all of them.
    """
    results, first = {}, True
    for data, order in blocks:
        results, first = function(data, order, tf.constant(first)), False
    return {name: float(value) for name, value in results.items()}


def create_variables(model: keras.Model, x: Array, y: np.ndarray) -> None:
    """Creates the variables of metrics and optimizer, which a loop inside TensorFlow cannot do at their first use."""
    before = [variable.numpy() for variable in model.variables]
    sample = tf.constant(x[:1]), tf.constant(y[:1])
    with same_rounding:
        on_each(model, lambda: model.test_step(sample))
    for variable, value in zip(model.variables, before, strict=False):  # a recurrent layer draws masks even here
        variable.assign(value)
    if model.optimizer is not None and not model.optimizer.built:
        with scope_of(model):
            model.optimizer.build(model.trainable_variables)
