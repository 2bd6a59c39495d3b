"""Cars an hour on a road to Minneapolis: the next day from the last week, by a GRU.

For: a pattern for hourly series with days and weeks in them: weather and time of day beside the series itself.

Not for: other roads, or this one after 2018: a forecast of traffic is as good as the habits that it was trained on.
"""

import keras

import zoo
from zoo.optimizer import narrow_space

RECIPE = zoo.Recipe(
    data=zoo.data.hourly_traffic,
    builder=zoo.gru,
    arguments={"units": (48,), "dropout": 0.1},
    task=zoo.Forecasting(24, loss="mae"),
    preprocessing=[keras.layers.Normalization()],
    optimizer="adamw",
    learning_rate=3e-3,
    batch_size=128,
    epochs=15,
    space=narrow_space,
    trials=8,
    trial_epochs=4,
    trial_samples=6_000,
    finalists=1,
    precisions=("float32", "int16x8", "int8"),
    bounds=zoo.Bounds(mean=241.0),
)
