"""Recurrent layers as a WHILE loop: any number of steps in a file that does not grow; float and dynamic int8 only.

Runs one sample at a time, because a loop over tensor lists needs a fixed batch, and about half as fast as unrolled.
"""

import keras

from zoo.exporting.inference import inference_model
from zoo.exporting.precisions import PRECISIONS


def refusal(model: keras.Model, precision: str) -> str | None:
    if PRECISIONS[precision].calibrated:
        return (
            f"the converter cannot calibrate a loop for {precision} (it crashes); float32, float16, dynamic can be had"
        )
    return None


def convertible(model: keras.Model, output: keras.layers.Layer | None) -> keras.Model:
    return inference_model(model, output)
