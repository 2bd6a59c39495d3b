"""How recurrent layers become ops of a plain interpreter: each module of this folder is one strategy.

A module has
- `RANK`: its position in tables and lists, lowest first; `NAME`, where the strategy is not called as the module,
- `refusal(model, precision)`: why it cannot convert a model, or None,
- `convertible(model, output)`: the model that the converter reads,
- `preference(steps, target)`: the default tries strategies with the lowest number first, and never those with None.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.base.keras_internals import is_graph
from zoo.exporting.inference import recurrent_layers

_modules: list[Any] = [
    importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
]
STRATEGIES = {
    getattr(module, "NAME", module.__name__.rpartition(".")[2]): module
    for module in sorted(_modules, key=lambda module: module.RANK)
}
Strategy: TypeAlias = str | Mapping[str, str]  # for all precisions, or by precision; "auto" for those left out


def choose(model: keras.Model, precision: str, strategy: Strategy = "auto", target: str = "litert") -> str | None:
    """The strategy for a model and a precision; None if the model has no recurrent layer.

    Raises ValueError: an unknown strategy, or one that is impossible here, with the reason.
    """
    if isinstance(strategy, Mapping):
        strategy = strategy.get(precision, "auto")
    check_choice("strategy", strategy, ["auto", *STRATEGIES])
    if strategy != "auto" and not is_graph(model):
        raise InvalidValue(
            f"strategy={strategy!r} rewrites recurrent layers, and {model.name} is a {type(model).__name__}, whose "
            "layers cannot be replaced; make it a Functional or Sequential model, or leave the strategy at 'auto'"
        )
    if not is_graph(model) or not recurrent_layers(model):
        if strategy != "auto":
            raise InvalidValue(f"strategy={strategy!r}: {model.name} has no recurrent layer; leave it at 'auto'")
        return None
    if strategy != "auto":
        if reason := STRATEGIES[strategy].refusal(model, precision):
            raise InvalidValue(f"strategy={strategy!r} is impossible in {precision}: {reason}")
        return strategy
    steps = model.inputs[0].shape[1] or 0
    preferences = {name: module.preference(steps, target) for name, module in STRATEGIES.items()}
    automatic = sorted((n for n in preferences if preferences[n] is not None), key=lambda name: preferences[name])
    reasons = {}
    for name in automatic:
        reasons[name] = STRATEGIES[name].refusal(model, precision)
        if reasons[name] is None:
            return name
    others = [n for n in STRATEGIES if n not in automatic and STRATEGIES[n].refusal(model, precision) is None]
    raise InvalidValue(
        f"{model.name} cannot become {precision} for {target}: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        + "".join(f". strategy={name!r} can, see docs/export.md" for name in others)
    )
