"""crnn: convolutions, then recurrent layers."""

import zoo
from families import RECURRENT, SPATIAL, Family, Grid

FAMILY = Family(
    reads="a series of fixed or variable length, a spectrogram",
    purpose="long series and sound: patterns, then their order",
    calls=[
        ("zoo.crnn((100, 6), 7, filters=(16, 32), units=(16,))", "unrolled"),
        ("zoo.crnn((100, 6), 7)", "unrolled"),
        ("zoo.crnn((49, 40, 1), 12, filters=(16, 32), units=(32,))", "unrolled"),
    ],
    grids={
        "crnn": Grid(
            "crnn", ((8, 3), (None, 3), (8, 6, 1)), {"filters": (4,), "units": (4,)},
            {**RECURRENT, **SPATIAL, "filters": ((4,), (3, 4)), "strides": (1, 2)},
            zero_gradients=("bias",),  # batch normalization subtracts it again
        ),
    },
    golden={
        "crnn": [((50, 3), {}), ((50, 16, 1), {"cell": "lstm", "bidirectional": True})],
    },
    parameters=[
        # a convolution with its batch normalization, a GRU with two biases, the logits
        (
            "zoo.crnn((8, 3), 3, filters=(4,), units=(5,))",
            3 * 3 * 4 + 4 * 4 + 3 * 5 * (4 + 5 + 2) + (5 + 1) * 3,
        ),
    ],
    exports={
        "crnn": lambda: zoo.crnn((8, 6, 1), 3, filters=(4,), units=(4,), normalization="layer"),
    },
    small={"crnn": ((8, 3), {"filters": (4,)})},
)  # fmt: skip
