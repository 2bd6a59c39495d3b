"""Tumours of the breast by 30 figures of their cells' nuclei: benign or malignant? One small hidden layer.

For: a pattern for tables of a few hundred rows, where a net must be small and held back, and where one split tells too
little: it is measured by cross-validation.

Not for: any diagnosis. The figures were measured by hand in one hospital, on images of needle biopsies of 1993.
"""

import keras

import zoo
from zoo.recipe.optimizers import narrow_space

RECIPE = zoo.Recipe(
    data=zoo.data.breast_cancer,
    builder=zoo.fnn,
    arguments={
        "units": (16,),
        "activation": "gelu",
        "dropout": 0.3,
        "regularizer": keras.regularizers.L2(1e-3),
    },
    task=zoo.Binary(label_smoothing=0.1),
    preprocessing=[keras.layers.Normalization()],
    optimizer="adamw",
    learning_rate=5e-3,
    epochs=50,
    space=narrow_space,
    oracle="random",
    trials=6,
    trial_epochs=20,
    folds=5,
    bounds=zoo.Bounds(score=0.95, mean=0.974),
)
