"""Fashion-MNIST, 28x28 photographs of clothes: four stages of 3x3 convolutions, in 300 kB.

For: classifying clothes on devices with a few hundred kilobytes to spare: phones, browsers, a Raspberry Pi.

Not for: microcontrollers: use fashion_mnist_micro; photographs that are larger, coloured or not cut out.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import decay_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.05),
    builder=zoo.cnn,
    # Down to 3x3 positions, so that the last convolution sees the whole garment. At full size a channel takes the most
    # time and has the fewest weights, so that there is one convolution only.
    arguments={"filters": (24, 48, 96, 128), "convolutions": (1, 1, 2, 1), "mirrored": True, "shifted": True},
    task=zoo.Multiclass(10, label_smoothing=0.1),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    # The same as the test-time augmentation of the file: flips, and shifts by a whole pixel, since clothes are centred.
    augmentation=[
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(1 / 28, 1 / 28, fill_mode="nearest", interpolation="nearest"),
    ],
    batch_size=128,
    epochs=32,
    # Also its values as the teacher of fashion_mnist_micro, which does not search for it.
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.05,
    space=decay_space,
    trials=10,
    trial_epochs=16,  # with fewer epochs, learning rates score best that are too high for many
    trial_samples=16_000,
    finalists=2,
    precisions=("int8",),  # no loss of accuracy, a quarter of the bytes
    bounds=zoo.Bounds(score=0.935, mean=0.94, bytes={"int8": 300_000}),
)
