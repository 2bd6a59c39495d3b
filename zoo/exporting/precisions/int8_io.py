"""int8_io: int8 throughout, input and output too: what microcontrollers without a float unit want."""

from zoo.exporting.precisions import int8
from zoo.exporting.precisions.precision import Precision


def configure(converter, samples):
    import tensorflow as tf

    int8.configure(converter, samples)
    # A file has one setting for all its inputs and outputs; integer ones (tokens) stay what they are.
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


# DEQUANTIZE before a mask of padded sequences, QUANTIZE behind it; otherwise there is no real number anywhere.
PRECISION = Precision(
    "int8 throughout, int8 input and output, for microcontrollers", configure,
    drop=0.01, difference=0.5, mean_difference=0.015, calibrated=True, older_quantizer=True,
    real_ops={*int8.EDGES, *int8.MASK},
)  # fmt: skip
