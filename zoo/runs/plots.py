"""Plots of a run: learning curves, gradients, search, confusion matrix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.plots import panels, save
from zoo.runs.report import GRADIENTS
from zoo.tuning.trials import WORST, direction

if TYPE_CHECKING:
    import numpy as np

    from zoo.tuning import Search


def plot_history(history: Mapping[str, Sequence[float]], file: Path) -> None:
    """Learning curves: the loss and the first metric, train and validation."""
    names = [name for name in history if not name.startswith("val_") and name != "learning_rate"]
    drawing, axes = panels(len(names))
    for panel, name in zip(axes, names, strict=True):
        for label, key in (("train", name), ("validation", f"val_{name}")):
            if key in history:
                panel.plot(range(1, len(history[key]) + 1), history[key], label=label)
        panel.set(xlabel="epoch", ylabel=name)
        panel.legend()
    save(drawing, file)


def plot_gradients(gradients: Mapping[str, Mapping[str, float | None]], file: Path) -> None:
    """Norms by layer, from the input to the logits, on a logarithmic axis; zero is drawn at its lower end."""
    layers = list(gradients[GRADIENTS[0]])
    seen = [norm for norms in gradients.values() for norm in norms.values() if norm]
    floor = min(seen, default=1.0) / 10
    drawing, (panel,) = panels(1)
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
    save(drawing, file)


def plot_search(search: "Search", file: Path) -> None:
    """Each trial's objective: over time, with the best so far, and against the learning rate."""
    trials = [t for t in search.trials if abs(t.metrics[search.objective]) < WORST]
    drawing, (left, right) = panels(2)
    values = [t.metrics[search.objective] for t in trials]
    pick = min if direction(search.objective) == "min" else max
    left.plot(range(1, len(values) + 1), values, "o", label="trial")
    left.plot(range(1, len(values) + 1), [pick(values[: i + 1]) for i in range(len(values))], label="best so far")
    left.set(xlabel="trial", ylabel=search.objective)
    left.legend()
    rates = [_optimizer({**search.recipe.resolved, **t.fields}) for t in trials]
    for optimizer in sorted({name for name, _ in rates}):
        points = [(rate, value) for (name, rate), value in zip(rates, values, strict=True) if name == optimizer]
        right.plot(*zip(*points, strict=True), "o", label=optimizer)
    right.set(xscale="log", xlabel="learning rate", ylabel=search.objective)
    right.legend()
    save(drawing, file)


def _optimizer(settings: Mapping[str, Any]) -> tuple[str, float]:
    """Name, or class of the object, and learning rate: NaN if an object has a schedule."""
    optimizer: Any = settings["optimizer"]
    rate = settings["learning_rate"] if isinstance(optimizer, str) else optimizer.get_config()["learning_rate"]
    name = optimizer if isinstance(optimizer, str) else type(optimizer).__name__
    return name, rate if isinstance(rate, float) else float("nan")


def plot_confusion(y: "np.ndarray", decided: "np.ndarray", labels: Sequence[str], file: Path) -> None:
    """Confusion matrix: true classes and predicted ones."""
    from sklearn.metrics import ConfusionMatrixDisplay

    drawing, (panel,) = panels(1, height=5)
    ConfusionMatrixDisplay.from_predictions(
        y.reshape(-1), decided.reshape(-1), labels=range(len(labels)), display_labels=labels, ax=panel, colorbar=False
    )
    save(drawing, file)
