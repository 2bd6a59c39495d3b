"""Candidates that differ in numbers alone share the epoch that TensorFlow compiled for the first of them.

To trace and optimize a small model's epoch takes as long as fifty epochs of it. Where the learning rate, a momentum, a
decay, the strength of an L1 or L2 penalty, the rate of a dropout, the momentum of a batch normalization or the size of
a batch is all that is new, a clone of the first such model stays, in which these numbers are variables. The next
candidate's weights and numbers go into it, it trains, and its weights come back: the same operations on the same
values, so that losses are those of an own trace to the last bit. Another optimizer has an epoch of its own on the same
clone, which evaluates as before.
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
from tensorflow.python.eager import context
from tensorflow.python.framework import random_seed

from zoo.recipe.batches import BatchSize, batch_of
from zoo.training.loop import Compiled, Data, compile_epoch, create_variables, fit

AT_MOST = 8  # epochs that are kept
OURS = ("keras", "zoo")  # packages of classes whose configuration says all that they do
Number = tuple[Any, str]  # an object, and the name of its attribute
ORDER_AND_FIRST = tf.TensorSpec([None], "int64"), tf.TensorSpec([], "bool")  # see `compile_epoch`


class Shared:
    """Compiled epochs of one search, by the structure of the model and the kind of optimizer."""

    def __init__(self) -> None:
        self._epochs: dict[tuple[str, str], _Epoch] = {}
        self._twins: weakref.WeakValueDictionary[str, _Twin] = weakref.WeakValueDictionary()  # of these epochs
        self.saved = 0  # traces that were not needed

    def fit(
        self, model: keras.Model, train: Data, validation: Data | None = None, *, batch_size: BatchSize = 32,
        mixing: Any = None, **options: Any,
    ) -> dict[str, list[float]]:  # fmt: skip
        """`zoo.training.fit`, without a new trace where a model of the same structure was trained on data of the same
        shape before.

        Callbacks see that model in place of this one, with the same weights and numbers.
        """
        weights = options.get("sample_weight")
        arrays = (*train, *(validation or ()), *(() if weights is None else (weights,)))
        told = None
        if mixing is None and all(isinstance(array, np.ndarray) for array in arrays):
            told = structure(model)
        if told is None:
            return fit(model, train, validation, batch_size=batch_size, mixing=mixing, **options)
        batch = batch_of(len(train[0]), batch_size)
        key = told[0] + str((validation is None, [(array.shape, array.dtype.str) for array in arrays])), told[1]
        epoch = self._epochs.pop(key, None)
        if epoch is not None:
            self.saved += 1
        else:
            twin = self._twins.get(key[0]) or _Twin.of(model, train, validation)
            if twin is not None:
                epoch = _Epoch.of(twin, model, train if weights is None else (*train, weights))
            if epoch is None:
                return fit(model, train, validation, batch_size=batch_size, **options)
            while len(self._epochs) >= AT_MOST:
                self._epochs.pop(next(iter(self._epochs)))
            self._twins[key[0]] = epoch.twin
        self._epochs[key] = epoch  # the last one used is the last one to go
        epoch.take(model, batch)
        history = fit(epoch.twin.model, train, validation, batch_size=batch_size, compiled=epoch.compiled, **options)
        epoch.give(model)
        return history

    def clear(self) -> None:
        self._epochs.clear()


@contextlib.contextmanager
def keeping_compiled() -> Iterator[None]:
    """A seed that is set in here leaves compiled functions compiled.

    With each seed TensorFlow forgets all kernels, compiled functions among them, whose next call takes as long as ten
    epochs of a small model. It does so for the sake of ops that keep a random state in a kernel. Keras has none; where
    a builder uses one of them, kernels are forgotten as ever, and at the end, so that the next candidate begins anew.
    """
    forget, get_seed = context.pywrap_tfe.TFE_ContextClearCaches, random_seed.get_seed
    drawn = []

    def noted(seed: int | None) -> tuple[int | None, int | None]:
        drawn.append(seed)
        return get_seed(seed)

    context.pywrap_tfe.TFE_ContextClearCaches = lambda handle: forget(handle) if drawn else None
    random_seed.get_seed = noted  # each such op calls it
    try:
        yield
    finally:
        context.pywrap_tfe.TFE_ContextClearCaches, random_seed.get_seed = forget, get_seed
        if drawn:
            context.context().clear_kernel_cache()


class _Twin:
    """A clone of a candidate, in which numbers are variables, and its compiled evaluation."""

    def __init__(self, model: keras.Model, train: Data, validation: Data | None):
        self.model = model
        for layer in _dropouts(model):
            layer.__dict__["call"] = functools.partial(_dropped, layer)
        create_variables(model, *train)
        self.numbers = _Numbers(_numbers_of_layers(model))
        self.batch = tf.Variable(1, dtype="int64", trainable=False)
        _, self.evaluate = compile_epoch(model, self.batch)
        if validation:
            with self.numbers.as_variables():
                self.evaluate = self.evaluate.get_concrete_function(_specs(validation), *ORDER_AND_FIRST)

    @classmethod
    def of(cls, model: keras.Model, train: Data, validation: Data | None) -> "_Twin | None":
        """None where Keras cannot clone the model, or makes another one of it."""
        try:
            clone = keras.models.clone_model(model)
            clone.compile_from_config(model.get_compile_config())
        except (TypeError, ValueError, NotImplementedError):  # a layer without a configuration, say
            return None
        if not clone.compiled or len(_numbers_of_layers(clone)) != len(_numbers_of_layers(model)):
            return None
        if [v.shape for v in clone.variables] != [v.shape for v in model.variables]:
            return None
        _copy(model.variables, clone.variables)
        for layer in clone._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # computes with what it has just got
        return cls(clone, train, validation)

    def learn_by(self, optimizer: keras.optimizers.Optimizer) -> None:
        self.model.optimizer = optimizer
        self.model._compile_config.config["optimizer"] = optimizer  # which Keras writes to files


class _Epoch:
    """The compiled epoch of a twin and an optimizer like a candidate's."""

    def __init__(self, twin: _Twin, optimizer: keras.optimizers.Optimizer, train: Sequence[Any]):
        self.twin, self.optimizer = twin, optimizer
        optimizer.build(twin.model.trainable_variables)
        self._fresh = [variable.numpy() for variable in optimizer.variables]
        self.numbers = _Numbers(_numbers_of_optimizer(optimizer))
        twin.learn_by(optimizer)
        train_epoch, _ = compile_epoch(twin.model, twin.batch)
        with twin.numbers.as_variables(), self.numbers.as_variables():
            self.compiled: Compiled = train_epoch.get_concrete_function(_specs(train), *ORDER_AND_FIRST), twin.evaluate

    @classmethod
    def of(cls, twin: _Twin, model: keras.Model, train: Sequence[Any]) -> "_Epoch | None":
        """None where Keras makes another optimizer of its configuration."""
        optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
        if len(_numbers_of_optimizer(optimizer)) != len(_numbers_of_optimizer(model.optimizer)):
            return None
        return cls(twin, optimizer, train)

    def take(self, model: keras.Model, batch: int) -> None:
        mine, theirs = self.optimizer, model.optimizer
        self.twin.learn_by(mine)  # there may have been another one meanwhile
        self.twin.batch.assign(batch)
        _copy(model.variables, self.twin.model.variables)
        for variable, value in zip(mine.variables, theirs.variables if theirs.built else self._fresh, strict=True):
            variable.assign(value)
        if _constant(theirs):
            mine.learning_rate = float(theirs.learning_rate)
        self.twin.numbers.become(_numbers_of_layers(model))
        self.numbers.become(_numbers_of_optimizer(theirs))

    def give(self, model: keras.Model) -> None:
        _copy(self.twin.model.variables, model.variables)
        model.optimizer.build(model.trainable_variables)
        _copy(self.optimizer.variables, model.optimizer.variables)
        model.stop_training = self.twin.model.stop_training


