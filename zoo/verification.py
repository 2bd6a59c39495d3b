"""The gates: what a .tflite file must pass before it counts as good."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.deploy import Runner
from zoo.recipe import Bounds
from zoo.task import Task

# What may touch real numbers in an int8 file: the conversion at its two ends.
REAL_VALUED = {"QUANTIZE", "DEQUANTIZE"}


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
    difference: float | None  # largest, of any output, from the Keras model
    samples: int
    ops: dict[str, int]
    checks: tuple[Check, ...]

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
    path: Path, precision: str, x: np.ndarray, y: np.ndarray, reference: np.ndarray, task: Task, bounds: Bounds
) -> FileReport:
    """Measures a file on (x, y), one invoke after the other, against the Keras model's outputs `reference`.

    Every sample is asked in one interpreter, so that a state which leaks from one invoke into the next shows.
    """
    checks: list[Check] = []

    def check(name: str, held: bool, detail: str) -> None:
        checks.append(Check(name, bool(held), detail))

    def report(score=None, score_keras=None, difference=None, sha256="", ops=None) -> FileReport:
        return FileReport(
            path.name, precision, path.stat().st_size, sha256, score, score_keras, difference, len(x), ops or {},
            tuple(checks),
        )  # fmt: skip

    try:
        runner = Runner(path)  # first of all, whether this is the file that its record describes
        ops, real = operators(path)
    except ValueError as error:
        foreign = _not_builtin(_operators_if_readable(path))
        check("loads", False, f"needs {', '.join(foreign)}, which TensorFlow alone has" if foreign else str(error))
        return report()
    check("loads", True, "in a plain LiteRT interpreter")
    foreign = _not_builtin(ops)  # an interpreter that TensorFlow was imported beside runs these too
    check("builtin ops", not foreign, f"needs {', '.join(foreign)}" if foreign else f"{len(ops)} kinds")
    if precision == "int8":
        computing = sorted(real - REAL_VALUED)
        detail = f"computes in float: {', '.join(computing)}" if computing else "all operators compute in integers"
        check("int8 throughout", not computing, detail)

    outputs = runner.predict(x)
    unfit = int((~np.isfinite(outputs)).any(axis=1).sum())
    check("finite", unfit == 0, f"{unfit} of {len(x)} outputs are NaN or infinite")
    if outputs.shape != reference.shape:
        check("parity", False, f"outputs {outputs.shape}, the Keras model's {reference.shape}")
        return report(sha256=runner.sha256, ops=ops)
    if unfit:
        return report(sha256=runner.sha256, ops=ops)
    difference = float(np.abs(outputs - reference).max())
    allowed = bounds.difference[precision] * max(1.0, float(np.abs(reference).max()))
    check(
        "parity",
        difference <= allowed,
        f"largest difference {difference:.2g} over {len(x)} samples, {allowed:g} allowed",
    )
    mean_difference = float(np.abs(outputs - reference).mean())
    allowed = bounds.mean_difference[precision] * max(1.0, float(np.abs(reference).max()))
    check("mean parity", mean_difference <= allowed, f"mean difference {mean_difference:.2g}, {allowed:g} allowed")
    score, score_keras = task.score(y, outputs), task.score(y, reference)
    lost = task.better(score_keras, score)
    may_lose = bounds.drop[precision] * abs(score_keras)
    check(
        "loss against Keras",
        lost <= may_lose,
        f"{task.score_name} {score:.4f} on the file, {score_keras:.4f} in Keras, {may_lose:.2g} may be lost",
    )
    enough = task.better(score, bounds.score) >= -1e-9
    check("bound", enough, f"{task.score_name} {score:.4f}, the recipe asks for {bounds.score:g}")
    return report(score, score_keras, difference, runner.sha256, ops)


def operators(path: Path) -> tuple[dict[str, int], set[str]]:
    """How often each operator stands in a file, and which operators write real numbers."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
        names = _builtin_codes()
        counts: Counter[str] = Counter()
        real: set[str] = set()
        for graph in model.subgraphs:
            for operator in graph.operators or []:
                code = model.operatorCodes[operator.opcodeIndex]
                number = max(code.builtinCode, code.deprecatedBuiltinCode)  # old files know the small field alone
                name = code.customCode.decode() if names[number] == "CUSTOM" else names[number]
                counts[name] += 1
                if any(graph.tensors[i].type == schema.TensorType.FLOAT32 for i in operator.outputs):
                    real.add(name)
    except Exception as error:  # flatbuffers reads a damaged file until struct or an index breaks
        raise ValueError(f"{path} is damaged: its operators cannot be read ({type(error).__name__})") from None
    return dict(counts), real


def _operators_if_readable(path: Path) -> dict[str, int]:
    try:
        return operators(path)[0]
    except ValueError:
        return {}


def _builtin_codes() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def _not_builtin(ops: Iterable[str]) -> list[str]:
    """Custom operators, among them Flex ones, for which an interpreter needs all of TensorFlow."""
    return sorted(set(ops) - set(_builtin_codes().values()))
