"""Training on several devices of one machine, through `tf.distribute.MirroredStrategy`: a share of each batch on each.

The loop is that of `zoo.training`, and a step's loss is that of the whole batch: the mean over its samples, however
unevenly they are dealt, so that weights are those of one device up to the rounding of sums. What differs is what a
device does by itself: batch statistics are those of its share, and dropout and noise are drawn by each.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from zoo.base.checks import is_whole
from zoo.base.errors import InvalidValue

Step = Callable[[tuple[tf.Tensor, ...]], Any]
SEED_STRIDE = 1 << 20  # between the random states of two devices


def mirrored(devices: int | str) -> tf.distribute.MirroredStrategy:
    """The strategy for this many devices of the machine, or for "all": GPUs, or logical CPU devices where none is.

    Raises:
        ValueError: fewer devices than asked.
    """
    names = [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if devices != "all" and not is_whole(devices, 1):
        raise InvalidValue(f"devices={devices!r} must be a whole number of at least 1, or 'all'")
    if devices != "all" and int(devices) > len(names):
        kind = "GPU" if "GPU" in names[0] else "CPU, and no GPU that TensorFlow can use"
        raise InvalidValue(f"devices={devices}, but there is {len(names)} {kind}; give at most that many, or 'all'")
    return _over(tuple(names if devices == "all" else names[: int(devices)]))


@functools.cache  # two strategies on the same devices in one process take each other's sums for their own, and fail
def _over(names: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    return tf.distribute.MirroredStrategy(names)


def strategy_of(model: keras.Model) -> tf.distribute.Strategy | None:
    """The strategy under whose scope a model was made; None without one.

    Raises:
        ValueError: the strategy is another one than MirroredStrategy, the model or its optimizer was made outside of
            its scope, or the model has what cannot be dealt out.
    """
    strategy = model.distribute_strategy  # Keras' word; that of the scope around us for a model that has none
    if not tf.distribute.has_strategy() and strategy is tf.distribute.get_strategy():
        return None
    if type(strategy) is not tf.distribute.MirroredStrategy:
        raise InvalidValue(
            f"the model was made under {type(strategy).__name__}; only MirroredStrategy is possible here"
        )
    made = [model.variables[0], *(model.optimizer.variables[:1] if model.optimizer else [])]
    if any(getattr(variable.value, "distribute_strategy", None) is not strategy for variable in made):
        raise InvalidValue(
            "the model or its optimizer was made outside of the strategy's scope; build and compile it in "
            "`with strategy.scope():`"
        )
    for name in ("train_step", "test_step"):
        if getattr(type(model), name) is not getattr(keras.Model, name):
            raise InvalidValue(f"{type(model).__name__} has a {name} of its own, which several devices cannot share")
    if getattr(model.optimizer, "gradient_accumulation_steps", None):
        raise InvalidValue("gradient_accumulation_steps is not possible on several devices; give a larger batch_size")
    return strategy


def scope_of(model: keras.Model) -> Any:
    """The scope of a model's strategy, in which its variables may be set; no scope for one device."""
    strategy = strategy_of(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def on_each(model: keras.Model, function: Callable[[], Any]) -> None:
    """Calls a function on each device of a model."""
    strategy = strategy_of(model)
    if strategy is None:
        function()
    else:
        strategy.run(function)


def steps_of(model: keras.Model) -> tuple[Step, Step]:
    """A train and a test step on a batch (x, y) or (x, y, weights): the model's own, or both dealt to its devices."""
    strategy = strategy_of(model)
    if strategy is None:
        return model.train_step, model.test_step
    train, test = (
        lambda batch, fraction: _train_on_share(model, batch, fraction),
        lambda batch, fraction: tf.cond(fraction > 0, lambda: (model.test_step(batch), True)[1], lambda: True),
    )
    return (lambda batch: _deal(strategy, batch, train)), (lambda batch: _deal(strategy, batch, test))


def _deal(strategy: tf.distribute.Strategy, batch: tuple[tf.Tensor, ...], step: Callable[..., Any]) -> None:
    """Calls step(share, its fraction of the batch's samples) on each device.

    Where a batch has fewer samples than there are devices, those without one get all of it, as a fraction of 0: layers
    and losses have no answer to no samples at all.
    """
    devices = strategy.num_replicas_in_sync
    samples = tf.shape(batch[0])[0]
    shares, fractions = [], []
    for device in range(devices):
        first, end = samples * device // devices, samples * (device + 1) // devices
        fractions.append(tf.cast(end - first, "float32") / tf.cast(samples, "float32"))
        first, end = tf.cond(end > first, lambda a=first, b=end: (a, b), lambda: (0, samples))
        shares.append(tuple(values[first:end] for values in batch))

    def on_device() -> bool:
        device = int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
        step(shares[device], fractions[device])
        return True

    strategy.run(on_device)


def _train_on_share(model: keras.Model, batch: tuple[tf.Tensor, ...], fraction: tf.Tensor) -> None:
    """What `model.train_step` does, on one device's share of a batch.

    Keras takes the mean over shares, whatever their sizes. Weighted by their fractions, with penalties, which each
    share has in full, they add up to the loss of the whole batch.
    """
    x, y, *weights = batch
    context = tf.distribute.get_replica_context()
    devices = context.num_replicas_in_sync
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(x, y, outputs, *weights, training=True) * devices  # which Keras divides by
        scaled = model.optimizer.scale_loss(loss * tf.cast(fraction, loss.dtype))
    gradients = tape.gradient(scaled, model.trainable_weights)
    if any(getattr(model.optimizer, name, None) for name in ("clipnorm", "clipvalue", "global_clipnorm")):
        # Keras clips before it adds the gradients of all devices up: so the first one hands in the sum, others nothing.
        given = [gradient for gradient in gradients if gradient is not None]
        first = tf.cast(context.replica_id_in_sync_group == 0, "float32")
        sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, given))
        gradients = [None if gradient is None else next(sums) * first for gradient in gradients]
    model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))

    def measure() -> bool:
        model.metrics[0].update_state(loss, sample_weight=tf.shape(x)[0])  # the mean of the loss
        model.compute_metrics(x, y, outputs, *weights)
        return True

    tf.cond(fraction > 0, measure, lambda: True)


@contextlib.contextmanager
def apart(model: keras.Model) -> Iterator[None]:
    """While devices train: random states that differ, so that no two draw the same mask. Then all are alike again.

    Keras gives each device moving statistics of its own and keeps those of the first; here they become their mean.
    """
    strategy = strategy_of(model)
    if strategy is None:
        yield
        return
    own = [variable for variable in model.variables if not variable.trainable]
    copies = [strategy.experimental_local_results(variable.value) for variable in own]
    for variable, values in zip(own, copies, strict=True):
        if "seed_generator" in variable.path:
            for device, value in enumerate(values):
                value.assign_add([0, device * SEED_STRIDE])
    yield
    for variable, (first, *others) in zip(own, copies, strict=True):
        mean = tf.identity(first)
        if first.dtype.is_floating and others:
            mean += tf.add_n([other - first for other in others]) / (1 + len(others))
        variable.assign(mean)


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Of a model and its optimizer to one of the same build, wherever both are."""
    target.optimizer.build(target.trainable_variables)
    for ours, theirs in (
        (target.variables, source.variables),
        (target.optimizer.variables, source.optimizer.variables),
    ):
        for a, b in zip(ours, theirs, strict=True):
            a.assign(b.numpy())
