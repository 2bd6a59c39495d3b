"""Layer normalization that can be quantized."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class IntegerLayerNormalization(keras.layers.LayerNormalization):
    """keras.layers.LayerNormalization without the negation of Keras' formula, which has no int8 kernel."""

    def call(self, inputs, mask=None):
        x = inputs - ops.mean(inputs, axis=self.axis, keepdims=True)
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=self.axis, keepdims=True) + self.epsilon)
        shape = [inputs.shape[i] if i in self._axes(inputs) else 1 for i in range(len(inputs.shape))]
        if self.scale:
            x = x * ops.reshape(self.gamma, shape)
        return x + ops.reshape(self.beta, shape) if self.center else x

    def _axes(self, inputs):
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        return [axis % len(inputs.shape) for axis in axes]
