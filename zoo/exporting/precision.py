"""What a precision is: how the converter makes it, and which checks its files must pass."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

CalibrationInputs = Callable[[], Iterator[Any]]


@dataclass(frozen=True)
class Precision:
    """One way of storing weights and computing.

    Attributes:
        summary: one line for users; it is written into the files.
        rank: the position in tables and lists, lowest first.
        quantized, calibrated: whether weights are smaller than float32; whether the converter needs calibration inputs.
        ops, types, edges: of `tf.lite.OpsSet` or `tf`: the allowed ops, types of weights, type of inputs and outputs.
        older_quantizer: whether TensorFlow's older quantizer supports it; see zoo/exporting/child.py.
        weights: a type that some weights must have in the file, as TFLite names it; empty for no such check.
        float_prefix: whether ops that treat each feature separately may stay in float32 at the start of a file.
        integer_codes: whether integer category codes are excluded from that prefix, so that embeddings are quantized.
        float_suffix: whether the last layer may stay in float32 if the outputs are values; see parts.py.
        float_ops: the operators that may output float32 elsewhere; None for all.
        drop, difference, mean_difference: the default bounds, see `zoo.Bounds`.
    """

    summary: str
    rank: int
    drop: float
    difference: float
    mean_difference: float
    quantized: bool = True
    calibrated: bool = False
    ops: Sequence[str] = ("TFLITE_BUILTINS",)  # ops that only TensorFlow has raise an error
    types: Sequence[str] = ()
    edges: str = ""
    older_quantizer: bool = False
    weights: str = ""
    float_prefix: bool = False
    integer_codes: bool = True
    float_suffix: bool = False
    float_ops: Collection[str] | None = None

    def configure(self, converter: Any, inputs: CalibrationInputs) -> None:
        """Configures a `tf.lite.TFLiteConverter`; `inputs` yields calibration inputs."""
        import tensorflow as tf

        if self.quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if self.calibrated:
            converter.representative_dataset = inputs
        converter.target_spec.supported_ops = [tf.lite.OpsSet[name] for name in self.ops]
        converter.target_spec.supported_types = [getattr(tf, name) for name in self.types]
        if self.edges:  # one setting for all; integer inputs (tokens) keep their type
            converter.inference_input_type = converter.inference_output_type = getattr(tf, self.edges)
