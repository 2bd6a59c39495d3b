"""Training on several devices of one machine through `tf.distribute.MirroredStrategy`: each takes a share of a batch.

The loop is that of `zoo.training`. A step's loss is the mean over the samples of the whole batch, however uneven the
shares, so that weights are those of one device up to the rounding of sums. Two things differ: batch statistics are
those of a share, and each device draws its own dropout and noise.
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
    """The strategy for this number of devices, or for "all": GPUs, or logical CPU devices if there is no GPU.

    Raises:
        ValueError: the machine has fewer devices.
    """
    names = [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if devices != "all" and not is_whole(devices, 1):
        raise InvalidValue(f"devices={devices!r} must be a whole number of at least 1, or 'all'")
    if devices != "all" and int(devices) > len(names):
        kind = "GPU" if "GPU" in names[0] else "CPU, and no GPU that TensorFlow can use"
        raise InvalidValue(f"devices={devices}, but there is {len(names)} {kind}; give at most that many, or 'all'")
    return _over(tuple(names if devices == "all" else names[: int(devices)]))


@functools.cache  # two strategies on the same devices in one process mix up their sums, and fail
def _over(names: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    return tf.distribute.MirroredStrategy(names)


def strategy_of(model: keras.Model) -> tf.distribute.Strategy | None:
    """The strategy under whose scope a model was made; None without one.

    Raises:
        ValueError: the strategy is not a MirroredStrategy, the model or its optimizer was made outside of its scope, or
            the model has a step of its own or accumulates gradients.
    """
    strategy = model.distribute_strategy  # for a model without one, Keras gives that of the current scope
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
    """The scope of a model's strategy, in which its variables may be set; an empty one for one device."""
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
    """A train and a test step on a batch (x, y) or (x, y, weights): the model's own, or both on shares of the batch."""
    strategy = strategy_of(model)
    if strategy is None:
        return model.train_step, model.test_step
    train, test = (
        lambda batch, fraction: _train_on_share(model, batch, fraction),
        lambda batch, fraction: tf.cond(fraction > 0, lambda: (model.test_step(batch), True)[1], lambda: True),
    )
    return (lambda batch: _run_shares(strategy, batch, train)), (lambda batch: _run_shares(strategy, batch, test))


def _run_shares(strategy: tf.distribute.Strategy, batch: tuple[tf.Tensor, ...], step: Callable[..., Any]) -> None:
    """Calls step(share, its fraction of the batch's samples) on each device.

    If a batch has fewer samples than there are devices, those without one get all of it with a fraction of 0: layers
    and losses cannot compute without samples.
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
    """`model.train_step` on one device's share of a batch.

    Keras takes the mean over shares, whatever their sizes. Losses of shares, with all penalties in each, are weighted
    by their fractions instead, so that they add up to the loss of the whole batch.
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
        # Keras clips before it adds the gradients of all devices: so the first one gives the sum, the others zero.
        existing = [gradient for gradient in gradients if gradient is not None]
        first = tf.cast(context.replica_id_in_sync_group == 0, "float32")
        sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, existing))
        gradients = [None if gradient is None else next(sums) * first for gradient in gradients]
    model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))

    def measure() -> bool:
        model.metrics[0].update_state(loss, sample_weight=tf.shape(x)[0])  # the mean of the loss
        model.compute_metrics(x, y, outputs, *weights)
        return True

    tf.cond(fraction > 0, measure, lambda: True)


@contextlib.contextmanager
def apart(model: keras.Model) -> Iterator[None]:
    """For the block: a random state for each device, so that no two draw the same mask. After it all are equal again.

    Keras gives each device its own moving statistics and keeps those of the first; here all get their mean.
    """
    strategy = strategy_of(model)
    if strategy is None:
        yield
        return
    variables = [variable for variable in model.variables if not variable.trainable]
    copies = [strategy.experimental_local_results(variable.value) for variable in variables]
    for variable, values in zip(variables, copies, strict=True):
        if "seed_generator" in variable.path:
            for device, value in enumerate(values):
                value.assign_add([0, device * SEED_STRIDE])
    yield
    for variable, (first, *others) in zip(variables, copies, strict=True):
        mean = tf.identity(first)
        if first.dtype.is_floating and others:
            mean += tf.add_n([other - first for other in others]) / (1 + len(others))
        variable.assign(mean)


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Copies the variables of a model and its optimizer to one of the same structure on other devices."""
    target.optimizer.build(target.trainable_variables)
    for copy, original in zip(
        [*target.variables, *target.optimizer.variables],
        [*source.variables, *source.optimizer.variables],
        strict=True,
    ):
        copy.assign(original.numpy())
