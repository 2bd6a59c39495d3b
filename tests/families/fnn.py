"""fnn: feed-forward networks."""

import keras

import zoo
from families import Family, Grid

NOISE = [keras.layers.GaussianNoise(0.5), keras.layers.RandomTranslation(0.3, 0.3)]

FAMILY = Family(
    reads="a vector, or a table with categories",
    purpose="tables, sensor features, anything already condensed",
    calls=[
        ("zoo.fnn((13,), 1, units=(16,))", ""),
        ("zoo.fnn((64,), 10)", ""),
        ("zoo.fnn((28, 28, 1), 10, units=(128, 64))", ""),
    ],
    grids={
        "fnn": Grid(
            "fnn", ((6,), (4, 3)), {"units": (8, 4)},
            {"units": ((), (5,), (8, 4)), "residual": (False, True), "normalization": (None, "batch", "layer")},
        ),
        "fnn_categories": Grid(
            "fnn", ((6,),), {"units": (8,), "categories": {1: 3, 4: 5}},
            {"residual": (False, True), "categories": ({0: 4}, {1: 3, 4: 5})},
        ),
    },
    golden={
        "fnn": [((6,), {}), ((6,), {"residual": True, "normalization": "batch"}), ((6,), {"categories": {2: 30}})],
    },
    parameters=[
        # a Dense layer has (inputs + 1) * units
        ("zoo.fnn((6,), 3, units=(8, 4))", (6 + 1) * 8 + (8 + 1) * 4 + (4 + 1) * 3),
        # a category of 5 becomes 3 numbers
        ("zoo.fnn((6,), 3, units=(8,), categories={2: 5})", 5 * 3 + (5 + 3 + 1) * 8 + (8 + 1) * 3),
    ],
    exports={
        "fnn": lambda: zoo.fnn((6,), 3, units=(8,), normalization="batch", dropout=0.3, augmentation=NOISE[:1]),
        "table": lambda: zoo.fnn((5,), 3, units=(8,), categories={1: 4, 3: 10}, residual=True, max_norm=2.0),
    },
    small={"fnn": ((6,), {})},
)  # fmt: skip
