"""From a Keras model to checked .tflite files: converts, adds metadata, measures, seals, keeps or rejects.

Every file is measured as it is delivered: its model part, metadata included, runs on the test set. Behind it comes an
archive with the measurements and the model part's SHA-256.
"""

import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.checks import check_choice
from zoo.base.errors import InvalidValue
from zoo.base.files import locked, write_json, write_text, writing
from zoo.data.arrays import Samples
from zoo.data.blocks import slices
from zoo.deploy import Runner
from zoo.exporting.conversion import choose, convert
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.strategies import Strategy
from zoo.recipe.recipe import Bounds
from zoo.recipe.task import Task, Values
from zoo.runs.contents import Contents, data_hash, guessed_task
from zoo.runs.file_checks import Check, FileReport
from zoo.runs.measuring import check_saved_model, golden, reference_outputs, sealed_and_measured
from zoo.runs.record import make_record, write_record
from zoo.runtime.latency import latency
from zoo.runtime.targets import TARGETS
from zoo.training.loop import predict


@dataclass(frozen=True)
class Export:
    """The result of an export or a verification: one report per file; rejected files are in `refused/`.

    `means` are the checks of the mean over seeds or folds.
    """

    folder: Path
    files: tuple[FileReport, ...]
    record: dict[str, Any]
    means: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        held = all(check.held for check in self.means)
        return bool(self.files) and held and all(file.passed for file in self.files)

    verified = passed  # its earlier name


@dataclass(frozen=True)
class Measured:
    """Exported files, their latencies (us) by precision, and the outputs (n, ...) of the last file."""

    files: tuple[FileReport, ...]
    latencies: Mapping[str, float]
    outputs: np.ndarray


def export_files(
    model: keras.Model,
    out: Path,
    contents: Contents,
    *,
    precisions: Sequence[str],
    strategy: Strategy,
    target: str,
    bounds: Bounds,
    report: Callable[[str], None],
) -> Measured:
    """Writes the files, measures each, and moves those that pass to `out/tflite`, the SavedModel to `out/saved_model`.

    Both replace the results of an earlier export.

    Raises ValueError if model, precision, strategy and target do not go together; CheckFailed, see `convert`.
    """
    if not precisions:
        raise InvalidValue(f"precisions=() is empty; name at least one of {', '.join(PRECISIONS)}")
    for precision in precisions:
        check_choice("precision", precision, PRECISIONS)
    check_choice("target", target, TARGETS)
    _check_one_input_and_output(model)
    strategies = {precision: choose(model, precision, strategy, target) for precision in precisions}
    out.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".export.", dir=out))
    try:
        named = ", ".join(p + (f" ({s})" if s else "") for p, s in strategies.items())
        report(f"exporting to {named}")
        convert(
            model,
            staging,
            output=contents.output,
            output_name=contents.output_name,
            strategies=strategies,
            calibration=contents.calibration,
            values=isinstance(contents.task, Values),
        )
        reference = reference_outputs(model, contents)
        saved_model = check_saved_model(staging / "saved_model", contents.x, reference)
        shutil.rmtree(out / "refused", ignore_errors=True)
        files, latencies, outputs = [], {}, reference
        for precision, used in strategies.items():
            path = staging / f"{contents.name}.{precision}.tflite"
            os.replace(staging / f"{precision}.tflite", path)
            expected = reference[:, -1] if used == "streaming" and reference.ndim == 3 else reference
            file = sealed_and_measured(path, contents, expected, precision, used, target, bounds)
            file = file.with_checks(saved_model)
            report(line(file))
            if file.passed:
                runner = Runner(path)
                outputs = np.concatenate([runner.predict(values) for values in slices(contents.x)])
                write_json(staging / f"{path.stem}.golden.json", golden(runner, contents, outputs), compact=True)
                latencies[precision] = round(float(np.median(latency(runner, 0.3))) * 1e6, 1)
            else:
                reject(path, out, file)
            files.append(file)
        _publish(staging, out, files)
        return Measured(tuple(files), latencies, outputs)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, out: Path, files: Sequence[FileReport]) -> None:
    """Replaces the files of an earlier export. The record goes first: files without it are complete, it is not."""
    (out / "record.json").unlink(missing_ok=True)
    shutil.rmtree(out / "tflite", ignore_errors=True)
    (out / "tflite").mkdir()
    for file in files:
        if file.passed:
            for name in (file.file, f"{Path(file.file).stem}.golden.json"):
                os.replace(staging / name, out / "tflite" / name)
    shutil.rmtree(out / "saved_model", ignore_errors=True)
    if all(file.passed for file in files):
        (out / "saved_model").mkdir()
        os.replace(staging / "saved_model", out / "saved_model" / "1")


