"""Test-time augmentation (flip, shift) inside the model: averages the outputs over several views of an image.

In training both layers return their input unchanged, so a step costs no more. `RandomFlip` and `RandomTranslation`
show the network such views in training.

Source: A. Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NeurIPS 2012, which
averages over five crops and their reflections.
"""

import keras
from keras import ops

from zoo.models.saving import saved


@saved
class Views(keras.layers.Layer):
    """(B, H, W, C) -> (count * B, H, W, C): the images first, their flips last.

    Args:
        mirrored: whether to add the horizontal flip of each view.
        shifted: whether to add shifts by one pixel up, down, left and right; the edge is repeated.
    """

    def __init__(self, mirrored: bool = False, shifted: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.mirrored, self.shifted = mirrored, shifted

    @property
    def count(self) -> int:
        return (2 if self.mirrored else 1) * (5 if self.shifted else 1)

    def call(self, x, training=False):
        if training:
            return x
        views = [x]
        if self.shifted:
            views += [
                ops.concatenate([x[:, 1:], x[:, -1:]], axis=1),
                ops.concatenate([x[:, :1], x[:, :-1]], axis=1),
                ops.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2),
                ops.concatenate([x[:, :, :1], x[:, :, :-1]], axis=2),
            ]
        if self.mirrored:
            views += [ops.flip(view, axis=2) for view in views]
        return ops.concatenate(views, axis=0)


@saved
class MeanOfViews(keras.layers.Layer):
    """(count * B, outputs) -> (B, outputs): the mean over the views of each image."""

    def __init__(self, count: int, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def call(self, x, training=False):
        return x if training else ops.mean(ops.reshape(x, (self.count, -1, x.shape[-1])), axis=0)
