"""Diamonds by weight, size and grades: what they cost in US dollars, by five fully connected layers.

For: the price of a round cut diamond from the figures that its certificate gives, where boosted trees would take
more memory; a pattern for tables of numbers and grades whose target is a value.

Not for: selling or buying today, because the prices are those of one shop, long ago; other cuts than round ones; stones
of more than 5 carat, or figures that do not go together, for which a net makes up a price without a word.
"""

import keras

import zoo


def space(hp):
    """Rates around those that large batches want; decay is of the adaptive optimizers alone, SGD's steps are larger."""
    optimizer = hp.Choice("optimizer", ["adamw", "adam", "sgd"])
    fields = {"optimizer": optimizer, "momentum": None}
    # Both scopes are entered in every draw, because that is how KerasTuner learns of them.
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
    arguments={"units": (96,) * 5},  # with ReLU: GELU learns more, and loses more in int8
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
