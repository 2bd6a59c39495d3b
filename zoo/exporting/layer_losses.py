"""The errors of a model's layers in int8, by TensorFlow's QuantizationDebugger."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.errors import InvalidValue
from zoo.base.files import read_json
from zoo.exporting.conversion import choose, convert
from zoo.exporting.strategies import Strategy


@dataclass(frozen=True)
class LayerLoss:
    """The largest error of a layer's ops: root mean square error of an output, in units of its int8 scale.

    Rounding alone gives 1 / sqrt(12) = 0.29; a layer above 0.7 deserves attention.
    """

    layer: str
    ops: tuple[str, ...]
    error: float


def measured_layer_losses(
    model: keras.Model,
    calibration: np.ndarray,
    *,
    output: keras.layers.Layer | None,
    strategy: Strategy,
    values: bool = False,
) -> list[LayerLoss]:
    """The layers of a model in int8, the largest error first, on the calibration samples (n, *input_shape).

    Layers that stay in float32 are missing: with `values`, the last one.

    Raises ValueError or CheckFailed if the model cannot be converted to int8 with this strategy.
    """
    chosen = choose(model, "int8", strategy)
    if chosen == "streaming":
        raise InvalidValue("the debugger does not support the several inputs of a streaming model; compare it unrolled")
    job: Any = {"output": output, "output_name": "output", "strategies": {"int8": chosen}, "calibration": calibration}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        convert(model, Path(folder), **job, values=values, compare=True)
        rows = read_json(Path(folder) / "layers.json")
    errors: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        error = float(np.sqrt(float(row["mean_squared_error"]))) / float(row["scale"])
        errors.setdefault(_layer_of(row["tensor_name"]), []).append((row["op_name"], error))
    losses = [
        LayerLoss(layer, tuple(sorted({op for op, _ in ops})), max(error for _, error in ops))
        for layer, ops in errors.items()
    ]
    return sorted(losses, key=lambda loss: -loss.error)


def _layer_of(tensor: str) -> str:
    """The layer in a tensor's name: model_1/conv2d_1/Relu;model_1/... -> conv2d."""
    parts = tensor.partition(";")[0].split("/")
    named = [part for part in parts[:-1] if not re.fullmatch(r"(model|functional|sequential)(_\d+)?", part)]
    return re.sub(r"_1$", "", named[0]) if named else "output"
