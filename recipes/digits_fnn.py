"""Handwritten digits, 8x8 grey scans as 64 numbers: two fully connected layers.

For: comparing fully connected layers with convolutions on the same scans; devices without a convolution; a first model
to convert and run.

Not for: digits that are shifted, rotated or of another size, as each weight belongs to one pixel; anything where a
wrong digit is costly.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.digits, shape=(64,)),
    builder=zoo.fnn,
    arguments={"units": (128, 64), "dropout": 0.2},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 16)],
    augmentation=[keras.layers.GaussianNoise(0.1)],
    epochs=60,
    space=narrow_space,
    trial_epochs=25,
    oracle="random",
    trials=12,
    bounds=zoo.Bounds(score=0.96),
)
