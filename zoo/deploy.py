"""Runs a .tflite file with numpy and LiteRT only. This file imports nothing else of zoo: copy it to your device.

runner = Runner("digits_cnn.int8.tflite")
runner.predict(x)                               # (n, *input_shape) -> (n, outputs)
"""

import hashlib
import io
import json
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAX_SAMPLES, MAX_VALUES = 512, 1 << 18  # of a block of inputs: memory does not grow with their number
MAX_FILES = 64  # in the archive of a sealed file
CHILD_SECONDS = 60
CHILD = """
import sys, numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_content=sys.stdin.buffer.read())
interpreter.allocate_tensors()
for detail in interpreter.get_input_details():
    interpreter.set_tensor(detail["index"], numpy.zeros(detail["shape"], detail["dtype"]))
interpreter.invoke()
"""
Tensors = dict[str, dict[str, Any]]  # LiteRT's details, by name


class Runner:
    """A .tflite file, ready to run.

    LiteRT runs many damaged files with wrong outputs, or crashes. So a file must have the SHA-256 of its own zoo.json
    and of the record.json that describes it (see `find_record`). A file with neither is first run once in a child
    process, which takes about a third of a second; `trusted=True` skips that.

    Attributes:
        input_shape: of one sample; None is a length that may differ from call to call.
        output_name: "probabilities", "probability" or "value" in files of zoo.
        labels: of the outputs, if the file or its record has them.
        description: the file's zoo.json; {} without one.
        files: the content of the file's archive, by name.
        streaming: whether the file computes one step of a sequence, with its state as further inputs and outputs.

    Raises:
        FileNotFoundError, ValueError: no such file; not a TFLite file, a damaged one, one with ops that only TensorFlow
            has, or one with several inputs or outputs that are not states.
    """

    def __init__(self, path: str | Path, num_threads: int = 1, trusted: bool = False):
        self.path = Path(path)
        file = _File(self.path)
        damage = file.damage or ("" if trusted or file.checked else _damage_in_child(file.model))
        if damage:
            raise ValueError(f"{self.path} {damage}")
        self.sha256, self.labels, self.description = file.sha256, file.labels, file.description
        self.files = file.contents
        self._interpreter, inputs, outputs = _load(file, num_threads)
        self._keeps_state = _has_variables(file.model)

        names = [name for name in inputs if name.startswith("state_") and f"next_{name}" in outputs]
        self._states = [(inputs.pop(name), outputs.pop(f"next_{name}")) for name in names]
        self.streaming = bool(self._states)
        self._input = _only(inputs, self.path, "input")
        self._output = _only(outputs, self.path, "output")
        self.output_name = next(iter(outputs))
        batch, *shape = self._input["shape"].tolist() or [0]
        if batch != 1:
            raise ValueError(f"{self.path} reads {batch} samples at a time; the Runner gives it one")
        self._shape = tuple(shape)  # the shape that the interpreter is allocated for
        lengths = [None if n < 0 else n for n in self._input["shape_signature"].tolist()[1:]]
        self.input_shape: tuple[int | None, ...] = (None, *lengths) if self.streaming else tuple(lengths)
        self.input_dtype = np.dtype("float32" if self._input["quantization"][0] else self._input["dtype"])
        self._zeros = [_to_tensor(np.zeros(state["shape"]), state).astype(state["dtype"]) for state, _ in self._states]
        self.reset()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) for inputs (n, *input_shape), one sample after the other.

        A streaming file starts each sequence (steps, ...) from zero states and returns the output of its last step.
        Apart from the outputs, memory does not grow with n: x may be a np.memmap of any length.
        """
        x = self._samples(x)
        for start, values, bad in self._blocks(x):
            if bad.any():
                raise self._bad_values(x)
            rows = self._run(_to_tensor(values, self._input))
            if len(rows) != len(values):
                raise ValueError(f"{self.path.name} gives {len(rows)} outputs for {len(values)} samples")
            if start == 0:
                outputs = np.empty((len(x), *rows.shape[1:]), rows.dtype)
            outputs[start : start + len(rows)] = rows
        return outputs

    def predict_each(self, samples: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields outputs (outputs,) for each sample of `input_shape`, also of an endless stream."""
        for sample in samples:
            if not self._fits(np.shape(sample)):
                raise self._bad_shape(np.shape(sample))
            yield self.predict(sample)[0]

    def predict_one(self, sample: np.ndarray) -> np.ndarray:
        """Outputs (1, outputs) for one input of `input_shape`, without checks, for inner loops."""
        x = _to_tensor(sample[np.newaxis], self._input)
        if None in self.input_shape:
            self._fit(x.shape[1:])
        return _to_floats(self._output_of(x), self._output)

    def reset(self) -> None:
        """Sets the state of a streaming file to zero, for a new sequence."""
        self._state = self._zeros

    def step(self, x: np.ndarray) -> np.ndarray:
        """Outputs (1, outputs) of a streaming file after the next step, with inputs (*input_shape[1:]).

        The state lasts until `reset`; `predict` does not change it.
        """
        if not self.streaming:
            raise ValueError(f"{self.path.name} keeps no state from step to step: call predict with whole samples")
        x, features = np.asarray(x), self.input_shape[1:]
        if x.shape not in (features, (1, *features)):
            raise ValueError(f"the step has shape {x.shape}; {self.path.name} reads {features}, one step at a time")
        x = self.check(x.reshape(1, *features))[0]  # (1, *features): one step of one sequence
        y, self._state = self._advance(_to_tensor(x, self._input), self._state)
        return _to_floats(y, self._output)

    def check(self, x: np.ndarray) -> np.ndarray:
        """The inputs (n, *input_shape) in the file's dtype.

        Raises:
            ValueError: a wrong shape, a wrong type, NaN or infinity, or a fraction if the file reads integers.
        """
        x = self._samples(x)
        values, bad = self._cast(x)
        if bad.any():
            raise self._bad_values(x)
        return values

    def _samples(self, x: np.ndarray) -> np.ndarray:
        """The inputs (n, *input_shape), with shape and kind checked."""
        x = np.asarray(x)
        if x.dtype == bool or not np.issubdtype(x.dtype, np.number) or np.issubdtype(x.dtype, np.complexfloating):
            raise ValueError(f"the input is of type {x.dtype}; {self.path.name} reads numbers")
        if self._fits(x.shape):
            return x[np.newaxis]
        if len(x.shape) and len(x) and self._fits(x.shape[1:]):
            return x
        raise self._bad_shape(x.shape)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.input_shape) and all(
            n > 0 and wanted in (n, None) for n, wanted in zip(shape, self.input_shape, strict=True)
        )

    def _bad_shape(self, shape: tuple[int, ...]) -> ValueError:
        wanted = ["any" if n is None else str(n) for n in self.input_shape]
        one = f"({wanted[0]},)" if len(wanted) == 1 else f"({', '.join(wanted)})"
        return ValueError(
            f"the input has shape {shape}; {self.path.name} reads {one}, or n of them: ({', '.join(['n', *wanted])})"
        )

    def _cast(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, *input_shape) in the file's dtype, not yet quantized; and (n,) whether each is bad."""
        with np.errstate(over="ignore", invalid="ignore"):  # the next line detects values that do not fit
            values = np.ascontiguousarray(x, self.input_dtype)
            bad = ~np.isfinite(values) if self.input_dtype.kind == "f" else values != x
        return values, bad.reshape(len(x), -1).any(axis=1)

    def _blocks(self, x: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """The start of each block of samples, and the results of `_cast`."""
        size = min(MAX_SAMPLES, max(1, MAX_VALUES // x[0].size))
        for start in range(0, len(x), size):
            yield start, *self._cast(x[start : start + size])

    def _bad_values(self, x: np.ndarray) -> ValueError:
        count = sum(int(bad.sum()) for _, _, bad in self._blocks(x))
        floats = self.input_dtype.kind == "f"
        what = "NaN or infinite values" if floats else f"values that are not whole {self.input_dtype}"
        return ValueError(f"the input has {what} in {count} of {len(x)} samples")

    def _run(self, x: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) for n samples in the input tensor's dtype."""
        self._fit(x.shape[1:])
        if self.streaming:
            return _to_floats(np.concatenate([self._output_of(x[i : i + 1]) for i in range(len(x))]), self._output)
        # A tiny model takes a few microseconds, as long as ten Python calls: the loop is minimal.
        set_tensor, invoke = self._interpreter.set_tensor, self._interpreter.invoke
        get_tensor, index, output = self._interpreter.get_tensor, self._input["index"], self._output["index"]
        reset = self._interpreter.reset_all_variables if self._keeps_state else None
        outputs = []
        try:
            for sample in x[:, np.newaxis]:  # (1, *input_shape)
                if reset:
                    reset()
                set_tensor(index, sample)
                invoke()
                outputs.append(get_tensor(output))
        except RuntimeError as error:
            raise self._cannot_compute(error) from None
        return _to_floats(np.concatenate(outputs), self._output)

    def _output_of(self, x: np.ndarray) -> np.ndarray:
        """The output tensor (1, outputs) for one sample (1, *input_shape) in the input tensor's dtype."""
        if self.streaming:
            state = self._zeros
            for x_t in x[0][:, np.newaxis]:  # (1, *features)
                y, state = self._advance(x_t, state)
            return y
        interpreter = self._interpreter
        if self._keeps_state:
            interpreter.reset_all_variables()
        interpreter.set_tensor(self._input["index"], x)
        self._invoke()
        return interpreter.get_tensor(self._output["index"])

    def _advance(self, x: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """One step: the output tensor (1, outputs), and the states for the next step."""
        interpreter = self._interpreter
        interpreter.set_tensor(self._input["index"], x)
        for (old, _), value in zip(self._states, state, strict=True):
            interpreter.set_tensor(old["index"], value)
        self._invoke()
        state = [_rescaled(interpreter.get_tensor(new["index"]), new, old) for old, new in self._states]
        return interpreter.get_tensor(self._output["index"]), state

    def _invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise self._cannot_compute(error) from None

    def _cannot_compute(self, error: RuntimeError) -> ValueError:
        return ValueError(f"{self.path.name} cannot compute this input: {_line(error)}")

    def _fit(self, shape: tuple[int, ...]) -> None:
        """Resizes the interpreter for samples of this shape, if it changed."""
        if shape == self._shape or self.streaming:
            return
        try:
            self._interpreter.resize_tensor_input(self._input["index"], (1, *shape))
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            self._shape = ()  # so that the next call resizes again
            raise ValueError(f"{self.path.name} cannot read a sample of shape {shape}: {_line(error)}") from None
        self._shape = shape


@dataclass(frozen=True)
class Archive:
    """The uncompressed zip behind the model of a sealed file."""

    model_bytes: int  # the archive starts there
    files: dict[str, bytes]


def read_archive(content: bytes) -> Archive | None:
    """The archive in a .tflite file, or None without one. Nothing is decompressed or written to disk.

    Raises ValueError if it cannot be read, or has what files of zoo never have, see `_check_entries`.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        if b"zoo.json" in content:
            raise ValueError("its archive is missing")
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(content))
            files = {entry.filename: archive.read(entry) for entry in entries}
    except Exception as error:  # zipfile raises a dozen classes
        raise ValueError(f"its archive cannot be read: {_line(error)}") from None
    return Archive(min((entry.header_offset for entry in entries), default=len(content)), files)


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Raises ValueError for entries that are not allowed in a file of `size` bytes."""
    if len(entries) > MAX_FILES:
        raise ValueError(f"it has {len(entries)} files, more than {MAX_FILES}")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("two of its files have the same name")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("it claims to hold more than the whole file")
    for entry in entries:
        name = entry.orig_filename  # unchanged: zipfile cuts `filename` at a zero byte
        if name.startswith("/") or ".." in name.split("/") or any(sign in name for sign in "\\:\0"):
            raise ValueError(f"the name {name!r} points outside of it")
        if entry.flag_bits & 1:
            raise ValueError(f"{name!r} is encrypted")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{name!r} is compressed")


def describe(path: str | Path) -> dict[str, Any]:
    """The content of a .tflite file, as JSON values; its tensors only if it is not damaged.

    {"file", "bytes", "sha256", "checksum": whether it matches, None without one, "damage": what is wrong or None,
    "description": zoo.json, "files": names in the archive, "labels": their number, "inputs" and "outputs":
    [{"name", "shape", "dtype", "quantization": [scale, zero point] or None}]; an open length of a shape is None.

    Raises FileNotFoundError or ValueError: no such file, not a TFLite file, or one that LiteRT cannot run.
    """
    path = Path(path)
    file = _File(path)
    damage = file.damage or ("" if file.checked else _damage_in_child(file.model))
    inputs, outputs = ({}, {}) if damage else _load(file, 1)[1:]
    return {
        "file": path.name,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "checksum": not file.damage if file.checked else None,
        "damage": damage or None,
        "description": file.description,
        "files": file.files,
        "labels": len(file.labels),
        "inputs": [_described(name, tensor) for name, tensor in inputs.items()],
        "outputs": [_described(name, tensor) for name, tensor in outputs.items()],
    }


def _described(name: str, tensor: dict[str, Any]) -> dict[str, Any]:
    scale, zero_point = tensor["quantization"]
    shape = [None if n < 0 else int(n) for n in tensor["shape_signature"]]
    quantization = [float(scale), int(zero_point)] if scale else None
    return {"name": name, "shape": shape, "dtype": np.dtype(tensor["dtype"]).name, "quantization": quantization}


def find_record(path: Path) -> Path | None:
    """The record.json of a file: beside it, or above its folder if that is called tflite, as in a run."""
    folder = path.resolve().parent
    folders = (folder, folder.parent) if folder.name == "tflite" else (folder,)
    return next((path for place in folders if (path := place / "record.json").is_file()), None)


class _File:
    """A file's archive and its record, read before LiteRT runs it."""

    def __init__(self, path: Path):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        self.path, content = path, path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError(f"{path} is not a TFLite file, or it is damaged ({len(content)} bytes)")
        self.bytes, self.sha256 = len(content), hashlib.sha256(content).hexdigest()
        self.model, self.files, self.description, self.damage = content, list[str](), dict[str, Any](), ""
        self.contents: dict[str, bytes] = {}
        recorded = _recorded(path)
        self.labels: tuple[str, ...] = tuple(recorded[1]) if recorded else ()
        self.checked = bool(recorded) or b"zoo.json" in content
        try:
            self._read(content)
        except ValueError as error:
            self.damage = f"is damaged, or was changed after the export: {error}"
        if recorded and recorded[0] != self.sha256:
            self.damage = "is not the file that its record describes: damaged, or changed since"

    def _read(self, content: bytes) -> None:
        archive = read_archive(content)
        if archive is None:
            return
        self.model, self.files, self.contents = content[: archive.model_bytes], list(archive.files), archive.files
        if "labels.txt" in archive.files:
            text = archive.files["labels.txt"].decode("utf-8", "replace")
            self.labels = tuple(text.removesuffix("\n").replace("\r", "").split("\n"))
        if b"zoo.json" not in content:
            return
        try:
            self.description = json.loads(archive.files["zoo.json"])
            checksum = str(self.description["sha256"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError("it has no zoo.json with a checksum") from None
        if checksum != hashlib.sha256(self.model).hexdigest():
            raise ValueError("its checksum does not match")


def _load(file: _File, num_threads: int) -> tuple[Any, Tensors, Tensors]:
    """The interpreter, and its inputs and outputs by the names of its signature, or else of its tensors."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=file.model, num_threads=num_threads)
        interpreter.allocate_tensors()
        signatures = list(interpreter.get_signature_list())
        if len(signatures) == 1:
            signature = interpreter.get_signature_runner(signatures[0])
            return interpreter, signature.get_input_details(), signature.get_output_details()
        tensors = interpreter.get_input_details(), interpreter.get_output_details()
        inputs, outputs = ({tensor["name"]: tensor for tensor in side} for side in tensors)
        return interpreter, inputs, outputs
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{file.path} cannot be run by LiteRT: {_line(error)}") from None


def _only(tensors: Tensors, path: Path, kind: str) -> dict[str, Any]:
    if len(tensors) != 1:
        raise ValueError(f"{path} has the {kind}s {', '.join(tensors)}; the Runner reads models of one {kind}")
    return next(iter(tensors.values()))


def _has_variables(model: bytes) -> bool:
    """Whether the model has tensors that last from one invoke to the next, like a fused LSTM."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        content = schema.Model.GetRootAs(model)
        graphs = [content.Subgraphs(i) for i in range(content.SubgraphsLength())]
        return any(graph.Tensors(i).IsVariable() for graph in graphs for i in range(graph.TensorsLength()))
    except (struct.error, IndexError, ValueError, TypeError, AttributeError):
        return True  # unreadable, but trusted: resetting is harmless


def _damage_in_child(model: bytes) -> str:
    """Runs a model once in a child process, which it may crash: what went wrong, or ""."""
    try:
        done = subprocess.run([sys.executable, "-c", CHILD], input=model, capture_output=True, timeout=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        return f"does not finish within {CHILD_SECONDS} s: damaged"
    if done.returncode in (0, 1):  # 1 is an exception, which is raised here again
        return ""
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else hex(done.returncode)
    return f"kills the interpreter ({how}): damaged"


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."  # zipfile quotes unexpected bytes


def _recorded(path: Path) -> tuple[str, list[str]] | None:
    """A file's SHA-256 and the labels of its outputs, from its record."""
    record = find_record(path)
    try:
        content = json.loads(record.read_text(encoding="utf-8")) if record else {"files": {}}
        found = [file for file in content["files"].values() if file["file"] == path.name]
        return (str(found[0]["sha256"]), [str(label) for label in content["data"]["labels"]]) if found else None
    except (ValueError, KeyError, TypeError, AttributeError):  # a record.json of another program
        return None


def _to_tensor(x: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Quantizes values for an integer tensor: q = round(x / scale) + zero_point; other tensors keep them."""
    scale, zero_point = detail["quantization"]
    if not scale or not np.issubdtype(detail["dtype"], np.integer):
        return x
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(x / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def _to_floats(q: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    quantized = scale and np.issubdtype(detail["dtype"], np.integer)
    return (q.astype("float32") - zero_point) * scale if quantized else q


def _rescaled(value: np.ndarray, source: dict[str, Any], target: dict[str, Any]) -> np.ndarray:
    """A value of one tensor for another one, which may have another scale."""
    if source["dtype"] == target["dtype"] and source["quantization"] == target["quantization"]:
        return value
    return _to_tensor(_to_floats(value, source), target)
