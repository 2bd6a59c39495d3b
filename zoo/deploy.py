"""Runs a .tflite file with numpy and LiteRT alone. This file imports nothing else of zoo: copy it to your device.

runner = Runner("digits_cnn.int8.tflite")
runner.predict(x)                               # (n, *input_shape) -> (n, outputs)
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


class Runner:
    """A .tflite file, ready to be asked.

    Args:
        path: of the file. Where a record.json describes it (see `find_record`), the file must have the SHA-256 that is
            recorded there: LiteRT itself runs many damaged files and gives wrong answers.
        num_threads: of the interpreter.

    Attributes:
        input_shape: of one sample. output_name: "probabilities", "probability" or "value" in files of ours.
        labels: of the outputs, where the record names them.

    Raises:
        FileNotFoundError, ValueError: no such file; not a TFLite file, a damaged one, or one with ops that only
            TensorFlow itself has.
    """

    def __init__(self, path: str | Path, num_threads: int = 1):
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no file {self.path}")
        content = self.path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError(f"{self.path} is not a TFLite file, or it is damaged ({len(content)} bytes)")
        self.sha256 = hashlib.sha256(content).hexdigest()
        recorded = _recorded(self.path)
        if recorded and recorded["sha256"] != self.sha256:
            raise ValueError(f"{self.path} is not the file that its record describes: damaged, or changed since")
        self.labels: tuple[str, ...] = tuple(recorded["labels"]) if recorded else ()

        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=num_threads)
            self._interpreter.allocate_tensors()
            signature = self._interpreter.get_signature_list()
            (self._input,) = self._interpreter.get_input_details()
            (self._output,) = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{self.path} cannot be run by LiteRT: {str(error).strip()}") from None
        self.input_shape = tuple(int(n) for n in self._input["shape"][1:])
        self.output_name = next((names["outputs"][0] for names in signature.values()), self._output["name"])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) for inputs (n, *input_shape), one sample after the other."""
        x = self.check(x)
        return np.concatenate([self.predict_one(sample) for sample in x])

    def predict_one(self, sample: np.ndarray) -> np.ndarray:
        """Outputs (1, outputs) for one input of `input_shape`; unchecked, for inner loops."""
        self._interpreter.set_tensor(self._input["index"], _to_integers(sample[np.newaxis], self._input))
        self._interpreter.invoke()
        return _to_floats(self._interpreter.get_tensor(self._output["index"]), self._output)

    def check(self, x: np.ndarray) -> np.ndarray:
        """The inputs as this file wants them. Raises ValueError on a wrong shape, a wrong type, NaN or infinity."""
        x = np.asarray(x)
        if x.dtype == bool or not np.issubdtype(x.dtype, np.number) or np.issubdtype(x.dtype, np.complexfloating):
            raise ValueError(f"the input is of type {x.dtype}; {self.path.name} reads numbers")
        if x.shape == self.input_shape:
            x = x[np.newaxis]
        if x.shape[1:] != self.input_shape or len(x) == 0:
            raise ValueError(
                f"the input has shape {x.shape}; {self.path.name} reads {self.input_shape}, or n of them: "
                f"(n, {', '.join(map(str, self.input_shape))})"
            )
        wanted = np.dtype(self._input["dtype"])
        if np.issubdtype(wanted, np.floating) or self._input["quantization"][0]:
            bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
            if bad.size:
                raise ValueError(f"the input has NaN or infinite values in {bad.size} of {len(x)} samples")
            return x.astype("float32")
        if not np.can_cast(x.dtype, wanted, "same_kind"):
            raise ValueError(f"the input is of type {x.dtype}; {self.path.name} reads {wanted}")
        return x.astype(wanted)


@dataclass(frozen=True)
class Prediction:
    """Answers of a file, one row a sample: raw outputs, and for classes the best one with its label."""

    output_name: str
    outputs: np.ndarray  # (n, outputs)
    labels: tuple[str, ...]

    @property
    def classes(self) -> np.ndarray | None:
        """Class numbers (n,), or None where the outputs are values."""
        if self.output_name == "probabilities":
            return self.outputs.argmax(axis=1)
        if self.output_name == "probability":
            return (self.outputs.reshape(-1) > 0.5).astype(int)
        return None

    def as_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{self.output_name: row.tolist()} for row in self.outputs]
        if self.classes is not None:
            for row, number, outputs in zip(rows, self.classes, self.outputs, strict=True):
                row["class"] = int(number)
                row["label"] = self.labels[number] if number < len(self.labels) else str(number)
                p = float(outputs[number] if len(outputs) > 1 else outputs[0])
                row["confidence"] = p if len(outputs) > 1 or number else 1 - p
        return rows


def predict(file: str | Path, x: "str | Path | np.ndarray", num_threads: int = 1) -> Prediction:
    """Answers of a .tflite file for an array, or for a .npy or .csv file that holds one or more inputs."""
    runner = Runner(file, num_threads)
    if isinstance(x, str | Path):
        x = read_input(x, runner.input_shape)
    return Prediction(runner.output_name, runner.predict(x), runner.labels)


def read_input(path: str | Path, input_shape: tuple[int, ...]) -> np.ndarray:
    """Inputs (n, *input_shape) from a .npy array, or from a .csv with one input a row or one input in all.

    Raises FileNotFoundError or ValueError that says what the file holds and what is wanted.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix not in (".npy", ".csv"):
        raise ValueError(
            f"{path}: an input is a .npy array or a .csv of numbers, not {path.suffix or 'without suffix'}"
        )
    try:
        if path.suffix == ".npy":
            x = np.load(path, allow_pickle=False)
        else:
            x = np.loadtxt(path, delimiter=",", ndmin=2, dtype="float32", encoding="utf-8-sig")
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    size = int(np.prod(input_shape))
    if x.shape[1:] != input_shape and x.size and x.size % size == 0 and (x.size == size or x.shape[1:] == (size,)):
        x = x.reshape(-1, *input_shape)
    return x


def find_record(path: Path) -> Path | None:
    """The record.json of a file: beside it, or one folder up from a folder that is called tflite, as in a run."""
    folder = path.resolve().parent
    places = (folder, folder.parent) if folder.name == "tflite" else (folder,)
    return next((place / "record.json" for place in places if (place / "record.json").is_file()), None)


def _recorded(path: Path) -> dict[str, Any] | None:
    """What a file's record says of it: its SHA-256 and the labels of its outputs."""
    record = find_record(path)
    if record is None:
        return None
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        for file in content["files"].values():
            if file["file"] == path.name:
                return {"sha256": str(file["sha256"]), "labels": [str(label) for label in content["data"]["labels"]]}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # a record.json of another program
    return None


def _to_integers(x: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Real values as the integers that a fully quantized input takes: q = round(x / scale) + zero_point."""
    scale, zero_point = detail["quantization"]
    if not scale or not np.issubdtype(detail["dtype"], np.integer):
        return x
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(x / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def _to_floats(q: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale or not np.issubdtype(detail["dtype"], np.integer):
        return q
    return (q.astype("float32") - zero_point) * scale
