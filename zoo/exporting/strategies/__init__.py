"""How recurrent layers become ops that a plain interpreter has: STRATEGIES, and which one is right by itself."""

from collections.abc import Mapping
from typing import TypeAlias

import keras

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.exporting.inference import recurrent_layers
from zoo.exporting.strategies import fused, streaming, unrolled, while_loop

STRATEGIES = {"unrolled": unrolled, "fused": fused, "while": while_loop, "streaming": streaming}

SHORT = 64  # steps up to which unrolled is the fastest, at a size that nobody minds
LONG = 512  # steps beyond which the converter takes minutes to unroll


Strategy: TypeAlias = str | Mapping[str, str]  # of all precisions, or by precision; "auto" for those left out


def choose(model: keras.Model, precision: str, strategy: Strategy = "auto", target: str = "litert") -> str | None:
    """The strategy for a model and a precision; None where the model has no recurrent layer.

    Raises:
        ValueError: an unknown strategy, or one that is impossible here, with the reason.
    """
    if isinstance(strategy, Mapping):
        strategy = strategy.get(precision, "auto")
    check_choice("strategy", strategy, ["auto", *STRATEGIES])
    if not is_graph(model):
        if strategy != "auto":
            raise InvalidValue(
                f"strategy={strategy!r} rewrites recurrent layers, and {model.name} is a {type(model).__name__}, whose "
                "layers cannot be replaced; make it a Functional or Sequential model, or leave the strategy at 'auto'"
            )
        return None
    if not recurrent_layers(model):
        if strategy != "auto":
            raise InvalidValue(f"strategy={strategy!r}: {model.name} has no recurrent layer; leave it at 'auto'")
        return None
    if strategy != "auto":
        if reason := STRATEGIES[strategy].refusal(model, precision):
            raise InvalidValue(f"strategy={strategy!r} is impossible in {precision}: {reason}")
        return strategy
    reasons = {}
    for name in _in_order(model.inputs[0].shape[1] or 0, target):
        reason = STRATEGIES[name].refusal(model, precision)
        if reason is None:
            return name
        reasons[name] = reason
    raise InvalidValue(
        f"{model.name} cannot become {precision} for {target}: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        + (". strategy='streaming' can: one step a call, state in and out" if not _streaming(model, precision) else "")
    )


def is_graph(model: keras.Model) -> bool:
    """Whether its layers can be replaced: Functional or Sequential, not subclassed."""
    return isinstance(model, keras.Sequential) or (
        hasattr(model, "operations") and hasattr(model, "input_spec") and type(model).__name__ == "Functional"
    )


def _in_order(steps: int, target: str) -> list[str]:
    """What to try first; streaming is never chosen by itself, because it is called in another way."""
    if target == "micro":
        return ["fused", *(["unrolled"] if steps <= SHORT else []), "while"]
    if steps <= SHORT:
        return ["unrolled", "while"]
    return ["while", *(["fused"] if target == "litert" else []), *(["unrolled"] if steps <= LONG else [])]


def _streaming(model: keras.Model, precision: str) -> str | None:
    return streaming.refusal(model, precision)
