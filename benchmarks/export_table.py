"""Every family x strategy x precision through `zoo.export`, on digits: what works, how well, and why the rest does not.

`python -m benchmarks.export_table` measures what docs/export.json does not hold yet and writes the table of
docs/export.md from it; `--latency` only times all files anew, in a minute; `--table` writes the table alone. All files
of a family are of one trained model, and all are timed one after the other, while nothing else should run.
"""

import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from zoo.base.files import read_json, write_json, write_text
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.strategies import STRATEGIES
from zoo.runtime.targets import TARGETS, incompatibility

ROOT = Path(__file__).parents[1]
RECORDS, PAGE = ROOT / "docs" / "export.json", ROOT / "docs" / "export.md"
MODELS = ROOT / "runs" / "export_table"
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
STEPS, FEATURES, CLASSES, EPOCHS = 8, 8, 10, 15
FAMILIES = {  # name -> whether it is recurrent, and what it says above its rows
    "fnn": (False, "Dense(64)"),
    "cnn": (False, "zoo.cnn, 8x8"),
    "SimpleRNN": (True, "SimpleRNN(32), 8 steps"),
    "LSTM": (True, "LSTM(32), 8 steps"),
    "GRU": (True, "GRU(32), 8 steps"),
    "LSTM stacked": (True, "two LSTM(32), 8 steps"),
    "LSTM bidirectional": (True, "Bidirectional(LSTM(32)), 8 steps"),
    "LSTM masked": (True, "Masking, LSTM(32), 5 to 8 steps and padding"),
    "LSTM open": (True, "LSTM(32), any number of steps"),
}
Row = dict[str, Any]


def combinations() -> Iterator[tuple[str, str, str]]:
    """Family, strategy ("" where nothing is recurrent) and precision."""
    for family, (recurrent, _) in FAMILIES.items():
        for strategy in STRATEGIES if recurrent else ("",):
            for precision in PRECISIONS:
                yield family, strategy, precision


def build(family: str) -> Any:
    import keras

    import zoo

    if family == "fnn":
        return zoo.fnn((64,), CLASSES, units=[64])
    if family == "cnn":
        return zoo.cnn((8, 8, 1), CLASSES)
    lstm = keras.layers.LSTM
    layers = {
        "SimpleRNN": [keras.layers.SimpleRNN(32)],
        "GRU": [keras.layers.GRU(32)],
        "LSTM stacked": [lstm(32, return_sequences=True), lstm(32)],
        "LSTM bidirectional": [keras.layers.Bidirectional(lstm(32))],
        "LSTM masked": [keras.layers.Masking(), lstm(32)],
    }
    steps = None if family == "LSTM open" else STEPS
    return keras.Sequential(
        [keras.Input((steps, FEATURES)), *layers.get(family, [lstm(32)]), keras.layers.Dense(CLASSES)]
    )


def data(family: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Train and test of digits, in the shape of a family; (n, 8, 8) are eight steps of a row each."""
    import numpy as np

    from zoo.data import digits

    dataset = digits({"fnn": (64,), "cnn": (8, 8, 1)}.get(family, (STEPS, FEATURES)))
    rng, parts = np.random.default_rng(1), []
    for ink, y in (dataset.train, dataset.test):
        x = ink / 16
        if family == "LSTM masked":  # no ink is .1, so that a step of zeros is padding and nothing else
            lengths = rng.integers(5, STEPS + 1, len(x))
            x = np.where((np.arange(STEPS) < lengths[:, None])[..., None], 0.1 + 0.9 / 16 * ink, 0)
        parts.append((x.astype("float32"), y))
    return parts[0], parts[1]


def trained(family: str) -> Any:
    import keras

    path = MODELS / f"{family.replace(' ', '_')}.keras"
    if path.exists():  # of a run that was cut short
        return keras.saving.load_model(path)
    keras.utils.set_random_seed(1)
    model = build(family)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(5e-3), loss, metrics=["accuracy"])
    model.fit(*data(family)[0], epochs=EPOCHS, verbose=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return model


def measure(model: Any, family: str, strategy: str, precision: str) -> Row:
    """One combination: its figures, or why there are none."""
    import zoo

    (x, _), test = data(family)
    row: Row = {"family": family, "strategy": strategy, "precision": precision}
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = zoo.export(
                model, folder, calibration=x, test=test, task=zoo.Multiclass(CLASSES), precisions=[precision],
                strategy=strategy or "auto", name="model", report=lambda _: None,
            )  # fmt: skip
        except (ValueError, zoo.CheckFailed) as error:
            return {**row, "works": False, "why": " ".join(str(error).split())}
        (file,) = result.files
        if not file.passed:
            return {**row, "works": False, "why": file.reason, "score": file.score}
        path = shutil.copy(result.folder / "tflite" / file.file, made_file(row))
        return {
            **row,
            "works": True,
            "bytes": file.bytes,
            "latency_us": None,
            "score": file.score,
            "score_keras": file.score_keras,
            "difference": file.max_abs_error,
            "targets": [name for name, target in TARGETS.items() if incompatibility(path, target) is None],
        }


def made_file(row: Row) -> Path:
    return MODELS / f"{row['family']}.{row['strategy']}.{row['precision']}.tflite".replace(" ", "_")


def invoke_us(path: Path, seconds: float = 0.3) -> float:
    """Median of one invoke, 1 thread; of the interpreter alone, without casting inputs as `Runner` does in Python."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    for detail in interpreter.get_input_details():
        shape = [n if n > 0 else STEPS for n in detail["shape_signature"]]
        interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))
    times: list[float] = []
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        interpreter.invoke()
        times.append(time.perf_counter() - now)
    return statistics.median(times) * 1e6


