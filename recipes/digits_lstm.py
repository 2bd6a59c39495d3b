"""Handwritten digits, 8x8 grey scans as a series of eight rows: one LSTM layer.

For: showing that a recurrent layer trains, converts to builtin ops and runs in int8, on data without a download; an
example for short series of fixed length.

Not for: reading digits in practice: use digits_cnn; series of another length than eight.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.digits, shape=(8, 8)),
    builder=zoo.lstm,
    arguments={"units": (64,), "dropout": 0.3},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 16)],
    augmentation=[keras.layers.GaussianNoise(0.1)],
    learning_rate=1e-2,
    epochs=60,
    space=narrow_space,
    trial_epochs=20,
    oracle="random",
    trials=12,
    bounds=zoo.Bounds(score=0.95),
)
