"""Fashion-MNIST, 28x28 photographs of clothes: three stages of 3x3 convolutions, in 300 kB.

The first stage, at full size, is the dearest in time and the poorest in weights, so it has one convolution only.
"""

from functools import partial

import keras

import zoo


def space(hp):
    """What minutes on a part of train can tell: the optimizer and its learning rate, each around its usual."""
    fields = {"optimizer": hp.Choice("optimizer", ["adamw", "sgd"])}
    with hp.conditional_scope("optimizer", ["adamw"]):
        if fields["optimizer"] == "adamw":
            fields |= {"learning_rate": hp.Float("learning_rate", 1e-3, 1e-2, sampling="log"), "weight_decay": 0.05}
    with hp.conditional_scope("optimizer", ["sgd"]):
        if fields["optimizer"] == "sgd":
            fields |= {"learning_rate": hp.Float("sgd_learning_rate", 0.05, 0.5, sampling="log"), "weight_decay": 5e-4}
            fields["momentum"] = hp.Float("momentum", 0.8, 0.95)
    return fields


RECIPE = zoo.Recipe(
    data=partial(zoo.data.fashion_mnist, validation=0.05),
    builder=zoo.cnn,
    arguments={"filters": (32, 48, 128), "convolutions": (1, 2, 2)},
    task=zoo.Multiclass(10, label_smoothing=0.1),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    augmentation=zoo.augment.for_images("light"),
    batch_size=128,
    epochs=24,
    space=space,
    objective="val_accuracy",
    trials=6,
    trial_epochs=4,
    trial_samples=12_000,
    bounds=zoo.Bounds(score=0.94, bytes={"int8": 300_000}),
)
