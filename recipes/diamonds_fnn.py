"""Diamonds by weight, size and grades: the price in US dollars, by five fully connected layers.

For: the price of a round-cut diamond from the figures on its certificate, where boosted trees would take too much
memory; an example for regression on tables of numbers and grades.

Not for: selling or buying today, because the prices are those of one shop, long ago; other cuts than round ones; stones
of more than 5 carat or inconsistent figures, for which the network predicts a price without a warning.
"""

import keras

import zoo


def space(hp):
    """Learning rates for large batches; weight decay for the adaptive optimizers only, as SGD's steps are larger."""
    optimizer = hp.Choice("optimizer", ["adamw", "adam", "sgd"])
    fields = {"optimizer": optimizer, "momentum": None}
    # Every draw enters both scopes: KerasTuner discovers them that way.
    with hp.conditional_scope("optimizer", ["sgd"]):
        if optimizer == "sgd":
            fields |= {
                "learning_rate": hp.Float("sgd_learning_rate", 3e-2, 3e-1, sampling="log"),
                "momentum": hp.Float("momentum", 0.9, 0.98),
                "weight_decay": None,
            }
    with hp.conditional_scope("optimizer", ["adamw", "adam"]):
        if optimizer != "sgd":
            fields["learning_rate"] = hp.Float("learning_rate", 4e-3, 1.6e-2, sampling="log")
    return fields


RECIPE = zoo.Recipe(
    data=zoo.data.diamonds,
    builder=zoo.fnn,
    arguments={"units": (96,) * 5},  # with ReLU: GELU scores better in float32 and loses more in int8
    task=zoo.Regression(loss="mae"),
    preprocessing=[keras.layers.Normalization()],
    optimizer="adamw",
    learning_rate=1e-2,
    weight_decay=0.1,
    ema_momentum=0.99,
    batch_size=512,
    epochs=100,
    space=space,
    oracle="random",
    trials=6,
    trial_epochs=12,
    trial_samples=16_000,
    bounds=zoo.Bounds(score=290),
)
