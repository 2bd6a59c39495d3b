"""Breast tumours by 30 measurements of their cell nuclei: benign or malignant? One small hidden layer.

For: an example for tables of a few hundred rows, which need a small and strongly regularized network, and a score by
cross-validation because one split has too few samples.

Not for: any diagnosis. The measurements were made by hand in one hospital, on images of needle biopsies of 1993.
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
