"""cnn: convolutional networks."""

import keras

import zoo
from families import PICTURES, SPATIAL, Family, Grid

NOISE = [keras.layers.GaussianNoise(0.5), keras.layers.RandomTranslation(0.3, 0.3)]

FAMILY = Family(
    reads="an image or a series",
    purpose="images up to about 64x64; the first thing to try",
    calls=[
        ("zoo.cnn((8, 8, 1), 10, filters=(8, 16), convolutions=1)", ""),
        ("zoo.cnn((28, 28, 1), 10)", ""),
        ("zoo.cnn((128, 3), 6, filters=(16, 32, 64))", ""),
    ],
    grids={
        "cnn": Grid(
            "cnn", PICTURES, {"filters": (4, 6)},
            {
                **SPATIAL, "kernel_size": (2, 3), "convolutions": (1, 2), "downsampling": ("pool", "stride"),
                "head": ("pool", "flatten"), "units": ((), (5,)),
            },
        ),
    },
    golden={
        "cnn": [
            ((28, 28, 1), {}),
            ((28, 28, 1), {"head": "flatten", "units": (8,)}),
            ((50, 3), {"downsampling": "stride"}),
        ],
    },
    parameters=[
        # a convolution without bias has k * k * in * out, and batch normalization four numbers a channel
        ("zoo.cnn((8, 8, 2), 3, filters=(4,), convolutions=1)", 9 * 2 * 4 + 4 * 4 + (4 + 1) * 3),
    ],
    exports={
        "cnn": lambda: zoo.cnn((8, 8, 1), 3, filters=(4, 6), dropout=0.3, augmentation=NOISE),
        "cnn1d": lambda: zoo.cnn((12, 3), 3, filters=(4, 6), head="flatten", units=(5,)),
    },
    small={"cnn": ((8, 8, 1), {"filters": (4,)})},
)  # fmt: skip