def run(report: Callable[[str], None]) -> None:
    from zoo.base.versions import versions

    records = read_json(RECORDS) if RECORDS.exists() else {"versions": versions(), "rows": []}
    done = {(row["family"], row["strategy"], row["precision"]) for row in records["rows"]}
    models: dict[str, Any] = {}
    for i, combination in enumerate(combinations(), 1):
        if combination in done:
            continue
        family = combination[0]
        models = {family: models.get(family) or trained(family)}
        row = measure(models[family], *combination)
        records["rows"].append(row)
        records["date"] = date.today().isoformat()
        write_json(RECORDS, records)
        figures = f"{row['bytes']} bytes, {row['score']:.4f}" if row["works"] else row["why"]
        report(f"{i:3d} {' '.join(filter(None, combination))}: {figures}")
    time_all(records)


def time_all(records: Row) -> None:
    for row in records["rows"]:
        if row["works"]:
            row["latency_us"] = round(invoke_us(made_file(row)), 2)
    write_json(RECORDS, records)


def table(records: Row) -> str:
    """One table a family; precisions that one reason keeps from a strategy share a row."""
    order = {combination: i for i, combination in enumerate(combinations())}
    rows = sorted(records["rows"], key=lambda row: order[row["family"], row["strategy"], row["precision"]])
    parts = []
    for family, members in groupby(rows, key=lambda row: row["family"]):
        found = list(members)
        keras = next((f", {100 * row['score_keras']:.1f} % in Keras" for row in found if row["works"]), "")
        head = ["strategy", "precision", "bytes", "us", "accuracy", *TARGETS] if FAMILIES[family][0] else []
        head = head or ["precision", "bytes", "us", "accuracy", *TARGETS]
        lines = [line[-len(head) :] for line in _lines(found)]
        parts.append(f"**{family}**: {FAMILIES[family][1]}{keras}\n\n{_markdown(head, lines)}\n")
    return "\n".join(parts)


def _lines(rows: list[Row]) -> Iterator[list[str]]:
    def shared(row: Row) -> tuple[str, str]:
        return row["strategy"], row["precision"] if row["works"] else _short(row["why"])

    for (strategy, why), members in groupby(rows, key=shared):
        found = list(members)
        row = found[0]
        if row["works"]:
            targets = ["yes" if name in row["targets"] else "-" for name in TARGETS]
            figures = [f"{row['bytes']:,}", f"{row['latency_us']:.1f}", f"{100 * row['score']:.1f} %", *targets]
        else:
            figures = [f"no: {why}", "", "", *[""] * len(TARGETS)]
        precisions = "all" if len(found) == len(PRECISIONS) else ", ".join(row["precision"] for row in found)
        yield [strategy, precisions, *figures]


def _short(why: str) -> str:
    """The reason alone, without what was asked for and without further clauses."""
    why = re.sub(r"^strategy='\w+' is impossible in \w+: ", "", why)
    why = re.sub(r"^export of \S+ failed while converting to \w+: ", "the converter: ", why)
    why = re.sub(r"the converter cannot calibrate a loop for \w+", "the converter cannot calibrate a loop", why)
    why = re.split(r";|, which | \(", why)[0]
    return why if len(why) <= 90 else why[:90].rsplit(" ", 1)[0] + " ..."


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    from zoo.base.tables import markdown_table

    return markdown_table(head, lines)


def with_table(page: str, records: Row) -> str:
    return TABLE.sub(lambda _: "\n" + table(records) + "\n", page)


if __name__ == "__main__":
    if sys.argv[1:] == ["--latency"]:
        time_all(read_json(RECORDS))
    elif sys.argv[1:] != ["--table"]:
        run(lambda line: print(line, flush=True))
    write_text(PAGE, with_table(PAGE.read_text(encoding="utf-8"), read_json(RECORDS)))
