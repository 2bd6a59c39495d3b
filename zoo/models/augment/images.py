"""Augmentation of images (B, height, width, channels) that Keras lacks."""

import math

import keras
from keras import ops

from zoo.base.checks import check_number
from zoo.models.augment.augmentation import RandomLayer
from zoo.models.saving import saved


@saved
class RandomCropAndResize(RandomLayer):
    """Cuts a window out of each image and resizes it to the full size.

    Source: C. Szegedy et al., Going deeper with convolutions, CVPR 2015. `keras.layers.RandomCrop` uses one window
    for a whole batch and returns smaller images, which do not fit the model at inference.

    Args:
        area: least share of the image's area in a window; the largest is 1.
        aspect: largest ratio of the window's aspect to the image's, and its inverse.
    """

    axes = ("height", "width", "channels")

    def __init__(self, area: float = 0.6, aspect: float = 4 / 3, seed: int | None = None, **kwargs):
        super().__init__(seed, **kwargs)
        self.area = check_number("area", area, 0.01, 1)
        self.aspect = check_number("aspect", aspect, 1, 10)

    def change(self, x):
        batch, height, width, _ = ops.shape(x)
        area, logarithm, row, column = (
            keras.random.uniform((batch,), low, high, dtype="float32", seed=self.generator)
            for low, high in ((self.area, 1.0), (-math.log(self.aspect), math.log(self.aspect)), (0.0, 1.0), (0.0, 1.0))
        )
        aspect = ops.exp(logarithm)
        high = ops.minimum(ops.sqrt(area / aspect), 1.0) * (height - 1)  # from the first pixel's centre to the last's
        wide = ops.minimum(ops.sqrt(area * aspect), 1.0) * (width - 1)
        none = ops.zeros_like(area)
        # Maps each output pixel (x, y) to its source: (a0 x + a1 y + a2, b0 x + b1 y + b2).
        transform = ops.stack(
            [
                wide / max(width - 1, 1), none, column * (width - 1 - wide),
                none, high / max(height - 1, 1), row * (height - 1 - high),
                none, none,
            ],
            axis=1,
        )  # fmt: skip
        return ops.image.affine_transform(x, transform, fill_mode="nearest", data_format="channels_last")
