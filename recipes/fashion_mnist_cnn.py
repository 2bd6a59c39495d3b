"""Fashion-MNIST, 28x28 photographs of clothes: four stages of 3x3 convolutions, in 300 kB.

For: telling one piece of clothing from another where there is room for a few hundred kilobytes: phones, browsers, a Pi.

Not for: microcontrollers, which fashion_mnist_micro fits; photographs that are larger, coloured or not cut out.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import decay_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.05),
    builder=zoo.cnn,
    # Down to 3x3 places, so that the last convolution sees the whole garment; at full size, where a channel is the
    # dearest in time and the poorest in weights, there is one convolution only.
    arguments={"filters": (24, 48, 96, 128), "convolutions": (1, 1, 2, 1), "mirrored": True, "shifted": True},
    task=zoo.Multiclass(10, label_smoothing=0.1),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    # As the views that the file answers: mirrored, and one whole pixel aside, since clothes are centred.
    augmentation=[
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(1 / 28, 1 / 28, fill_mode="nearest", interpolation="nearest"),
    ],
    batch_size=128,
    epochs=32,
    # As it teaches fashion_mnist_micro, for which it is not searched.
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.05,
    space=decay_space,
    trials=10,
    trial_epochs=16,  # few epochs would favour rates that are too high for many
    trial_samples=16_000,
    finalists=2,
    precisions=("int8",),  # which loses nothing, in a quarter of the bytes
    bounds=zoo.Bounds(score=0.935, mean=0.94, bytes={"int8": 300_000}),
)
