"""Optimizers by name or as objects, and the spaces that a search draws them from."""

from collections.abc import Callable
from typing import Any

import keras

from zoo.base.checks import check_choice, check_number
from zoo.base.errors import InvalidType, InvalidValue
from zoo.recipe.schedules import Schedule, schedule_of

OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
}
CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")
RANGES: dict[str, dict[str, float]] = {
    **{name: {"above": 0} for name in ("learning_rate", *CLIPPING)},
    **{name: {"least": 0, "below": 1} for name in ("momentum", "ema_momentum")},
    "weight_decay": {"least": 0},
}


def make_optimizer(
    optimizer: str | keras.optimizers.Optimizer,
    learning_rate: float | None = None,
    *,
    momentum: float | None = None,
    nesterov: bool | None = None,
    weight_decay: float | None = None,
    clipnorm: float | None = None,
    global_clipnorm: float | None = None,
    clipvalue: float | None = None,
    ema_momentum: float | None = None,
    schedule: str | Schedule | None = None,
    steps: int = 0,
    epochs: int = 1,
) -> keras.optimizers.Optimizer:
    """A new Keras optimizer. None is Keras' own default.

    Args:
        optimizer: "sgd", "adam", "adamw", "rmsprop" or "adagrad"; or a Keras optimizer, which is copied with all its
            settings: of those below only the schedule may be given with it.
        learning_rate: constant, or the peak of the schedule.
        momentum: of "sgd" and "rmsprop"; the others have none.
        nesterov: whether the momentum of "sgd" is Nesterov's (1983); True by default if there is a momentum.
        weight_decay: fraction of every weight that a step subtracts, times the learning rate (I. Loshchilov and
            F. Hutter, 2019).
        clipnorm, global_clipnorm, clipvalue: at most one of them, the limit of the gradient: of each weight's norm, of
            the norm of all together, or of each component.
        ema_momentum: keeps a running average of the weights, `ema_momentum * average + (1 - ema_momentum) * weights`
            after each step (B. Polyak, 1992); validation and the trained model have the averaged weights.
        schedule: name or object of `zoo.schedules`; constant by default.
        steps, epochs: of the training, for the schedule.

    Raises:
        ValueError, TypeError: a bad value, or settings that contradict each other.
    """
    settings: dict[str, Any] = {"learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov}
    settings |= {"weight_decay": weight_decay, "ema_momentum": ema_momentum}
    settings |= zip(CLIPPING, (clipnorm, global_clipnorm, clipvalue), strict=True)
    given = {name: value for name, value in settings.items() if value is not None}
    if isinstance(optimizer, keras.optimizers.Optimizer):
        for name, value in given.items():
            raise InvalidValue(
                f"{name}={value!r} with optimizer={type(optimizer).__name__}(...); give it to that object"
            )
        return _copied(optimizer, schedule, steps, epochs)
    if not isinstance(optimizer, str):
        raise InvalidType(
            f"optimizer={optimizer!r} must be a name such as 'adam' or an object such as keras' Adam(1e-3)"
        )
    check_choice("optimizer", optimizer, OPTIMIZERS)
    if learning_rate is None:
        raise InvalidValue(f"learning_rate=None with optimizer={optimizer!r}: give a number above 0")
    _check_momentum(optimizer, momentum, nesterov)
    for name, limits in RANGES.items():
        if name in given:
            check_number(name, given[name], **limits)
    clipping = [f"{name}={given[name]}" for name in CLIPPING if name in given]
    if len(clipping) > 1:
        raise InvalidValue(f"{' and '.join(clipping)}: give one of them; Keras clips by one")
    rate = schedule_of(schedule or "constant").rate(float(given.pop("learning_rate")), steps, epochs)
    given.pop("nesterov", None)
    if "momentum" in given and optimizer == "sgd":
        given["nesterov"] = nesterov is not False
    if "ema_momentum" in given:
        given["use_ema"] = True
    return OPTIMIZERS[optimizer](rate, **given)


def _copied(
    pattern: keras.optimizers.Optimizer, schedule: str | Schedule | None, steps: int, epochs: int
) -> keras.optimizers.Optimizer:
    config = pattern.get_config()
    if schedule is not None:
        peak = config["learning_rate"]
        if not isinstance(peak, float):
            raise InvalidValue(
                f"schedule={schedule!r} with optimizer={type(pattern).__name__}(...), which has one; give one of them"
            )
        config["learning_rate"] = schedule_of(schedule).rate(peak, steps, epochs)
    return type(pattern).from_config(config)


def _check_momentum(optimizer: str, momentum: float | None, nesterov: bool | None) -> None:
    if nesterov is not None and not isinstance(nesterov, bool):
        raise InvalidType(f"nesterov={nesterov!r} must be True, False or None")
    if nesterov and optimizer != "sgd":
        raise InvalidValue(f"nesterov=True with optimizer={optimizer!r}, which has none; leave it out or use 'sgd'")
    if momentum is not None and optimizer not in ("sgd", "rmsprop"):
        raise InvalidValue(f"momentum={momentum} with {optimizer=}, which has none; leave it out or use 'sgd'")
    if nesterov and not momentum:
        raise InvalidValue(f"nesterov=True with momentum={momentum}: it is a form of momentum; give that too")


def optimizer_space(hp: Any) -> dict[str, Any]:
    """The usual search: which optimizer, its learning rate, and momentum where it has one.

    Args:
        hp: a `keras_tuner.HyperParameters`.

    Returns:
        fields of a `Recipe` to replace.
    """
    fields: dict[str, Any] = {
        "optimizer": hp.Choice("optimizer", ["sgd", "adam", "adamw", "rmsprop"]),
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
        "momentum": None,
    }
    # Every draw enters the scope: KerasTuner discovers it that way. RMSprop has no momentum here: it would multiply
    # steps that already have the size of the learning rate by ten to a hundred.
    with hp.conditional_scope("optimizer", ["sgd"]):
        if fields["optimizer"] == "sgd":
            fields["momentum"] = hp.Float("momentum", 0.9, 0.99)
        else:
            fields["nesterov"] = None  # the recipe's own value is for SGD
    return fields


def narrow_space(hp: Any) -> dict[str, Any]:
    """For a dozen trials: `optimizer_space` with a factor of thirty around the usual learning rates.

    Nesterov's SGD needs rates about ten times those of the adaptive optimizers, so that each has its own range.
    """
    fields: dict[str, Any] = {
        "optimizer": hp.Choice("optimizer", ["sgd", "adam", "adamw", "rmsprop"]),
        "momentum": None,
    }
    # Every draw enters both scopes: KerasTuner discovers them that way.
    with hp.conditional_scope("optimizer", ["sgd"]):
        if fields["optimizer"] == "sgd":
            fields["learning_rate"] = hp.Float("sgd_learning_rate", 1e-2, 3e-1, sampling="log")
            fields["momentum"] = hp.Float("momentum", 0.9, 0.99)
    with hp.conditional_scope("optimizer", ["adam", "adamw", "rmsprop"]):
        if fields["optimizer"] != "sgd":
            fields["learning_rate"] = hp.Float("learning_rate", 1e-3, 3e-2, sampling="log")
    return fields


def decay_space(hp: Any) -> dict[str, Any]:
    """AdamW with weight decay, or SGD with momentum: for networks that learn images.

    The rates are for trials with as many epochs as the training: with few epochs, higher rates score better.
    """
    fields: dict[str, Any] = {"optimizer": hp.Choice("optimizer", ["adamw", "sgd"]), "momentum": None}
    # Every draw enters both scopes: KerasTuner discovers them that way.
    with hp.conditional_scope("optimizer", ["adamw"]):
        if fields["optimizer"] == "adamw":
            fields["learning_rate"] = hp.Float("learning_rate", 1e-3, 1e-2, sampling="log")
            fields["weight_decay"] = hp.Float("weight_decay", 0.01, 0.1, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        if fields["optimizer"] == "sgd":
            fields["learning_rate"] = hp.Float("sgd_learning_rate", 3e-2, 0.5, sampling="log")
            fields["momentum"] = hp.Float("momentum", 0.8, 0.97)
            fields["weight_decay"] = None
    return fields