def export_model(
    model: keras.Model,
    folder: Path,
    samples: Samples,
    *,
    name: str | None = None,
    task: Task | None = None,
    precisions: Sequence[str] = ("float32", "int8"),
    strategy: Strategy = "auto",
    target: str = "litert",
    bounds: Bounds | None = None,
    labels: Sequence[str] = (),
    files: Mapping[str, str | bytes] | None = None,
    report: Callable[[str], None] = print,
) -> Export:
    """Any Keras model; see `zoo.export`."""
    name = name or re.sub(r"\W", "_", model.name)
    samples = dataclasses.replace(
        samples, x=_as_input(model, samples.x), calibration=_as_input(model, samples.calibration)
    )
    _check_one_input_and_output(model)
    if task is None:
        outputs = predict(model, samples.x)
        task, output_name = guessed_task(outputs, samples.y)
        output = None
    else:
        if samples.y is not None:
            task.check(samples.y)
            task = task.adapted(samples.y)
        output, output_name = task.output(), task.output_name
    digest = data_hash(samples)
    contents = Contents(
        name, task, output, output_name, samples.x, samples.y, samples.calibration, tuple(labels), files or {},
        about={"data_sha256": digest},
    )  # fmt: skip
    with locked(folder):
        measured = export_files(
            model, folder, contents, precisions=precisions, strategy=strategy, target=target,
            bounds=bounds or Bounds(), report=report,
        )  # fmt: skip
        record = make_record(
            name,
            task,
            {
                "sha256": digest,
                "samples": {"test": len(samples.x)},
                "input_shape": samples.x.shape[1:],
                "labels": labels,
            },
            parameters=model.count_params(),
            calibration={"part": samples.part, "indices": samples.indices.tolist()},
            files=measured.files,
            latencies=measured.latencies,
            target=target,
        )
        with writing(folder / "example.npy") as path:
            np.save(path, samples.x[:10])
        return Export(folder, measured.files, write_record(record, folder))


def _as_input(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """x in the dtype of the model's input. Raises ValueError if its shape differs."""
    if not getattr(model, "inputs", None):
        return x
    wanted = tuple(model.inputs[0].shape[1:])
    if len(wanted) != x.ndim - 1 or any(a not in (None, b) for a, b in zip(wanted, x.shape[1:], strict=True)):
        raise InvalidValue(f"{model.name} reads samples of shape {wanted}, the given ones have shape {x.shape[1:]}")
    return x.astype(model.inputs[0].dtype)


def reject(path: Path, out: Path, file: FileReport) -> None:
    """Moves a file to `refused/`, with the reason beside it."""
    folder = out / "refused"
    folder.mkdir(exist_ok=True)
    os.replace(path, folder / path.name)
    path.with_name(f"{path.stem}.golden.json").unlink(missing_ok=True)
    write_text(folder / f"{path.name}.txt", file.reason + "\n")


def line(file: FileReport) -> str:
    if not file.passed:
        return f"{file.file}: rejected: {file.reason}"
    return f"{file.file}: passed on {file.samples} test samples, {len(file.checks)} checks"


def _check_one_input_and_output(model: keras.Model) -> None:
    for kind in ("inputs", "outputs"):
        tensors = getattr(model, kind, None)  # a subclassed model may have neither
        if tensors is not None and len(tensors) != 1:
            raise InvalidValue(
                f"{model.name} has {len(tensors)} {kind}; models of one input and one output can be exported"
            )
