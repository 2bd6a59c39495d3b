"""What typical calls of each builder cost: parameters, and bytes of the files that `zoo.export` makes of them.

`python -m benchmarks.model_pages` exports the calls that docs/models/cost.json does not hold yet, half a minute each,
counts the parameters of all, and writes the tables of docs/models/; `--tables` writes the tables alone. Weights are
random: sizes depend on the call, not on what was learnt.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from zoo.base.files import read_json, write_json, write_text

FOLDER = Path(__file__).parents[1] / "docs" / "models"
RECORDS = FOLDER / "cost.json"
COST = re.compile(r"(?<=<!-- cost -->\n).*?(?=<!-- end of cost -->)", re.DOTALL)
PRECISIONS = ("float32", "int8")
Row = dict[str, Any]

# Page -> what it reads, what it is for, and calls with the strategy of their files; the first call is the smallest one.
FAMILIES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "fnn": (
        "a vector, or a table with categories",
        "tables, sensor features, anything already condensed",
        [
            ("zoo.fnn((13,), 1, units=(16,))", ""),
            ("zoo.fnn((64,), 10)", ""),
            ("zoo.fnn((28, 28, 1), 10, units=(128, 64))", ""),
        ],
    ),
    "cnn": (
        "a picture or a series",
        "pictures up to about 64x64; the first thing to try",
        [
            ("zoo.cnn((8, 8, 1), 10, filters=(8, 16), convolutions=1)", ""),
            ("zoo.cnn((28, 28, 1), 10)", ""),
            ("zoo.cnn((128, 3), 6, filters=(16, 32, 64))", ""),
        ],
    ),
    "resnet": (
        "a picture or a series",
        "pictures where a deeper net than `cnn` pays",
        [
            ("zoo.resnet((32, 32, 3), 10, filters=(8, 16, 32))", ""),
            ("zoo.resnet((32, 32, 3), 10)", ""),
            ("zoo.resnet((32, 32, 3), 10, blocks=3)", ""),
        ],
    ),
    "ds_cnn": (
        "a picture, a spectrogram or a series",
        "microcontrollers: keywords in sound, small pictures",
        [
            ("zoo.ds_cnn((49, 10, 1), 12, width_multiplier=0.5)", ""),
            ("zoo.ds_cnn((49, 10, 1), 12)", ""),
            ("zoo.ds_cnn((96, 96, 3), 2, filters=(8, 16, 32, 64), strides=(2, 1, 2, 2), first_kernel_size=3)", ""),
        ],
    ),
    "fcn": (
        "a series of fixed or of any length",
        "series where a pattern counts wherever it stands",
        [
            ("zoo.fcn((100, 3), 5, filters=(16, 32, 16))", ""),
            ("zoo.fcn((100, 3), 5, filters=(64, 128, 64))", ""),
            ("zoo.fcn((100, 3), 5)", ""),
        ],
    ),
    "rnn": (
        "a series, or tokens",
        "short series, text, streams: order counts",
        [
            ("zoo.rnn((28, 28), 10, units=(32,))", "unrolled"),
            ("zoo.gru((28, 28), 10)", "unrolled"),
            ("zoo.lstm((28, 28), 10)", "unrolled"),
            ("zoo.lstm((28, 28), 10)", "fused"),
            ("zoo.lstm((50,), 2, vocabulary_size=1000, units=(32,))", "unrolled"),
        ],
    ),
    "crnn": (
        "a series of fixed or of any length, a spectrogram",
        "long series and sound: patterns, then their order",
        [
            ("zoo.crnn((100, 6), 7, filters=(16, 32), units=(16,))", "unrolled"),
            ("zoo.crnn((100, 6), 7)", "unrolled"),
            ("zoo.crnn((49, 40, 1), 12, filters=(16, 32), units=(32,))", "unrolled"),
        ],
    ),
}


def built(call: str) -> Any:
    import keras

    import zoo

    keras.utils.set_random_seed(1)
    return eval(call, {"zoo": zoo})


def multiply_accumulates(model: Any) -> int | None:
    """Of one inference, as `zoo.summary` counts them; None where the library has none, and the column is left out."""
    import zoo

    return zoo.summary(model).macs if "summary" in zoo.__all__ else None


def file_bytes(model: Any, call: str, strategy: str) -> dict[str, int]:
    """By precision; all weights are drawn, because the converter stores equal ones, such as biases of 0, but once."""
    import numpy as np

    import zoo

    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight + rng.uniform(-0.05, 0.05, weight.shape).astype("float32"))
    tokens = "int" in model.inputs[0].dtype
    shape = (64, *model.input_shape[1:])
    x = rng.integers(1, 9, shape).astype("int32") if tokens else rng.random(shape, dtype="float32")
    wide = dict.fromkeys(PRECISIONS, 1e3)
    with tempfile.TemporaryDirectory() as place:
        result = zoo.export(
            model, place, calibration=x, precisions=PRECISIONS, strategy=strategy or "auto", name="model",
            bounds=zoo.Bounds(difference=wide, mean_difference=wide), report=lambda _: None,
        )  # fmt: skip
    if not result.verified:
        raise RuntimeError(f"{call}: {'; '.join(file.refusal for file in result.files)}")
    return {file.precision: file.bytes for file in result.files}


def run(report: Callable[[str], None]) -> None:
    from zoo.base.versions import versions

    records = read_json(RECORDS) if RECORDS.exists() else {"rows": []}
    known = {(row["call"], row["strategy"]): row for row in records["rows"]}
    records = {"versions": versions(), "rows": []}
    for _, _, calls in FAMILIES.values():
        for call, strategy in calls:
            model = built(call)
            row = {
                "call": call,
                "strategy": strategy,
                "parameters": model.count_params(),
                "macs": multiply_accumulates(model),
                "bytes": (known.get((call, strategy)) or {}).get("bytes") or file_bytes(model, call, strategy),
            }
            records["rows"].append(row)
            write_json(RECORDS, records)
            report(f"{call} {strategy}: {row['parameters']} parameters, {row['bytes']}")


def cost_table(records: Row, family: str) -> str:
    from zoo.base.tables import markdown_table

    calls = FAMILIES[family][2]
    rows = [row for row in records["rows"] if (row["call"], row["strategy"]) in calls]
    recurrent, counted = any(strategy for _, strategy in calls), all(row["macs"] for row in rows)
    head = ["call", *(["strategy"] if recurrent else []), "parameters"]
    head += [*(["multiply-accumulates"] if counted else []), "float32 bytes", "int8 bytes"]
    lines = [
        [
            f"`{row['call']}`",
            *([row["strategy"]] if recurrent else []),
            f"{row['parameters']:,}",
            *([f"{row['macs']:,}"] if counted else []),
            *(f"{row['bytes'][precision]:,}" for precision in PRECISIONS),
        ]
        for row in rows
    ]
    return markdown_table(head, lines) + "\n"


def index_table(records: Row) -> str:
    """A row a family, with its smallest call."""
    from zoo.base.tables import markdown_table

    head = ["family", "input", "what it is for", "smallest sensible call", "parameters", "int8 bytes"]
    found = {row["call"]: row for row in reversed(records["rows"])}
    lines = []
    for family, (reads, purpose, calls) in FAMILIES.items():
        row = found[calls[0][0]]
        figures = [f"{row['parameters']:,}", f"{row['bytes']['int8']:,}"]
        lines.append([f"[{family}]({family}.md)", reads, purpose, f"`{row['call']}`", *figures])
    return markdown_table(head, lines) + "\n"


def with_table(page: str, name: str, records: Row) -> str:
    """`page` of a family, or of the index with name="README", with its table as measured."""
    return COST.sub(lambda _: index_table(records) if name == "README" else cost_table(records, name), page)


if __name__ == "__main__":
    if sys.argv[1:] != ["--tables"]:
        run(lambda line: print(line, flush=True))
    measured = read_json(RECORDS)
    for page_name in ("README", *FAMILIES):
        path = FOLDER / f"{page_name}.md"
        write_text(path, with_table(path.read_text(encoding="utf-8"), page_name, measured))
