"""Recurrent layers with every step written out: builtin ops, any batch size, static int8. Files grow with the steps.

A loop would become a WHILE over tensor lists, which the converter cannot quantize with calibration data (it crashes).
"""

import keras
from keras import ops

from zoo.exporting.inference import RECURRENT, inference_model, rebuilt, recurrent_layers
from zoo.exporting.steps import projected, step

RANK = 10
SHORT = 64  # steps; up to here it is the fastest strategy, and the file stays small
LONG = 512  # steps; beyond, the converter needs minutes


def preference(steps: int, target: str) -> int | None:
    if steps <= SHORT:
        return 5
    return 20 if steps <= LONG and target != "micro" else None


def refusal(model: keras.Model, precision: str) -> str | None:
    if model.inputs[0].shape[1] is None:
        return "the number of steps is open, and each of them is written out; give the model's Input a fixed number"
    for layer in recurrent_layers(model):
        if layer.return_state or layer.stateful:
            return f"{layer.name} is stateful or returns its state"
    return None


def convertible(model: keras.Model, output: keras.layers.Layer | None) -> keras.Model:
    return inference_model(model, output, lambda layer: rebuilt(layer, UNROLLED))


class _Unrolled:
    """Replaces the loop of a recurrent layer."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        order = range(sequences.shape[1])
        states, inputs = None, projected(self, sequences)
        mask = None if mask is None else ops.cast(mask, sequences.dtype)
        outputs = []
        for t in reversed(order) if self.go_backwards else order:
            states = step(self, inputs[t], states, None if mask is None else mask[:, t : t + 1])
            outputs.append(states[0])
        return ops.stack(outputs, axis=1) if self.return_sequences else outputs[-1]


UNROLLED = {
    kind: keras.saving.register_keras_serializable("zoo")(type(f"Unrolled{kind.__name__}", (_Unrolled, kind), {}))
    for kind in RECURRENT
}
