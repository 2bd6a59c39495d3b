"""ds_cnn: depthwise-separable convolutions."""

import zoo
from families import PICTURES, SPATIAL, Family, Grid

FAMILY = Family(
    reads="an image, a spectrogram or a series",
    purpose="microcontrollers: keywords in sound, small images",
    calls=[
        ("zoo.ds_cnn((49, 10, 1), 12, width_multiplier=0.5)", ""),
        ("zoo.ds_cnn((49, 10, 1), 12)", ""),
        ("zoo.ds_cnn((96, 96, 3), 2, filters=(8, 16, 32, 64), strides=(2, 1, 2, 2), first_kernel_size=3)", ""),
    ],
    grids={
        "ds_cnn": Grid(
            "ds_cnn", PICTURES, {"filters": (4, 6), "strides": (2, 1), "first_kernel_size": 3},
            {**SPATIAL, "width_multiplier": (0.5, 1.0, 1.5)},
            zero_gradients=("bias",),  # batch normalization subtracts it again
        ),
    },
    golden={
        "ds_cnn": [((49, 10, 1), {}), ((49, 10, 1), {"width_multiplier": 0.5}), ((50, 3), {})],
    },
    parameters=[
        ("zoo.ds_cnn((49, 10, 1), 12)", 24_908),  # as published: MLPerf Tiny (mlcommons/tiny, 2021)
    ],
    exports={
        "ds_cnn": lambda: zoo.ds_cnn((10, 6, 1), 3, filters=(4, 6), strides=(2, 1), spatial_dropout=0.2),
    },
    small={"ds_cnn": ((8, 8, 1), {"filters": (4, 4), "strides": (2, 1)})},
)  # fmt: skip
