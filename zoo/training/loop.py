"""The one training loop, for tuning and training alike: an epoch is one compiled function over data in memory.

`keras.Model.fit` calls into TensorFlow once a batch, which for a small model costs more than the batch itself. Here
TensorFlow runs the whole epoch: batches are gathered from arrays that stay in its memory, in an order drawn by numpy.
The step is Keras' own `train_step`, so losses, penalties, metrics, optimizers and weights are those of `fit`, to the
last bit under the same order of samples.

Data on disk, `zoo.data.stored`, take their turn in memory in blocks, of which a thread reads the next one meanwhile:
an epoch is then a call a block, and weights are still those of one block, to the last bit under the same order.
"""

import contextlib
import inspect
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.checks import is_whole
from zoo.base.errors import InvalidValue
from zoo.base.files import writing
from zoo.data.blocks import Array, Stored
from zoo.models.augment import Mixing
from zoo.recipe.batches import BatchSize, batch_of, check_batch_size
from zoo.training.devices import apart, on_each, scope_of, steps_of

# Grappler re-associates products as far as it knows their shapes, and inside a loop it knows fewer than outside: the
# same step would be rounded differently here and in `fit`. Without that rewriting both give the same bits.
tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
# Each model has compiled functions of its own, of which TensorFlow warns in a search as if it were an oversight; and of
# what several devices do outside of these, which is one step a training.
NO_OVERSIGHT = re.compile(r"(compile_epoch|predict)\.<locals>|MirroredStrategy eagerly has significant overhead")
tf.get_logger().addFilter(lambda record: not NO_OVERSIGHT.search(record.getMessage()))

Order = Callable[[int, int], np.ndarray]
Data = tuple[Array, np.ndarray]  # (x, y), n samples each
Compiled = tuple[Any, Any]  # two functions of TensorFlow's, see `compile_epoch`
Block = tuple[tuple[tf.Tensor, ...], tf.Tensor]  # (x, y) or (x, y, weights), and the order of samples in it
EVALUATION_BATCH = 1024
BLOCK_BYTES = 1 << 28  # of data on disk that are in memory at a time, and as much again where the next block is read
CHUNKS = 1024  # places on disk that a block is drawn from
CHECKPOINT_SECONDS = 5.0  # at most this much training is lost to a kill


def shuffled(seed: int) -> Order:
    """The order of n samples in an epoch: a permutation that depends on seed and epoch alone, so it can be resumed."""
    return lambda epoch, n: np.random.default_rng([seed, epoch]).permutation(n)


