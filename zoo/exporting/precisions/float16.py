"""float16: weights in half the bytes; computes in float32, or in float16 on GPUs that support it."""

from zoo.exporting.precision import Precision


def configure(converter, inputs):
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


PRECISION = Precision(
    "weights in float16, computed in float32", configure, rank=20,
    drop=0.002, difference=0.05, mean_difference=1e-3,
    weights="FLOAT16",
)  # fmt: skip
