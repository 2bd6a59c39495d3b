"""From records to what people read: cards, tables, plots. No figure is typed here; each comes from a record."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

GRADIENTS = ("before", "after")  # when they were taken: of the fresh model, of the trained one

if TYPE_CHECKING:
    import numpy as np

    from zoo.collection import Entry
    from zoo.rate_finder import RateCurve
    from zoo.tuning import Search


def results_table(entries: Sequence["Entry"]) -> str:
    """The README's table: a row for each released file, from the records."""
    rows = []
    for entry in entries:
        record = entry.record
        if record is None:
            continue
        for precision, file in record["files"].items():
            rows.append(
                [
                    f"[{entry.name}](recipes/{entry.name}.py)",
                    precision,
                    f"{file['bytes']:,}",
                    f"{file['score']:.4f}",
                    spread(record, precision),
                    *(f"{record['baselines'].get(name, float('nan')):.4f}" for name in ("logistic regression", "SVC")),
                ]
            )
    head = [
        "recipe",
        "precision",
        "bytes",
        "test accuracy of the file",
        "mean ± sd over seeds",
        "logistic regression",
        "SVC",
    ]
    return markdown_table(head, rows)


def spread(record: Mapping[str, Any], precision: str) -> str:
    """Mean, standard deviation and number of seeds of a precision's score."""
    scores = [seed[precision] for seed in record["seeds"] if seed.get(precision) is not None]
    if len(scores) < 2:
        return "one seed"
    refused = sum(not seed["verified"] for seed in record["seeds"])
    note = f", {refused} refused" if refused else ""
    return f"{statistics.mean(scores):.4f} ± {statistics.stdev(scores):.4f} (n={len(scores)}{note})"


def files_table(record: Mapping[str, Any]) -> list[list[str]]:
    """Head and rows of what a run ends with: one row a file."""
    rows = [["precision", "bytes", f"test {record['score_name']}", "largest difference to Keras", "latency, 1 thread"]]
    for precision, file in record["files"].items():
        rows.append(
            [
                precision,
                f"{file['bytes']:,}",
                _figure(file["score"]),
                "-" if file["difference"] is None else f"{file['difference']:.1e}",
                f"{file['latency_us']:.1f} us" if file["latency_us"] else "refused",
            ]
        )
    return rows


def card(record: Mapping[str, Any]) -> str:
    """A model card in Markdown, from the record alone."""
    data, name = record["data"], record["name"]
    head, *rows = files_table(record)
    for row, precision in zip(rows, record["files"], strict=True):
        row.append(spread(record, precision))
        row.append(record["files"][precision]["sha256"][:12])
    search = record["search"]
    found = "The recipe's own values were used; no search was run."
    if search:
        values = ", ".join(f"{k} {_figure(v)}" for k, v in search["best"].items())
        found = f"Best of {search['trials']} trials by {search['objective']} ({search['value']:.4f}): {values}."
    samples = ", ".join(f"{count} {part}" for part, count in data["samples"].items())
    best = next(iter(reversed(record["files"].values())))
    return f"""# {name}

{record["task"]}, {record["parameters"]:,} parameters, made by `zoo run {record["recipe_file"]}` on {record["date"]}.

## Files

{markdown_table([*head, "mean ± sd over seeds", "SHA-256"], rows)}

Every figure was measured on the file itself, on the whole test set ({data["samples"]["test"]} samples, one invoke after
the other), seed {record["seed"]}, {record["machine"]}.{"" if record["verified"] else " **Not every file passed.**"}

## Run it

```python
from zoo import Runner

runner = Runner("{best["file"]}")
runner.predict(x)  # x: (n, {", ".join(map(str, data["input_shape"]))}) -> {best_output(record)}
```

## Against simple methods, on the same split

{markdown_table(["method", record["score_name"]], [[k, _figure(v)] for k, v in record["baselines"].items()])}

## Data

{data["name"]}: {samples}; SHA-256 {data["sha256"][:12]}. Licence: {data["licence"] or "not given"}. {data["citation"]}
Classes: {", ".join(data["labels"]) or "none"}.

## Training

{found}{_fit(record)}
int8 was calibrated on {len(record["calibration"]["indices"])} samples of train, whose indices stand in record.json.
Versions: {", ".join(f"{k} {v}" for k, v in record["versions"].items())}.
"""


def _fit(record: Mapping[str, Any]) -> str:
    """The gap between train and validation, what to turn next, and the gradients: of records that have them."""
    fit = record.get("fit")
    if not fit:
        return ""
    rows = [
        [name, _figure(train), _figure(fit["validation"][name]), _figure(_difference(fit["validation"][name], train))]
        for name, train in fit["train"].items()
    ]
    knobs = fit["knobs"]
    then = f" After that: {'; '.join(knobs[1:])}." if knobs[1:] else ""
    advice = f"Turn next: {knobs[0]}.{then}" if knobs else "Nothing needs to be turned."
    gradients = record["gradients"]
    norms = [[layer, *(_norm(gradients[when][layer]) for when in GRADIENTS)] for layer in gradients["before"]]
    return f"""

{markdown_table(["the kept weights", "train", "validation", "gap"], rows)}

**{fit["verdict"].capitalize()}**: {fit["why"]}. {advice}

The gradient of the loss by layer, as the root mean square over its weights, on one batch of train:

{markdown_table(["layer", *(f"{when} training" for when in GRADIENTS)], norms)}
"""


