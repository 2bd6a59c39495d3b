"""Recurrent layers as a WHILE loop: any number of steps in a file of constant size; float and dynamic int8 only.

It runs one sample at a time, because a loop over tensor lists needs a fixed batch, at about half the speed of unrolled.
"""

import keras

from zoo.exporting.inference import inference_model
from zoo.exporting.precisions import PRECISIONS

NAME = "while"  # not a name that a module can have
RANK = 30


def preference(steps: int, target: str) -> int | None:
    return 10


def refusal(model: keras.Model, precision: str) -> str | None:
    if PRECISIONS[precision].calibrated:
        return f"the converter cannot calibrate a loop for {precision} (it crashes); use float32, float16 or dynamic"
    return None


def convertible(model: keras.Model, output: keras.layers.Layer | None) -> keras.Model:
    return inference_model(model, output)
