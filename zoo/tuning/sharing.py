"""Candidates that differ in scalar hyperparameters alone share one compiled epoch.

Tracing and optimizing a small model's epoch takes as long as fifty epochs of training. The first model of a structure
is cloned, and in the clone these scalars are variables: learning rate, momentum, weight decay, L1 and L2 penalties,
dropout rates, the momentum of batch normalization, and the batch size. For each later candidate, its weights and
scalars are copied into the clone, the clone is trained, and the weights are copied back. The operations and values are
the same, so losses equal those of a separate trace to the last bit. Another kind of optimizer gets its own compiled
epoch on the same clone and reuses the compiled evaluation.
"""

import contextlib
import functools
import hashlib
import json
import math
import types
import warnings
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.keras_internals import flatten_layers, learning_rate
from zoo.recipe.batches import BatchSize, batch_of
from zoo.training.loop import Compiled, Data, compile_epoch, create_variables, fit

MAX_EPOCHS = 8  # compiled epochs that are kept
KNOWN_PACKAGES = ("keras", "zoo")  # the configuration of their classes is complete
Scalar = tuple[Any, str]  # an object, and the name of its attribute
ORDER_AND_FIRST = tf.TensorSpec([None], "int64"), tf.TensorSpec([], "bool")  # see `compile_epoch`


class SharedEpochs:
    """Compiled epochs of one search, by the structure of the model and the kind of optimizer."""

    def __init__(self) -> None:
        self._epochs: dict[tuple[str, str], _Epoch] = {}
        self._clones: weakref.WeakValueDictionary[str, _Clone] = weakref.WeakValueDictionary()  # of these epochs
        self.saved = 0  # traces that were not needed

    def fit(
        self, model: keras.Model, train: Data, validation: Data | None = None, *, batch_size: BatchSize = 32,
        mixing: Any = None, **options: Any,
    ) -> dict[str, list[float]]:  # fmt: skip
        """`zoo.training.fit`, which reuses the trace of a model with the same structure and data shapes.

        Callbacks see the clone in place of this model, with the same weights and scalars.
        """
        weights = options.get("sample_weight")
        arrays = (*train, *(validation or ()), *(() if weights is None else (weights,)))
        key = None
        if mixing is None and all(isinstance(array, np.ndarray) for array in arrays):
            key = structure(model)
        if key is None:
            return fit(model, train, validation, batch_size=batch_size, mixing=mixing, **options)
        key = key[0] + str((validation is None, [(array.shape, array.dtype.str) for array in arrays])), key[1]
        epoch = self._epochs.pop(key, None)
        if epoch is not None:
            self.saved += 1
        else:
            clone = self._clones.get(key[0]) or _Clone.of(model, train, validation)
            if clone is not None:
                epoch = _Epoch.of(clone, model, train if weights is None else (*train, weights))
            if epoch is None:
                return fit(model, train, validation, batch_size=batch_size, **options)
            while len(self._epochs) >= MAX_EPOCHS:
                self._epochs.pop(next(iter(self._epochs)))  # the least recently used one
            self._clones[key[0]] = epoch.clone
        self._epochs[key] = epoch
        epoch.copy_from(model, batch_of(len(train[0]), batch_size))
        history = fit(epoch.clone.model, train, validation, batch_size=batch_size, compiled=epoch.compiled, **options)
        epoch.copy_to(model)
        return history

    def clear(self) -> None:
        self._epochs.clear()


class _Clone:
    """A clone of a candidate in which scalars are variables, and its compiled evaluation."""

    def __init__(self, model: keras.Model, train: Data, validation: Data | None):
        self.model = model
        model.__dict__["get_compile_config"] = functools.partial(_compile_config, model)
        for layer in _dropouts(model):
            layer.__dict__["call"] = functools.partial(_dropout, layer)
        create_variables(model, *train)
        self.scalars = _Scalars(_layer_scalars(model))
        self.batch = tf.Variable(1, dtype="int64", trainable=False)
        _, self.evaluate = compile_epoch(model, self.batch)
        if validation:
            with self.scalars.as_variables():
                self.evaluate = self.evaluate.get_concrete_function(_specs(validation), *ORDER_AND_FIRST)

    @classmethod
    def of(cls, model: keras.Model, train: Data, validation: Data | None) -> "_Clone | None":
        """None where Keras cannot clone the model, or the clone has other variables."""
        try:
            clone = keras.models.clone_model(model)
            clone.compile_from_config(model.get_compile_config())
        except (TypeError, ValueError, NotImplementedError):  # for example, a layer without a configuration
            return None
        if not clone.compiled or len(_layer_scalars(clone)) != len(_layer_scalars(model)):
            return None
        if [v.shape for v in clone.variables] != [v.shape for v in model.variables]:
            return None
        _assign(model.variables, clone.variables)
        for layer in flatten_layers(clone):
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # reads the copied statistics
        return cls(clone, train, validation)


