"""A trial and a search, as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORST = 1e300  # replaces a loss that is not finite, which KerasTuner would skip or treat as the best
SMALL_IS_GOOD = (
    "loss", "mae", "mse", "mape", "msle", "rmse", "error", "crossentropy", "divergence", "hinge", "poisson", "cosh",
    "false_positives", "false_negatives",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One candidate and its results.

    Attributes:
        values: the drawn value of each hyperparameter.
        fields: the fields that these values replace in the recipe.
        metrics: after the last epoch; one that is not finite is +-1e300, whichever is worse.
        seconds: duration. epochs: trained epochs. pruned: whether it was stopped before its last epoch.
        error: why it failed; its objective is then the worst.
        again: for finalists, the objective by further seed.
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
    recipe: Any  # Recipe, or None for a HyperModel
    objective: str
    seconds: float  # of this call; 0 where the search was read
    file: Path | str | None = None


def direction(objective: str) -> str:
    """ "min" for losses and errors, by the names of Keras' metrics; "max" for all others."""
    return "min" if objective.endswith(SMALL_IS_GOOD) else "max"


def finite(name: str, value: float) -> float:
    return value if math.isfinite(value) else worst(name)


def worst(objective: str) -> float:
    return WORST if direction(objective) == "min" else -WORST


def ranked(trials: Sequence[Trial], objective: str) -> list[Trial]:
    """The best first. Pruned trials come after all others."""
    sign = 1 if direction(objective) == "min" else -1
    return sorted(trials, key=lambda t: (t.pruned, sign * t.metrics[objective], t.number))


def pareto_front(trials: Sequence[Trial], objective: str) -> list[Trial]:
    """The trials that no other trial beats in both the objective and the bytes of the file, the smallest first.

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
    """The finalist with the best mean over its further seeds; without finalists, the best trial.

    The search's own seed does not count: finalists were selected by it, so its results are biased.
    """
    sign = 1 if direction(objective) == "min" else -1
    finalists = [t for t in trials if t.again]
    if not finalists:
        return ranked(trials, objective)[0]
    return min(finalists, key=lambda t: sign * sum(t.again.values()) / len(t.again))


def progress(
    trial: Trial, trials: Sequence[Trial], objective: str, count: str, left: float | None, shown: str | None = None
) -> str:
    """A line on a finished trial: count, values, the metric `shown`, the best so far, seconds left."""
    shown = shown or objective
    best = ranked(trials, objective)[0].metrics[objective] if trials else math.nan
    return (
        f"trial {count}  {brief(trial.values)}  {shown} {figure(trial.metrics[shown])}  best {figure(best)}"
        + (f"  pruned after epoch {trial.epochs}" if trial.pruned else "")
        + (f"  {max(0.0, left):.0f} s left" if left is not None else "")
        + (f"  failed: {trial.error}" if trial.error else "")
    )


def figure(value: float) -> str:
    """Four decimals; "-" where there is no finite result."""
    return f"{value:.4f}" if abs(value) < WORST else "-"


def brief(values: Mapping[str, Any]) -> str:
    shown = {k: v for k, v in values.items() if not k.startswith("tuner/")}
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in shown.items())
