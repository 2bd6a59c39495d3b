"""fcn: fully convolutional networks."""

import zoo
from families import SPATIAL, Family, Grid

FAMILY = Family(
    reads="a series of fixed or variable length",
    purpose="series in which a pattern may occur at any position",
    calls=[
        ("zoo.fcn((100, 3), 5, filters=(16, 32, 16))", ""),
        ("zoo.fcn((100, 3), 5, filters=(64, 128, 64))", ""),
        ("zoo.fcn((100, 3), 5)", ""),
    ],
    grids={
        "fcn": Grid(
            "fcn", ((12, 3), (None, 3)), {"filters": (4, 6), "kernel_size": (5, 3)},
            {**SPATIAL, "mask_value": (None, 0.0)},
        ),
    },
    golden={
        "fcn": [((50, 3), {}), ((None, 3), {"mask_value": 0.0})],
    },
    parameters=[
        # Z. Wang et al.: 8*3*128, 5*128*256, 3*256*128 and their batch normalizations
        ("zoo.fcn((50, 3), 4)", 8 * 3 * 128 + 5 * 128 * 256 + 3 * 256 * 128 + 4 * (128 + 256 + 128) + 129 * 4),
    ],
    exports={
        "fcn": lambda: zoo.fcn((6, 3), 3, filters=(4, 6), kernel_size=(5, 3), mask_value=0.0, noise=0.1),
    },
    small={"fcn": ((8, 3), {"filters": (4, 4, 4)})},
)  # fmt: skip
