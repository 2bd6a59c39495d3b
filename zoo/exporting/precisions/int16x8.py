"""int16x8: int8 weights, int16 activations: close to float32 in accuracy, the size of int8, slow on most CPUs."""

from zoo.exporting.precision import Precision

PRECISION = Precision(
    "weights in int8, activations in int16, float32 input and output", rank=60,
    ops=("EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8",),
    drop=0.005, difference=0.25, mean_difference=0.005, calibrated=True,
    float_prefix=True, integer_codes=False, float_ops={"QUANTIZE", "DEQUANTIZE"},
)  # fmt: skip
