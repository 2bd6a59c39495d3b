"""int8_io: int8 throughout, inputs and outputs included: for microcontrollers without a floating-point unit."""

from zoo.exporting.precision import Precision
from zoo.exporting.precisions import int8

# Only the mask of padded sequences computes in float, between DEQUANTIZE and QUANTIZE.
PRECISION = Precision(
    "int8 throughout, int8 input and output, for microcontrollers", rank=50, ops=int8.OPS, edges="int8",
    drop=0.01, difference=0.5, mean_difference=0.015, calibrated=True, older_quantizer=True,
    float_ops={*int8.EDGES, *int8.MASK},
)  # fmt: skip
