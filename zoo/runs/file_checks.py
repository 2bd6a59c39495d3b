"""The checks that a .tflite file must pass before it is released: target, parity with Keras, score, size."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.data.blocks import Array, slices
from zoo.deploy import Runner
from zoo.exporting.precisions import PRECISIONS
from zoo.recipe.recipe import Bounds
from zoo.recipe.task import Task, Values
from zoo.runtime import targets
from zoo.runtime.targets import TARGETS, incompatibility, read_model, split_operators, type_name

RESAMPLES = 2000  # of the bootstrap


@dataclass(frozen=True)
class Check:
    """One check: its name, whether the file passed it, and the figures."""

    name: str
    held: bool
    detail: str


@dataclass(frozen=True)
class FileReport:
    """The measurements of one file, and its checks."""

    file: str
    precision: str
    bytes: int
    sha256: str
    score: float | None  # of the file: accuracy, or the mean absolute error of a regression
    score_keras: float | None
    interval: tuple[float, float] | None  # 95 %, of the gain in score over the Keras model, paired
    max_abs_error: float | None  # over all outputs, against the Keras model
    samples: int
    ops: dict[str, int]
    checks: tuple[Check, ...]
    strategy: str | None = None  # for recurrent layers
    arena_bytes: int | None = None  # measured by LiteRT Micro, if it is the target and installed
    auc: float | None = None  # area under the ROC curve of the file's probabilities, for Binary tasks
    confusion: tuple[tuple[int, ...], ...] | None = None  # counts by true class (row) and predicted class (column)

    @property
    def passed(self) -> bool:
        return all(check.held for check in self.checks)

    @property
    def reason(self) -> str:
        """The failed checks in one line."""
        return "; ".join(f"{check.name}: {check.detail}" for check in self.checks if not check.held)

    # Earlier names.
    verified = passed
    refusal = reason

    @property
    def difference(self) -> float | None:
        return self.max_abs_error

    def with_checks(self, *checks: Check) -> Self:
        return dataclasses.replace(self, checks=(*self.checks, *checks))

    def as_dict(self) -> dict[str, Any]:
        keys = {"max_abs_error": "difference"}  # in records
        return {**{keys.get(k, k): v for k, v in dataclasses.asdict(self).items()}, "verified": self.passed}


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
    """Measures a file on (x, y), one invoke per sample, against the Keras model's outputs `reference`.

    One interpreter runs all samples, so that a state which leaks from one invoke into the next is detected. Without
    targets `y` no score is computed.
    """
    report = FileReport(path.name, precision, path.stat().st_size, "", None, None, None, None, len(x), {}, ())
    try:
        reason = incompatibility(path, TARGETS[target])
        ops, _ = operators(path)
        supported = f"{TARGETS[target].title} has all of {len(ops)} kinds of ops"
        report = report.with_checks(Check("target", reason is None, reason or supported))
        if reason and incompatibility(path, TARGETS["litert"]):
            return dataclasses.replace(report, ops=ops)  # no interpreter without TensorFlow runs it
        runner = Runner(path)
    except ValueError as error:
        return report.with_checks(Check("loads", False, str(error)))
    report = dataclasses.replace(report, sha256=runner.sha256, ops=ops).with_checks(
        Check("loads", True, "in a plain LiteRT interpreter"), *_static_checks(path, precision, task, bounds)
    )
    try:
        outputs = np.concatenate([runner.predict(values) for values in slices(x)])
    except ValueError as error:  # an op rejects values that it cannot compute with
        return report.with_checks(Check("runs", False, str(error)))
    unfit = int((~np.isfinite(outputs.reshape(len(outputs), -1))).any(axis=1).sum())
    report = report.with_checks(Check("finite", unfit == 0, f"{unfit} of {len(x)} outputs are NaN or infinite"))
    if outputs.shape != reference.shape:
        detail = f"outputs {outputs.shape}, the Keras model's {reference.shape}"
        return report.with_checks(Check("parity", False, detail))
    if unfit:
        return report
    report = _compared(report, outputs, reference, bounds)
    return report if y is None else _scored(report, outputs, reference, y, task, bounds)


def _compared(report: FileReport, outputs: np.ndarray, reference: np.ndarray, bounds: Bounds) -> FileReport:
    """The report with the errors of the outputs against the Keras model's."""
    largest = max(1.0, float(np.abs(reference).max()))
    errors = np.abs(outputs - reference)
    highest, mean = float(errors.max()), float(errors.mean())
    allowed = bounds.of("difference", report.precision) * largest
    allowed_mean = bounds.of("mean_difference", report.precision) * largest
    detail = f"max abs error {highest:.2g} over {report.samples} samples, {allowed:g} allowed"
    return dataclasses.replace(report, max_abs_error=highest).with_checks(
        Check("parity", highest <= allowed, detail),
        Check("mean parity", mean <= allowed_mean, f"mean abs error {mean:.3g}, {allowed_mean:g} allowed"),
    )


