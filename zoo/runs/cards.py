"""Model cards: one Markdown page per model, made from its record alone.

The YAML head is the metadata that the Hugging Face Hub reads (hub-docs, modelcard.md): a card is a valid README.md
there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.base.tables import figure, markdown_table
from zoo.runs.report import GRADIENTS, files_table, not_won, spread

MOST_CLASSES = 20  # of a confusion matrix that is shown
MOST_TRIALS = 12
FINE = "a low training error, and a validation error close to it"  # older records have other words for it
PURPOSES = {"For:": "Intended use", "Not for:": "Out of scope"}  # paragraphs of a recipe's docstring -> heads
# The Hub's name of a task, by zoo's task and the number of a sample's axes; it has none for classes of series.
HUB_TASKS = {
    ("Binary", 1): "tabular-classification",
    ("Multiclass", 1): "tabular-classification",
    ("Regression", 1): "tabular-regression",
    ("Binary", 3): "image-classification",
    ("Multiclass", 3): "image-classification",
    ("Forecasting", 2): "time-series-forecasting",
}


def card(record: Mapping[str, Any]) -> str:
    """The card of a record. Fields that an older record lacks are left out."""
    import yaml

    summary, purposes = _about(record)
    parts_of = "folds" if any("fold" in entry for entry in record["seeds"]) else "split"
    sections = {
        **purposes,
        "Run it": f"```python\n{example(record)}```",
        "Files": _files(record),
        "By class": _classes(record),
        f"Baselines, on the same {parts_of}": _baselines(record),
        "Data": _data(record),
        "Training": _training(record),
        "Experiments and their validation scores": _tried(record),
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + ".",
    }
    macs = f"{record['macs']:,} multiply-accumulates per sample, " if record.get("macs") else ""
    made = (
        f"{record['task']}, {record['parameters']:,} parameters, {macs}made by `zoo run {record['recipe_file']}` on "
        f"{record['date']}."
    )
    head = yaml.safe_dump(_metadata(record), sort_keys=False, allow_unicode=True, width=1000)
    parts = [f"---\n{head}---", f"# {record['name']}", *summary, made]
    parts += [f"## {head}\n\n{text}" for head, text in sections.items() if text]
    return "\n\n".join(parts) + "\n"


def example(record: Mapping[str, Any]) -> str:
    """Lines of Python that run the last file of the record."""
    file = list(record["files"].values())[-1]
    released = record["recipe_file"] == record["name"]
    precision = "" if file["precision"] == "int8" else f', "{file["precision"]}"'
    runner = f'zoo.load_tflite("{record["name"]}"{precision})' if released else f'zoo.Runner("tflite/{file["file"]}")'
    shape = tuple(n or 16 for n in record["data"]["input_shape"])  # any length, where samples differ in length
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
        "Multilabel": "(n, labels) independent probabilities",
    }.get(record["task"], "(n, outputs) values")


def _about(record: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Paragraphs of the recipe's docstring: the description, and the paragraphs on its use by their heads."""
    paragraphs = [text.strip() for text in re.split(r"\n\s*\n", record.get("about") or "") if text.strip()]
    purposes: dict[str, str] = {}
    for text in paragraphs:
        for begin, head in PURPOSES.items():
            if text.startswith(begin):
                purposes[head] = text.removeprefix(begin).strip()
    return [text for text in paragraphs if not text.startswith(tuple(PURPOSES))], purposes


def _metadata(record: Mapping[str, Any]) -> dict[str, Any]:
    data, metric = record["data"], record["score_name"].split()[-1]  # the Hub knows "accuracy", not "label accuracy"
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


def _files(record: Mapping[str, Any]) -> str:
    head, *rows = files_table(record)
    any_auc = any(file.get("auc") is not None for file in record["files"].values())
    head += ["mean ± sd", *["mean ± sd of AUC"] * any_auc, "SHA-256"]
    for row, (precision, file) in zip(rows, record["files"].items(), strict=True):
        row += [spread(record, precision), *[spread(record, precision, "auc")] * any_auc, file["sha256"][:12]]
    target = f", made for {record['target']}" if record.get("target") else ""
    samples = f"{record['data']['samples']['test']:,} samples, in one interpreter"
    rejected = "" if record["verified"] else " **Not every file passed.**"
    return (
        f"{markdown_table(head, rows)}\n\n"
        f"Every score was measured on the exported file{target}, on the whole test set ({samples}), seed "
        f"{record['seed']}, {record['machine']}. Mean and standard deviation (sd) are over n trainings with "
        f"different seeds, or over n folds.{rejected}"
    )


