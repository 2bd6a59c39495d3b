"""From a Keras model to .tflite files that were measured: convert, describe, measure, seal, keep or refuse.

Every file is measured as it is delivered: its model part, metadata included, is what ran on the test set; behind it
goes the archive that tells what was measured and holds the model part's SHA-256.
"""

import dataclasses
import hashlib
import importlib.util
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

import zoo
from zoo.base.checks import check_choice
from zoo.base.errors import CheckFailed, InvalidValue
from zoo.base.files import locked, sha256, write_json, write_text, writing
from zoo.base.versions import versions
from zoo.data import Dataset
from zoo.data.arrays import Samples
from zoo.data.blocks import Array, slices
from zoo.data.vocabulary import VOCABULARY
from zoo.deploy import Runner
from zoo.exporting.conversion import choose, convert
from zoo.exporting.metadata import seal, with_metadata
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.strategies import Strategy
from zoo.recipe.recipe import Bounds, Recipe
from zoo.recipe.task import Binary, Multiclass, Regression, Task, Values
from zoo.runs.record import make_record, write_record
from zoo.runs.verification import Check, FileReport, check_file
from zoo.runtime import targets
from zoo.runtime.latency import latency
from zoo.runtime.micro import arena_bytes, micro_run
from zoo.training.loop import predict

GOLDEN_SAMPLES = 5
MICRO_SAMPLES = 50


@dataclass(frozen=True)
class Export:
    """What an export or a verification found: one report a file; refused files stand in `refused/`.

    `means` are the gates that the mean over seeds or folds had to pass.
    """

    folder: Path
    files: tuple[FileReport, ...]
    record: dict[str, Any]
    means: tuple[Check, ...] = ()

    @property
    def verified(self) -> bool:
        held = all(check.held for check in self.means)
        return bool(self.files) and held and all(file.verified for file in self.files)


@dataclass(frozen=True)
class Contents:
    """What the files are to hold and to be measured on.

    Attributes:
        name: of the files, `<name>.<precision>.tflite`.
        task: says how outputs are scored against `y`, where there is a `y`.
        output: what is put behind the model's own outputs, softmax say; output_name: of the files' output.
        x: (n, *input_shape), y: (n,) or (n, outputs) or None: the test set.
        calibration: (m, *input_shape), of train.
        labels: of the outputs. files: further ones for the archive, by name: a vocabulary, say.
        about: for the archive: recipe, seed, hash of the data.
    """

    name: str
    task: Task
    output: keras.layers.Layer | None
    output_name: str
    x: Array
    y: np.ndarray | None
    calibration: np.ndarray
    labels: Sequence[str] = ()
    files: Mapping[str, str | bytes] = dataclasses.field(default_factory=dict)
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def contents_of(recipe: Recipe, dataset: Dataset, task: Task, calibration: np.ndarray, seed: int) -> Contents:
    return Contents(
        name=recipe.name,
        task=task,
        output=task.output(),
        output_name=task.output_name,
        x=dataset.test.x,
        y=dataset.test.y,
        calibration=calibration,
        labels=dataset.labels,
        files={
            **({VOCABULARY: "\n".join(dataset.vocabulary)} if dataset.vocabulary else {}),
            **dataset.files,
        },
        about={
            "recipe": recipe.name,
            "seed": seed,
            "data": dataset.name,
            "data_sha256": dataset.sha256,
            "licence": dataset.licence,
        },
    )


