"""Shoulder exercises as a watch feels them: eight seconds of movement, and a GRU that says which of seven.

For: exercises of the shoulder as physiotherapists prescribe them, of people whom training has not seen: it is measured
by cross-validation over ten people, two at a time.

Not for: other exercises, of which it knows none as "none of these"; another place of the watch, or other units than g
and rad/s.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    # Windows of 400 steps of 20 ms, one every second. With two seconds and no overlap validation is at .78, with these
    # at .83 (mean over five folds, two people each, one training).
    data=partial(zoo.data.watch_activity, 400, 0.1, stride=50),
    builder=zoo.gru,
    arguments={"units": (64,), "bidirectional": True, "head": "pool", "dropout": 0.5, "spatial_dropout": 0.2},
    task=zoo.Multiclass(7),
    # An arm moves a few times a second at most: the mean of eight steps leaves 50 of 160 ms.
    preprocessing=[keras.layers.Normalization(), keras.layers.AveragePooling1D(8)],
    augmentation=zoo.augment.for_sequences("light"),
    mixing=zoo.augment.MixUp(0.4),
    optimizer="adamw",
    learning_rate=5e-3,
    epochs=12,
    space=narrow_space,
    trials=4,
    trial_epochs=4,
    finalists=1,
    folds=5,
    bounds=zoo.Bounds(mean=0.86),
)
