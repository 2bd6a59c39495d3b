"""Model cards: one Markdown page a model, made from its record alone. No figure is typed here.

The head between the two lines of dashes is the metadata that the Hugging Face Hub reads (hub-docs, modelcard.md), so
that a card is a README.md there as it stands.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.runs.report import (
    GRADIENTS,
    figure,
    files_table,
    markdown_table,
    not_won,
    spread,
)

MOST_CLASSES = 20  # of a confusion matrix that is still read
MOST_TRIALS = 12
PURPOSES = {"For:": "What it is for", "Not for:": "What it is not for"}  # paragraphs of a recipe's docstring
YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")  # that are no text without quotes
# By task and by the axes of a sample, in the Hub's words; it has none for the classes of a series.
HUB_TASKS = {
    ("Binary", 1): "tabular-classification",
    ("Multiclass", 1): "tabular-classification",
    ("Regression", 1): "tabular-regression",
    ("Binary", 3): "image-classification",
    ("Multiclass", 3): "image-classification",
    ("Forecasting", 2): "time-series-forecasting",
}


def card(record: Mapping[str, Any]) -> str:
    """The card of a record. What an older record does not hold is left out."""
    summary, purposes = _about(record)
    parts_of = "folds" if any("fold" in entry for entry in record["seeds"]) else "split"
    sections = {
        **purposes,
        "Run it": f"```python\n{example(record)}```",
        "Files": _files(record),
        "By class": _classes(record),
        f"Against simple methods, on the same {parts_of}": _baselines(record),
        "Data": _data(record),
        "Training": _training(record),
        "What was tried, and what validation gave": _tried(record),
        "Made with": ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + ".",
    }
    macs = f"{record['macs']:,} multiply-accumulates a sample, " if record.get("macs") else ""
    made = (
        f"{record['task']}, {record['parameters']:,} parameters, {macs}made by `zoo run {record['recipe_file']}` on "
        f"{record['date']}."
    )
    parts = [f"---\n{yaml(_metadata(record))}---", f"# {record['name']}", *summary, made]
    parts += [f"## {head}\n\n{text}" for head, text in sections.items() if text]
    return "\n\n".join(parts) + "\n"


def example(record: Mapping[str, Any]) -> str:
    """Lines of Python that ask the last file of the record."""
    file = list(record["files"].values())[-1]
    released = record["recipe_file"] == record["name"]
    precision = "" if file["precision"] == "int8" else f', "{file["precision"]}"'
    runner = f'zoo.load_tflite("{record["name"]}"{precision})' if released else f'zoo.Runner("tflite/{file["file"]}")'
    shape = tuple(n or 16 for n in record["data"]["input_shape"])  # an open length may be any
    return f"""import numpy as np
import zoo

runner = {runner}
x = np.zeros((1, {", ".join(map(str, shape))}), "float32")  # your samples, one or more
print(runner.predict(x), runner.labels)  # {_output(record)}
"""


def _output(record: Mapping[str, Any]) -> str:
    count = len(record["data"]["labels"]) or "classes"
    return {
        "Multiclass": f"(n, {count}) probabilities",
        "Binary": "(n, 1) probability of class 1",
        "Multilabel": "(n, labels) probabilities, each by itself",
    }.get(record["task"], "(n, outputs) values")


def _about(record: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Paragraphs of the recipe's docstring: those that say what it is, and those on purpose by their heads."""
    paragraphs = [text.strip() for text in re.split(r"\n\s*\n", record.get("about") or "") if text.strip()]
    purposes: dict[str, str] = {}
    for text in paragraphs:
        for begin, head in PURPOSES.items():
            if text.startswith(begin):
                purposes[head] = text.removeprefix(begin).strip()
    return [text for text in paragraphs if not text.startswith(tuple(PURPOSES))], purposes


