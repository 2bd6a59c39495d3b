"""Fashion-MNIST, 28x28 photographs of clothes, read row by row from the top: one GRU layer.

For: showing what a small recurrent network does, in int8 too, on a task that everybody knows.

Not for: recognizing pictures in earnest; fashion_mnist_cnn reads them whole, and errs less in a fifth of the time.
"""

from functools import partial

import keras

import zoo


def space(hp):
    """Rates for as many epochs as the training has; decay is of AdamW alone, SGD's steps are larger."""
    optimizer = hp.Choice("optimizer", ["adamw", "sgd"])
    fields = {"optimizer": optimizer}
    # Both scopes are entered in every draw, because that is how KerasTuner learns of them.
    with hp.conditional_scope("optimizer", ["adamw"]):
        if optimizer == "adamw":
            fields |= {
                "learning_rate": hp.Float("learning_rate", 1e-3, 1e-2, sampling="log"),
                "weight_decay": hp.Float("weight_decay", 0.01, 0.1, sampling="log"),
            }
    with hp.conditional_scope("optimizer", ["sgd"]):
        if optimizer == "sgd":
            fields |= {
                "learning_rate": hp.Float("sgd_learning_rate", 3e-2, 0.5, sampling="log"),
                "momentum": hp.Float("momentum", 0.8, 0.97),
                "weight_decay": None,
            }
    return fields


RECIPE = zoo.Recipe(
    data=partial(zoo.data.load, "fashion_mnist", shape=(28, 28)),
    builder=zoo.gru,
    arguments={"units": (128,), "dropout": 0.2},
    task=zoo.Multiclass(10, label_smoothing=0.1),
    preprocessing=[keras.layers.Rescaling(1 / 255)],
    # Rows are made a picture again, mirrored, and rows once more.
    augmentation=[
        keras.layers.Reshape((28, 28, 1)),
        keras.layers.RandomFlip("horizontal"),
        keras.layers.Reshape((28, 28)),
    ],
    batch_size=128,
    epochs=14,
    space=space,
    trials=20,
    trial_epochs=14,  # few epochs would favour rates that are too high for many
    trial_samples=16_000,
    finalists=2,
    bounds=zoo.Bounds(score=0.895),
)
