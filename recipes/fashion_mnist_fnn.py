"""Fashion-MNIST, 28x28 photographs of clothes as 784 numbers: two fully connected layers.

For: small, uniformly taken images on devices whose only fast op is the matrix product.

Not for: clothes that are shifted, rotated or photographed in the street. The convolutional fashion_mnist_cnn takes
fewer bytes and is more accurate.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.1),
    builder=zoo.fnn,
    arguments={"units": (256, 128), "normalization": "batch", "dropout": 0.2},
    task=zoo.Multiclass(10, label_smoothing=0.1),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    augmentation=[keras.layers.RandomFlip("horizontal")],
    batch_size=128,
    epochs=40,
    space=narrow_space,
    oracle="random",
    trials=8,
    trial_epochs=6,
    trial_samples=12_000,
    precisions=("int8",),  # no loss of accuracy, a quarter of the bytes
    bounds=zoo.Bounds(score=0.895),
)
