"""int8: computes in integers, with float32 inputs and outputs. It runs on every LiteRT runtime, browsers included.

Two parts may stay in float32: ops at the start that treat each feature separately, where one scale for all features
would be too coarse, and the last layer of values, because int8 has only 256 output levels.
"""

from zoo.exporting.precision import Precision

EDGES = ("QUANTIZE", "DEQUANTIZE")  # float32 input to int8 and back
# Ops without an int8 kernel, such as the mask of padded sequences, stay in float; `float_ops` limits which.
OPS = ("TFLITE_BUILTINS_INT8", "TFLITE_BUILTINS")
MASK = ("CAST", "SIGN", "SQUARE")  # of padded sequences

PRECISION = Precision(
    "int8, float32 input and output", rank=40, ops=OPS,
    drop=0.01, difference=0.5, mean_difference=0.01, calibrated=True, older_quantizer=True,
    float_prefix=True, float_suffix=True, float_ops={*EDGES, *MASK},
)  # fmt: skip
