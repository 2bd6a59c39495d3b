"""dynamic: int8 weights, activations quantized at run time; needs no calibration, does not run on LiteRT Micro."""

from zoo.exporting.precision import Precision

PRECISION = Precision(
    "weights in int8, ranges of activations taken while it runs", rank=30,
    drop=0.01, difference=0.5, mean_difference=0.01,
    weights="INT8",
)  # fmt: skip