def _scored(
    report: FileReport, outputs: np.ndarray, reference: np.ndarray, y: np.ndarray, task: Task, bounds: Bounds
) -> FileReport:
    """The report with the scores of the file and of the Keras model."""
    score, score_keras = task.score(y, outputs), task.score(y, reference)
    gains = task.per_sample(y, outputs) - task.per_sample(y, reference)
    low, high = interval(gains if task.larger_is_better else -gains)
    lost = task.better(score_keras, score)
    may_lose = bounds.of("drop", report.precision) * abs(score_keras)
    detail = (
        f"{task.score_name} {score:.4f} of the file, {score_keras:.4f} in Keras (gain {low:+.4f} to {high:+.4f}, "
        f"95 %), a loss of {may_lose:.2g} is allowed"
    )
    report = report.with_checks(Check("loss against Keras", bool(lost <= may_lose), detail))
    if bounds.score is not None:
        enough = bool(task.better(score, bounds.score) >= -1e-9)
        report = report.with_checks(
            Check("bound", enough, f"{task.score_name} {score:.4f}, the bound is {bounds.score:g}")
        )
    counts = task.confusion(y, outputs)
    confusion = None if counts is None else tuple(map(tuple, counts.tolist()))
    return dataclasses.replace(
        report, score=score, score_keras=score_keras, interval=(low, high), auc=task.auc(y, outputs),
        confusion=confusion,
    )  # fmt: skip


def _static_checks(path: Path, precision: str, task: Task, bounds: Bounds) -> Iterator[Check]:
    """The checks that do not run the file."""
    kind = PRECISIONS[precision]
    if kind.float_ops is not None:
        prefix, between, suffix = float_operators(path, precision, isinstance(task, Values))
        computing = [name for name in between if name not in kind.float_ops]
        detail = "all operators compute in integers"
        detail += f" behind {', '.join(prefix)}, which treat each feature separately" if prefix else ""
        detail += f", except the last, {', '.join(suffix)}, which output values" if suffix else ""
        detail = f"computes in float: {', '.join(computing)}" if computing else detail
        yield Check(f"{precision} throughout", not computing, detail)
    weights = PRECISIONS[precision].weights
    if weights:
        found = weights in weight_types(path)
        missing = f"no weights are {weights}: the converter leaves small tensors in float32; use another precision"
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
    """The types of the constants of a file."""
    model = read_model(path)
    return {
        type_name(tensor)
        for graph in model.subgraphs
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is not None and len(model.buffers[tensor.buffer].data)
    }


def operators(path: Path) -> tuple[dict[str, int], set[str]]:
    """The number of uses of each operator, and the operators that output floats. Raises ValueError."""
    found = list(targets.operators(read_model(path)))
    return dict(Counter(name for name, _, _ in found)), _with_float_output(found)


def float_operators(path: Path, precision: str, values: bool) -> list[list[str]]:
    """The operators that output floats: in the prefix of an integer file, between, and in the suffix of `values`."""
    kind = PRECISIONS[precision]
    groups = split_operators(read_model(path), kind.float_prefix, kind.float_suffix and values)
    return [sorted(_with_float_output(group)) for group in groups]


def _with_float_output(found: Iterable[targets.Operator]) -> set[str]:
    return {name for name, _, outputs in found if any(type_name(tensor) == "FLOAT32" for tensor in outputs)}
