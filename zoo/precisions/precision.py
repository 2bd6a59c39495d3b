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
        real_preamble: whether what prepares each feature by itself may stay in float32 at the start of a file.
        integer_input: whether what comes behind that may begin with integers, the codes of categories say.
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
    real_preamble: bool = False
    integer_input: bool = True
    real_ops: Collection[str] | None = None
