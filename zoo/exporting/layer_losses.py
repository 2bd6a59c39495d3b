"""Which layers lose most when a model becomes int8, by TensorFlow's own QuantizationDebugger."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from zoo.base.errors import InvalidValue
from zoo.base.files import read_json
from zoo.exporting.conversion import choose, convert
from zoo.exporting.strategies import Strategy


@dataclass(frozen=True)
class LayerLoss:
    """A layer's worst op: root mean square error of its output, in steps of its int8 scale.

    Rounding alone gives 1 / sqrt(12) = 0.29; above 0.7 a layer is worth a look.
    """

    layer: str
    ops: tuple[str, ...]
    error: float


def layer_losses(
    model: keras.Model,
    calibration: np.ndarray,
    *,
    output: keras.layers.Layer | None,
    strategy: Strategy,
    values: bool = False,
) -> list[LayerLoss]:
    """The layers of a model in int8, the worst first, on the samples it is calibrated with, (n, *input_shape).

    What stays in float32 is not among them; with `values`, the last one.

    Raises ValueError or CheckFailed where the model has no int8 form with this strategy.
    """
    chosen = choose(model, "int8", strategy)
    if chosen == "streaming":
        raise InvalidValue(
            "a streaming model has several inputs, which the debugger cannot be given; compare it unrolled"
        )
    folder = Path(tempfile.mkdtemp())
    try:
        convert(
            model,
            folder,
            output=output,
            output_name="output",
            strategies={"int8": chosen},
            calibration=calibration,
            values=values,
            compare=True,
        )
        rows = read_json(folder / "layers.json")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        error = float(np.sqrt(float(row["mean_squared_error"]))) / float(row["scale"])
        found.setdefault(_layer_of(row["tensor_name"]), []).append((row["op_name"], error))
    losses = [
        LayerLoss(layer, tuple(sorted({op for op, _ in ops})), max(error for _, error in ops))
        for layer, ops in found.items()
    ]
    return sorted(losses, key=lambda loss: -loss.error)


def _layer_of(tensor: str) -> str:
    """The layer in a tensor's name: model_1/conv2d_1/Relu;model_1/... -> conv2d."""
    parts = tensor.partition(";")[0].split("/")
    named = [part for part in parts[:-1] if not re.fullmatch(r"(model|functional|sequential)(_\d+)?", part)]
    return re.sub(r"_1$", "", named[0]) if named else "output"
