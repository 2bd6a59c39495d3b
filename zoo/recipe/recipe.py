"""A recipe: everything that is needed to make a model again, as one frozen value."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from zoo.base.checks import check_choice, is_whole
from zoo.base.errors import InvalidType, InvalidValue
from zoo.base.seeds import seeded
from zoo.data import Dataset
from zoo.exporting.precisions import PRECISIONS
from zoo.exporting.strategies import STRATEGIES, Strategy
from zoo.models.augment import Mixing
from zoo.recipe.batches import BatchSize, batch_of, check_batch_size
from zoo.recipe.bounds import Bounds, Limits
from zoo.recipe.building import adapt, copies, lower_momentum
from zoo.recipe.class_weights import ClassWeight, check_class_weight, sample_weights
from zoo.recipe.description import described, keyword_arguments, source_of, takes_any_argument
from zoo.recipe.objectives import check_objective, file_objective  # noqa: F401  (the search imports it from here)
from zoo.recipe.optimizers import make_optimizer, optimizer_space
from zoo.recipe.schedules import Schedule, schedule_of
from zoo.recipe.task import Task
from zoo.recipe.user_code import users_code
from zoo.runtime.targets import TARGETS

# Metadata of the fields below. The phase is the first part of a run that depends on the field. An optimizer's field may
# have `unset`: the value that stands for None if the optimizer is given by name. `least` is the least whole number.
DATA, TRAIN, SEARCH, EXPORT, NAME, LOADED = (
    {"phase": phase} for phase in ("data", "train", "search", "export", "name", "loaded")
)
OPTIMIZER = {"phase": "train", "optimizer": True}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data, model, training, search and the bounds to meet. A file of `recipes/` holds one, as `RECIPE`.

    Attributes:
        data: function that returns the `Dataset`.
        builder: function of `zoo.models`, or one of your own with (input_shape, num_outputs, *, ...).
        task: what the outputs mean: one of `zoo.task`, such as `Multiclass(num_classes)`.
        arguments: of the builder.
        preprocessing: Keras layers that stay in the exported file; `Normalization` is adapted to train.
        augmentation: Keras layers that change the input in training only.
        mixing: `zoo.augment.MixUp()` or `CutMix()` of each training batch; makes the task's targets soft.
        optimizer: "sgd", "adam", "adamw", "rmsprop", "adagrad", or a Keras optimizer; each training gets a copy.
        learning_rate, momentum, nesterov, weight_decay, clipnorm, global_clipnorm, clipvalue, ema_momentum: of an
            optimizer by name, see `zoo.optimizer`; an object has its own. The learning rate is 0.003 by default.
        schedule: name or object of `zoo.schedules`; by default "cosine", for an optimizer object its own.
        epochs, seed: of the training. The seed also draws the search's trials.
        batch_size: samples a step, or "all" for gradient descent on the whole of train.
        class_weight: weight of a sample's loss in training by its class: None, "balanced", which makes all classes
            count alike, or {class: weight}, 1 for those left out.
        teachers: number of teachers for distillation. They are trained first, from seeds 1, 2, ...; the mean of their
            outputs is half of the targets. The trials of a search use the data's own targets alone.
        teacher: recipe of the teachers, by name or path, for example a larger model (G. Hinton et al., Distilling the
            knowledge in a neural network, 2015); its file's own values are used. None is this recipe itself
            (T. Furlanello et al., Born-again neural networks, ICML 2018).
        questions: mixup queries, `zoo.augment.MixUp()` or `CutMix()`: the teachers predict mixtures of training
            samples, ten times as many as there are samples, and their outputs are all of the targets; see
            zoo/training/distillation.py.
        space: function from `keras_tuner.HyperParameters` to the fields that a trial replaces; its "arguments" are
            merged into those above. None is `usual_space`.
        objective: what a trial is judged by: "val_loss", a metric such as "val_accuracy", or the score of an exported
            file on validation, such as "int8_accuracy", which takes seconds more a trial.
        oracle: how the search chooses: "asha", "random", "grid", "bayesian" or "hyperband"; see zoo/tuning/oracles.py.
        trials, trial_epochs: number of candidates that the search trains, and for how long. With trials=0 there is no
            search, and the recipe's own values are used.
        trial_samples: number of training samples in a trial, drawn by `seed`; None is all.
        finalists, finalist_seeds: number of best trials that are trained again, and from how many other seeds each: the
            best mean wins. With finalists=1 the best trial wins.
        limits: which candidates are not trained, see `Limits`.
        folds: number of folds of a cross-validation, None for none. For each seed of `zoo.run` all samples are split
            anew, and each fold tests a model that was searched, trained and exported on the others: for data whose test
            set is too small. The released files are those of the data set's own split.
        precisions: of the exported files, from `zoo/exporting/precisions/`.
        strategy: for recurrent layers: "auto", one of `zoo/exporting/strategies/`, or {precision: one of these}.
        target: where the files must run: "litert", "browser" or "micro".
        bounds: what the files must meet.
        name: file name of the recipe without its suffix. file: its path, or the name alone for the collection's own.
            about: docstring of that file, for the card; its paragraphs that begin with "For:" and "Not for:" get their
            own headings. Loading a recipe's file fills in all three.
    """

    data: Callable[[], Dataset] = field(metadata=DATA)
    builder: Callable[..., keras.Model] = field(metadata=TRAIN)
    task: Task = field(metadata=TRAIN)
    bounds: Bounds = field(metadata=EXPORT)
    arguments: Mapping[str, Any] = field(default_factory=dict, metadata=TRAIN)
    preprocessing: Sequence[keras.layers.Layer] = field(default=(), metadata=TRAIN)
    augmentation: Sequence[keras.layers.Layer] = field(default=(), metadata=TRAIN)
    mixing: Mixing | None = field(default=None, metadata=TRAIN)
    optimizer: str | keras.optimizers.Optimizer = field(default="adam", metadata=OPTIMIZER)
    learning_rate: float | None = field(default=None, metadata=OPTIMIZER | {"unset": 3e-3})
    momentum: float | None = field(default=None, metadata=OPTIMIZER)
    nesterov: bool | None = field(default=None, metadata=OPTIMIZER)
    weight_decay: float | None = field(default=None, metadata=OPTIMIZER)
    clipnorm: float | None = field(default=None, metadata=OPTIMIZER)
    global_clipnorm: float | None = field(default=None, metadata=OPTIMIZER)
    clipvalue: float | None = field(default=None, metadata=OPTIMIZER)
    ema_momentum: float | None = field(default=None, metadata=OPTIMIZER)
    schedule: str | Schedule | None = field(default=None, metadata=OPTIMIZER | {"unset": "cosine"})
    epochs: int = field(default=40, metadata=TRAIN | {"least": 1})
    batch_size: BatchSize = field(default=32, metadata=TRAIN)
    class_weight: ClassWeight = field(default=None, metadata=TRAIN)
    seed: int = field(default=1, metadata=TRAIN | {"least": 0})
    teachers: int = field(default=0, metadata=TRAIN | {"least": 0})
    teacher: str | None = field(default=None, metadata=TRAIN)
    questions: Mixing | None = field(default=None, metadata=TRAIN)
    space: Callable[[Any], dict[str, Any]] | None = field(default=None, metadata=SEARCH)
    objective: str = field(default="val_loss", metadata=SEARCH)
    oracle: str = field(default="asha", metadata=SEARCH)
    trials: int = field(default=30, metadata=SEARCH | {"least": 0})
    trial_epochs: int = field(default=12, metadata=SEARCH | {"least": 1})
    trial_samples: int | None = field(default=None, metadata=SEARCH | {"least": 1})
    finalists: int = field(default=3, metadata=SEARCH | {"least": 1})
    finalist_seeds: int = field(default=2, metadata=SEARCH | {"least": 1})
    limits: Limits | None = field(default=None, metadata=SEARCH)
    folds: int | None = field(default=None, metadata=EXPORT | {"least": 2})
    precisions: Sequence[str] = field(default=("float32", "int8"), metadata=EXPORT)
    strategy: Strategy = field(default="auto", metadata=EXPORT)
    target: str = field(default="litert", metadata=EXPORT)
    name: str = field(default="recipe", metadata=NAME)
    file: str = field(default="", metadata=LOADED)
    about: str = field(default="", metadata=LOADED)

    def __post_init__(self) -> None:
        for argument in ("data", "builder", "space"):
            value = getattr(self, argument)
            if not callable(value) and (argument != "space" or value is not None):
                raise InvalidType(f"{argument}={value!r} must be a function")
        self._check_numbers()
        self._check_model()
        self._check_targets()
        check_batch_size(self.batch_size)
        self._optimizer(steps=1)
        self._check_export()
        check_objective(self.objective, self.task)
        if not isinstance(self.limits, Limits | None):
            raise InvalidType(f"limits={self.limits!r} must be zoo.Limits(bytes=..., macs=..., latency_us=...)")

    def _check_numbers(self) -> None:
        for declared in dataclasses.fields(self):
            least, value = declared.metadata.get("least"), getattr(self, declared.name)
            if least is None or (value is None and declared.default is None):
                continue
            if not is_whole(value, least):
                error = InvalidValue if isinstance(value, int) else InvalidType
                raise error(f"{declared.name}={value!r} must be a whole number of at least {least}")

    def _check_model(self) -> None:
        if not isinstance(self.task, Task):
            raise InvalidType(f"task={self.task!r} must be a zoo task such as Multiclass(10)")
        for argument in ("preprocessing", "augmentation"):
            layers = getattr(self, argument)
            if not isinstance(layers, Sequence) or not all(isinstance(layer, keras.layers.Layer) for layer in layers):
                hint = "; presets are zoo.augment.for_images('light') and its like" * (argument == "augmentation")
                raise InvalidType(f"{argument}={layers!r} must be a list of Keras layers{hint}")
            if argument in self.arguments:
                raise InvalidValue(f"arguments: give {argument} as a field of the recipe, beside `arguments`")
        for argument in self.arguments if not takes_any_argument(self.builder) else ():
            check_choice(f"{described(self.builder)}: argument", argument, keyword_arguments(self.builder))

    def _check_targets(self) -> None:
        """Of mixing, class weights and distillation, which all change what the model learns from."""
        for argument in ("mixing", "questions"):
            value = getattr(self, argument)
            if not isinstance(value, Mixing | None):
                raise InvalidType(f"{argument}={value!r} must be None, zoo.augment.MixUp() or zoo.augment.CutMix()")
        check_class_weight(self.class_weight, self.task)
        if self.mixing is not None:
            if self.class_weight is not None:
                raise InvalidValue(
                    f"mixing={self.mixing} with class_weight={self.class_weight!r}: a mixed sample has no class"
                )
            object.__setattr__(self, "task", self.task.softened())
        if self.teacher is not None and not self.teachers:
            raise InvalidValue(f"teacher={self.teacher!r} with teachers=0: give the number of teachers to train")
        if self.questions is None:
            return
        if not self.teachers:
            raise InvalidValue(f"questions={self.questions} with teachers=0: mixup queries need teachers=1 or more")
        for argument in ("mixing", "class_weight"):
            if getattr(self, argument) is not None:
                raise InvalidValue(
                    f"questions={self.questions} with {argument}={getattr(self, argument)!r}: the teachers' outputs "
                    f"are the targets as they are; leave {argument} out"
                )

    def _check_export(self) -> None:
        if not self.precisions:
            raise InvalidValue(f"precisions=() is empty; name at least one of {', '.join(PRECISIONS)}")
        for precision in self.precisions:
            check_choice("precision", precision, PRECISIONS)
        check_choice("target", self.target, TARGETS)
        by_precision = self.strategy if isinstance(self.strategy, Mapping) else {"float32": self.strategy}
        for precision, strategy in by_precision.items():
            check_choice("precision in strategy", precision, PRECISIONS)
            check_choice("strategy", strategy, ("auto", *STRATEGIES))

    def replace(self, **fields: Any) -> "Recipe":
        """A recipe with other fields; `arguments` are merged into the present ones."""
        for name in fields:
            check_choice("Recipe: field", name, [f.name for f in dataclasses.fields(self)])
        if "arguments" in fields:
            fields["arguments"] = {**self.arguments, **fields["arguments"]}
        return dataclasses.replace(self, **fields)

    def load_data(self) -> Dataset:
        with users_code(f"data of recipe {self.name}"):
            dataset = self.data()
        if not isinstance(dataset, Dataset):
            raise InvalidType(
                f"{described(self.data)} returned {type(dataset).__name__}, but a recipe's data is a Dataset"
            )
        for part in dataset.parts.values():
            self.task.check(part.y)
        if self.task.has_classes:  # one-hot targets too, which the data set cannot distinguish from several labels
            known = np.unique(self.task.classes(dataset.train.y))
            for name, part in dataset.parts.items():
                unseen = np.setdiff1d(self.task.classes(part.y), known)
                if unseen.size:
                    raise InvalidValue(
                        f"data set {dataset.name!r}, {name}: class {unseen[0]} is not among the training samples, so "
                        "no model can know it; add samples of it or leave it out"
                    )
        return dataset

    def build(self, dataset: Dataset) -> keras.Model:
        """A new compiled model; the same seed gives the same weights."""
        with users_code(f"builder of recipe {self.name}"), seeded(self.seed):
            preprocessing = copies(self.preprocessing)
            to_adapt = [layer for layer in preprocessing if hasattr(layer, "adapt") and not layer.built]
            model = self.builder(
                dataset.input_shape,
                self.task.num_outputs,
                preprocessing=preprocessing,
                augmentation=copies(self.augmentation),
                **self.arguments,
            )
            for layer in to_adapt:
                adapt(layer, model, dataset.train.x)
            samples = len(dataset.train.x)
            steps = self.epochs * -(-samples // batch_of(samples, self.batch_size))
            lower_momentum(model, steps)
            model.compile(self._optimizer(steps), loss=self.task.loss_function(), metrics=self.task.metrics())
        return model

    def sample_weights(self, dataset: Dataset) -> np.ndarray | None:
        """The weight of each training sample's loss, (n,); None without class weights."""
        return sample_weights(self.class_weight, self.task, dataset.train.y)

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """New callbacks for one training, as the schedule needs them."""
        return schedule_of(self.resolved["schedule"] or "constant").callbacks()

    def draw(self, hp: Any) -> dict[str, Any]:
        """The fields that a trial replaces, from a `keras_tuner.HyperParameters`."""
        with users_code(f"space of recipe {self.name}"):
            return usual_space(self, hp) if self.space is None else self.space(hp)

    @property
    def resolved(self) -> dict[str, Any]:
        """The optimizer's settings; for an optimizer by name, with the values that stand for None."""
        settings = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if "optimizer" in f.metadata}
        if isinstance(self.optimizer, str):
            for f in dataclasses.fields(self):
                if "unset" in f.metadata and settings[f.name] is None:
                    settings[f.name] = f.metadata["unset"]
        return settings

    def _optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return make_optimizer(**self.resolved, steps=steps, epochs=self.epochs)

    def describe(self) -> dict[str, Any]:
        """The recipe as plain values, for records."""
        fields = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata["phase"] != LOADED["phase"]
        }
        return {name: described(value) for name, value in {**fields, **self.resolved}.items()}

    def fingerprint(self, *rest: str, without: Collection[str]) -> str:
        """Hash of the recipe, of its functions' source and of `rest`: equal hashes, equal work.

        `without` names fields that the work does not depend on. A field with its default value is left out too, so that
        a field that a later version adds does not invalidate unfinished trainings.
        """
        defaults = {f.name: described(f.default) for f in dataclasses.fields(self)}
        fields = {
            name: value
            for name, value in self.describe().items()
            if name not in without and value != defaults[name] and described(getattr(self, name)) != defaults[name]
        }
        sources = [source_of(self.builder)]
        if "space" not in without:
            sources.append(source_of(self.space or usual_space))
        return hashlib.sha256(json.dumps([fields, sources, rest], sort_keys=True).encode()).hexdigest()


def fields_of(*phases: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the fields of these phases."""
    return tuple(f.name for f in dataclasses.fields(Recipe) if f.metadata["phase"] in [p["phase"] for p in phases])


EXPORT_ONLY = fields_of(EXPORT)  # neither search nor training depends on these
NOT_TRAINED = fields_of(SEARCH, EXPORT, NAME)  # a training with given values does not depend on these


def usual_space(recipe: Recipe, hp: Any) -> dict[str, Any]:
    """What is searched if a recipe has no space of its own.

    The optimizer with its learning rate and momentum, see `optimizer_space`, unless the recipe gives an object;
    dropout, if the builder has it; the batch size, unless it is "all".
    """
    fields = {} if isinstance(recipe.optimizer, keras.optimizers.Optimizer) else optimizer_space(hp)
    if "dropout" in keyword_arguments(recipe.builder):
        fields["arguments"] = {"dropout": hp.Float("dropout", 0.2, 0.5, step=0.1)}
    if recipe.batch_size != "all":
        fields["batch_size"] = hp.Choice("batch_size", [32, 64, 128, 256])
    return fields