def _metadata(record: Mapping[str, Any]) -> dict[str, Any]:
    data, metric = record["data"], record["score_name"].split()[-1]  # "label accuracy" is an accuracy on the Hub
    data_id = re.sub(r"[^\w.-]+", "-", data["name"])
    axes = len(data["input_shape"])
    task = HUB_TASKS.get((record["task"], axes), "other")
    builder = str(record.get("recipe", {}).get("builder", "")).split(".")[-1]
    measured = []
    for file in record["files"].values():
        of = f"of {file['file']}"
        if file["score"] is not None:
            measured.append({"type": metric, "value": file["score"], "name": f"{record['score_name']} {of}"})
        if file.get("auc") is not None:
            measured.append({"type": "roc_auc", "value": file["auc"], "name": f"AUC {of}"})
    result = {
        "task": {"type": task, "name": record["task"]},
        "dataset": {"type": data_id, "name": data["name"], "split": "test"},
        "metrics": measured,
    }
    return {
        "license": "apache-2.0",
        "library_name": "keras",
        "pipeline_tag": task,
        "tags": ["keras", "tflite", "litert", "keras-zoo", *([builder] if builder else []), *record["files"]],
        "datasets": [data_id],
        "metrics": list(dict.fromkeys(metric["type"] for metric in measured)),
        "model-index": [{"name": record["name"], "results": [result]}],
    }


def yaml(value: Any, indent: int = 0) -> str:
    """Mappings, lists, texts and numbers in YAML's block style, a line each."""
    space, lines = " " * indent, []
    for key, inner in value.items() if isinstance(value, Mapping) else (("-", inner) for inner in value):
        begin = f"{space}-" if key == "-" else f"{space}{key}:"
        if not isinstance(inner, Mapping | list):
            plain = (
                isinstance(inner, str) and re.fullmatch(r"[a-zA-Z][\w.-]*", inner) and inner.lower() not in YAML_WORDS
            )
            lines.append(f"{begin} {inner if plain else json.dumps(inner, ensure_ascii=False)}\n")
        elif key == "-":  # its first line stands behind the dash
            lines.append(f"{begin} {yaml(inner, indent + 2).lstrip()}")
        else:
            lines.append(f"{begin}\n{yaml(inner, indent + 2)}" if inner else f"{begin} []\n")
    return "".join(lines)


def _files(record: Mapping[str, Any]) -> str:
    head, *rows = files_table(record)
    any_auc = any(file.get("auc") is not None for file in record["files"].values())
    head += ["mean ± sd", *["mean ± sd of AUC"] * any_auc, "SHA-256"]
    for row, (precision, file) in zip(rows, record["files"].items(), strict=True):
        row += [spread(record, precision), *[spread(record, precision, "auc")] * any_auc, file["sha256"][:12]]
    target = f", made for {record['target']}" if record.get("target") else ""
    samples = f"{record['data']['samples']['test']:,} samples, one invoke after the other"
    refused = "" if record["verified"] else " **Not every file passed.**"
    return (
        f"{markdown_table(head, rows)}\n\n"
        f"Every figure was measured on the file itself{target}, on the whole test set ({samples}), seed "
        f"{record['seed']}, {record['machine']}. Mean and standard deviation are over trainings.{refused}"
    )


