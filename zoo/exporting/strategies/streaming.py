"""One step of a recurrent model, with its state as further inputs and outputs: any length at a constant size.

The file reads `input` (1, features) and `state_0`, `state_1`, ... (1, units). It returns the output after this step
and `next_state_0`, ..., the states for the next call. A sequence starts from zero states. `zoo.Runner` does this.
"""

import keras

from zoo.exporting.inference import RECURRENT, as_loop, inference_model, layers_of, recurrent_layers
from zoo.exporting.steps import projected, state_sizes, step

RANK = 40
# Layers that treat each step separately. All layers before the last recurrent one must, because only one step is there.
PER_STEP = tuple(
    getattr(keras.layers, name)
    for name in """
    InputLayer Dense Embedding Masking Rescaling Normalization BatchNormalization LayerNormalization
    Activation ReLU LeakyReLU ELU Identity TimeDistributed Add Multiply Concatenate
    """.split()  # noqa: SIM905
)


def preference(steps: int, target: str) -> int | None:
    return None  # never chosen automatically, because such a file is called differently


def refusal(model: keras.Model, precision: str) -> str | None:
    if any(isinstance(layer, keras.layers.Bidirectional) for layer in layers_of(model)):
        return "a bidirectional layer reads the sequence from its end, which a stream does not have"
    for layer in recurrent_layers(model):
        if layer.go_backwards or layer.return_state or layer.stateful:
            return f"{layer.name} goes backwards, is stateful or returns its state"
    for layer in layers_of(inference_model(model)):
        in_time = len(layer.output.shape) > 2 or any(len(x.shape) > 2 for x in keras.tree.flatten(layer.input))
        if in_time and not isinstance(layer, (*PER_STEP, *RECURRENT)):
            return f"{layer.name} ({type(layer).__name__}) reads several steps at once"
    return None


def convertible(model: keras.Model, output: keras.layers.Layer | None) -> "StreamingModel":
    shape = (None, *model.inputs[0].shape[2:])
    return StreamingModel(inference_model(model, output, lambda layer: SingleStep(as_loop(layer)), shape))


class StreamingModel:
    """`model`, called with one step at a time."""

    def __init__(self, model: keras.Model):
        self.model = model
        self.layers = [layer for layer in layers_of(model) if isinstance(layer, SingleStep)]
        self.state_sizes = [size for layer in self.layers for size in layer.sizes]

    def __call__(self, x, states):
        """(B, 1, features), the states (B, units) -> outputs (B, n) or (B, 1, n), the next states."""
        states = iter(states)
        for layer in self.layers:
            layer.state = [next(states) for _ in layer.sizes]
        return self.model(x, training=False), [state for layer in self.layers for state in layer.state]


class SingleStep(keras.layers.Layer):
    """A recurrent layer that computes a single step from `state` and stores the next state there."""

    def __init__(self, layer: keras.layers.Layer):
        super().__init__(name=layer.name)
        self.layer, self.supports_masking = layer, True
        self.sizes = state_sizes(layer)
        self.state: list = []

    def build(self, shape):
        self.layer.build(shape)

    def compute_output_shape(self, shape):
        return (*shape[:2], self.layer.units) if self.layer.return_sequences else (shape[0], self.layer.units)

    def compute_mask(self, _, mask=None):
        return mask if self.layer.return_sequences else None

    def call(self, sequence, mask=None):
        mask = None if mask is None else keras.ops.cast(mask[:, :1], sequence.dtype)
        self.state = step(self.layer, projected(self.layer, sequence)[0], self.state, mask)
        return self.state[0][:, None] if self.layer.return_sequences else self.state[0]
