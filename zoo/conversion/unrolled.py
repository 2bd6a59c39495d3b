"""Recurrent layers, every step written out: builtin ops only, any batch size, static int8. The file grows with steps.

Left as a loop, a recurrent layer becomes a WHILE over tensor lists, which the converter cannot quantize with
calibration data (it crashes) and which needs Select-TF ops or a batch of one.
"""

import keras

RECURRENT = (keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)


def unrolled(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer without a loop, and without dropout, whose variables the converter cannot freeze."""
    config = {**layer.get_config(), "name": None, "dropout": 0.0, "recurrent_dropout": 0.0, "unroll": True}
    return type(layer).from_config(config)
