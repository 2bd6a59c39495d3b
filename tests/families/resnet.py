"""resnet: residual networks."""

import zoo
from families import PICTURES, SPATIAL, Family, Grid

FAMILY = Family(
    reads="an image or a series",
    purpose="images that need a deeper network than `cnn`",
    calls=[
        ("zoo.resnet((32, 32, 3), 10, filters=(8, 16, 32))", ""),
        ("zoo.resnet((32, 32, 3), 10)", ""),
        ("zoo.resnet((32, 32, 3), 10, blocks=3)", ""),
    ],
    grids={
        "resnet": Grid(
            "resnet", PICTURES, {"filters": (4, 6)}, {**SPATIAL, "blocks": (1, 2), "kernel_size": (2, 3)},
            zero_gradients=("bias",),  # batch normalization subtracts it again
        ),
    },
    golden={
        "resnet": [((32, 32, 3), {}), ((32, 32, 3), {"blocks": 3}), ((50, 3), {})],
    },
    parameters=[
        ("zoo.resnet((32, 32, 3), 10)", 78_666),  # as published: MLPerf Tiny (mlcommons/tiny, 2021)
    ],
    exports={
        "resnet": lambda: zoo.resnet((8, 8, 2), 3, filters=(4, 6), activation="prelu"),
    },
    small={"resnet": ((8, 8, 1), {"filters": (4,)})},
)  # fmt: skip
