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

sys.path.insert(0, str(FOLDER.parents[1] / "tests"))
from families import families  # noqa: E402

# Page -> its input, its use, and calls with the strategy of their files; the first call is the smallest one.
FAMILIES = {name: (family.reads, family.purpose, family.calls) for name, family in families().items()}


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
