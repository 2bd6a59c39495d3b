"""CIFAR-10, 32x32 colour photographs of ten things: ResNet-8, the image classifier of MLPerf Tiny.

For: comparing with published figures of microcontrollers, on a set that everybody knows.

Not for: photographs of other things, or larger ones.

Not released: `zoo data prepare tfds:cifar10` downloads the data, which this project's own machine could not.
"""

from functools import partial

import keras

import zoo

RECIPE = zoo.Recipe(
    data=partial(zoo.data.tfds, "cifar10", validation=0.1),
    builder=zoo.resnet,
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    augmentation=zoo.augment.for_images("light"),
    batch_size=128,
    epochs=100,
    oracle="random",
    trials=8,
    trial_epochs=5,
    trial_samples=10_000,
    target="micro",
    bounds=zoo.Bounds(score=0.85),  # MLPerf Tiny asks for .85
)