@dataclass(frozen=True)
class Measured:
    """The files that were made, and what is no gate: latencies (us) by precision, outputs (n, ...) of the last file."""

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
    """Makes the files, measures each, and puts the good ones into `out/tflite`, the SavedModel into `out/saved_model`.

    Both replace what an earlier export left there.

    Raises ValueError where model, precision, strategy and target do not go together; CheckFailed, see `convert`.
    """
    if not precisions:
        raise InvalidValue(f"precisions=() is empty; name at least one of {', '.join(PRECISIONS)}")
    for precision in precisions:
        check_choice("precision", precision, PRECISIONS)
    check_choice("target", target, targets.TARGETS)
    _one_input_and_output(model)
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
            wanted = reference[:, -1] if used == "streaming" and reference.ndim == 3 else reference
            file = _described_and_measured(path, contents, wanted, precision, used, target, bounds)
            file = dataclasses.replace(file, checks=(*file.checks, saved_model))
            report(line(file))
            if file.verified:
                runner = Runner(path)
                outputs = np.concatenate([runner.predict(values) for values in slices(contents.x)])
                write_json(staging / f"{path.stem}.golden.json", _golden(runner, contents, outputs), compact=True)
                latencies[precision] = round(float(np.median(latency(runner, 0.3))) * 1e6, 1)
            else:
                refuse(path, out, file)
            files.append(file)
        # What an earlier export left goes; a file without record is whole in itself, a record without files is not.
        (out / "record.json").unlink(missing_ok=True)
        shutil.rmtree(out / "tflite", ignore_errors=True)
        (out / "tflite").mkdir()
        for file in files:
            if file.verified:
                for name in (file.file, f"{Path(file.file).stem}.golden.json"):
                    os.replace(staging / name, out / "tflite" / name)
        shutil.rmtree(out / "saved_model", ignore_errors=True)
        if all(file.verified for file in files):
            (out / "saved_model").mkdir()
            os.replace(staging / "saved_model", out / "saved_model" / "1")
        return Measured(tuple(files), latencies, outputs)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _described_and_measured(
    path: Path, contents: Contents, reference: np.ndarray, precision: str, used: str | None, target: str, bounds: Bounds
) -> FileReport:
    """Puts into the file what it tells of itself, and measures it."""
    described = _with_metadata(path.read_bytes(), contents, precision)
    about = _about(contents, precision, used, target)
    path.write_bytes(_sealed(described, contents, about))
    file = check_file(path, precision, contents.x, contents.y, reference, contents.task, bounds, target)
    measured = {
        "score": file.score,
        "score_keras": file.score_keras,
        "samples": file.samples,
        "largest_difference": file.difference,
    }
    path.write_bytes(_sealed(described, contents, {**about, **measured}))  # the same model part
    file = dataclasses.replace(file, strategy=used, bytes=path.stat().st_size, sha256=sha256(path))
    file = dataclasses.replace(file, checks=(*file.checks, *round_trip(path, contents, file)))
    return _on_micro(file, path, contents, bounds.arena) if target == "micro" and file.verified else file


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
    _one_input_and_output(model)
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


def data_hash(samples: Samples) -> str:
    return hashlib.sha256(samples.x.tobytes() + (b"" if samples.y is None else samples.y.tobytes())).hexdigest()


def guessed_task(outputs: np.ndarray, y: np.ndarray | None) -> tuple[Task, str]:
    """How to score outputs as they are, and what to call them: by their values and by those of the targets."""
    size = outputs.shape[-1]
    whole = y is None or (y.ndim == 1 and np.issubdtype(y.dtype, np.integer) and y.min() >= 0)
    if outputs.ndim == 2 and size > 1 and whole and (y is None or y.max() < size):
        probabilities = outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3)
        return Multiclass(size), "probabilities" if probabilities else "logits"
    if size == 1 and y is not None and np.isin(y, (0, 1)).all() and 0 <= outputs.min() <= outputs.max() <= 1:
        return Binary(), "probability"
    if y is not None and y.reshape(len(y), -1).shape[1] != int(np.prod(outputs.shape[1:])):
        raise InvalidValue(
            f"y of shape {y.shape}, {y.dtype} does not go with outputs of shape {outputs.shape}: classes are whole "
            f"numbers from 0 to {size - 1}, values as many as outputs"
        )
    return Regression(int(np.prod(outputs.shape[1:]))), "value"