class _Epoch:
    """The compiled epoch of a clone and an optimizer like a candidate's."""

    def __init__(self, clone: _Clone, optimizer: keras.optimizers.Optimizer, train: Sequence[Any]):
        self.clone, self.optimizer = clone, optimizer
        optimizer.build(clone.model.trainable_variables)
        self._initial = [variable.numpy() for variable in optimizer.variables]
        self.scalars = _Scalars(_optimizer_scalars(optimizer))
        clone.model.optimizer = optimizer
        train_epoch, _ = compile_epoch(clone.model, clone.batch)
        with clone.scalars.as_variables(), self.scalars.as_variables():
            train_epoch = train_epoch.get_concrete_function(_specs(train), *ORDER_AND_FIRST)
        self.compiled: Compiled = train_epoch, clone.evaluate

    @classmethod
    def of(cls, clone: _Clone, model: keras.Model, train: Sequence[Any]) -> "_Epoch | None":
        """None where the optimizer's configuration does not reproduce it."""
        optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
        if len(_optimizer_scalars(optimizer)) != len(_optimizer_scalars(model.optimizer)):
            return None
        return cls(clone, optimizer, train)

    def copy_from(self, model: keras.Model, batch: int) -> None:
        source = model.optimizer
        self.clone.model.optimizer = self.optimizer  # another epoch may have replaced it
        self.clone.batch.assign(batch)
        _assign(model.variables, self.clone.model.variables)
        state = source.variables if source.built else self._initial
        _assign(state, self.optimizer.variables)
        if _is_constant(source):
            self.optimizer.learning_rate = float(source.learning_rate)
        self.clone.scalars.assign(_layer_scalars(model))
        self.scalars.assign(_optimizer_scalars(source))

    def copy_to(self, model: keras.Model) -> None:
        _assign(self.clone.model.variables, model.variables)
        model.optimizer.build(model.trainable_variables)
        _assign(self.optimizer.variables, model.optimizer.variables)
        model.stop_training = self.clone.model.stop_training


class _Scalars:
    """Scalars of a clone, and the variables that replace them in its compiled functions."""

    def __init__(self, scalars: list[Scalar]):
        self._scalars = scalars
        self._variables = [_ScalarVariable.like(owner, name) for owner, name in scalars]

    def as_variables(self) -> contextlib.AbstractContextManager[None]:
        return _replaced(self._scalars, self._variables)

    def assign(self, sources: list[Scalar]) -> None:
        for variable, (owner, name), (source, _) in zip(self._variables, self._scalars, sources, strict=True):
            variable.set(float(getattr(source, name)))
            owner.__dict__[name] = getattr(source, name)  # for callbacks that save the model


class _ScalarVariable(keras.Variable):
    """Compares as nonzero, because optimizers and penalties skip their work where a scalar is 0."""

    @classmethod
    def like(cls, owner: Any, name: str) -> "_ScalarVariable":
        # Keras computes with a dropout's rate in Python's precision, and with other scalars in float32.
        dtype = "float64" if isinstance(owner, keras.layers.Dropout) else "float32"
        scalar = cls(float(getattr(owner, name)), trainable=False, dtype=dtype, autocast=False)
        scalar.complement = keras.Variable(0.0, trainable=False, dtype=dtype, autocast=False)
        return scalar

    def set(self, value: float) -> None:
        self.assign(value)
        self.complement.assign(1.0 - value)

    def __rsub__(self, one: float) -> keras.Variable:
        """1 - momentum, which Keras computes in Python's precision."""
        return self.complement

    def __ne__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return True


def _optimizer_scalars(optimizer: keras.optimizers.Optimizer) -> list[Scalar]:
    """Where scalars stand that may differ between models of one structure, beside a constant learning rate."""
    found: list[Scalar] = [(optimizer, name) for name in ("momentum", "weight_decay") if _is_scalar(optimizer, name)]
    schedule = learning_rate(optimizer)
    if type(schedule) is keras.optimizers.schedules.CosineDecay:
        names = ("initial_learning_rate", "warmup_target", "decay_steps", "warmup_steps")
        found += [(schedule, name) for name in names if _is_scalar(schedule, name)]
    return found


def _layer_scalars(model: keras.Model) -> list[Scalar]:
    """Likewise in layers. A penalty that several layers share is listed for each, and a clone has as many."""
    found: list[Scalar] = []
    for layer in flatten_layers(model):
        for name, value in vars(layer).items():
            if name.endswith("_regularizer") and type(value) in (keras.regularizers.L1, keras.regularizers.L2):
                found += [(value, penalty) for penalty in ("l1", "l2") if _is_scalar(value, penalty)]
        if type(layer) is keras.layers.BatchNormalization and _is_scalar(layer, "momentum"):
            found.append((layer, "momentum"))
    return [*found, *((layer, "rate") for layer in _dropouts(model))]


def _dropouts(model: keras.Model) -> list[keras.layers.Dropout]:
    layers = [layer for layer in flatten_layers(model) if type(layer) is keras.layers.Dropout]
    return [layer for layer in layers if 0 < layer.rate < 1 and layer.noise_shape is None]


