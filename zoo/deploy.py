"""Runs a .tflite file with numpy and LiteRT only. This file imports nothing else of zoo: copy it to your device.

runner = Runner("digits_cnn.int8.tflite")
runner.predict(x)                               # (n, *input_shape) -> (n, outputs)
"""

import hashlib
import io
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAX_SAMPLES, MAX_VALUES = 512, 1 << 18  # in one block of inputs, so that memory does not grow with their number
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


class Runner:
    """A .tflite file, ready to run.

    LiteRT runs many damaged files with wrong outputs, or crashes. So a file must have the SHA-256 of its own zoo.json
    and of the record.json that describes it (see `find_record`). A file with neither is first run once in a child
    process, in about a third of a second; `trusted=True` skips that.

    Attributes:
        input_shape: of one sample; None is a length that may differ from call to call.
        output_name: "probabilities", "probability" or "value" in files of zoo.
        labels: of the outputs, if the file or its record has them.
        description, files: the file's zoo.json, {} without one; the content of its archive, by name.
        streaming: whether the file computes one step of a sequence, with its state as further inputs and outputs.

    Raises FileNotFoundError or ValueError: no such file; not a TFLite file, a damaged one, one with ops that only
    TensorFlow has, or one with several inputs or outputs that are not states.
    """

    def __init__(self, path: str | Path, num_threads: int = 1, trusted: bool = False):
        self.path = path = Path(path)
        file = _File(path, trusted)
        if file.damage:
            raise ValueError(f"{path} {file.damage}")
        self.sha256, self.labels = file.sha256, file.labels
        self.description, self.files = file.description, file.contents
        self._interpreter, inputs, outputs = _load(file, num_threads)
        names = [name for name in inputs if name.startswith("state_") and f"next_{name}" in outputs]
        self._states = [(inputs.pop(name), outputs.pop(f"next_{name}")) for name in names]
        self.streaming = bool(self._states)
        for kind, side in (("input", inputs), ("output", outputs)):
            if len(side) != 1:
                raise ValueError(f"{path} has the {kind}s {', '.join(side)}; the Runner reads models of one {kind}")
        (self._input,), ((self.output_name, self._output),) = inputs.values(), outputs.items()
        batch, *shape = self._input["shape"].tolist() or [0]
        if batch != 1:
            raise ValueError(f"{self.path} reads {batch} samples at a time; the Runner gives it one")
        self._shape = tuple(shape)  # the shape that the interpreter is allocated for
        lengths = [None if n < 0 else n for n in self._input["shape_signature"].tolist()[1:]]
        self.input_shape: tuple[int | None, ...] = (None, *lengths) if self.streaming else tuple(lengths)
        self.input_dtype = np.dtype("float32" if self._input["quantization"][0] else self._input["dtype"])
        states = [state for state, _ in self._states]
        self._state = self._zeros = [_to_tensor(np.zeros(s["shape"]), s).astype(s["dtype"]) for s in states]
        self._keeps_state = _has_variables(file.model)
        reset = self._interpreter.reset_all_variables if self._keeps_state and not states else None
        self._invoke = _invoke_of(self._interpreter, self._input, self._output, reset, self.path.name)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) for inputs (n, *input_shape), one sample after the other.

        A streaming file starts each sequence (steps, ...) from zero states and returns the output of its last step.
        Apart from the outputs, memory does not grow with n: x may be a np.memmap of any length.
        """
        x = self._samples(x)
        output_of = self._last_output if self.streaming else self._invoke
        for start, values in self._checked(x):
            self._fit(values.shape[1:])
            samples = _to_tensor(values, self._input)[:, np.newaxis]  # each (1, *input_shape)
            rows = _to_floats(np.concatenate([output_of(sample) for sample in samples]), self._output)
            if len(rows) != len(values):
                raise ValueError(f"{self.path.name} gives {len(rows)} outputs for {len(values)} samples")
            if start == 0:
                outputs = np.empty((len(x), *rows.shape[1:]), rows.dtype)
            outputs[start : start + len(rows)] = rows
        return outputs

    def predict_each(self, samples: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields outputs (outputs,) for each sample of `input_shape`, also of an endless stream."""
        for sample in samples:
            yield self.predict(self._samples(sample, several=False))[0]

    def predict_one(self, sample: np.ndarray) -> np.ndarray:
        """Outputs (1, outputs) for one input of `input_shape`, without checks, for inner loops."""
        x = _to_tensor(sample[np.newaxis], self._input)
        if None in self.input_shape:
            self._fit(x.shape[1:])
        return _to_floats(self._last_output(x) if self.streaming else self._invoke(x), self._output)

    def reset(self) -> None:
        """Sets the state of a streaming file to zero, for a new sequence."""
        self._state = self._zeros

    def step(self, x: np.ndarray) -> np.ndarray:
        """Outputs (1, outputs) after a streaming file's next step (*input_shape[1:]); `reset` clears its state."""
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

        Raises ValueError: a wrong shape, a wrong type, NaN or infinity, or a fraction if the file reads integers.
        """
        return np.concatenate([values for _, values in self._checked(self._samples(x))])

    def _samples(self, x: np.ndarray, several: bool = True) -> np.ndarray:
        """The inputs (n, *input_shape), with shape and kind checked."""
        x = np.asarray(x)
        if x.dtype.kind not in "iuf":
            raise ValueError(f"the input is of type {x.dtype}; {self.path.name} reads numbers")
        if self._fits(x.shape):
            return x[np.newaxis]
        if several and x.ndim and len(x) and self._fits(x.shape[1:]):
            return x
        wanted = ", ".join("any" if n is None else str(n) for n in self.input_shape)
        one = f"({wanted},)" if len(self.input_shape) == 1 else f"({wanted})"
        raise ValueError(f"the input has shape {x.shape}; {self.path.name} reads {one}, or n of them: (n, {wanted})")

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.input_shape) and all(
            n > 0 and wanted in (n, None) for n, wanted in zip(shape, self.input_shape, strict=True)
        )

    def _checked(self, x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """The start of each block of samples, and its inputs in the file's dtype, not yet quantized."""
        for start, values, bad in self._blocks(x):
            if bad.any():
                count = sum(int(bad.sum()) for _, _, bad in self._blocks(x))
                floats = self.input_dtype.kind == "f"
                what = "NaN or infinite values" if floats else f"values that are not whole {self.input_dtype}"
                raise ValueError(f"the input has {what} in {count} of {len(x)} samples")
            yield start, values

    def _blocks(self, x: np.ndarray) -> Iterator[tuple[int, np.ndarray, Any]]:
        """The same, with (n,) whether each sample is bad."""
        size = min(MAX_SAMPLES, max(1, MAX_VALUES // x[0].size))
        for start in range(0, len(x), size):
            block = x[start : start + size]
            with np.errstate(over="ignore", invalid="ignore"):  # the next line detects values that do not fit
                values = np.ascontiguousarray(block, self.input_dtype)
                bad = ~np.isfinite(values) if self.input_dtype.kind == "f" else values != block
            yield start, values, bad.reshape(len(block), -1).any(axis=1)

    def _last_output(self, x: np.ndarray) -> np.ndarray:
        """The output tensor (1, outputs) after the last step of a sequence (1, *input_shape)."""
        state = self._zeros
        for x_t in x[0][:, np.newaxis]:  # (1, *features)
            y, state = self._advance(x_t, state)
        return y

    def _advance(self, x: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """One step: the output tensor (1, outputs), and the states for the next step."""
        for (old, _), value in zip(self._states, state, strict=True):
            self._interpreter.set_tensor(old["index"], value)
        y = self._invoke(x)
        return y, [_rescaled(self._interpreter.get_tensor(new["index"]), new, old) for old, new in self._states]

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


class Archive(NamedTuple):
    """The uncompressed zip behind the model of a sealed file."""

    model_bytes: int  # the archive starts there
    files: dict[str, bytes]


def read_archive(content: bytes) -> Archive | None:
    """The archive in a .tflite file, or None. Raises ValueError if it cannot be read, or if it is not one of zoo."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        if b"zoo.json" in content:
            raise ValueError("its archive is missing")
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise ValueError(f"it has {len(entries)} files, more than {MAX_FILES}")
            if len({entry.filename for entry in entries}) < len(entries):
                raise ValueError("two of its files have the same name")
            if sum(entry.file_size for entry in entries) > len(content):
                raise ValueError("it claims to hold more than the whole file")
            for entry in entries:
                name = entry.orig_filename  # unchanged: zipfile cuts `filename` at a zero byte
                if name.startswith("/") or ".." in name.split("/") or any(sign in name for sign in "\\:\0"):
                    raise ValueError(f"the name {name!r} points outside of it")
                if entry.flag_bits & 1:
                    raise ValueError(f"{name!r} is encrypted")
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                    raise ValueError(f"{name!r} is compressed")
            files = {entry.filename: archive.read(entry) for entry in entries}
    except Exception as error:  # zipfile raises a dozen classes
        raise ValueError(f"its archive cannot be read: {_line(error)}") from None
    return Archive(min((entry.header_offset for entry in entries), default=len(content)), files)


def describe(path: str | Path) -> dict[str, Any]:
    """The content of a .tflite file, as JSON values; its tensors only if it is not damaged.

    {"file", "bytes", "sha256", "checksum": whether it matches, None without one, "damage": what is wrong or None,
    "description": zoo.json, "files": names in the archive, "labels": their number, "inputs" and "outputs":
    [{"name", "shape", "dtype", "quantization": [scale, zero point] or None}]; an open length of a shape is None.

    Raises FileNotFoundError or ValueError: no such file, not a TFLite file, or one that LiteRT cannot run.
    """
    file = _File(Path(path))
    sides: Any = ({}, {}) if file.damage else _load(file, 1)[1:]
    return {
        "file": file.path.name,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "checksum": not file.damage if file.checked else None,
        "damage": file.damage or None,
        "description": file.description,
        "files": list(file.contents),
        "labels": len(file.labels),
        "inputs": [_described(name, tensor) for name, tensor in sides[0].items()],
        "outputs": [_described(name, tensor) for name, tensor in sides[1].items()],
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
    """A file's archive and its record, read before LiteRT runs it; without a checksum it is run once in a child."""

    def __init__(self, path: Path, trusted: bool = False):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        self.path, content = path, path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError(f"{path} is not a TFLite file, or it is damaged ({len(content)} bytes)")
        self.bytes, self.sha256, self.model = len(content), hashlib.sha256(content).hexdigest(), content
        self.contents, self.description, self.damage = dict[str, bytes](), dict[str, Any](), ""
        sha256, self.labels = _recorded(path)
        self.checked = bool(sha256) or b"zoo.json" in content
        changed = "is damaged, or was changed after the export: "
        try:
            if archive := read_archive(content):
                self.model, self.contents = content[: archive.model_bytes], archive.files
            if "labels.txt" in self.contents:
                text = self.contents["labels.txt"].decode("utf-8", "replace")
                self.labels = tuple(text.removesuffix("\n").replace("\r", "").split("\n"))
            if b"zoo.json" in content:
                self.description = json.loads(self.contents["zoo.json"])
                if str(self.description["sha256"]) != hashlib.sha256(self.model).hexdigest():
                    self.damage = changed + "its checksum does not match"
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
            self.damage = changed + "it has no zoo.json with a checksum"
        except ValueError as error:
            self.damage = f"{changed}{error}"
        if sha256 and sha256 != self.sha256:
            self.damage = "is not the file that its record describes: damaged, or changed since"
        if not (self.damage or self.checked or trusted):
            self.damage = _damage_in_child(self.model)


def _load(file: _File, num_threads: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The interpreter, and its inputs and outputs by the names of its signature, or else of its tensors."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=file.model, num_threads=num_threads)
        interpreter.allocate_tensors()
        if len(interpreter.get_signature_list()) == 1:
            signature = interpreter.get_signature_runner()
            return interpreter, signature.get_input_details(), signature.get_output_details()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        return interpreter, {each["name"]: each for each in inputs}, {each["name"]: each for each in outputs}
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{file.path} cannot be run by LiteRT: {_line(error)}") from None


def _invoke_of(interpreter: Any, of_input: Any, of_output: Any, reset: Any, name: str) -> Callable[[Any], Any]:
    """Makes the function of an input tensor (1, ...) that returns the output tensor (1, outputs)."""
    # A tiny model takes a few microseconds, as long as ten Python calls: the function is minimal.
    set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
    index, output = of_input["index"], of_output["index"]

    def run(x: np.ndarray) -> np.ndarray:
        try:
            if reset:
                reset()
            set_tensor(index, x)
            invoke()
            return get_tensor(output)
        except RuntimeError as error:
            raise ValueError(f"{name} cannot compute this input: {_line(error)}") from None

    return run


def _has_variables(model: bytes) -> bool:
    """Whether the model has tensors that last from one invoke to the next, like a fused LSTM."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        content = schema.Model.GetRootAs(model)
        graphs = [content.Subgraphs(i) for i in range(content.SubgraphsLength())]
        return any(graph.Tensors(i).IsVariable() for graph in graphs for i in range(graph.TensorsLength()))
    except Exception:  # flatbuffers raises several classes
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


def _recorded(path: Path) -> tuple[str, tuple[str, ...]]:
    """A file's SHA-256 and the labels of its outputs, from its record; empty without one."""
    try:
        content = json.loads(record.read_text(encoding="utf-8")) if (record := find_record(path)) else {}
        found = [str(file["sha256"]) for file in content["files"].values() if file["file"] == path.name]
        return found[0], tuple(str(label) for label in content["data"]["labels"])
    except (ValueError, LookupError, TypeError, AttributeError):  # no record, or one of another program
        return "", ()


def _to_tensor(x: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Quantizes values for an integer tensor: q = round(x / scale) + zero_point; other tensors keep them."""
    scale, zero_point = detail["quantization"]
    if not scale or not np.issubdtype(detail["dtype"], np.integer):
        return x
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(x / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def _to_floats(q: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    return (q.astype("float32") - zero_point) * scale if scale and np.issubdtype(detail["dtype"], np.integer) else q


def _rescaled(value: np.ndarray, source: dict[str, Any], target: dict[str, Any]) -> np.ndarray:
    """A value of one tensor for another one, which may have another scale."""
    if source["dtype"] == target["dtype"] and source["quantization"] == target["quantization"]:
        return value
    return _to_tensor(_to_floats(value, source), target)