class _Numbers:
    """Numbers of a twin, and the variables that its compiled functions have in their places."""

    def __init__(self, found: list[Number]):
        self._found = found
        self._variables = [_Number.like(owner, name) for owner, name in found]

    def as_variables(self) -> contextlib.AbstractContextManager[None]:
        return _with(self._found, self._variables)

    def become(self, others: list[Number]) -> None:
        for variable, (owner, name), (other, _) in zip(self._variables, self._found, others, strict=True):
            variable.become(float(getattr(other, name)))
            owner.__dict__[name] = getattr(other, name)  # for callbacks that write the model to a file, say


class _Number(keras.Variable):
    """Stands for a number that is not 0, which is what optimizers and penalties ask before they use it."""

    @classmethod
    def like(cls, owner: Any, name: str) -> "_Number":
        # Keras computes with a dropout's rate in Python's precision, and in its own with the others.
        dtype = "float64" if isinstance(owner, keras.layers.Dropout) else "float32"
        number = cls(float(getattr(owner, name)), trainable=False, dtype=dtype, autocast=False)
        number.rest = keras.Variable(0.0, trainable=False, dtype=dtype, autocast=False)
        return number

    def become(self, value: float) -> None:
        self.assign(value)
        self.rest.assign(1.0 - value)

    def __rsub__(self, one: float) -> keras.Variable:
        """1 - momentum, which Python subtracts in its own precision."""
        return self.rest

    def __ne__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return True


def numbers(model: keras.Model) -> list[Number]:
    """What may differ between two models of one structure, beside a constant learning rate: where it stands."""
    return [*_numbers_of_optimizer(model.optimizer), *_numbers_of_layers(model)]


def _numbers_of_optimizer(optimizer: keras.optimizers.Optimizer) -> list[Number]:
    found: list[Number] = [(optimizer, name) for name in ("momentum", "weight_decay") if _is_number(optimizer, name)]
    rate = optimizer._learning_rate
    if type(rate) is keras.optimizers.schedules.CosineDecay:
        scheduled = ("initial_learning_rate", "warmup_target", "decay_steps", "warmup_steps")
        found += [(rate, name) for name in scheduled if _is_number(rate, name)]
    return found


