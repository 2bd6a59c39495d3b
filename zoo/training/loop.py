"""The one training loop, for tuning and training alike: an epoch is one compiled function over data in memory.

`keras.Model.fit` calls into TensorFlow once a batch, which for a small model costs more than the batch itself. Here
TensorFlow runs the whole epoch on arrays in its memory, in an order drawn by NumPy. The step is Keras' own
`train_step`, so that losses, penalties, metrics and weights are those of `fit`, to the last bit under the same order.

Data on disk, `zoo.data.stored`, are read in blocks by a thread. An epoch is then a call a block, with the same weights.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.data.blocks import Array, Stored
from zoo.models.augment import Mixing
from zoo.recipe.batches import BatchSize, batch_of, check_batch_size
from zoo.training import feed
from zoo.training.checkpoint import restore_checkpoint, save_checkpoint
from zoo.training.devices import apart
from zoo.training.epoch import Compiled, compile_epoch, create_variables, run_epoch, same_rounding
from zoo.training.feed import Data, Order, block_of, in_blocks, shuffled, shuffled_in_blocks

EVALUATION_BATCH = 1024
CHECKPOINT_SECONDS = 5.0  # at most this much training is lost to a kill
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
# Keras' callbacks that define batch hooks but act at the end of an epoch.
EPOCH_LEVEL = (keras.callbacks.ModelCheckpoint, keras.callbacks.TensorBoard, keras.callbacks.LambdaCallback)


def fit(
    model: keras.Model,
    train: Data,
    validation: Data | None = None,
    *,
    epochs: int,
    batch_size: BatchSize = 32,
    sample_weight: np.ndarray | None = None,
    order: Order | None = None,
    seed: int = 0,
    mixing: Mixing | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: str | Path | None = None,
    fingerprint: str = "",
    compiled: Compiled | None = None,
) -> dict[str, list[float]]:
    """Trains a compiled model as `model.fit` does, but with one call into TensorFlow an epoch.

    A model made and compiled under the scope of a `tf.distribute.MirroredStrategy` is trained on all of its devices.
    If the optimizer averages weights, validation, callbacks and the trained model have the averaged ones.

    Args:
        model: compiled, on Keras' TensorFlow backend.
        train, validation: (x, y), n samples each. Both stay in memory, unless x is `zoo.data.stored` and larger than
            a block. The last batch of an epoch may be smaller.
        batch_size: samples a step, or "all": one step an epoch.
        sample_weight: (n,), of each training sample's loss. As in Keras, a batch's loss is the sum of its weighted
            losses divided by the number of its samples.
        order: function from (epoch, n) to the order of the samples; by default shuffled by `seed`, for data in blocks
            by `shuffled_in_blocks`.
        mixing: `zoo.augment.MixUp` or `CutMix` of each batch; targets must be one-hot or real values.
        callbacks: Keras callbacks that act on epochs (EarlyStopping, ReduceLROnPlateau, TensorBoard, ModelCheckpoint,
            LearningRateScheduler, ...). Batch hooks are rejected: batches never return to Python.
        checkpoint: a file that is written during training. If it exists, training resumes from it, with exactly the
            same result. It holds weights, optimizer, random states, history and the callbacks' counters.
        fingerprint: of all that the result depends on; a checkpoint with another fingerprint is not used.
        compiled: from `compile_epoch`, of this model and batch size, for a model that is trained more than once.

    Returns:
        history: one list an entry ("loss", "accuracy", "val_loss", ...), one value an epoch.

    Raises:
        ValueError: model not compiled, no samples, a bad size, targets or inputs that cannot be mixed, a callback that
            acts on batches, a damaged checkpoint, a strategy other than MirroredStrategy.
    """
    _check(model, train, epochs, batch_size, callbacks)
    _check_weights(sample_weight, len(train[0]))
    if mixing is not None:
        mixing.check(model, np.asarray(train[1]))
    batch = batch_of(len(train[0]), batch_size)
    block = block_of(train[0], batch)
    last = _Last()
    steps = -(-len(train[0]) // batch)
    hooks = keras.callbacks.CallbackList([*callbacks, last], model=model, epochs=epochs, steps=steps, verbose=0)
    if compiled is None:
        create_variables(model, *train)
    generator = keras.random.SeedGenerator(0) if mixing is not None else None
    train_epoch, evaluate_epoch = compiled or compile_epoch(model, batch, mixing, generator)
    order = order or (shuffled(seed) if block >= len(train[0]) else shuffled_in_blocks(seed, block))
    train_blocks = in_blocks(train if sample_weight is None else (*train, sample_weight), block)
    validate = _evaluation(validation, batch, evaluate_epoch) if validation is not None else dict

    model.stop_training = False
    history: dict[str, list[float]] = {}
    hooks.on_train_begin()
    epoch = 0
    if checkpoint and Path(checkpoint).exists():
        epoch, history = restore_checkpoint(Path(checkpoint), model, callbacks, fingerprint)
    saved = time.monotonic()
    with same_rounding:
        while epoch < epochs and not model.stop_training:
            hooks.on_epoch_begin(epoch)
            if generator is not None:  # depends on seed and epoch alone, like the order, so that it can be resumed
                generator.state.assign([np.random.default_rng([seed, epoch, 1]).integers(2**31), 0])
            with apart(model):
                logs = run_epoch(train_epoch, train_blocks(order(epoch, len(train[0]))))
            with _averaged(model):
                logs |= {f"val_{name}": value for name, value in validate().items()}
                hooks.on_epoch_end(epoch, logs)
            for name, value in last.logs.items():
                history.setdefault(name, []).append(float(value))
            epoch += 1
            if checkpoint and (time.monotonic() - saved > CHECKPOINT_SECONDS or epoch == epochs or model.stop_training):
                save_checkpoint(Path(checkpoint), model, callbacks, epoch, history, fingerprint)
                saved = time.monotonic()
    model.optimizer.finalize_variable_values(model.trainable_variables)  # the averaged weights, if it keeps any
    hooks.on_train_end()
    return history


class _Last(keras.callbacks.Callback):
    """Runs after the other callbacks and keeps the logs, to which they may add, for example, the learning rate."""

    logs: dict[str, float]

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs or {})


@contextlib.contextmanager
def _averaged(model: keras.Model) -> Iterator[None]:
    """Puts the averaged weights into the model for the block, if its optimizer keeps any."""
    if not getattr(model.optimizer, "use_ema", False):
        yield
        return
    training = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    yield
    for variable, value in zip(model.trainable_variables, training, strict=True):
        variable.assign(value)


def _evaluation(data: Data, batch: int, evaluate_epoch: Any) -> Callable[[], dict[str, float]]:
    """A function that gives loss and metrics on the data."""
    blocks = in_blocks(data, block_of(data[0], batch))
    return lambda: run_epoch(evaluate_epoch, blocks(np.arange(len(data[0]))))


def evaluate(model: keras.Model, data: Data) -> dict[str, float]:
    """Loss and metrics of a compiled model, like `model.evaluate(..., return_dict=True)`."""
    create_variables(model, *data)
    with same_rounding:
        return _evaluation(data, EVALUATION_BATCH, compile_epoch(model, EVALUATION_BATCH)[1])()


def predict(model: keras.Model, x: Array) -> np.ndarray:
    """The model's outputs for x, (n, outputs), like `model.predict`, in batches of a fixed size."""
    call = tf.function(lambda batch: model(batch, training=False))
    with same_rounding:
        return np.concatenate(
            [call(tf.constant(x[i : i + EVALUATION_BATCH])).numpy() for i in range(0, len(x), EVALUATION_BATCH)]
        )


