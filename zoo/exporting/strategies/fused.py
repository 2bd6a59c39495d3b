"""LSTM layers as one op each, UNIDIRECTIONAL_SEQUENCE_LSTM: the smallest int8 files, and the fastest on LiteRT Micro.

The converter creates that op from a function that Keras 2 marked as its standard LSTM (`prepare-composite-functions` in
TensorFlow's converter reads the attribute `api_implements`). Keras 3 no longer marks it, so this module does. The op
keeps its state from one invoke to the next: the Runner resets it (`reset_all_variables`), and so must your own code.
LiteRT.js and the C library do not support the op, because of its variable tensors.
"""

import keras
import tensorflow as tf

from zoo.exporting.inference import inference_model, rebuilt, recurrent_layers

RANK = 20


def preference(steps: int, target: str) -> int | None:
    return {"micro": 0, "litert": 15}.get(target)


def refusal(model: keras.Model, precision: str) -> str | None:
    if model.inputs[0].shape[1] is None:
        return "the number of steps is open; give the model's Input a fixed number"
    if precision == "int16x8":
        return "the converter has no int16 activations for this op"
    for layer in recurrent_layers(model):
        if not isinstance(layer, keras.layers.LSTM):
            return f"{layer.name} is a {type(layer).__name__}; TFLite has this op for LSTM only"
        activations = (layer.cell.activation.__name__, layer.cell.recurrent_activation.__name__)
        if activations != ("tanh", "sigmoid") or not layer.use_bias:
            return f"{layer.name} has activations {activations}; the op computes tanh and sigmoid, with biases"
        if layer.stateful or layer.return_state:
            return f"{layer.name} is stateful or returns its state, which the op does not output"
    return None


def convertible(model: keras.Model, output: keras.layers.Layer | None) -> keras.Model:
    return inference_model(model, output, lambda layer: rebuilt(layer, {keras.layers.LSTM: FusedLSTM}))


@keras.saving.register_keras_serializable("zoo")
class FusedLSTM(keras.layers.LSTM):
    """An LSTM whose graph the converter turns into the op. A mask may only cover the end of a sequence."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        lengths = None if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)  # (B,)

        def backwards(x):
            if lengths is None:
                return tf.reverse(x, [1])
            # Reverses the valid steps of each sequence; padding stays at the end. REVERSE_SEQUENCE has no int8 kernel.
            steps, length = tf.range(tf.shape(x)[1]), lengths[:, None]
            return tf.gather(x, tf.where(steps < length, length - 1 - steps, steps), axis=1, batch_dims=1)

        outputs = self._marked(backwards(sequences) if self.go_backwards else sequences)  # (B, T, units)
        if self.return_sequences:  # a backward layer's outputs start with the padding, as in Keras
            return tf.reverse(backwards(outputs), [1]) if self.go_backwards and lengths is not None else outputs
        if lengths is None:
            return outputs[:, -1]
        # The last valid step; index 0 is the initial state. Selecting it by a product with a one-hot vector instead
        # costs 19 points of accuracy in int8.
        outputs = tf.concat([tf.zeros_like(outputs[:, :1]), outputs], axis=1)
        return tf.gather(outputs, lengths, axis=1, batch_dims=1)

    def _marked(self, sequences):
        attributes = {"api_implements": f"lstm_{self.name}", "api_preferred_device": "CPU"}
        attributes |= {"time_major": False, "go_backwards": False}
        function = tf.function(_standard_lstm, autograph=False, experimental_attributes=attributes)
        zeros = tf.zeros([tf.shape(sequences)[0], self.units], sequences.dtype)
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        return function(sequences, zeros, zeros, *(tf.convert_to_tensor(w.value) for w in weights))[1]


def _standard_lstm(sequences, h, c, kernel, recurrent_kernel, bias):
    """Has the inputs and the five outputs of Keras 2's function; the converter replaces the second output by the op."""
    steps = []
    for x in tf.unstack(sequences, axis=1):  # a scan would not convert
        i, f, g, o = tf.split(tf.matmul(x, kernel) + tf.matmul(h, recurrent_kernel) + bias, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        steps.append(h)
    return h, tf.stack(steps, axis=1), h, c, tf.constant(1.0, name="runtime")
