"""What the tests know of each builder family: one file a family, found by existing.

A file holds `FAMILY`. tests/test_models.py, test_conversion.py and test_model_pages.py check every family by it, and
benchmarks/model_pages.py measures its typical calls.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Grid:
    """Models that the contract is checked on: every combination of these may be drawn."""

    builder: str
    shapes: tuple[tuple, ...]
    arguments: dict[str, Any]
    knobs: dict[str, tuple]
    conditions: dict[tuple, dict[str, Any]] = field(default_factory=dict)  # further arguments for a shape
    activations: tuple[str, ...] = (
        *("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softmax", "prelu"),
    )
    zero_gradients: tuple[str, ...] = ()  # weights without an effect, such as a bias before batch normalization


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        reads, purpose: its input and its use, for the table of docs/models/README.md.
        calls: typical calls for its page's table, each with the strategy of its files; the smallest one first.
        grids: for the contract.
        golden: builder -> calls, (input_shape, arguments); their weights are in tests/golden/<builder>.json.
        parameters: calls with the number of parameters, worked out by hand.
        exports: name -> a small model; its float32 and int8 files are compared to Keras.
        small: builder -> a small call, (input_shape, arguments), to which each shared knob is added.
        formula: (weights, inputs) -> logits in NumPy, for the model of `formula_call`.
    """

    reads: str
    purpose: str
    calls: list[tuple[str, str]]
    grids: dict[str, Grid]
    golden: dict[str, list[tuple[tuple, dict[str, Any]]]]
    parameters: list[tuple[str, int]]
    exports: dict[str, Callable[[], Any]]
    small: dict[str, tuple[tuple, dict[str, Any]]]
    formula_call: str = ""
    formula: Callable[[list, Any], Any] | None = None


SPATIAL = {"spatial_dropout": (0.0, 0.3), "normalization": (None, "batch", "layer")}
RECURRENT = {
    "cell": ("simple", "lstm", "gru"),
    "bidirectional": (False, True),
    "head": ("last", "pool", "attention"),
    "recurrent_regularizer": (None, "l1"),
    "recurrent_dropout": (0.0, 0.2),
}
PICTURES = ((8, 8, 2), (12, 3))


def families() -> dict[str, Family]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}").FAMILY for name in names}