def shuffled_in_blocks(seed: int, block: int) -> Order:
    """Likewise for data on disk, of which `block` samples are in memory at a time: reads chunks, not single samples.

    Chunks of neighbours are put in a random order, which is cut into blocks, and each block is shuffled in itself. A
    block is drawn from `CHUNKS` places, so that data which are sorted on disk, by class say, are still well mixed: two
    samples of a batch are from one chunk with a probability of 1 / `CHUNKS`.
    """

    def order(epoch: int, n: int) -> np.ndarray:
        random = np.random.default_rng([seed, epoch])
        chunk = max(1, block // CHUNKS)
        places = (random.permutation(-(-n // chunk))[:, None] * chunk + np.arange(chunk)).reshape(-1)
        places = places[places < n]  # the last chunk may be a smaller one
        for first in range(0, n, block):
            random.shuffle(places[first : first + block])
        return places

    return order


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
    """Trains a compiled model; what `model.fit` does, but an epoch at a time.

    A model made and compiled under the scope of a `tf.distribute.MirroredStrategy` is trained on all of its devices.

    Args:
        model: compiled, on Keras' TensorFlow backend.
        train, validation: (x, y), n samples each; both stay in memory, unless x is `zoo.data.stored` and larger than
            a block. The last batch of an epoch may be smaller.
        batch_size: samples a step, or "all": one step an epoch.
        sample_weight: (n,), of each training sample's loss. As in Keras, a batch's loss is the sum of its weighted
            losses by the number of its samples, whatever the weights sum to.
        order: gives the order of samples by (epoch, n); by default shuffled by `seed`, see `shuffled_in_blocks` for
            data in blocks.
        mixing: `zoo.augment.MixUp` or `CutMix`, of each batch before its step; targets must be one-hot or real values.
        callbacks: Keras callbacks; those that act on epochs work (EarlyStopping, ReduceLROnPlateau, TensorBoard,
            ModelCheckpoint, LearningRateScheduler, ...). Batches never return to Python, so batch hooks are refused.
        checkpoint: a file that is kept while training; when it exists, training goes on from there to exactly the
            same end. It holds weights, optimizer, random state, history and the callbacks' counters.
        fingerprint: of all that the result depends on; a checkpoint with another one is not used.
        compiled: by `compile_epoch`, of this model and batch size, where it is trained more than once.

    Where the optimizer averages weights, validation and callbacks see the averaged ones, and so does who trained.

    Returns:
        history: one list an entry ("loss", "accuracy", "val_loss", ...), one value an epoch.

    Raises:
        ValueError: model not compiled, no samples, a bad size, targets or inputs that cannot be mixed, a callback that
            acts on batches, a damaged checkpoint, another strategy.
    """
    _check(model, train, epochs, batch_size, callbacks)
    _check_weights(sample_weight, len(train[0]))
    if mixing is not None:
        mixing.check(model, np.asarray(train[1]))
    samples = len(train[0])
    batch = batch_of(samples, batch_size)
    block = block_of(train[0], batch)
    order = order or (shuffled(seed) if block >= samples else shuffled_in_blocks(seed, block))
    last = _Last()
    callback_list = keras.callbacks.CallbackList(
        [*callbacks, last], model=model, epochs=epochs, steps=-(-samples // batch), verbose=0
    )
    if compiled is None:
        create_variables(model, *train)
    generator = keras.random.SeedGenerator(0) if mixing is not None else None
    train_epoch, evaluate_epoch = compiled or compile_epoch(model, batch, mixing, generator)
    blocks = _in_blocks(train if sample_weight is None else (*train, sample_weight), block)
    held_out = _in_blocks(validation, block_of(validation[0], batch)) if validation is not None else None

    model.stop_training = False
    history: dict[str, list[float]] = {}
    callback_list.on_train_begin()
    epoch = 0
    if checkpoint and Path(checkpoint).exists():
        epoch, history = _restore(Path(checkpoint), model, callbacks, fingerprint)
    saved = time.monotonic()
    while epoch < epochs and not model.stop_training:
        callback_list.on_epoch_begin(epoch)
        if generator is not None:  # of seed and epoch alone, like the order, so that it can be resumed
            generator.state.assign([np.random.default_rng([seed, epoch, 1]).integers(2**31), 0])
        with apart(model):
            logs = _over(blocks(order(epoch, samples)), train_epoch)
        with _averaged(model):
            if validation is not None and held_out is not None:
                measured = _over(held_out(np.arange(len(validation[0]))), evaluate_epoch)
                logs |= {f"val_{name}": value for name, value in measured.items()}
            callback_list.on_epoch_end(epoch, logs)
        for name, value in last.logs.items():
            history.setdefault(name, []).append(float(value))
        epoch += 1
        if checkpoint and (time.monotonic() - saved > CHECKPOINT_SECONDS or epoch == epochs or model.stop_training):
            _save(Path(checkpoint), model, callbacks, epoch, history, fingerprint)
            saved = time.monotonic()
    model.optimizer.finalize_variable_values(model.trainable_variables)  # the averages, where it keeps any
    callback_list.on_train_end()
    return history


class _Last(keras.callbacks.Callback):
    """Comes after the others and keeps the logs, to which they may have added: the learning rate, say."""

    logs: dict[str, float]

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs or {})


@contextlib.contextmanager
def _averaged(model: keras.Model) -> Iterator[None]:
    """With the averaged weights in the model, if its optimizer keeps any; training goes on from the others."""
    if not getattr(model.optimizer, "use_ema", False):
        yield
        return
    training = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    yield
    for variable, value in zip(model.trainable_variables, training, strict=True):
        variable.assign(value)


def evaluate(model: keras.Model, data: Data) -> dict[str, float]:
    """Loss and metrics of a compiled model, like `model.evaluate(..., return_dict=True)`."""
    create_variables(model, *data)
    _, evaluate_epoch = compile_epoch(model, EVALUATION_BATCH)
    return _over(_in_blocks(data, block_of(data[0], EVALUATION_BATCH))(np.arange(len(data[0]))), evaluate_epoch)


def predict(model: keras.Model, x: Array) -> np.ndarray:
    """The model's outputs for x, (n, outputs), as `model.predict` gives, in batches of a fixed size."""
    call = tf.function(lambda batch: model(batch, training=False))
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
    if not is_whole(epochs, 1):
        raise InvalidValue(f"epochs={epochs!r} must be a whole number of at least 1")
    check_batch_size(batch_size)
    if batch_size == "all" and isinstance(train[0], Stored) and train[0].nbytes > BLOCK_BYTES:
        raise InvalidValue(
            f"batch_size='all' would take the {train[0].nbytes / 1e9:.1f} GB of {train[0].path} into memory at once; "
            "give a number of samples"
        )
    for callback in callbacks:
        for hook in ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"):
            overridden = getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
            if overridden and not isinstance(callback, _EPOCH_LEVEL):
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


def block_of(x: Array, batch: int) -> int:
    """How many samples are in memory at a time: all, or as many whole batches of data on disk as go into a block."""
    if not isinstance(x, Stored) or x.nbytes <= BLOCK_BYTES:
        return len(x)
    return max(1, BLOCK_BYTES // (batch * x.sample_bytes)) * batch


def _in_blocks(data: Sequence[Array], block: int) -> Callable[[np.ndarray], Iterable[Block]]:
    """A function of the order of samples: gives blocks in TensorFlow's memory, each with the order of what is in it.

    The next block is read while the caller is at work on this one, as compiled functions leave Python to others.
    """
    if block >= len(data[0]):
        whole = tuple(_tensor(v[:]) if isinstance(v, Stored) else tf.constant(v) for v in data)
        return lambda order: [(whole, tf.constant(order, "int64"))]

    def read(order: np.ndarray) -> Block:
        there = np.sort(order)  # as they come on disk
        block = tuple(_tensor(v[there]) if isinstance(v, Stored) else tf.constant(v[there]) for v in data)
        return block, tf.constant(np.searchsorted(there, order), "int64")

    def blocks(order: np.ndarray) -> Iterator[Block]:
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, order[:block])
            for first in range(block, len(order) + block, block):
                read_already = ahead.result()
                if first < len(order):
                    ahead = reader.submit(read, order[first : first + block])
                yield read_already

    return blocks


def _over(blocks: Iterable[Block], function: Any) -> dict[str, float]:
    """Calls a compiled function on each block, and keeps none: two of them are in memory, this one and the next.

    Returns:
        loss and metrics over all of them.
    """
    results, first = {}, True
    for data, order in blocks:
        results, first = function(data, order, tf.constant(first)), False
    return {name: float(value) for name, value in results.items()}


def _tensor(values: np.ndarray) -> tf.Tensor:
    """The same memory as a tensor, which nobody else writes to; `tf.constant` would copy it twice."""
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())


# Keras' own callbacks that define batch hooks but do their work at the end of an epoch.
_EPOCH_LEVEL = (keras.callbacks.ModelCheckpoint, keras.callbacks.TensorBoard, keras.callbacks.LambdaCallback)


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
    def evaluate_epoch(data, order, first):  # as they come
        begin(first)
        x, y = data
        over_batches(tf.shape(x, out_type=tf.int64)[0], lambda first, end: test_step((x[first:end], y[first:end])))
        return model.get_metrics_result()

    return train_epoch, evaluate_epoch


def create_variables(model: keras.Model, x: Array, y: np.ndarray) -> None:
    """Metrics and optimizers make their variables at first use, which a loop inside TensorFlow does not allow."""
    before = [variable.numpy() for variable in model.variables]
    sample = tf.constant(x[:1]), tf.constant(y[:1])
    on_each(model, lambda: model.test_step(sample))
    for variable, value in zip(model.variables, before, strict=False):  # a recurrent layer draws masks even here
        variable.assign(value)
    if model.optimizer is not None and not model.optimizer.built:
        with scope_of(model):
            model.optimizer.build(model.trainable_variables)


# A checkpoint is one .npz: every variable of model and optimizer (random states are variables of their layers),
# arrays that callbacks hold (the best weights), and one JSON text with the rest. No pickle: a file runs no code.


def _save(path: Path, model, callbacks, epoch: int, history, fingerprint: str) -> None:
    arrays = {f"variable/{i}": variable.numpy() for i, variable in enumerate(_variables(model))}
    counters: list[dict[str, Any]] = []
    for i, callback in enumerate(callbacks):
        counters.append({})
        settings = inspect.signature(type(callback)).parameters  # what it was made with is not its state
        for name, value in vars(callback).items():
            if name in settings or name.startswith("_"):
                continue
            if value is None or isinstance(value, bool | int | float | str | np.number):
                counters[-1][name] = value.item() if isinstance(value, np.number) else value
            elif isinstance(value, list) and value and all(isinstance(v, np.ndarray) for v in value):
                arrays |= {f"callback/{i}/{name}/{j}": v for j, v in enumerate(value)}
    state = {
        "fingerprint": fingerprint,
        "epoch": epoch,
        "history": history,
        "callbacks": counters,
        "stop_training": bool(model.stop_training),
    }
    with writing(path) as temporary:
        np.savez(temporary, state=np.frombuffer(json.dumps(state).encode(), "uint8"), **arrays)


def _restore(path: Path, model, callbacks, fingerprint: str) -> tuple[int, dict[str, list[float]]]:
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = dict(file)
        state = json.loads(arrays.pop("state").tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidValue(f"checkpoint {path} is damaged ({error}); remove it to train anew") from None
    if state["fingerprint"] != fingerprint:
        return 0, {}
    variables = _variables(model)
    if len(state["callbacks"]) != len(callbacks) or any(f"variable/{i}" not in arrays for i in range(len(variables))):
        raise InvalidValue(f"checkpoint {path} is of another model or other callbacks; remove it to train anew")
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"variable/{i}"])
    for i, (callback, counters) in enumerate(zip(callbacks, state["callbacks"], strict=True)):
        lists: dict[str, list[np.ndarray]] = {}
        for key in (k for k in arrays if k.startswith(f"callback/{i}/")):
            lists.setdefault(key.split("/")[2], []).append(arrays[key])
        for name, value in {**counters, **lists}.items():
            setattr(callback, name, value)
    model.stop_training = state["stop_training"]
    return state["epoch"], state["history"]


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
