"""Tasks: the loss, the metrics, what the exported file returns and how it is scored."""

import abc
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from zoo.base.checks import check_choice, check_rate, check_size, is_whole
from zoo.base.errors import InvalidValue
from zoo.models.augment import SoftBinaryAccuracy

VALUE_LOSSES: dict[str, Callable[[], keras.losses.Loss]] = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,  # quadratic up to one standard deviation of the target, linear beyond (P. Huber, 1964)
}


class Task(abc.ABC):
    """Models end in linear logits; the task says what these mean, in training and in the exported file."""

    output_name: ClassVar[str]  # of the exported file's output
    score_name: ClassVar[str]
    larger_is_better: ClassVar[bool] = True
    has_classes: ClassVar[bool] = False  # whether each sample is of exactly one class
    num_outputs: int

    @abc.abstractmethod
    def loss_function(self) -> keras.losses.Loss:
        """From logits (B, num_outputs)."""

    @abc.abstractmethod
    def metrics(self) -> list[keras.metrics.Metric]:
        """Reported in training, beside the loss."""

    @abc.abstractmethod
    def output(self) -> keras.layers.Layer:
        """The layer that the export appends to the logits, (B, num_outputs) -> (B, num_outputs)."""

    @abc.abstractmethod
    def per_sample(self, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The score of each sample, (n,), from a file's outputs (n, num_outputs) and the targets."""

    @abc.abstractmethod
    def check(self, y: np.ndarray) -> None:
        """Raises ValueError if the targets do not suit this task."""

    def score(self, y: np.ndarray, outputs: np.ndarray) -> float:
        """The score of a file's outputs (n, num_outputs) against the targets."""
        return float(np.mean(self.per_sample(y, outputs)))

    def adapted(self, y_train: np.ndarray) -> "Task":
        """This task with the statistics of its training targets, if it needs any."""
        return self

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Targets in the form that the loss takes."""
        return y

    def softened(self) -> "Task":
        """This task with soft targets, which may lie between classes; the task itself if it has no classes."""
        return dataclasses.replace(self, soft=True) if hasattr(self, "soft") else self  # type: ignore[type-var]

    def as_targets(self, logits: np.ndarray) -> np.ndarray:
        """A teacher's logits as soft targets for another model, in the form of `encode`."""
        return np.asarray(self.output()(logits)) if hasattr(self, "soft") else logits

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """The predicted class of each sample, or the values themselves."""
        return outputs

    def classes(self, y: np.ndarray) -> np.ndarray:
        """The class of each sample, (n,), if the task `has_classes`."""
        raise InvalidValue(f"{type(self).__name__} has no classes: a sample is not of exactly one")

    def auc(self, y: np.ndarray, outputs: np.ndarray) -> float | None:
        """Area under the ROC curve, for Binary; None for other tasks and if all samples are of one class."""
        return None

    def confusion(self, y: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
        """Confusion matrix, (classes, classes): true class by row, predicted class by column. None without classes."""
        if not self.has_classes:
            return None
        counts = np.zeros((max(2, self.num_outputs),) * 2, int)
        np.add.at(counts, (self.classes(y), self.decide(outputs)), 1)
        return counts

    def better(self, a: float, b: float) -> float:
        """How much better score `a` is than `b`."""
        return a - b if self.larger_is_better else b - a


@dataclass(frozen=True)
class Multiclass(Task):
    """One of `num_classes` classes; the file returns probabilities (softmax).

    The loss is cross-entropy.

    Attributes:
        num_classes: targets are integers from 0, (n,), or the same one-hot, (n, num_classes).
        label_smoothing: share of the target that all classes get evenly, in [0, 1) (C. Szegedy et al., 2016).
        soft: whether the loss takes one-hot targets, as mixing samples requires; smoothing implies it.
    """

    num_classes: int
    label_smoothing: float = 0.0
    soft: bool = False

    output_name = "probabilities"
    score_name = "accuracy"
    has_classes = True

    def __post_init__(self) -> None:
        if not is_whole(self.num_classes, 2):
            raise InvalidValue(f"num_classes={self.num_classes!r} must be a whole number of at least 2")
        check_rate("label_smoothing", self.label_smoothing)

    @property
    def num_outputs(self) -> int:  # type: ignore[override]
        return self.num_classes

    def loss_function(self):
        if self._one_hot:
            return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self):
        kind = keras.metrics.CategoricalAccuracy if self._one_hot else keras.metrics.SparseCategoricalAccuracy
        return [kind(name="accuracy")]

    def output(self):
        return keras.layers.Softmax(name=self.output_name)

    def per_sample(self, y, outputs):
        return (self.decide(outputs) == self.classes(y)).astype(float)

    def decide(self, outputs):
        return outputs.argmax(axis=-1)

    def classes(self, y):
        return y.argmax(axis=1) if y.ndim == 2 else y

    def check(self, y):
        if y.ndim == 2 and y.shape[1] == self.num_classes and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            return
        if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
            raise InvalidValue(
                f"targets of shape {y.shape}, {y.dtype}: Multiclass({self.num_classes}) needs one integer class a "
                f"sample, or (n, {self.num_classes}) with a single 1 in each row"
            )
        if y.min() < 0 or y.max() >= self.num_classes:
            raise InvalidValue(
                f"targets run from {y.min()} to {y.max()}, but num_classes={self.num_classes} allows "
                f"0 to {self.num_classes - 1}"
            )

    def encode(self, y):
        y = self.classes(y)
        return np.eye(self.num_classes, dtype="float32")[y] if self._one_hot else y

    @property
    def _one_hot(self) -> bool:
        return self.soft or self.label_smoothing > 0


class Sigmoids(Task):
    """Each output is the logit of an independent probability."""

    label_smoothing: float
    soft: bool

    def loss_function(self):
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def metrics(self):
        accuracy = SoftBinaryAccuracy if self.soft else keras.metrics.BinaryAccuracy
        return [accuracy(threshold=0.0, name="accuracy")]  # logit 0 is probability one half; over all outputs

    def output(self):
        return keras.layers.Activation("sigmoid", name=self.output_name)


@dataclass(frozen=True)
class Binary(Sigmoids):
    """Two classes; targets are 0 and 1. The file returns the probability of 1 (sigmoid).

    Attributes:
        label_smoothing: how far both targets move towards one half in training, in [0, 1).
        soft: whether targets may lie between 0 and 1.
    """

    label_smoothing: float = 0.0
    soft: bool = False

    output_name = "probability"
    score_name = "accuracy"
    num_outputs = 1
    has_classes = True

    def __post_init__(self) -> None:
        check_rate("label_smoothing", self.label_smoothing)

    def per_sample(self, y, outputs):
        return (self.decide(outputs) == y.reshape(-1)).astype(float)

    def decide(self, outputs):
        return (outputs.reshape(-1) > 0.5).astype(int)

    def classes(self, y):
        return y.reshape(-1).astype(int)

    def auc(self, y, outputs):
        from sklearn.metrics import roc_auc_score

        y = self.classes(y)
        return float(roc_auc_score(y, outputs.reshape(-1))) if 0 < y.sum() < len(y) else None

    def check(self, y):
        if y.size != len(y) or not np.isin(y, (0, 1)).all():
            raise InvalidValue(
                f"targets of shape {y.shape} with values {np.unique(y)[:5]}: Binary needs 0 or 1 a sample"
            )

    def encode(self, y):
        return y.reshape(-1, 1).astype("float32")


@dataclass(frozen=True)
class Multilabel(Sigmoids):
    """Any of `num_labels` independent labels; targets are 0 and 1, (n, num_labels).

    The file returns the probability of each label (sigmoid). The score is the mean accuracy of the labels, which is one
    minus the Hamming loss. If labels are rare, always predicting 0 scores well: compare with the record's baseline, the
    majority of each label.

    Attributes:
        label_smoothing: how far both targets move towards one half in training, in [0, 1).
        soft: whether targets may lie between 0 and 1.
    """

    num_labels: int
    label_smoothing: float = 0.0
    soft: bool = False

    output_name = "label_probabilities"  # not "probabilities": the largest is not the predicted class
    score_name = "label accuracy"

    def __post_init__(self) -> None:
        check_size("num_labels", self.num_labels)
        check_rate("label_smoothing", self.label_smoothing)

    @property
    def num_outputs(self) -> int:  # type: ignore[override]
        return self.num_labels

    def per_sample(self, y, outputs):
        return (self.decide(outputs) == y).mean(axis=1)

    def decide(self, outputs):
        return (outputs > 0.5).astype(int)

    def check(self, y):
        if y.ndim != 2 or y.shape[1] != self.num_labels or not np.isin(y, (0, 1)).all():
            raise InvalidValue(
                f"targets of shape {y.shape} with values {np.unique(y)[:5]}: Multilabel({self.num_labels}) needs "
                f"(n, {self.num_labels}) of 0 and 1"
            )

    def encode(self, y):
        return y.astype("float32")


class Values(Task):
    """Real values. Training uses them standardized; the file returns them in their own unit.

    `adapted` takes `mean` and `scale` from the training targets: one of each for every unit of the outputs.
    """

    loss: str
    mean: tuple[float, ...] | None
    scale: tuple[float, ...] | None
    sizes: ClassVar[tuple[str, ...]]  # names of the fields that are sizes

    output_name = "value"
    score_name = "mae"
    larger_is_better = False

    def __post_init__(self) -> None:
        for name in self.sizes:
            check_size(name, getattr(self, name))
        check_choice("loss", self.loss, VALUE_LOSSES)

    @property
    @abc.abstractmethod
    def num_units(self) -> int:
        """Number of outputs with statistics of their own; the following outputs repeat these."""

    def loss_function(self):
        return VALUE_LOSSES[self.loss]()

    def metrics(self):
        return [keras.metrics.MeanAbsoluteError(name="mae")]  # in standard deviations of the target

    def output(self):
        mean, scale = self._statistics()
        return keras.layers.Rescaling(scale.tolist(), mean.tolist(), name=self.output_name)

    def adapted(self, y_train):
        y = y_train.reshape(-1, self.num_units).astype("float64")
        scale = np.where(y.std(axis=0) > 0, y.std(axis=0), 1.0)
        return dataclasses.replace(self, mean=tuple(y.mean(axis=0).tolist()), scale=tuple(scale.tolist()))

    def per_sample(self, y, outputs):
        return np.abs(outputs.reshape(len(y), -1) - y.reshape(len(y), -1)).mean(axis=1)

    def encode(self, y):
        mean, scale = self._statistics()
        return ((y.reshape(len(y), -1) - mean) / scale).astype("float32")

    def _statistics(self):
        """Mean and scale of each output, (num_outputs,) both."""
        if self.mean is None or self.scale is None:
            raise InvalidValue(
                f"{type(self).__name__} has no mean and scale of its targets yet; call task.adapted(y_train)"
            )
        times = self.num_outputs // self.num_units
        return np.tile(self.mean, times), np.tile(self.scale, times)


@dataclass(frozen=True)
class Regression(Values):
    """`num_outputs` real values; targets are (n, num_outputs), or (n,) for one. The file returns them in their unit.

    Attributes:
        loss: of the standardized values: "mse", "mae", which is less sensitive to outliers, or "huber", in between.
        mean, scale: of the training targets, one for each output; `adapted` fills them in.
    """

    num_outputs: int = 1
    loss: str = "mse"
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None

    sizes = ("num_outputs",)

    @property
    def num_units(self):
        return self.num_outputs

    def check(self, y):
        if y.reshape(len(y), -1).shape[1] != self.num_outputs:
            raise InvalidValue(
                f"targets of shape {y.shape}: Regression(num_outputs={self.num_outputs}) needs {self.num_outputs} "
                "a sample"
            )


@dataclass(frozen=True)
class Forecasting(Values):
    """The next `horizon` values of one or more series; targets are (n, horizon) or (n, horizon, num_series).

    The file returns horizon * num_series values in the series' own units, all series of the first step first. The
    score is the mean absolute error over steps and series.

    Attributes:
        loss: of the standardized values: "mse", "mae" or "huber".
        mean, scale: of the training targets, one for each series; `adapted` fills them in.
    """

    horizon: int
    num_series: int = 1
    loss: str = "mse"
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None

    sizes = ("horizon", "num_series")

    @property
    def num_outputs(self) -> int:  # type: ignore[override]
        return self.horizon * self.num_series

    @property
    def num_units(self):
        return self.num_series

    def check(self, y):
        shapes = [(self.horizon, self.num_series)] + [(self.horizon,)] * (self.num_series == 1)
        if y.shape[1:] not in shapes:
            wanted = " or ".join(f"(n, {', '.join(map(str, shape))})" for shape in shapes)
            raise InvalidValue(
                f"targets of shape {y.shape}: Forecasting(horizon={self.horizon}, num_series={self.num_series}) needs "
                f"{wanted}"
            )
