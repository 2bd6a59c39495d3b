"""Japanese Vowels, two vowels as 7 to 29 steps of 12 cepstrum coefficients: which of nine men speaks? An LSTM.

For: identifying known speakers by a short sound, from features that another program extracts; series of any length.

Not for: other speakers, whom it classifies as one of the nine; raw sound.
"""

from functools import partial

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    data=partial(zoo.data.japanese_vowels, validation=0.1),
    builder=zoo.lstm,
    arguments={"units": (48,), "bidirectional": True, "mask_value": 0.0, "dropout": 0.3, "spatial_dropout": 0.1},
    task=zoo.Multiclass(9, label_smoothing=0.1),
    preprocessing=[keras.layers.Normalization()],
    augmentation=zoo.augment.for_sequences("light"),
    epochs=80,
    space=narrow_space,
    oracle="random",
    trials=8,
    trial_epochs=20,
    bounds=zoo.Bounds(score=0.96, mean=0.97),
)
