"""An answer from a picture and its mirror image: twice the work of one, the same weights (test-time augmentation).

In training both layers let pass what comes, so a step costs what it costs without them; `RandomFlip` is what shows a
network its mirror images there.

Source: A. Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NeurIPS 2012, which
averages over five crops and their reflections.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class WithMirrorImages(keras.layers.Layer):
    """(B, H, W, C) -> (2 B, H, W, C): the mirror images, left to right, after the images."""

    def call(self, x, training=False):
        return x if training else ops.concatenate([x, ops.flip(x, axis=2)], axis=0)


@keras.saving.register_keras_serializable(package="zoo")
class MeanOfMirrorImages(keras.layers.Layer):
    """(2 B, outputs) -> (B, outputs): of each image's answer and its mirror image's."""

    def call(self, x, training=False):
        return x if training else ops.mean(ops.reshape(x, (2, -1, x.shape[-1])), axis=0)
