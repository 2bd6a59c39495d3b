"""int16x8: weights in int8, activations in int16: float's accuracy, int8's size, slow where no kernel is tuned."""

from zoo.exporting.precisions.precision import Precision


def configure(converter, samples):
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]


PRECISION = Precision(
    "weights in int8, activations in int16, float32 input and output", configure,
    drop=0.005, difference=0.25, mean_difference=0.005, calibrated=True,
    real_start=True, integer_codes=False, real_ops={"QUANTIZE", "DEQUANTIZE"},
)  # fmt: skip