def _classes(record: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of each class, and the matrix they come from, of the last file."""
    file = list(record["files"].values())[-1]
    counts = file.get("confusion")
    if not counts:
        return ""
    labels = record["data"]["labels"] or [str(i) for i in range(len(counts))]
    rows = []
    for i, label in enumerate(labels):
        right, of_class, taken = counts[i][i], sum(counts[i]), sum(row[i] for row in counts)
        precision, recall = right / taken if taken else None, right / of_class if of_class else None
        f1 = 2 * right / (of_class + taken) if of_class + taken else None
        rows.append([label, figure(precision), figure(recall), figure(f1), f"{of_class:,}"])
    text = f"Measured on {file['file']}, on test.\n\n"
    text += markdown_table(["class", "precision", "recall", "F1", "samples"], rows)
    if len(counts) > MOST_CLASSES:
        return text
    matrix = [[f"**{label}**", *(str(n or "") for n in row)] for label, row in zip(labels, counts, strict=True)]
    return f"{text}\n\nRows are classes, columns what they were taken for.\n\n{markdown_table(['', *labels], matrix)}"


def _baselines(record: Mapping[str, Any]) -> str:
    if not record["baselines"]:  # of a further training
        return ""
    aucs = record.get("baselines_auc") or {}
    head = ["method", record["score_name"], *["AUC"] * bool(aucs)]
    rows = [
        [name, figure(score), *[figure(aucs.get(name))] * bool(aucs)] for name, score in record["baselines"].items()
    ]
    return "\n\n".join(filter(None, [not_won(record), markdown_table(head, rows)]))


def _data(record: Mapping[str, Any]) -> str:
    data = record["data"]
    samples = ", ".join(f"{count:,} {part}" for part, count in data["samples"].items())
    classes = f"\nClasses: {', '.join(data['labels'])}." if data["labels"] else ""
    licence = data["licence"] or "not given"
    return f"{data['name']}: {samples}; SHA-256 {data['sha256'][:12]}. Licence: {licence}. {data['citation']}{classes}"


def _training(record: Mapping[str, Any]) -> str:
    """How it was chosen, the gap between train and validation, what to turn next, and the gradients."""
    search = record["search"]
    found = "The recipe's own values were used; no search was run."
    if search:
        values = ", ".join(f"{name} {told(value)}" for name, value in search["best"].items())
        found = f"Best of {search['trials']} trials by {search['objective']} ({figure(search['value'])}): {values}."
    calibrated = (
        f"int8 was calibrated on {len(record['calibration']['indices'])} samples of train, whose indices stand in "
        "record.json."
    )
    fit = record.get("fit")
    if not fit:
        return f"{found}\n\n{calibrated}"
    rows = [
        [name, figure(train), figure(fit["validation"][name]), figure(_difference(fit["validation"][name], train))]
        for name, train in fit["train"].items()
    ]
    knobs = fit["knobs"]
    then = f" After that: {'; '.join(knobs[1:])}." if knobs[1:] else ""
    advice = f"Turn next: {knobs[0]}.{then}" if knobs else "Nothing needs to be turned."
    gradients = record["gradients"]
    norms = [[layer, *(_norm(gradients[when][layer]) for when in GRADIENTS)] for layer in gradients["before"]]
    return f"""{found}

{markdown_table(["the kept weights", "train", "validation", "gap"], rows)}

**{fit["verdict"].capitalize()}**: {fit["why"]}. {advice}

The gradient of the loss by layer, as the root mean square over its weights, on one batch of train:

{markdown_table(["layer", *(f"{when} training" for when in GRADIENTS)], norms)}

{calibrated}"""


def _tried(record: Mapping[str, Any]) -> str:
    """The recipes that were trained before this one was released, and the trials of its search; validation alone."""
    return "\n\n".join(text for text in (_attempts(record), _trials(record)) if text)


def _attempts(record: Mapping[str, Any]) -> str:
    attempts = record.get("tried") or []
    if not any(row["differs"] for row in attempts):
        return ""
    metrics = list(dict.fromkeys(name for row in attempts for name in row["final"]))
    head = ["what differs from the released recipe", "epochs"]
    head += [f"{name}, {when}" for name in metrics for when in ("last", "best")] + ["seeds"]
    rows = []
    for row in attempts:
        differs = ", ".join(f"{name} {told(value)}" for name, value in row["differs"].items()) or "nothing"
        values = [figure(row[when].get(name)) for name in metrics for when in ("final", "best")]
        rows.append([differs, str(row["epochs"]), *values, str(row["n"])])
    return f"Means over seeds, of the last epoch and of the best one.\n\n{markdown_table(head, rows)}"


def _trials(record: Mapping[str, Any]) -> str:
    search = record["search"]
    if not search or not search.get("history"):
        return ""
    objective, trials = search["objective"], search["history"]
    trials = sorted(trials, key=lambda trial: trial[objective], reverse=not objective.endswith(("loss", "mae")))
    names = [name for name in dict.fromkeys(name for trial in trials for name in trial) if name != objective]
    rows = [[*(told(t[n]) if n in t else "" for n in names), figure(t[objective])] for t in trials[:MOST_TRIALS]]
    which = f"the best {MOST_TRIALS} of {len(trials)} trials" if len(trials) > MOST_TRIALS else "all trials"
    return f"The search, {which}, the best first:\n\n{markdown_table([*names, objective], rows)}"


def told(value: Any) -> str:
    """A described value of a recipe (see `zoo.recipe.described`) as one writes it: Rescaling(scale=0.0625)."""
    if isinstance(value, Mapping):
        ((name, settings),) = value.items() if len(value) == 1 else (("", value),)
        given: Sequence[Any] = ()
        if isinstance(settings, list) and len(settings) == 2 and isinstance(settings[1], Mapping):
            given, settings = settings  # of functools.partial
        if not isinstance(settings, Mapping):
            name, settings = "", value
        return f"{name}({', '.join([*map(told, given), *(f'{k}={told(v)}' for k, v in settings.items())])})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({', '.join(map(told, value))})"
    return "none" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _norm(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