def _check(model, train, epochs, batch_size, callbacks) -> None:
    if keras.backend.backend() != "tensorflow":
        raise InvalidValue(f"Keras runs on {keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow for training here")
    if not model.compiled:
        raise InvalidValue("the model is not compiled; call model.compile(optimizer, loss, metrics) first")
    if len(train[0]) == 0 or len(train[0]) != len(train[1]):
        raise InvalidValue(f"train has {len(train[0])} inputs and {len(train[1])} targets; it needs as many of both")
    check_size("epochs", epochs)
    check_batch_size(batch_size)
    if batch_size == "all" and isinstance(train[0], Stored) and train[0].nbytes > feed.BLOCK_BYTES:
        raise InvalidValue(
            f"batch_size='all' would take the {train[0].nbytes / 1e9:.1f} GB of {train[0].path} into memory at once; "
            "give a number of samples"
        )
    for callback in callbacks:
        for hook in BATCH_HOOKS if not isinstance(callback, EPOCH_LEVEL) else ():
            if getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook):
                raise InvalidValue(
                    f"callback {type(callback).__name__} acts on batches ({hook}), but an epoch is one call here; "
                    "use an epoch-level callback or model.fit"
                )
    if any(isinstance(c, keras.callbacks.ModelCheckpoint) and c.save_freq != "epoch" for c in callbacks):
        raise InvalidValue("ModelCheckpoint must have save_freq='epoch': an epoch is one call here")


def _check_weights(sample_weight: np.ndarray | None, samples: int) -> None:
    if sample_weight is None:
        return
    if sample_weight.shape != (samples,):
        raise InvalidValue(f"sample_weight of shape {sample_weight.shape} for {samples} samples; it needs ({samples},)")
    if not np.isfinite(sample_weight).all() or sample_weight.min() < 0 or sample_weight.max() <= 0:
        raise InvalidValue("sample_weight must hold numbers of at least 0, and not zeros alone")
