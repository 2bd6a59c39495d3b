"""The gates: what a .tflite file must pass before it counts as good."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.blocks import Array, slices
from zoo.deploy import Runner
from zoo.exporting.precisions import PRECISIONS
from zoo.recipe.recipe import Bounds
from zoo.recipe.task import Task, Values
from zoo.runtime import targets

RESAMPLES = 2000  # of the bootstrap


@dataclass(frozen=True)
class Check:
    """One gate: its name, whether it held, and the figures."""

    name: str
    held: bool
    detail: str


@dataclass(frozen=True)
class FileReport:
    """What was measured on one file, and the gates that it passed or not."""

    file: str
    precision: str
    bytes: int
    sha256: str
    score: float | None  # accuracy, or the mean absolute error of a regression, on the file itself
    score_keras: float | None
    interval: tuple[float, float] | None  # 95 %, of how much better the file scores than the Keras model, paired
    difference: float | None  # largest, of any output, from the Keras model
    samples: int
    ops: dict[str, int]
    checks: tuple[Check, ...]
    strategy: str | None = None  # of recurrent layers
    arena_bytes: int | None = None  # that LiteRT Micro needs, where the file is for it and it is installed
    auc: float | None = None  # area under the ROC curve of the file's probabilities, where the task is Binary
    confusion: tuple[tuple[int, ...], ...] | None = None  # how often each class (row) was taken for each (column)

    @property
    def verified(self) -> bool:
        return all(check.held for check in self.checks)

    @property
    def refusal(self) -> str:
        """Why the file is refused, in one line."""
        return "; ".join(f"{check.name}: {check.detail}" for check in self.checks if not check.held)

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "verified": self.verified}


def check_file(
    path: Path,
    precision: str,
    x: Array,
    y: np.ndarray | None,
    reference: np.ndarray,
    task: Task,
    bounds: Bounds,
    target: str = "litert",
) -> FileReport:
    """Measures a file on (x, y), one invoke after the other, against the Keras model's outputs `reference`.

    Every sample is asked in one interpreter, so that a state which leaks from one invoke into the next shows. Without
    targets `y` nothing is scored.
    """
    checks: list[Check] = []

    def check(name: str, held: bool, detail: str) -> None:
        checks.append(Check(name, bool(held), detail))

    def report(score=None, score_keras=None, interval=None, difference=None, sha256="", ops=None) -> FileReport:
        return FileReport(
            path.name, precision, path.stat().st_size, sha256, score, score_keras, interval, difference, len(x),
            ops or {}, tuple(checks),
        )  # fmt: skip

    try:
        refusal = targets.refusal(path, targets.TARGETS[target])
        ops, _ = operators(path)
        check(
            "target", refusal is None, refusal or f"{targets.TARGETS[target].title} has all of {len(ops)} kinds of ops"
        )
        if refusal and targets.refusal(path, targets.TARGETS["litert"]):
            return report(ops=ops)  # no interpreter that TensorFlow is not a part of runs it
        runner = Runner(path)
    except ValueError as error:
        check("loads", False, str(error))
        return report()
    check("loads", True, "in a plain LiteRT interpreter")
    checks += _stored(path, precision, task, bounds)

    try:
        outputs = np.concatenate([runner.predict(values) for values in slices(x)])
    except ValueError as error:  # an op stops on values that it cannot compute with
        check("runs", False, str(error))
        return report(sha256=runner.sha256, ops=ops)
    unfit = int((~np.isfinite(outputs.reshape(len(outputs), -1))).any(axis=1).sum())
    check("finite", unfit == 0, f"{unfit} of {len(x)} outputs are NaN or infinite")
    if outputs.shape != reference.shape:
        check("parity", False, f"outputs {outputs.shape}, the Keras model's {reference.shape}")
    if unfit or outputs.shape != reference.shape:
        return report(sha256=runner.sha256, ops=ops)
    largest = max(1.0, float(np.abs(reference).max()))
    difference = float(np.abs(outputs - reference).max())
    allowed = bounds.of("difference", precision) * largest
    check(
        "parity",
        difference <= allowed,
        f"largest difference {difference:.2g} over {len(x)} samples, {allowed:g} allowed",
    )
    mean_difference = float(np.abs(outputs - reference).mean())
    allowed = bounds.of("mean_difference", precision) * largest
    check("mean parity", mean_difference <= allowed, f"mean difference {mean_difference:.3g}, {allowed:g} allowed")
    if y is None:
        return report(difference=difference, sha256=runner.sha256, ops=ops)
    score, score_keras = task.score(y, outputs), task.score(y, reference)
    gains = task.per_sample(y, outputs) - task.per_sample(y, reference)
    low, high = interval(gains if task.larger_is_better else -gains)
    lost = task.better(score_keras, score)
    may_lose = bounds.of("drop", precision) * abs(score_keras)
    check(
        "loss against Keras",
        lost <= may_lose,
        f"{task.score_name} {score:.4f} on the file, {score_keras:.4f} in Keras (difference {low:+.4f} to {high:+.4f}, "
        f"95 %), {may_lose:.2g} may be lost",
    )
    if bounds.score is not None:
        enough = task.better(score, bounds.score) >= -1e-9
        check("bound", enough, f"{task.score_name} {score:.4f}, {bounds.score:g} is asked for")
    measured = report(score, score_keras, (low, high), difference, runner.sha256, ops)
    counts = task.confusion(y, outputs)
    confusion = None if counts is None else tuple(map(tuple, counts.tolist()))
    return dataclasses.replace(measured, auc=task.auc(y, outputs), confusion=confusion)


def _stored(path: Path, precision: str, task: Task, bounds: Bounds) -> Iterator[Check]:
    """What can be seen of a file without running it."""
    kind = PRECISIONS[precision]
    if kind.real_ops is not None:
        start, between, end = real_parts(path, precision, isinstance(task, Values))
        computing = [name for name in between if name not in kind.real_ops]
        detail = "all operators compute in integers"
        detail += f" behind {', '.join(start)}, which treat each feature by itself" if start else ""
        detail += f" but for the last, {', '.join(end)}, which give values" if end else ""
        detail = f"computes in float: {', '.join(computing)}" if computing else detail
        yield Check(f"{precision} throughout", not computing, detail)
    weights = PRECISIONS[precision].weights
    if weights:
        found = weights in weight_types(path)
        missing = f"no weights are {weights}: the converter leaves small tensors in float32; take another"
        yield Check(f"{precision} weights", found, f"there are weights of {weights}" if found else missing)
    if precision in bounds.bytes:
        size = path.stat().st_size
        yield Check("size", size <= bounds.bytes[precision], f"{size:,} bytes, {bounds.bytes[precision]:,} allowed")


def interval(differences: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of `differences` (n,), by the paired bootstrap (Efron 1979)."""
    n = len(differences)
    rng = np.random.default_rng(0)
    means = [differences[rng.integers(0, n, n)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def weight_types(path: Path) -> set[str]:
    """The types of the constants in a file."""
    model = targets.read_model(path)
    return {
        targets.type_name(tensor)
        for graph in model.subgraphs
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is not None and len(model.buffers[tensor.buffer].data)
    }


def operators(path: Path) -> tuple[dict[str, int], set[str]]:
    """How often each operator stands in a file, and which operators write real numbers. Raises ValueError."""
    found = list(targets.operators(targets.read_model(path)))
    return dict(Counter(name for name, _, _ in found)), _real(found)


def real_parts(path: Path, precision: str, values: bool) -> list[list[str]]:
    """The operators that write real numbers: at the start of an integer file, between, and at the end of `values`."""
    kind = PRECISIONS[precision]
    parts = targets.parts(targets.read_model(path), kind.real_start, kind.real_end and values)
    return [sorted(_real(part)) for part in parts]


def _real(found: Iterable[targets.Operator]) -> set[str]:
    return {name for name, _, outputs in found if any(targets.type_name(tensor) == "FLOAT32" for tensor in outputs)}
