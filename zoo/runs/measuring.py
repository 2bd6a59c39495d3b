"""Seals and measures one exported file, and compares the SavedModel and LiteRT Micro with it."""

import dataclasses
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.errors import CheckFailed, InvalidValue
from zoo.base.files import sha256
from zoo.base.versions import __version__, versions
from zoo.data.blocks import Array
from zoo.deploy import Runner
from zoo.exporting.metadata import seal, with_metadata
from zoo.exporting.precisions import PRECISIONS
from zoo.recipe.recipe import Bounds
from zoo.runs.contents import Contents
from zoo.runs.file_checks import Check, FileReport, check_file
from zoo.runtime.micro import arena_bytes, micro_run
from zoo.runtime.targets import read_model
from zoo.training.loop import predict

GOLDEN_SAMPLES = 5
MICRO_SAMPLES = 50


def sealed_and_measured(
    path: Path, contents: Contents, reference: np.ndarray, precision: str, used: str | None, target: str, bounds: Bounds
) -> FileReport:
    """Adds metadata to a file, measures it, and seals it with the measurements."""
    described = _with_metadata(path.read_bytes(), contents, precision)
    about = _about(contents, precision, used, target)
    path.write_bytes(_sealed(described, contents, about))
    file = check_file(path, precision, contents.x, contents.y, reference, contents.task, bounds, target)
    measured = {
        "score": file.score,
        "score_keras": file.score_keras,
        "samples": file.samples,
        "largest_difference": file.max_abs_error,
    }
    path.write_bytes(_sealed(described, contents, {**about, **measured}))  # the same model part
    file = dataclasses.replace(file, strategy=used, bytes=path.stat().st_size, sha256=sha256(path))
    file = file.with_checks(round_trip(path, contents, file))
    return _on_micro(file, path, contents, bounds.arena) if target == "micro" and file.passed else file


def reference_outputs(model: keras.Model, contents: Contents) -> np.ndarray:
    """The outputs of the Keras model with the task's output layer, which files must match."""
    outputs = predict(model, contents.x)
    return outputs if contents.output is None else np.asarray(contents.output(outputs))


def check_saved_model(path: Path, x: Array, reference: np.ndarray) -> Check:
    largest = max(1.0, float(np.abs(reference).max()))
    error = float(np.abs(serve(path, x) - reference).max()) / largest
    return Check("SavedModel", error <= 1e-4, f"max abs error {error:.2g}, 0.0001 allowed")


def serve(path: Path, x: Array) -> np.ndarray:
    """The outputs of a SavedModel's `serve` signature. Raises ValueError if it cannot be read."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))  # kept in a variable: its functions do not keep its weights alive
    except Exception as error:  # TensorFlow raises many classes for damaged files
        message = " ".join(str(error).split())
        raise InvalidValue(f"the SavedModel {path} cannot be read: {message[:200]}") from None
    dtype = loaded.signatures["serve"].structured_input_signature[1]["input"].dtype
    outputs = [loaded.serve(tf.constant(x[i : i + 256], dtype)) for i in range(0, len(x), 256)]
    return np.concatenate([next(iter(part.values())).numpy() for part in outputs])


def _on_micro(file: FileReport, path: Path, contents: Contents, allowed: int | None) -> FileReport:
    """The report with the checks of LiteRT Micro, if it is installed."""
    if importlib.util.find_spec("tflite_micro") is None:
        return file.with_checks(Check("LiteRT Micro", True, "not installed, not run: pip install 'keras-zoo[micro]'"))
    if file.strategy == "streaming":  # several inputs: only whether it runs is checked
        arena = arena_bytes(path)
        file = file.with_checks(Check("LiteRT Micro", True, f"runs in {arena:,} bytes"))
    else:
        x = contents.x[:MICRO_SAMPLES]
        try:
            outputs, arena = micro_run(path, x)
        except CheckFailed as failure:
            return file.with_checks(Check("LiteRT Micro", False, str(failure)))
        expected = Runner(path, trusted=True).predict(x)
        error = float(np.abs(outputs - expected).mean()) / max(1.0, float(np.abs(expected).max()))
        detail = f"runs in {arena:,} bytes, mean abs error {error:.2g} against LiteRT"
        file = file.with_checks(Check("LiteRT Micro", error <= 0.01, detail))
    if allowed is not None:
        file = file.with_checks(Check("arena", arena <= allowed, f"{arena:,} bytes, {allowed:,} allowed"))
    return dataclasses.replace(file, arena_bytes=arena)


def _with_metadata(content: bytes, contents: Contents, precision: str) -> bytes:
    (signature,) = read_model(content).signatureDefs
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
        author=f"keras-zoo {__version__}",
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


def round_trip(path: Path, contents: Contents, file: FileReport) -> Check:
    """Whether the file's labels and score read back as written."""
    try:
        runner = Runner(path, trusted=True)
    except ValueError as error:
        return Check("metadata", False, str(error))
    same = runner.description.get("score") == file.score and list(runner.labels) == list(contents.labels)
    detail = (
        "checksum, labels and figures read back as written" if same else "labels or figures differ from those written"
    )
    return Check("metadata", same, detail)


def golden(runner: Runner, contents: Contents, outputs: np.ndarray) -> dict[str, Any]:
    """Inputs and outputs of a file, for tests of other runtimes."""
    indices = np.linspace(0, len(contents.x) - 1, min(GOLDEN_SAMPLES, len(contents.x))).astype(int)
    return {
        "file": runner.path.name,
        "output_name": contents.output_name,
        "inputs": _shortest(contents.x[indices]),
        "outputs": _shortest(outputs[indices]),
    }


def _shortest(values: np.ndarray) -> list[Any]:
    """As lists, with no more digits than a float32 needs."""
    short = np.array([float(str(value)) for value in values.reshape(-1)]) if values.dtype == np.float32 else values
    return short.reshape(values.shape).tolist()
