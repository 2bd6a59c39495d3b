"""Handwritten digits, 8x8 grey scans: two stages of 3x3 convolutions.

The images are small and centred, so that shifts and rotations of the training data do harm; a little noise and dropout
are enough.

For: single handwritten digits that were scanned, centred and scaled down to 8x8; a first model to convert, measure and
run on a device, where size and latency matter more than the task.

Not for: photographs, several digits in an image, other sizes or other scripts; anything where a wrong digit is costly:
the data have few writers, and do not name them.
"""

import keras

import zoo

RECIPE = zoo.Recipe(
    data=zoo.data.digits,
    builder=zoo.cnn,
    arguments={"filters": (16, 32), "dropout": 0.1},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 16)],
    augmentation=[keras.layers.GaussianNoise(0.05)],
    epochs=30,
    oracle="random",
    trials=10,
    trial_epochs=12,
    bounds=zoo.Bounds(score=0.97),
)
