"""What a precision is: how the converter makes it, and what its files must hold."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

Samples = Callable[[], Iterator[Any]]


@dataclass(frozen=True)
class Precision:
    """One way of storing weights and computing.

    Attributes:
        summary: a line for people.
        configure: sets a `tf.lite.TFLiteConverter` up; `samples` gives one calibration input after the other.
        calibrated: whether it needs such samples.
        older_quantizer: whether TensorFlow's older quantizer can do it; see zoo/conversion/child.py.
        weights: the type that some weights must have in the file, as TFLite names it; any where it is empty.
        real_start: whether what treats each feature by itself may stay in float32 at the start of a file, and
            integer_codes: whether the codes of categories come behind that, so that their embeddings are integers.
        real_end: whether the last layer may, where a file gives values; see zoo/conversion/parts.py.
        real_ops: which operators may still give float32, or None where all may.
        drop, difference, mean_difference: the default bounds, see `zoo.Bounds`.
    """

    summary: str
    configure: Callable[[Any, Samples], None]
    drop: float
    difference: float
    mean_difference: float
    calibrated: bool = False
    older_quantizer: bool = False
    weights: str = ""
    real_start: bool = False
    integer_codes: bool = True
    real_end: bool = False
    real_ops: Collection[str] | None = None