def _as_input(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """x in the type that the model reads. Raises ValueError where its shape is another."""
    if not getattr(model, "inputs", None):
        return x
    wanted = tuple(model.inputs[0].shape[1:])
    if len(wanted) != x.ndim - 1 or any(a not in (None, b) for a, b in zip(wanted, x.shape[1:], strict=True)):
        raise InvalidValue(f"{model.name} reads samples of shape {wanted}, and those given have shape {x.shape[1:]}")
    return x.astype(model.inputs[0].dtype)


def reference_outputs(model: keras.Model, contents: Contents) -> np.ndarray:
    """What the Keras model itself says, behind it the task's output: the measure of parity."""
    outputs = predict(model, contents.x)
    return outputs if contents.output is None else np.asarray(contents.output(outputs))


def check_saved_model(path: Path, x: Array, reference: np.ndarray) -> Check:
    largest = max(1.0, float(np.abs(reference).max()))
    difference = float(np.abs(serve(path, x) - reference).max()) / largest
    return Check("SavedModel", difference <= 1e-4, f"largest difference {difference:.2g}, 0.0001 allowed")


def serve(path: Path, x: Array) -> np.ndarray:
    """The outputs of a SavedModel's `serve` signature. Raises ValueError where it cannot be read."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))  # kept by name: its functions do not keep its variables
    except Exception as error:  # TensorFlow has a kind of its own for each part that may be damaged
        told = " ".join(str(error).split())
        raise InvalidValue(f"the SavedModel {path} cannot be read: {told[:200]}") from None
    wanted = loaded.signatures["serve"].structured_input_signature[1]["input"].dtype
    outputs = [loaded.serve(tf.constant(x[i : i + 256], wanted)) for i in range(0, len(x), 256)]
    return np.concatenate([next(iter(part.values())).numpy() for part in outputs])


def _on_micro(file: FileReport, path: Path, contents: Contents, allowed: int | None) -> FileReport:
    """With what LiteRT Micro itself says of the file, where it is installed."""
    if importlib.util.find_spec("tflite_micro") is None:
        skipped = Check("LiteRT Micro", True, "not run, for want of it: pip install 'keras-zoo[micro]'")
        return dataclasses.replace(file, checks=(*file.checks, skipped))
    if file.strategy == "streaming":  # several inputs: whether it starts is all that is asked
        arena = arena_bytes(path)
        checks = [Check("LiteRT Micro", True, f"runs in {arena:,} bytes")]
    else:
        x = contents.x[:MICRO_SAMPLES]
        try:
            outputs, arena = micro_run(path, x)
        except CheckFailed as error:
            return dataclasses.replace(file, checks=(*file.checks, Check("LiteRT Micro", False, str(error))))
        here = Runner(path, trusted=True).predict(x)
        difference = float(np.abs(outputs - here).mean()) / max(1.0, float(np.abs(here).max()))
        detail = f"runs in {arena:,} bytes, {difference:.2g} from LiteRT on average"
        checks = [Check("LiteRT Micro", difference <= 0.01, detail)]
    if allowed is not None:
        checks.append(Check("arena", arena <= allowed, f"{arena:,} bytes, {allowed:,} allowed"))
    return dataclasses.replace(file, arena_bytes=arena, checks=(*file.checks, *checks))


def refuse(path: Path, out: Path, file: FileReport) -> None:
    """Takes a file away from where good ones are, and says why beside it."""
    refused = out / "refused"
    refused.mkdir(exist_ok=True)
    os.replace(path, refused / path.name)
    path.with_name(f"{path.stem}.golden.json").unlink(missing_ok=True)
    write_text(refused / f"{path.name}.txt", file.refusal + "\n")


def line(file: FileReport) -> str:
    if not file.verified:
        return f"{file.file}: refused ({file.refusal})"
    return f"{file.file}: verified on {file.samples} test samples, {len(file.checks)} checks"


def _one_input_and_output(model: keras.Model) -> None:
    for kind in ("inputs", "outputs"):
        tensors = getattr(model, kind, None)  # a subclassed model may have neither
        if tensors is not None and len(tensors) != 1:
            raise InvalidValue(
                f"{model.name} has {len(tensors)} {kind}; models of one input and one output can be exported"
            )


def _with_metadata(content: bytes, contents: Contents, precision: str) -> bytes:
    (signature,) = targets.read_model(content).signatureDefs
    first = {"input", contents.output_name}
    inputs, outputs = (
        sorted((tensor.name.decode() for tensor in side), key=lambda name: (name not in first, name))
        for side in (signature.inputs, signature.outputs)
    )
    return with_metadata(
        content,
        name=contents.name,
        description=f"{contents.name}, {PRECISIONS[precision].summary}",
        version=str(contents.about.get("version", "1")),
        author=f"keras-zoo {zoo.__version__}",
        licence=str(contents.about.get("licence") or ""),
        input_names=inputs,
        output_names=outputs,
        label_files=["labels.txt"] if contents.labels else [],
        vocabulary_files=[name for name in contents.files if name.startswith("vocab")],
    )


def _about(contents: Contents, precision: str, strategy: str | None, target: str) -> dict[str, Any]:
    return {
        "name": contents.name,
        "precision": precision,
        "strategy": strategy,
        "target": target,
        "task": type(contents.task).__name__,
        "output": contents.output_name,
        **contents.about,
        "score_name": None if contents.y is None else contents.task.score_name,
        "versions": versions(),
    }


def _sealed(model: bytes, contents: Contents, about: Mapping[str, Any]) -> bytes:
    labels = {"labels.txt": "".join(f"{label}\n" for label in contents.labels)} if contents.labels else {}
    return seal(model, about, {**labels, **contents.files})


def round_trip(path: Path, contents: Contents, file: FileReport) -> list[Check]:
    """Whether the file, read anew, tells what was put into it."""
    try:
        runner = Runner(path, trusted=True)
    except ValueError as error:
        return [Check("metadata", False, str(error))]
    same = runner.description.get("score") == file.score and list(runner.labels) == list(contents.labels)
    return [
        Check("metadata", same, "checksum, labels and figures are read back as written" if same else "read back other")
    ]


def _golden(runner: Runner, contents: Contents, outputs: np.ndarray) -> dict[str, Any]:
    """Inputs and what this file answers, for the tests of any other runtime."""
    places = np.linspace(0, len(contents.x) - 1, min(GOLDEN_SAMPLES, len(contents.x))).astype(int)
    return {
        "file": runner.path.name,
        "output_name": contents.output_name,
        "inputs": _shortest(contents.x[places]),
        "outputs": _shortest(outputs[places]),
    }


def _shortest(values: np.ndarray) -> list[Any]:
    """As lists, with no more digits than tell one float32 from the next."""
    short = np.array([float(str(value)) for value in values.reshape(-1)]) if values.dtype == np.float32 else values
    return short.reshape(values.shape).tolist()
