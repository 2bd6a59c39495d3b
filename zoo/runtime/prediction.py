"""Runs a .tflite file on raw input: an array, numbers in a file, rows of a table, an image, a sound or texts.

It does not need TensorFlow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import InvalidValue
from zoo.data import rows
from zoo.data.arrays import read_arrays
from zoo.data.image_files import IMAGES, read_image
from zoo.data.sound_files import SOUND_FILE, SOUNDS, rate_of, read_wave
from zoo.data.vocabulary import VOCABULARY, tokens, words_of
from zoo.deploy import Runner


@dataclass(frozen=True)
class Prediction:
    """Outputs of a file, one row per sample, and for classes the most probable one with its label."""

    output_name: str
    outputs: np.ndarray  # (n, outputs)
    labels: tuple[str, ...]

    @property
    def classes(self) -> np.ndarray | None:
        """Class numbers (n,), or None if the outputs are values or independent labels."""
        if self.output_name == "probabilities":
            return self.outputs.argmax(axis=1)
        if self.output_name == "probability":
            return (self.outputs.reshape(-1) > 0.5).astype(int)
        return None  # values, or several labels a sample

    def rows(self) -> Iterator[dict[str, Any]]:
        """For each sample its outputs, and for classes "class", "label" and "confidence"."""
        classes = self.classes
        for i, outputs in enumerate(self.outputs):
            row: dict[str, Any] = {self.output_name: outputs.tolist()}
            if classes is not None:
                number = int(classes[i])
                p = float(outputs[number] if len(outputs) > 1 else outputs[0])
                confidence = p if len(outputs) > 1 or number else 1 - p
                row |= {"class": number, "label": self._label(number), "confidence": confidence}
            if self.output_name == "label_probabilities":
                row["labels"] = [self._label(int(n)) for n in np.flatnonzero(outputs > 0.5)]
            yield row

    def as_rows(self) -> list[dict[str, Any]]:
        return list(self.rows())

    def _label(self, number: int) -> str:
        return self.labels[number] if number < len(self.labels) else str(number)


def predict(file: str | Path, x: "str | Path | np.ndarray", num_threads: int = 1) -> Prediction:
    """Outputs of a .tflite file for an array, or for a file of raw input: .npy, .csv, an image, a WAV, texts.

    A model of tables reads a .csv with a header or a .parquet of raw rows, with columns in any order; a model with a
    vocabulary reads a .txt, one text a line; a model of sounds resamples and cuts a WAV as in training.
    """
    runner = Runner(file, num_threads)
    if isinstance(x, str | Path):
        path, shape = Path(x), runner.input_shape
        if rows.TABLE_FILE in runner.files and path.suffix in rows.TABLES:
            x = rows.read_rows(path, rows.from_json(runner.files[rows.TABLE_FILE]))
        elif VOCABULARY in runner.files and path.suffix == ".txt":
            x = read_texts(path, runner.files[VOCABULARY].decode("utf-8", "replace"), int(shape[0] or 0))
        elif SOUND_FILE in runner.files and path.suffix.lower() in SOUNDS:
            x = read_wave(path, rate_of(runner.files[SOUND_FILE]), int(shape[0] or 0))
        elif path.suffix.lower() in IMAGES and len(shape) == 3 and None not in shape:
            height, width, channels = (int(n or 0) for n in shape)
            x = read_image(path, height, width, channels)[np.newaxis]
        else:
            x = read_input(path, shape)
    return Prediction(runner.output_name, runner.predict(x), runner.labels)


def read_texts(path: Path, vocabulary: str, steps: int) -> np.ndarray:
    """Tokens (n, steps) of a file with one text a line. Raises FileNotFoundError or ValueError."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    sentences = [words_of(line) for line in lines if line.strip()]
    if not sentences:
        raise InvalidValue(f"{path} has no text; each line is one text")
    return tokens(sentences, tuple(vocabulary.split("\n")), steps)


def read_input(path: str | Path, input_shape: tuple[int | None, ...]) -> np.ndarray:
    """Inputs (n, *input_shape) from a .npy array, a .npz with x, or a .csv with one input per row, or a single input.

    Where the first length is None, as of sequences, a .csv holds one sequence, a step per row, or a sequence per row.

    Raises FileNotFoundError or ValueError.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix in (".npy", ".npz"):
        x = read_arrays(path)[1][0]
    elif path.suffix == ".csv":
        try:
            x = np.loadtxt(path, delimiter=",", ndmin=2, dtype="float32", encoding="utf-8-sig")
        except (ValueError, OSError) as error:
            raise InvalidValue(f"{path} cannot be read: {error}") from None
    else:
        raise InvalidValue(
            f"{path}: an input is a .npy or .npz of arrays or a .csv of numbers, not {path.suffix or 'without suffix'}"
        )
    size = int(np.prod([n for n in input_shape if n is not None]))
    if None in input_shape:
        step = input_shape[1:]
        if x.ndim == 2 and x.size and None not in step and x.shape[1:] != step and x.shape[1] % size == 0:
            x = x.reshape(len(x), -1, *step)
    elif x.shape[1:] != input_shape and x.size and x.size % size == 0 and (x.size == size or x.shape[1:] == (size,)):
        x = x.reshape(-1, *input_shape)
    return x