def _dropout(layer: keras.layers.Dropout, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
    """`keras.layers.Dropout.call` where `rate` may be a variable.

    TensorFlow multiplies by 1 / (1 - rate) where it knows the rate, and divides by 1 - rate where it does not.
    """
    if not training:
        return inputs
    rate = tf.cast(layer.rate, "float64")
    drawn = keras.random.uniform(tf.shape(inputs), dtype=inputs.dtype, seed=layer.seed_generator)
    kept = drawn >= tf.cast(rate, inputs.dtype)
    return tf.where(kept, inputs * tf.cast(1 / (1 - rate), inputs.dtype), tf.zeros([], inputs.dtype))


def _compile_config(model: keras.Model) -> dict[str, Any]:
    """`model.get_compile_config` with the present optimizer, for callbacks that save the model."""
    config = type(model).get_compile_config(model)
    return {**config, "optimizer": keras.saving.serialize_keras_object(model.optimizer)}


def structure(model: keras.Model) -> tuple[str, str] | None:
    """A compiled model without optimizer, weights and scalars as text, and the same of its optimizer.

    None where the configuration is not complete.
    """
    if type(model).__module__.split(".")[0] != "keras" or not model.compiled or not model.built:
        return None
    layers = flatten_layers(model)
    if any(hasattr(layer, "adapt") and not isinstance(layer, keras.layers.Normalization) for layer in layers):
        return None
    parts = [*layers, *keras.tree.flatten(model.loss)]
    if not all(_is_known(value) for part in parts for value in (part, *getattr(part, "__dict__", {}).values())):
        return None
    statistics = [v.numpy().tobytes() for x in layers if hasattr(x, "adapt") for v in x.variables]
    scalars = [*_optimizer_scalars(model.optimizer), *_layer_scalars(model)]
    try:
        with _replaced(scalars, [math.nan] * len(scalars)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what cannot be saved; nothing is saved here
            config = {"model": keras.saving.serialize_keras_object(model), "compile": model.get_compile_config()}
        json.dumps(config)
    except (TypeError, ValueError, NotImplementedError):  # a layer without a configuration that JSON can hold
        return None
    if not config["compile"] or not _is_complete(config):
        return None
    optimizer = config["compile"].pop("optimizer")
    optimizer["config"].pop("name")  # Keras counts names on from model to model
    if _is_constant(model.optimizer):
        optimizer["config"].pop("learning_rate")
    config["model"].pop("compile_config", None)
    text = json.dumps(config, sort_keys=True)
    for index, name in enumerate(dict.fromkeys([model.name, *(layer.name for layer in layers)])):
        text = text.replace(json.dumps(name), f'"#{index}"')
    return hashlib.sha256(text.encode() + b"".join(statistics)).hexdigest(), json.dumps(optimizer, sort_keys=True)


@contextlib.contextmanager
def _replaced(scalars: list[Scalar], values: Sequence[Any]) -> Iterator[None]:
    """With other values in the scalars' places. `__dict__` bypasses the optimizers' tracking of variables."""
    before = [vars(owner)[name] for owner, name in scalars]
    try:
        for (owner, name), value in zip(scalars, values, strict=True):
            owner.__dict__[name] = value
        yield
    finally:
        for (owner, name), value in zip(scalars, before, strict=True):
            owner.__dict__[name] = value


def _is_known(value: Any) -> bool:
    """False for a user's function, of which a configuration may hold the name alone."""
    return not isinstance(value, types.FunctionType) or value.__module__.split(".")[0] in KNOWN_PACKAGES


def _is_complete(config: Any) -> bool:
    """Whether all classes and functions in it come from known packages."""
    if isinstance(config, list | tuple):
        return all(map(_is_complete, config))
    if not isinstance(config, dict):
        return True
    name, package = config.get("class_name"), str(config.get("module", "builtins")).split(".")[0]
    if name in ("Lambda", "__lambda__") or package not in (*KNOWN_PACKAGES, "builtins"):
        return False
    if name == "function" and package == "builtins":
        return False
    return all(map(_is_complete, config.values()))


def _is_constant(optimizer: keras.optimizers.Optimizer) -> bool:
    return isinstance(learning_rate(optimizer), keras.Variable)


def _is_scalar(owner: Any, name: str) -> bool:
    """Whether it is a number other than 0."""
    value = getattr(owner, name, None)
    if value is None or callable(value):
        return False
    try:
        return float(value) != 0
    except (TypeError, ValueError):
        return False


def _specs(arrays: Sequence[Any]) -> tuple[tf.TensorSpec, ...]:
    """Of the tensors that `zoo.training.fit` makes of them."""
    return tuple(tf.TensorSpec(array.shape, tf.constant(array[:1]).dtype) for array in arrays)


def _assign(values: Sequence[Any], variables: Sequence[Any]) -> None:
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)
