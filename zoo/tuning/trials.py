"""A trial and a search, as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORST = 1e300  # stands for a loss that is not finite, which KerasTuner would skip or take for the best
SMALL_IS_GOOD = (
    "loss", "mae", "mse", "mape", "msle", "rmse", "error", "crossentropy", "divergence", "hinge", "poisson", "cosh",
    "false_positives", "false_negatives",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One candidate and what came out.

    Attributes:
        values: what was drawn, by hyperparameter.
        fields: of the recipe that these values replace.
        metrics: at the end of its training; one that is not finite is +-1e300, whichever is worst.
        seconds: it took. epochs: it was trained; pruned: whether it was given up before its last one.
        error: why it failed; its objective then is the worst.
        again: the objective from other seeds, by seed, where the trial was among the best.
        number: in the order of drawing; a trial that was lost with its worker leaves a gap.
    """

    values: dict[str, Any]
    metrics: dict[str, float]
    seconds: float
    epochs: int = 0
    pruned: bool = False
    error: str = ""
    number: int = 0
    again: dict[str, float] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """A search: its trials in the order of drawing, the best one, and the recipe with its values."""

    trials: tuple[Trial, ...]
    best: Trial
    recipe: Any  # Recipe, or None where a model of the caller's own was tuned
    objective: str
    seconds: float  # of this call; nothing where it was read
    file: Path | str | None = None


def direction(objective: str) -> str:
    """Losses and errors are to be small, everything else large; by the names that Keras gives its metrics."""
    return "min" if objective.endswith(SMALL_IS_GOOD) else "max"


def finite(name: str, value: float) -> float:
    return value if math.isfinite(value) else worst(name)


def worst(objective: str) -> float:
    return WORST if direction(objective) == "min" else -WORST


def ranked(trials: Sequence[Trial], objective: str) -> list[Trial]:
    """The best first. What was given up early comes after all that was trained to the end."""
    sign = 1 if direction(objective) == "min" else -1
    return sorted(trials, key=lambda t: (t.pruned, sign * t.metrics[objective], t.number))


def pareto_front(trials: Sequence[Trial], objective: str) -> list[Trial]:
    """The trials that no other one beats in both the objective and the bytes of the file, the smallest first.

    Empty where no file was exported: trials have `bytes` where the objective is that of a file.
    """
    sign = 1 if direction(objective) == "min" else -1
    measured = [t for t in trials if "bytes" in t.metrics and not t.pruned and abs(t.metrics[objective]) < WORST]
    front: list[Trial] = []
    for trial in sorted(measured, key=lambda t: (sign * t.metrics[objective], t.metrics["bytes"], t.number)):
        if not front or trial.metrics["bytes"] < front[-1].metrics["bytes"]:  # as it is no better than these
            front.append(trial)
    return front[::-1]


def best_of(trials: Sequence[Trial], objective: str) -> Trial:
    """The trial with the best mean over the seeds that it was trained again from, or else the best one.

    The seed of the search itself does not count there: it is what a lucky trial was chosen by.
    """
    sign = 1 if direction(objective) == "min" else -1
    finalists = [t for t in trials if t.again]
    if not finalists:
        return ranked(trials, objective)[0]
    return min(finalists, key=lambda t: sign * sum(t.again.values()) / len(t.again))


def progress(
    trial: Trial, trials: Sequence[Trial], objective: str, place: str, left: float | None, shown: str | None = None
) -> str:
    """A line on a trial that has ended: its place among all, what it came to, the best so far, seconds left."""
    shown = shown or objective
    best = ranked(trials, objective)[0].metrics[objective] if trials else math.nan
    return (
        f"trial {place}  {brief(trial.values)}  {shown} {trial.metrics[shown]:.4f}  best {best:.4f}"
        + (f"  given up after {trial.epochs}" if trial.pruned else "")
        + (f"  {max(0.0, left):.0f} s left" if left is not None else "")
        + (f"  failed: {trial.error}" if trial.error else "")
    )


def brief(values: Mapping[str, Any]) -> str:
    shown = {k: v for k, v in values.items() if not k.startswith("tuner/")}
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in shown.items())
