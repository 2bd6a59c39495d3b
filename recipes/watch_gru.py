"""Shoulder exercises from a watch's motion sensors: eight seconds, classified as one of seven by a GRU.

For: shoulder exercises as physiotherapists prescribe them, by people who are not in the training data: the score is a
cross-validation over ten people, two at a time.

Not for: other exercises, which it classifies as one of the seven; a watch worn elsewhere; other units than g and rad/s.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    # Windows of 400 steps of 20 ms, one every second. Validation accuracy is .83; with windows of two seconds without
    # overlap it was .78 (mean over five folds of two people each, one training).
    data=partial(zoo.data.watch_activity, 400, 0.1, stride=50),
    builder=zoo.gru,
    arguments={"units": (64,), "bidirectional": True, "head": "pool", "dropout": 0.5, "spatial_dropout": 0.2},
    task=zoo.Multiclass(7),
    # An arm moves a few times a second at most: means over eight steps leave 50 steps of 160 ms.
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
