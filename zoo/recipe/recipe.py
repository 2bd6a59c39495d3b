"""A recipe: all that is needed to make a model again, as one frozen value."""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.base.checks import check_choice, check_number, check_size, is_whole
from zoo.base.errors import InvalidType, InvalidValue
from zoo.data import Dataset
from zoo.data.blocks import Array, Stored, slices
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.strategies import STRATEGIES, Strategy
from zoo.models.augment import Mixing
from zoo.recipe.batches import BatchSize, batch_of, check_batch_size
from zoo.recipe.optimizers import make_optimizer, optimizer_space
from zoo.recipe.schedules import Schedule, schedule_of
from zoo.recipe.task import ClassWeight, Task, check_class_weight, sample_weights
from zoo.runtime.targets import TARGETS

OPTIMIZER_FIELDS = (
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "ema_momentum",
    "schedule",
)
EXPORT_ONLY = ("precisions", "strategy", "target", "folds")  # fields that neither search nor training depends on
SEARCH_ONLY = (
    "space",
    "objective",
    "oracle",
    "trials",
    "trial_epochs",
    "trial_samples",
    "finalists",
    "finalist_seeds",
    "limits",
)
NOT_TRAINED = (*SEARCH_ONLY, "bounds", *EXPORT_ONLY, "name")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What every exported file must meet before it counts as good.

    Attributes:
        score: the least accuracy (or the largest error, for a regression) on the test set; None for any.
        mean: likewise, of the mean over all seeds, or over all folds of a cross-validation.
        drop: how much worse than the Keras model a file may score, by precision, as a fraction of that score.
        difference: how far any single output may be from the Keras model's, by precision, as a fraction of the
            largest output (of 1 where that is smaller, as probabilities are). For int8 the default is a half, which
            a probability can only miss by where the answer changes from one sure class to another.
        mean_difference: likewise, how far the outputs may be on average.
        bytes: the largest size of a file, by precision; any where none is given.
        arena: the most memory, in bytes, that a file may take for its tensors in LiteRT Micro, with target="micro".

    What is not given is the precision's own default, in `zoo/precisions/`.
    """

    score: float | None = None
    mean: float | None = None
    drop: Mapping[str, float] = field(default_factory=dict)
    difference: Mapping[str, float] = field(default_factory=dict)
    mean_difference: Mapping[str, float] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    arena: int | None = None

    def __post_init__(self) -> None:
        for name in ("score", "mean", "arena"):
            if getattr(self, name) is not None:
                check_number(f"bounds: {name}", getattr(self, name), 0)
        for name in ("drop", "difference", "mean_difference", "bytes"):
            for precision, value in getattr(self, name).items():
                check_choice(f"precision in bounds {name}", precision, PRECISIONS)
                check_number(f"bounds: {name}[{precision!r}]", value, 0)

    def of(self, name: str, precision: str) -> float:
        """The bound of this name, as given or else the precision's default."""
        return getattr(self, name).get(precision, getattr(PRECISIONS[precision], name))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a candidate of a search must keep to; one that does not is not trained.

    Attributes:
        bytes: of its file, in the last of the recipe's precisions: it is exported untrained, which takes seconds.
        macs: multiply-accumulates of one sample, by formula, see zoo/cost.py.
        latency_us: microseconds of one sample in that file, on this machine.
    """

    bytes: int | None = None
    macs: int | None = None
    latency_us: float | None = None

    def __post_init__(self) -> None:
        for name in ("bytes", "macs", "latency_us"):
            if getattr(self, name) is not None:
                check_number(f"limits: {name}", getattr(self, name), 0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data, model, training, search and the bounds to meet. `recipes/` holds one a file, as `RECIPE`.

    Attributes:
        data: function that returns the `Dataset`.
        builder: function of `zoo.models`, or one of your own with (input_shape, num_outputs, *, ...).
        arguments: of the builder.
        task: what the outputs mean; one of `zoo.task`, such as `Multiclass(num_classes)`.
        preprocessing: Keras layers that stay in the exported file; `Normalization` is adapted to train.
        augmentation: Keras layers that change the input in training only.
        mixing: `zoo.augment.MixUp()` or `CutMix()` of each batch in training; the task's targets become soft for it.
        optimizer: "sgd", "adam", "adamw", "rmsprop", "adagrad", or a Keras optimizer, of which each training gets a
            new one with the same settings.
        learning_rate, momentum, nesterov, weight_decay, clipnorm, global_clipnorm, clipvalue, ema_momentum: of an
            optimizer by name, see `zoo.optimizer`; an object brings its own. The learning rate is 0.003 by default.
        schedule: name or object of `zoo.schedules`. By default "cosine", and for an optimizer object none but its own.
        epochs, seed: of the training. The seed also draws the search's trials.
        teachers: how many models are trained first, from seeds 1, 2, ...: their mean answers are half of the targets
            that this one learns from. The trials of a search learn from the data's own targets alone.
        teacher: their recipe, a name or a path, as of a larger model (G. Hinton et al., Distilling the knowledge in a
            neural network, 2015), with the values that it is written with; this recipe itself by default (T. Furlanello
            et al., Born-again neural networks, ICML 2018).
        questions: `zoo.augment.MixUp()` or `CutMix()`: mixtures of training samples that the teachers answer instead of
            these, ten times as many; their answers are all of the targets then, see `zoo/teaching.py`.
        batch_size: samples a step: 1, or a mini-batch, or "all" for gradient descent on the whole of train.
        class_weight: weight of a sample's loss in training by its class: None, "balanced", which makes all classes
            count alike, or {class: weight}, 1 for those left out.
        space: function from `keras_tuner.HyperParameters` to the fields that a trial replaces; "arguments" in it are
            merged into those above. None is the usual one, `usual_space`.
        objective: what the search looks at after each trial: "val_loss", a metric such as "val_accuracy", or what an
            exported file scores on validation, such as "int8_accuracy": seconds more a trial.
        oracle: how the search chooses: "asha", "random", "grid", "bayesian" or "hyperband", see zoo/tuning/oracles.py.
        trials, trial_epochs: how many candidates the search trains, and for how long. With trials=0 there is no search:
            the recipe's own values stand.
        finalists, finalist_seeds: how many of the best trials are trained again, from how many other seeds each: the
            best mean over these wins. With finalists=1 the best trial does.
        limits: which candidates are not worth training, see `Limits`.
        trial_samples: how many samples of train a trial sees, where all would take too long; drawn by `seed`.
        folds: of a cross-validation, None for none. Each seed of `zoo.run` then deals all samples anew into so many
            parts, and each part tests a model that was searched for, trained and exported on the others: where the
            test set of one split would be too small to tell. The released files are those of the one split.
        precisions: of the exported files, from `zoo/precisions/`.
        strategy: for recurrent layers: "auto", or one of `zoo/conversion/strategy.py`, or {precision: one of these}.
        target: where the files must run: "litert", "browser" or "micro".
        bounds: what they must meet.
        name: file name of the recipe without its suffix, and file: its path, or the name alone where it is of the
            collection; about: the docstring of that file, which goes into the card, the paragraphs that begin with
            "For:" and "Not for:" under heads of their own. All three are filled in where the recipe is loaded.
    """

    data: Callable[[], Dataset]
    builder: Callable[..., keras.Model]
    task: Task
    bounds: Bounds
    arguments: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Sequence[keras.layers.Layer] = ()
    augmentation: Sequence[keras.layers.Layer] = ()
    mixing: Mixing | None = None
    optimizer: str | keras.optimizers.Optimizer = "adam"
    learning_rate: float | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    weight_decay: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    clipvalue: float | None = None
    ema_momentum: float | None = None
    schedule: str | Schedule | None = None
    epochs: int = 40
    batch_size: BatchSize = 32
    class_weight: ClassWeight = None
    seed: int = 1
    teachers: int = 0
    teacher: str | None = None
    questions: Mixing | None = None
    space: Callable[[Any], dict[str, Any]] | None = None
    objective: str = "val_loss"
    oracle: str = "asha"
    trials: int = 30
    trial_epochs: int = 12
    trial_samples: int | None = None
    finalists: int = 3
    finalist_seeds: int = 2
    limits: Limits | None = None
    folds: int | None = None
    precisions: Sequence[str] = ("float32", "int8")
    strategy: Strategy = "auto"
    target: str = "litert"
    name: str = "recipe"
    file: str = ""
    about: str = ""

    def __post_init__(self) -> None:  # noqa: PLR0912
        for argument in ("data", "builder", "space"):
            if not callable(getattr(self, argument)) and not (argument == "space" and self.space is None):
                raise InvalidType(f"{argument}={getattr(self, argument)!r} must be a function")
        if not isinstance(self.task, Task):
            raise InvalidType(f"task={self.task!r} must be a zoo task such as Multiclass(10)")
        for argument in ("preprocessing", "augmentation"):
            _check_layers(argument, getattr(self, argument))
        self._check_mixing()
        knobs = _knobs(self.builder)
        for argument in self.arguments:
            if argument in ("preprocessing", "augmentation"):
                raise InvalidValue(f"arguments: give {argument} as a field of the recipe, beside `arguments`")
            check_choice(f"argument of {described(self.builder)}", argument, knobs)
        least_of = {
            "epochs": 1,
            "teachers": 0,
            "trials": 0,
            "trial_epochs": 1,
            "trial_samples": 1,
            "finalists": 1,
            "finalist_seeds": 1,
        }
        for argument, least in least_of.items():
            value = getattr(self, argument)
            if not is_whole(value, least) and not (argument == "trial_samples" and value is None):
                raise InvalidValue(f"{argument}={value!r} must be a whole number of at least {least}")
        if self.teacher is not None and not self.teachers:
            raise InvalidValue(f"teacher={self.teacher!r} with teachers=0: say how many of it are to be trained")
        self._check_questions()
        if self.folds is not None:
            check_size("folds", self.folds, minimum=2)
        check_batch_size(self.batch_size)
        check_class_weight(self.class_weight, self.task)
        self._optimizer(steps=1)
        if not is_whole(self.seed, 0):
            raise InvalidValue(f"seed={self.seed!r} must be a whole number of at least 0")
        if not self.precisions:
            raise InvalidValue(f"precisions=() is empty; name at least one of {', '.join(PRECISIONS)}")
        for precision in self.precisions:
            check_choice("precision", precision, PRECISIONS)
        check_choice("target", self.target, TARGETS)
        for name in self.strategy.values() if isinstance(self.strategy, Mapping) else [self.strategy]:
            check_choice("strategy", name, ("auto", *STRATEGIES))
        for name in self.strategy if isinstance(self.strategy, Mapping) else ():
            check_choice("precision in strategy", name, PRECISIONS)
        _objective_is_measured(self.objective, self.task)
        if not isinstance(self.limits, Limits | None):
            raise InvalidType(f"limits={self.limits!r} must be zoo.Limits(bytes=..., macs=..., latency_us=...)")

    def _check_mixing(self) -> None:
        if not isinstance(self.mixing, Mixing | None):
            raise InvalidType(f"mixing={self.mixing!r} must be None, zoo.augment.MixUp() or zoo.augment.CutMix()")
        if self.mixing is None:
            return
        if self.class_weight is not None:
            raise InvalidValue(
                f"mixing={self.mixing} with class_weight={self.class_weight!r}: a mixed sample has no class"
            )
        object.__setattr__(self, "task", self.task.softened())

    def _check_questions(self) -> None:
        if not isinstance(self.questions, Mixing | None):
            raise InvalidType(f"questions={self.questions!r} must be None, zoo.augment.MixUp() or zoo.augment.CutMix()")
        if self.questions is not None and not self.teachers:
            raise InvalidValue(f"questions={self.questions} with teachers=0: nobody answers them")
        for argument in ("mixing", "class_weight"):
            if self.questions is not None and getattr(self, argument) is not None:
                raise InvalidValue(
                    f"questions={self.questions} with {argument}={getattr(self, argument)!r}: the answers to mixtures "
                    f"are the targets as they are; leave {argument} out"
                )

    def replace(self, **fields: Any) -> "Recipe":
        """A recipe with other fields; `arguments` are merged into the present ones."""
        known = [f.name for f in dataclasses.fields(self)]
        for name in fields:
            check_choice("field of Recipe", name, known)
        if "arguments" in fields:
            fields["arguments"] = {**self.arguments, **fields["arguments"]}
        return dataclasses.replace(self, **fields)

    def build(self, dataset: Dataset) -> keras.Model:
        """A new compiled model; the same seed gives the same weights."""
        keras.utils.set_random_seed(int(self.seed))
        preprocessing = _fresh(self.preprocessing)
        unknown = [layer for layer in preprocessing if hasattr(layer, "adapt") and not layer.built]
        model = self.builder(
            dataset.input_shape,
            self.task.num_outputs,
            preprocessing=preprocessing,
            augmentation=_fresh(self.augmentation),
            **self.arguments,
        )
        for layer in unknown:
            adapt(layer, model, dataset.train.x)
        samples = len(dataset.train.x)
        steps = self.epochs * -(-samples // batch_of(samples, self.batch_size))
        _forget_the_start(model, steps)
        model.compile(self._optimizer(steps), loss=self.task.loss_function(), metrics=self.task.metrics())
        return model

    def sample_weights(self, dataset: Dataset) -> np.ndarray | None:
        """The weight of each training sample's loss, (n,), where the recipe weighs classes."""
        return sample_weights(self.class_weight, self.task, dataset.train.y)

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """New ones for one training, where the schedule needs any."""
        return schedule_of(self.resolved["schedule"] or "constant").callbacks()

    def draw(self, hp: Any) -> dict[str, Any]:
        """The fields that a trial replaces, from a `keras_tuner.HyperParameters`."""
        return usual_space(self, hp) if self.space is None else self.space(hp)

    @property
    def resolved(self) -> dict[str, Any]:
        """Settings of the optimizer, with what stands for None where it is given by name."""
        fields = {name: getattr(self, name) for name in OPTIMIZER_FIELDS}
        if not isinstance(self.optimizer, keras.optimizers.Optimizer):
            for name, value in (("learning_rate", 3e-3), ("schedule", "cosine")):
                fields[name] = value if fields[name] is None else fields[name]
        return fields

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return make_optimizer(**self.resolved, steps=steps, epochs=self.epochs)

    def load_data(self) -> Dataset:
        dataset = self.data()
        if not isinstance(dataset, Dataset):
            raise InvalidType(
                f"{described(self.data)} returned {type(dataset).__name__}, but a recipe's data is a Dataset"
            )
        for part in dataset.parts.values():
            self.task.check(part.y)
        if self.task.has_classes:  # of one-hot targets, too, which the data set itself cannot tell from labels
            known = np.unique(self.task.classes(dataset.train.y))
            for name, part in dataset.parts.items():
                unseen = np.setdiff1d(self.task.classes(part.y), known)
                if unseen.size:
                    raise InvalidValue(
                        f"data set {dataset.name!r}, {name}: class {unseen[0]} is not among the training samples, so "
                        "no model can know it; add samples of it or leave it out"
                    )
        return dataset

    def describe(self) -> dict[str, Any]:
        """The recipe as plain values, for records."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("file", "about")}
        return {name: described(value) for name, value in {**fields, **self.resolved}.items()}

    def fingerprint(self, *rest: str, without: Collection[str]) -> str:
        """Hash of the recipe, of its functions' source and of `rest`: equal hashes, equal work.

        `without` names the fields that the work does not depend on. Neither does it on a field at its default, so that
        one more field in a later version leaves unfinished trainings of hours what they are.
        """
        defaults = {f.name: described(f.default) for f in dataclasses.fields(self)}
        fields = {
            name: value
            for name, value in self.describe().items()
            if name not in without and value != defaults[name] and described(getattr(self, name)) != defaults[name]
        }
        sources = [_source(self.builder)]
        if "space" not in without:
            sources.append(_source(self.space or usual_space))
        return hashlib.sha256(json.dumps([fields, sources, rest], sort_keys=True).encode()).hexdigest()


def usual_space(recipe: Recipe, hp: Any) -> dict[str, Any]:
    """What is searched where a recipe has no space of its own: all that practice tunes first.

    The optimizer with its learning rate and momentum, see `optimizer_space`, unless the recipe gives it as an object;
    dropout, where the builder has it; the size of a batch, unless it is "all".
    """
    fields = {} if isinstance(recipe.optimizer, keras.optimizers.Optimizer) else optimizer_space(hp)
    if "dropout" in _knobs(recipe.builder):
        fields["arguments"] = {"dropout": hp.Float("dropout", 0.2, 0.5, step=0.1)}
    if recipe.batch_size != "all":
        fields["batch_size"] = hp.Choice("batch_size", [32, 64, 128, 256])
    return fields


def adapt(layer: keras.layers.Layer, model: keras.Model, x: Array) -> None:
    """Lets a preprocessing layer learn its statistics from what reaches it in the model; padded steps are left out."""
    reaches = keras.Model(model.inputs[0], layer.input)
    masks = [inner.mask_value for inner in model.layers if isinstance(inner, keras.layers.Masking)]

    def reached(x: np.ndarray) -> np.ndarray:
        values = np.concatenate([np.asarray(reaches(x[i : i + 4096])) for i in range(0, len(x), 4096)])
        for mask in masks:
            values = values[(x != mask).any(axis=-1)][None]  # (1, steps of all samples, features)
        return values

    if isinstance(x, Stored):  # a piece at a time
        shape = (None, None, *layer.input.shape[2:]) if masks else layer.input.shape
        layer.adapt(
            tf.data.Dataset.from_generator(
                lambda: filter(np.size, map(reached, slices(x))),
                output_signature=tf.TensorSpec(shape, layer.input.dtype),
            )
        )
    else:
        layer.adapt(reached(x))


def described(value: Any) -> Any:  # noqa: PLR0911
    """Any field of a recipe as plain JSON: functions by name, layers and optimizers by their configuration."""
    if isinstance(value, keras.layers.Layer | keras.regularizers.Regularizer | keras.optimizers.Optimizer):
        config = {k: v for k, v in value.get_config().items() if k not in ("name", "trainable", "dtype", "seed")}
        return {type(value).__name__: described(config)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: described(dataclasses.asdict(value))}
    if isinstance(value, Mapping):
        return {str(k): described(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [described(v) for v in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "func"):  # functools.partial
        return {described(value.func): [described(value.args), described(value.keywords)]}
    return repr(value)


def _check_layers(argument: str, layers: object) -> None:
    if not isinstance(layers, Sequence) or not all(isinstance(layer, keras.layers.Layer) for layer in layers):
        hint = "; presets are zoo.augment.for_images('light') and its like" if argument == "augmentation" else ""
        raise InvalidType(f"{argument}={layers!r} must be a list of Keras layers{hint}")


def _fresh(layers: Sequence[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """New layers of the same configuration: a recipe's own are patterns, never part of a model."""
    return [type(layer).from_config({**layer.get_config(), "name": None}) for layer in layers]


def _forget_the_start(model: keras.Model, steps: int) -> None:
    """Lets the moving averages of normalization come to what is there within a training of so few steps.

    They begin at 0 and 1, of which a momentum of .99 leaves a tenth after 240 steps: a small data set's network would
    be right in training and wrong ever after. From 920 steps on all is as Keras has it.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 1e-4 ** (1 / steps))


def file_objective(objective: str, task: Task) -> tuple[str, str] | None:
    """Precision and metric, where an objective such as "int8_accuracy" is measured on the exported file."""
    for precision in PRECISIONS:
        if objective == f"{precision}_{_score(task)}":
            return precision, _score(task)
    return None


def _score(task: Task) -> str:
    return task.score_name.replace(" ", "_")


def _objective_is_measured(objective: str, task: Task) -> None:
    if file_objective(objective, task):
        return
    measured = [f"{prefix}{name}" for prefix in ("val_", "") for name in ("loss", *(m.name for m in task.metrics()))]
    check_choice("objective", objective, [*measured, *(f"{p}_{_score(task)}" for p in PRECISIONS)])


def _knobs(builder: Callable) -> list[str]:
    return [p.name for p in inspect.signature(builder).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _source(function: Any) -> str:
    try:
        return inspect.getsource(getattr(function, "func", function))
    except (OSError, TypeError):
        return ""