def _norm(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def best_output(record: Mapping[str, Any]) -> str:
    count = len(record["data"]["labels"]) or "classes"
    return {
        "Multiclass": f"(n, {count}) probabilities",
        "Binary": "(n, 1) probability of class 1",
        "Multilabel": "(n, labels) probabilities, each by itself",
    }.get(record["task"], "(n, outputs) values")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def plain_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns for a terminal, as wide as their widest cell; those whose numbers `right` holds end at the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        [cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def plot_history(history: Mapping[str, Sequence[float]], file: Path) -> None:
    """Learning curves: the loss and the first metric, train and validation."""
    names = [name for name in history if not name.startswith("val_") and name != "learning_rate"]
    figure, panels = _figure_with(len(names))
    for panel, name in zip(panels, names, strict=True):
        for label, key in (("train", name), ("validation", f"val_{name}")):
            if key in history:
                panel.plot(range(1, len(history[key]) + 1), history[key], label=label)
        panel.set(xlabel="epoch", ylabel=name)
        panel.legend()
    _save(figure, file)


def plot_gradients(gradients: Mapping[str, Mapping[str, float | None]], file: Path) -> None:
    """Norms by layer, from the input to the logits, on a logarithmic axis; no gradient at all lies on its floor."""
    layers = list(gradients[GRADIENTS[0]])
    seen = [norm for norms in gradients.values() for norm in norms.values() if norm]
    floor = min(seen, default=1.0) / 10
    figure, (panel,) = _figure_with(1)
    for when, norms in gradients.items():
        values = [float("nan") if norms[layer] is None else norms[layer] or floor for layer in layers]
        (drawn,) = panel.plot(range(len(layers)), values, "o-", label=f"{when} training")
        zeros = [i for i, layer in enumerate(layers) if norms[layer] == 0]
        panel.plot(zeros, [floor] * len(zeros), "x", color=drawn.get_color(), markersize=12)
    if any(norm == 0 for norms in gradients.values() for norm in norms.values()):
        panel.axhline(floor, color="0.8", linestyle=":", label="none")
    panel.set(yscale="log", ylabel="gradient, root mean square")
    panel.set_xticks(range(len(layers)), layers, rotation=90 if len(layers) > 4 else 0)
    panel.legend()
    _save(figure, file)


def plot_search(search: "Search", file: Path) -> None:
    """Each trial's objective: in the order of drawing, with the best so far, and against the learning rate."""
    from zoo.tuning import WORST, direction

    trials = [t for t in search.trials if abs(t.metrics[search.objective]) < WORST]
    figure, (left, right) = _figure_with(2)
    values = [t.metrics[search.objective] for t in trials]
    pick = min if direction(search.objective) == "min" else max
    left.plot(range(1, len(values) + 1), values, "o", label="trial")
    left.plot(range(1, len(values) + 1), [pick(values[: i + 1]) for i in range(len(values))], label="best so far")
    left.set(xlabel="trial", ylabel=search.objective)
    left.legend()
    tried = [_optimizer({**search.recipe.resolved, **t.fields}) for t in trials]
    for optimizer in sorted({name for name, _ in tried}):
        points = [(rate, value) for (name, rate), value in zip(tried, values, strict=True) if name == optimizer]
        right.plot(*zip(*points, strict=True), "o", label=optimizer)
    right.set(xscale="log", xlabel="learning rate", ylabel=search.objective)
    right.legend()
    _save(figure, file)


def plot_rates(curve: "RateCurve", file: Path) -> None:
    """The loss against the learning rate, and where it falls fastest."""
    figure, (panel,) = _figure_with(1)
    panel.plot(curve.rates, curve.losses, ".", color="0.7", label="loss of a batch")
    panel.plot(curve.rates, curve.smoothed, label="smoothed")
    panel.axvline(curve.suggestion, color="0.3", linestyle="--", label=f"suggested: {curve.suggestion:.2g}")
    top = max(curve.smoothed[0], min(curve.smoothed)) * 1.5  # the last points lie far above: it diverges there
    panel.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(min(0, *curve.smoothed), top))
    panel.legend()
    _save(figure, file)


def _optimizer(settings: Mapping[str, Any]) -> tuple[str, float]:
    """Name, or kind of the object, and learning rate, of which there is no single one under an object's schedule."""
    optimizer: Any = settings["optimizer"]
    rate = settings["learning_rate"] if isinstance(optimizer, str) else optimizer.get_config()["learning_rate"]
    name = optimizer if isinstance(optimizer, str) else type(optimizer).__name__
    return name, rate if isinstance(rate, float) else float("nan")


def plot_confusion(y: "np.ndarray", decided: "np.ndarray", labels: Sequence[str], file: Path) -> None:
    """How often each class was taken for each other one."""
    from sklearn.metrics import ConfusionMatrixDisplay

    figure, (panel,) = _figure_with(1, height=5)
    ConfusionMatrixDisplay.from_predictions(
        y.reshape(-1), decided.reshape(-1), labels=range(len(labels)), display_labels=labels, ax=panel, colorbar=False
    )
    _save(figure, file)


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    return (
        f"{value:.4g}"
        if isinstance(value, float) and abs(value) > 1
        else f"{value:.4f}"
        if isinstance(value, float)
        else str(value)
    )


def _figure_with(panels: int, height: float = 4.0) -> tuple[Any, Any]:
    """A figure that needs no display and leaves pyplot's state alone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * panels, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, dpi=120)
