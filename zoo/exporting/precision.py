"""What a precision is: how the converter makes it, and which checks its files must pass."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

CalibrationInputs = Callable[[], Iterator[Any]]


@dataclass(frozen=True)
class Precision:
    """One way of storing weights and computing.

    Attributes:
        summary: one line for users; it is written into the files.
        configure: configures a `tf.lite.TFLiteConverter`; the second argument yields calibration inputs.
        rank: the position in tables and lists, lowest first.
        calibrated: whether the converter needs calibration inputs.
        older_quantizer: whether TensorFlow's older quantizer supports it; see zoo/exporting/child.py.
        weights: a type that some weights must have in the file, as TFLite names it; empty for no such check.
        float_prefix: whether ops that treat each feature separately may stay in float32 at the start of a file.
        integer_codes: whether integer category codes are excluded from that prefix, so that embeddings are quantized.
        float_suffix: whether the last layer may stay in float32 if the outputs are values; see parts.py.
        float_ops: the operators that may output float32 elsewhere; None for all.
        drop, difference, mean_difference: the default bounds, see `zoo.Bounds`.
    """

    summary: str
    configure: Callable[[Any, CalibrationInputs], None]
    rank: int
    drop: float
    difference: float
    mean_difference: float
    calibrated: bool = False
    older_quantizer: bool = False
    weights: str = ""
    float_prefix: bool = False
    integer_codes: bool = True
    float_suffix: bool = False
    float_ops: Collection[str] | None = None
