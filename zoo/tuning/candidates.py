"""A recipe's candidates as a Keras Tuner HyperModel: how one is built, trained, and measured as a file."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from zoo.data import Dataset
from zoo.data.arrays import chosen
from zoo.deploy import Runner
from zoo.exporting.conversion import choose, convert
from zoo.models.cost import costs
from zoo.recipe.recipe import Limits, Recipe, file_objective
from zoo.recipe.task import Values
from zoo.runtime.latency import latency
from zoo.tuning.sharing import SharedEpochs
from zoo.tuning.space import Space, draw, drawn

LATENCY_SECONDS = 0.1  # of measuring a candidate


class Candidates(keras_tuner.HyperModel):
    """Models of a recipe with values from its space. Reads train and validation, never test.

    Attributes:
        space: draws values without building a model.
        watched: the metric that pruning compares during training.
    """

    def __init__(self, recipe: Recipe, dataset: Dataset):
        super().__init__()
        if recipe.trial_samples is not None:
            dataset = dataset.thinned(recipe.trial_samples, recipe.seed)
        self.recipe, self.dataset, self.space = recipe, dataset, Space(recipe)
        self.compiled = SharedEpochs()
        self.on_file = file_objective(recipe.objective, recipe.task)
        self.watched = f"val_{recipe.task.metrics()[0].name}" if self.on_file else recipe.objective

    def build(self, hp):
        self.candidate = self.recipe.replace(**draw(self.recipe, hp)).replace(epochs=self.recipe.trial_epochs)
        self.task = self.candidate.task.adapted(self.dataset.train.y)  # the space may have changed it
        model = self.candidate.build(self.dataset)
        if self.recipe.limits is not None:
            self._check(model, self.recipe.limits)
        return model

    def _check(self, model: keras.Model, limits: Limits) -> None:
        """Rejects a candidate that is too large or slow before it is trained. The cheapest check comes first."""
        if limits.macs is not None and (macs := costs(model).macs or 0) > limits.macs:
            raise TooLarge(f"{macs:,} MACs, {limits.macs:,} are allowed")
        if limits.bytes is None and limits.latency_us is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = self._file(model, self.recipe.precisions[-1], Path(folder))
            size = file.stat().st_size
            if limits.bytes is not None and size > limits.bytes:
                raise TooLarge(f"{size:,} bytes in {self.recipe.precisions[-1]}, {limits.bytes:,} are allowed")
            if limits.latency_us is not None:
                took = float(np.median(latency(Runner(file, trusted=True), LATENCY_SECONDS))) * 1e6
                if took > limits.latency_us:
                    raise TooLarge(f"{took:.0f} us a sample, {limits.latency_us:.0f} are allowed")

    def fit(self, hp, model, *, callbacks, epochs, checkpoint=None, **_):
        train, validation, candidate = self.dataset.train, self.dataset.validation, self.candidate
        return self.compiled.fit(
            model,
            (train.x, self.task.encode(train.y)),
            (validation.x, self.task.encode(validation.y)),
            epochs=epochs,
            batch_size=candidate.batch_size,
            sample_weight=candidate.sample_weights(self.dataset),
            seed=candidate.seed,
            mixing=candidate.mixing,
            callbacks=[*candidate.callbacks(), *callbacks],
            checkpoint=checkpoint,
        )

    def measured(self, model: keras.Model) -> dict[str, float]:
        """Where the objective is that of a file: the score of the exported file on validation, and its bytes."""
        if self.on_file is None:
            return {}
        x, y = self.dataset.validation
        with tempfile.TemporaryDirectory() as folder:
            file = self._file(model, self.on_file[0], Path(folder))
            score = self.task.score(y, Runner(file, trusted=True).predict(np.asarray(x)))
            return {self.recipe.objective: float(score), "bytes": float(file.stat().st_size)}

    def _file(self, model: keras.Model, precision: str, folder: Path) -> Path:
        train, task = self.dataset.train, self.task
        convert(
            model,
            folder,
            output=task.output(),
            output_name=task.output_name,
            strategies={precision: choose(model, precision, self.candidate.strategy, self.candidate.target)},
            calibration=train.x[chosen(len(train.x), self.candidate.seed)],
            values=isinstance(task, Values),
        )
        return folder / f"{precision}.tflite"


class TooLarge(ValueError):
    """A candidate is over a limit. The class name appears in the history."""


def score_again(recipe: Recipe, dataset: Dataset, values: dict[str, Any], seed: int) -> float:
    """The objective of a trial's values from another seed, without pruning and limits."""
    candidates = Candidates(recipe.replace(seed=seed, limits=None), dataset)
    hp = drawn(values)
    model = candidates.build(hp)
    history = candidates.fit(hp, model, callbacks=[], epochs=recipe.trial_epochs)
    logs = {name: v[-1] for name, v in history.items()} | candidates.measured(model)
    return float(logs[recipe.objective])
