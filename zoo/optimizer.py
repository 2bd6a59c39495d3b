"""Optimizers and learning-rate schedules by name, and the space that a search draws them from."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import keras

OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
}
SCHEDULES = ("constant", "cosine")


def make_optimizer(
    name: str, learning_rate: float, *, momentum: float | None = None, schedule: str = "constant", steps: int = 0
) -> keras.optimizers.Optimizer:
    """A new Keras optimizer.

    Args:
        name: "sgd", "adam", "adamw", "rmsprop" or "adagrad".
        learning_rate: constant, or the peak of the schedule.
        momentum: of "sgd" (Nesterov's form, 1983) and "rmsprop"; the others have none, and None is none.
        schedule: "constant", or "cosine": linear warm-up over a tenth of the steps, then down to zero along a half
            cosine (I. Loshchilov and F. Hutter, SGDR, ICLR 2017).
        steps: training steps in all, for the schedule.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer={name!r} is not known; it is one of {', '.join(map(repr, OPTIMIZERS))}")
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} is not known; it is one of {', '.join(map(repr, SCHEDULES))}")
    if not isinstance(learning_rate, numbers.Real) or not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate={learning_rate!r} must be a number above 0")
    options: dict[str, Any] = {}
    if momentum is not None:
        if name not in ("sgd", "rmsprop"):
            raise ValueError(f"momentum={momentum} with optimizer={name!r}, which has none; leave it out or use 'sgd'")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum={momentum} must lie in [0, 1)")
        options = {"momentum": momentum, "nesterov": True} if name == "sgd" else {"momentum": momentum}
    rate: Any = learning_rate
    if schedule == "cosine":
        warmup = max(1, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup), warmup_target=learning_rate, warmup_steps=warmup
        )
    return OPTIMIZERS[name](rate, **options)


def optimizer_space(hp: Any) -> dict[str, Any]:
    """The usual search: which optimizer, its learning rate, and momentum where it has one.

    Args:
        hp: a `keras_tuner.HyperParameters`.

    Returns:
        fields of a `Recipe` to replace.
    """
    fields: dict[str, Any] = {
        "optimizer": hp.Choice("optimizer", ["sgd", "adam", "adamw", "rmsprop"]),
        "momentum": None,
    }
    # Both scopes are entered in every draw, because that is how KerasTuner learns of them. Nesterov's SGD wants rates
    # some ten times those of the adaptive optimizers.
    with hp.conditional_scope("optimizer", ["sgd"]):
        if fields["optimizer"] == "sgd":
            fields["learning_rate"] = hp.Float("sgd_learning_rate", 1e-2, 3e-1, sampling="log")
            fields["momentum"] = hp.Float("momentum", 0.9, 0.99)
    with hp.conditional_scope("optimizer", ["adam", "adamw", "rmsprop"]):
        if fields["optimizer"] != "sgd":
            fields["learning_rate"] = hp.Float("learning_rate", 1e-3, 3e-2, sampling="log")
    return fields
