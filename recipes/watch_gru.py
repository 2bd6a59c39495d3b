"""Shoulder exercises as a watch feels them: two seconds at 50 Hz, and a GRU that says which of seven.

For: exercises of the shoulder as physiotherapists prescribe them, of people whom training has not seen: it is measured
by cross-validation over ten people, two at a time.

Not for: other exercises, of which it knows none as "none of these"; another place of the watch, or other units than g
and rad/s.
"""

from functools import partial

import keras

import zoo
from zoo.optimizer import narrow_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.watch_activity, validation=0.1),
    builder=zoo.gru,
    arguments={"units": (32,), "bidirectional": True, "head": "pool", "dropout": 0.4, "spatial_dropout": 0.1},
    task=zoo.Multiclass(7, label_smoothing=0.1),
    preprocessing=[keras.layers.Normalization()],
    augmentation=zoo.augment.for_sequences("strong"),
    optimizer="adamw",
    learning_rate=5e-3,
    epochs=30,
    space=narrow_space,
    trials=8,
    trial_epochs=10,
    finalists=1,
    folds=5,
    bounds=zoo.Bounds(mean=0.86),
)
