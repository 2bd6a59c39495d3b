"""int8: computes in integers, takes and gives float32. The portable one: every LiteRT, browsers too.

Float32 too is what treats each feature by itself at the start, where one scale for all would ruin it, and the last
layer of values, of which integers would tell but 256 apart.
"""

from zoo.exporting.precisions.precision import Precision

EDGES = ("QUANTIZE", "DEQUANTIZE")  # from float32 input to int8 and back
MASK = ("CAST", "SIGN", "SQUARE")  # of padded sequences


def configure(converter, samples):
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    # What has no integers, such as the mask of padded sequences, may stay what it is; `real_ops` says what is too much.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]


PRECISION = Precision(
    "int8, float32 input and output", configure,
    drop=0.01, difference=0.5, mean_difference=0.01, calibrated=True, older_quantizer=True,
    real_start=True, real_end=True, real_ops={*EDGES, *MASK},
)  # fmt: skip
