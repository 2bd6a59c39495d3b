"""Handwritten digits, 8x8 grey scans as a series of eight rows: one LSTM layer."""

from functools import partial

import keras

import zoo
from zoo.optimizer import narrow_space

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
    bounds=zoo.Bounds(score=0.95),
)
