"""What exported files contain, and the data that they are measured on."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.base.errors import InvalidValue
from zoo.data import Dataset
from zoo.data.arrays import Samples
from zoo.data.blocks import Array
from zoo.data.vocabulary import VOCABULARY
from zoo.recipe.recipe import Recipe
from zoo.recipe.task import Binary, Multiclass, Regression, Task


@dataclass(frozen=True)
class Contents:
    """What the files contain, and the data that they are measured on.

    Attributes:
        name: of the files, `<name>.<precision>.tflite`.
        task: how outputs are scored against `y`, if there is a `y`.
        output: a layer to append to the model, such as softmax; output_name: of the files' output.
        x: (n, *input_shape), y: (n,) or (n, outputs) or None: the test set.
        calibration: (m, *input_shape), from the training set.
        labels: of the outputs. files: further files for the archive, by name, such as a vocabulary.
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


def data_hash(samples: Samples) -> str:
    return hashlib.sha256(samples.x.tobytes() + (b"" if samples.y is None else samples.y.tobytes())).hexdigest()


def guessed_task(outputs: np.ndarray, y: np.ndarray | None) -> tuple[Task, str]:
    """The task and the output's name, inferred from the values of outputs and targets."""
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