def _classes(record: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of each class, and the confusion matrix, of the last file."""
    file = list(record["files"].values())[-1]
    counts = file.get("confusion")
    if not counts:
        return ""
    labels = record["data"]["labels"] or [str(i) for i in range(len(counts))]
    rows = []
    for i, label in enumerate(labels):
        right, of_class, predicted = counts[i][i], sum(counts[i]), sum(row[i] for row in counts)
        precision, recall = right / predicted if predicted else None, right / of_class if of_class else None
        f1 = 2 * right / (of_class + predicted) if of_class + predicted else None
        rows.append([label, figure(precision), figure(recall), figure(f1), f"{of_class:,}"])
    text = f"Measured on {file['file']}, on test.\n\n"
    text += markdown_table(["class", "precision", "recall", "F1", "samples"], rows)
    if len(counts) > MOST_CLASSES:
        return text
    matrix = [[f"**{label}**", *(str(n or "") for n in row)] for label, row in zip(labels, counts, strict=True)]
    return f"{text}\n\nRows are true classes, columns are predicted ones.\n\n{markdown_table(['', *labels], matrix)}"


def _baselines(record: Mapping[str, Any]) -> str:
    if not record["baselines"]:
        return ""
    aucs = record.get("baselines_auc") or {}
    head = ["baseline", record["score_name"], *["AUC"] * bool(aucs)]
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
    """How its values were chosen, the gap between train and validation, what to change next, and the gradients."""
    search = record["search"]
    chosen = "The recipe's own values were used; no search was run."
    if search:
        values = ", ".join(f"{name} {written(value)}" for name, value in search["best"].items())
        chosen = f"Best of {search['trials']} trials by {search['objective']} ({figure(search['value'])}): {values}."
    count = len(record["calibration"]["indices"])
    calibrated = f"int8 was calibrated on {count} samples of train; record.json has their indices."
    fit = record.get("fit")
    if not fit:
        return f"{chosen}\n\n{calibrated}"
    rows = [
        [name, figure(train), figure(fit["validation"][name]), figure(_difference(fit["validation"][name], train))]
        for name, train in fit["train"].items()
    ]
    knobs = fit["knobs"]
    then = f" After that: {'; '.join(knobs[1:])}." if knobs[1:] else ""
    advice = f"Change next: {knobs[0]}.{then}" if knobs else "Nothing needs to change."
    why = f"{fit['why'].partition(': ')[0]}: {FINE}" if fit["verdict"] == "fine" else fit["why"]
    gradients = record["gradients"]
    norms = [[layer, *(_norm(gradients[when][layer]) for when in GRADIENTS)] for layer in gradients["before"]]
    return f"""{chosen}

{markdown_table(["with the final weights", "train", "validation", "gap"], rows)}

**{fit["verdict"].capitalize()}**: {why}. {advice}

Gradient of the loss per layer, root mean square over its weights, on one batch of train:

{markdown_table(["layer", *(f"{when} training" for when in GRADIENTS)], norms)}

{calibrated}"""


def _tried(record: Mapping[str, Any]) -> str:
    """Recipes that were trained before the release, and the trials of the search; scored on validation alone."""
    return "\n\n".join(text for text in (_attempts(record), _trials(record)) if text)


def _attempts(record: Mapping[str, Any]) -> str:
    attempts = record.get("tried") or []
    if not any(row["differs"] for row in attempts):
        return ""
    metrics = list(dict.fromkeys(name for row in attempts for name in row["final"]))
    head = ["difference from the released recipe", "epochs"]
    head += [f"{name}, {when}" for name in metrics for when in ("last", "best")] + ["seeds"]
    rows = []
    for row in attempts:
        differs = ", ".join(f"{name} {written(value)}" for name, value in row["differs"].items()) or "none"
        values = [figure(row[when].get(name)) for name in metrics for when in ("final", "best")]
        rows.append([differs, str(row["epochs"]), *values, str(row["n"])])
    return f"Means over seeds, of the last epoch and of the best epoch.\n\n{markdown_table(head, rows)}"


def _trials(record: Mapping[str, Any]) -> str:
    search = record["search"]
    if not search or not search.get("history"):
        return ""
    objective, trials = search["objective"], search["history"]
    trials = sorted(trials, key=lambda trial: trial[objective], reverse=not objective.endswith(("loss", "mae")))
    names = [name for name in dict.fromkeys(name for trial in trials for name in trial) if name != objective]
    rows = [[*(written(t[n]) if n in t else "" for n in names), figure(t[objective])] for t in trials[:MOST_TRIALS]]
    heads = ["pruned after" if name == "given_up_after" else name for name in names]
    which = f"the best {MOST_TRIALS} of {len(trials)} trials" if len(trials) > MOST_TRIALS else "all trials"
    return f"Search: {which}, best first:\n\n{markdown_table([*heads, objective], rows)}"


def written(value: Any) -> str:
    """A described value of a recipe as it is written in Python: Rescaling(scale=0.0625)."""
    if isinstance(value, Mapping):
        ((name, settings),) = value.items() if len(value) == 1 else (("", value),)
        given: Sequence[Any] = ()
        if isinstance(settings, list) and len(settings) == 2 and isinstance(settings[1], Mapping):
            given, settings = settings  # of functools.partial
        if not isinstance(settings, Mapping):
            name, settings = "", value
        return f"{name}({', '.join([*map(written, given), *(f'{k}={written(v)}' for k, v in settings.items())])})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({', '.join(map(written, value))})"
    return "none" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _norm(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
