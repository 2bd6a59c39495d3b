"""rnn, lstm, gru: recurrent networks."""

import zoo
from families import RECURRENT, SPATIAL, Family, Grid

FAMILY = Family(
    reads="a series, or tokens",
    purpose="short series, text, streams: the order matters",
    calls=[
        ("zoo.rnn((28, 28), 10, units=(32,))", "unrolled"),
        ("zoo.gru((28, 28), 10)", "unrolled"),
        ("zoo.lstm((28, 28), 10)", "unrolled"),
        ("zoo.lstm((28, 28), 10)", "fused"),
        ("zoo.lstm((50,), 2, vocabulary_size=1000, units=(32,))", "unrolled"),
    ],
    grids={
        "rnn": Grid(
            "rnn", ((5, 3), (None, 3), (5,), (None,)), {"units": (4,)},
            {**RECURRENT, **SPATIAL, "units": ((4,), (3, 4))},
            {(5,): {"vocabulary_size": 9}, (None,): {"vocabulary_size": 9}},
            activations=("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softmax"),
        ),
    },
    golden={
        "rnn": [((5, 3), {}), ((5,), {"vocabulary_size": 100, "head": "attention"})],
        "lstm": [((5, 3), {}), ((5, 3), {"units": (8, 4), "bidirectional": True, "head": "pool"})],
        "gru": [((5, 3), {}), ((None, 3), {"mask_value": 0.0, "normalization": "layer"})],
    },
    parameters=[
        ("zoo.rnn((5, 3), 3, units=(4,))", 4 * (3 + 4 + 1) + (4 + 1) * 3),
        ("zoo.lstm((5, 3), 3, units=(4,))", 4 * 4 * (3 + 4 + 1) + (4 + 1) * 3),
        # reset_after keeps one bias for the input and one for the state
        ("zoo.gru((5, 3), 3, units=(4,))", 3 * 4 * (3 + 4 + 2) + (4 + 1) * 3),
    ],
    exports={
        "rnn": lambda: zoo.rnn((4, 3), 3, units=(4,), recurrent_dropout=0.2),
        "lstm": lambda: zoo.lstm((4, 3), 3, units=(6, 4), dropout=0.3, recurrent_dropout=0.2),
        "gru": lambda: zoo.gru((4, 3), 3, units=(4,), recurrent_dropout=0.2),
        "bidirectional": lambda: zoo.lstm((3, 3), 3, units=(4, 3), bidirectional=True),
        "tokens": lambda: zoo.gru((4,), 3, units=(4,), vocabulary_size=20, embedding_dim=6, head="attention"),
    },
    small={"rnn": ((6, 3), {}), "lstm": ((6, 3), {}), "gru": ((6, 3), {})},
)  # fmt: skip
