"""float16: weights in half the bytes; computes in float32, or in float16 on GPUs that support it."""

from zoo.exporting.precision import Precision

PRECISION = Precision(
    "weights in float16, computed in float32", rank=20, types=("float16",),
    drop=0.002, difference=0.05, mean_difference=1e-3,
    weights="FLOAT16",
)  # fmt: skip
