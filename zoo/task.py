"""What a task means: its loss, its metrics, what the exported file returns and how that is scored."""

import abc
import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from zoo.augment import SoftBinaryAccuracy


class Task(abc.ABC):
    """Models end in linear logits; the task says what these mean, in training and in the exported file."""

    output_name: ClassVar[str]  # of the exported file's output
    score_name: ClassVar[str]
    larger_is_better: ClassVar[bool] = True
    num_outputs: int

    @abc.abstractmethod
    def loss(self) -> keras.losses.Loss:
        """From logits (B, num_outputs)."""

    @abc.abstractmethod
    def metrics(self) -> list[keras.metrics.Metric]:
        """Watched in training, beside the loss."""

    @abc.abstractmethod
    def output(self) -> keras.layers.Layer:
        """What the export puts behind the logits, (B, num_outputs) -> (B, num_outputs)."""

    @abc.abstractmethod
    def per_sample(self, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """What the score is the mean of, (n,): of an exported file's outputs (n, num_outputs) against the targets."""

    @abc.abstractmethod
    def check(self, y: np.ndarray) -> None:
        """Raises ValueError where the targets are not those of this task."""

    def score(self, y: np.ndarray, outputs: np.ndarray) -> float:
        """Of an exported file's outputs (n, num_outputs) against the targets."""
        return float(np.mean(self.per_sample(y, outputs)))

    def adapted(self, y_train: np.ndarray) -> "Task":
        """This task with the statistics of its training targets, where it needs any."""
        return self

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Targets as the loss wants them."""
        return y

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """The answer: a class number a sample, or the values themselves."""
        return outputs

    def better(self, a: float, b: float) -> float:
        """By how much score `a` is better than `b`."""
        return a - b if self.larger_is_better else b - a


@dataclass(frozen=True)
class Multiclass(Task):
    """One of `num_classes` classes; targets are integers from 0. The file returns probabilities (softmax)."""

    num_classes: int
    soft: bool = False  # whether the loss reads targets as one-hot probabilities, which can be mixed

    output_name = "probabilities"
    score_name = "accuracy"

    def __post_init__(self) -> None:
        if not isinstance(self.num_classes, int) or self.num_classes < 2:
            raise ValueError(f"num_classes={self.num_classes!r} must be a whole number of at least 2")

    @property
    def num_outputs(self) -> int:  # type: ignore[override]
        return self.num_classes

    def loss(self):
        if self.soft:
            return keras.losses.CategoricalCrossentropy(from_logits=True)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self):
        if self.soft:
            return [keras.metrics.CategoricalAccuracy(name="accuracy")]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def output(self):
        return keras.layers.Softmax(name=self.output_name)

    def per_sample(self, y, outputs):
        return (self.decide(outputs) == y).astype(float)

    def decide(self, outputs):
        return outputs.argmax(axis=-1)

    def check(self, y):
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            raise ValueError(f"targets of shape {y.shape}, {y.dtype}: Multiclass needs one integer class a sample")
        if y.min() < 0 or y.max() >= self.num_classes:
            raise ValueError(
                f"targets run from {y.min()} to {y.max()}, but num_classes={self.num_classes} allows "
                f"0 to {self.num_classes - 1}"
            )

    def encode(self, y):
        return np.eye(self.num_classes, dtype="float32")[y] if self.soft else y


@dataclass(frozen=True)
class Binary(Task):
    """Yes or no; targets are 0 and 1. The file returns the probability of 1 (sigmoid)."""

    soft: bool = False  # whether targets may be mixed, anywhere between 0 and 1

    output_name = "probability"
    score_name = "accuracy"
    num_outputs = 1

    def loss(self):
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def metrics(self):
        accuracy = SoftBinaryAccuracy if self.soft else keras.metrics.BinaryAccuracy
        return [accuracy(threshold=0.0, name="accuracy")]  # logit 0 is probability one half

    def output(self):
        return keras.layers.Activation("sigmoid", name=self.output_name)

    def per_sample(self, y, outputs):
        return (self.decide(outputs) == y.reshape(-1)).astype(float)

    def decide(self, outputs):
        return (outputs.reshape(-1) > 0.5).astype(int)

    def check(self, y):
        if y.size != len(y) or not np.isin(y, (0, 1)).all():
            raise ValueError(f"targets of shape {y.shape} with values {np.unique(y)[:5]}: Binary needs 0 or 1 a sample")

    def encode(self, y):
        return y.reshape(-1, 1).astype("float32")


@dataclass(frozen=True)
class Regression(Task):
    """`num_outputs` real values. Training sees them standardized; the file returns them in their own unit.

    `mean` and `scale` are taken from the training targets (`adapted`), never from test.
    """

    num_outputs: int = 1
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None

    output_name = "value"
    score_name = "mae"
    larger_is_better = False

    def adapted(self, y_train):
        y = y_train.reshape(len(y_train), -1).astype("float64")
        scale = np.where(y.std(axis=0) > 0, y.std(axis=0), 1.0)
        return dataclasses.replace(self, mean=tuple(y.mean(axis=0).tolist()), scale=tuple(scale.tolist()))

    def loss(self):
        return keras.losses.MeanSquaredError()

    def metrics(self):
        return [keras.metrics.MeanAbsoluteError(name="mae")]  # in standard deviations of the target

    def output(self):
        mean, scale = self._statistics()
        return keras.layers.Rescaling(scale.tolist(), mean.tolist(), name=self.output_name)

    def per_sample(self, y, outputs):
        return np.abs(outputs.reshape(len(y), -1) - y.reshape(len(y), -1)).mean(axis=1)

    def check(self, y):
        if y.reshape(len(y), -1).shape[1] != self.num_outputs:
            raise ValueError(f"targets of shape {y.shape}: Regression(num_outputs={self.num_outputs}) needs that many")

    def encode(self, y):
        mean, scale = self._statistics()
        return ((y.reshape(len(y), -1) - mean) / scale).astype("float32")

    def _statistics(self):
        if self.mean is None or self.scale is None:
            raise ValueError("Regression does not know its target's mean and scale yet; call task.adapted(y_train)")
        return np.array(self.mean), np.array(self.scale)
