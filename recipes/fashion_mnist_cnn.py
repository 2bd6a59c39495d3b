"""Fashion-MNIST, 28x28 photographs of clothes: three stages of 3x3 convolutions, in 300 kB.

The first stage, at full size, is the dearest in time and the poorest in weights, so it has one convolution only.
"""

from functools import partial

import keras

import zoo

RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.05),
    builder=zoo.cnn,
    arguments={"filters": (24, 48, 128), "convolutions": (1, 2, 2), "mirrored": True},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    # Mirrored, and at most one whole pixel aside, as clothes are centred in test and train. So train is learnt to .974,
    # validation to .940 and .947 (two seeds). Shifts of two pixels with smoothed labels and a decay of .05, 20 epochs,
    # left train at .950, validation at .942 and the int8 file at .9327 on test (three seeds): not released either.
    augmentation=[
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(1 / 28, 1 / 28, fill_mode="nearest", interpolation="nearest"),
    ],
    batch_size=128,
    epochs=28,
    # Two models of this recipe teach the released ones, which are of other seeds: what they answer to mixtures of two
    # pictures. Taught by their answers to the pictures alone, as half of the targets, one came to .945 on validation,
    # no more than they have themselves (.943, .952).
    teachers=2,
    questions=zoo.augment.MixUp(0.3),
    seed=3,
    # Usual values, without a search: one of a few short trials takes rates that are too high for many epochs.
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.03,
    trials=0,
    bounds=zoo.Bounds(score=0.93, mean=0.94, bytes={"int8": 300_000}),
)