def _numbers_of_layers(model: keras.Model) -> list[Number]:
    found: list[Number] = []
    for layer in model._flatten_layers():
        for name, value in vars(layer).items():
            if name.endswith("_regularizer") and type(value) in (keras.regularizers.L1, keras.regularizers.L2):
                found += [(value, number) for number in ("l1", "l2") if _is_number(value, number)]
        if type(layer) is keras.layers.BatchNormalization and _is_number(layer, "momentum"):
            found.append((layer, "momentum"))
    found += [(layer, "rate") for layer in _dropouts(model)]
    return found  # a penalty that several layers share stands there for each: a clone has as many


def _dropouts(model: keras.Model) -> list[keras.layers.Dropout]:
    """Those that drop something, each value by itself."""
    layers = [layer for layer in model._flatten_layers() if type(layer) is keras.layers.Dropout]
    return [layer for layer in layers if 0 < layer.rate < 1 and layer.noise_shape is None]


def _dropped(layer: keras.layers.Dropout, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
    """What `keras.layers.Dropout` calls, where `rate` may be a variable: TensorFlow would divide by 1 - rate then,
    while it multiplies by 1 / (1 - rate) where it knows the rate."""
    if not training:
        return inputs
    rate = tf.cast(layer.rate, "float64")
    drawn = keras.random.uniform(tf.shape(inputs), dtype=inputs.dtype, seed=layer.seed_generator)
    kept = drawn >= tf.cast(rate, inputs.dtype)
    return tf.where(kept, inputs * tf.cast(1 / (1 - rate), inputs.dtype), tf.zeros([], inputs.dtype))


def structure(model: keras.Model) -> tuple[str, str] | None:
    """All of a compiled model but its optimizer, weights and numbers, as text, and the same of its optimizer.

    None where its configuration does not tell all.
    """
    if type(model).__module__.split(".")[0] != "keras" or not model.compiled or not model.built:
        return None
    layers = list(model._flatten_layers())
    if any(hasattr(layer, "adapt") and not isinstance(layer, keras.layers.Normalization) for layer in layers):
        return None
    metrics = model._compile_metrics._user_metrics if model._compile_metrics else None
    parts = [*layers, *keras.tree.flatten([model.loss, metrics])]
    if not all(_is_ours(value) for part in parts for value in (part, *getattr(part, "__dict__", {}).values())):
        return None
    learnt = [v.numpy().tobytes() for x in layers if hasattr(x, "adapt") for v in x.variables]
    found = numbers(model)
    try:
        with _with(found, [math.nan] * len(found)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what cannot be written to a file, which is not what this is for
            config = {"model": keras.saving.serialize_keras_object(model), "compile": model.get_compile_config()}
        json.dumps(config)
    except (TypeError, ValueError, NotImplementedError):  # a layer without a configuration, or with one that is no text
        return None
    if not config["compile"] or not _tells_all(config):
        return None
    optimizer = config["compile"].pop("optimizer")
    optimizer["config"].pop("name")  # Keras counts names on from model to model
    if _constant(model.optimizer):
        optimizer["config"].pop("learning_rate")
    config["model"].pop("compile_config", None)
    text = json.dumps(config, sort_keys=True)
    for place, name in enumerate(dict.fromkeys([model.name, *(layer.name for layer in layers)])):
        text = text.replace(json.dumps(name), f'"#{place}"')
    return hashlib.sha256(text.encode() + b"".join(learnt)).hexdigest(), json.dumps(optimizer, sort_keys=True)


@contextlib.contextmanager
def _with(found: list[Number], values: Sequence[Any]) -> Iterator[None]:
    """With other values in their places, past the tracking of optimizers: they are no state of theirs."""
    before = [vars(owner)[name] for owner, name in found]
    try:
        for (owner, name), value in zip(found, values, strict=True):
            owner.__dict__[name] = value
        yield
    finally:
        for (owner, name), value in zip(found, before, strict=True):
            owner.__dict__[name] = value


def _is_ours(value: Any) -> bool:
    """Of a function, whose name alone may stand in a configuration."""
    return not isinstance(value, types.FunctionType) or value.__module__.split(".")[0] in OURS


def _tells_all(config: Any) -> bool:
    """Whether all classes and functions in it are Keras' or ours."""
    if isinstance(config, list | tuple):
        return all(map(_tells_all, config))
    if not isinstance(config, dict):
        return True
    name, package = config.get("class_name"), str(config.get("module", "builtins")).split(".")[0]
    if name in ("Lambda", "__lambda__") or package not in (*OURS, "builtins"):
        return False
    if name == "function" and package == "builtins":
        return False
    return all(map(_tells_all, config.values()))


def _constant(optimizer: keras.optimizers.Optimizer) -> bool:
    return isinstance(optimizer._learning_rate, keras.Variable)


def _is_number(owner: Any, name: str) -> bool:
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


def _copy(variables: list[Any], into: list[Any]) -> None:
    for mine, yours in zip(variables, into, strict=True):
        yours.assign(mine)
