"""Chooses among a recipe's candidates by validation; never reads test.

KerasTuner proposes (random search over the recipe's space), the project's own loop trains. What a trial gave is
written to one file at once, and KerasTuner's own state is kept in no file: it draws the same trials again from the
same seed, and those that are on file are not trained again. So a killed search goes on where it was.
"""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from zoo.data import Dataset
from zoo.errors import CheckFailed
from zoo.files import read_json, write_json
from zoo.recipe import EXPORT_ONLY, Recipe, described, usual_space
from zoo.training import fit

WORST = 1e9  # stands for a loss that is not finite, which KerasTuner would skip or take for the best


@dataclass(frozen=True)
class Trial:
    """One candidate: what was drawn, the fields that it replaces in the recipe, and what came out."""

    values: dict[str, Any]
    fields: dict[str, Any]
    metrics: dict[str, float]
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Search:
    """A finished search: its trials in the order of drawing, the best one, and the recipe with its values."""

    trials: tuple[Trial, ...]
    best: Trial
    recipe: Recipe
    objective: str
    seconds: float  # of this call; nothing where it was read
    file: Path | None = None


def direction(objective: str) -> str:
    """Losses and errors are to be small, everything else large."""
    return "min" if objective.endswith(("loss", "mae")) else "max"


def search(recipe: Recipe, dataset: Dataset, file: Path | None, report: Callable[[str], None], versions: str) -> Search:
    """Runs `recipe.trials` trials of `recipe.trial_epochs` epochs; what is in `file` already is not run again.

    Raises:
        ValueError: the space is empty or not in order. CheckFailed: every trial failed, with the first cause.
    """
    start = time.monotonic()
    if recipe.trials == 0:
        raise ValueError("trials=0: the recipe's own values stand and there is nothing to search; give trials")
    fingerprint = _fingerprint(recipe, dataset, versions)
    known = _read(recipe, file, fingerprint)
    if file is not None and file.exists() and not known:
        report(f"{file} is of another recipe, seed, data set or version; searching anew")
    done: list[Trial] = []

    class Trainer(BaseTuner):
        """KerasTuner's loop over trials, with a trial trained by `zoo.training.fit`."""

        def run_trial(self, trial, *args, **kwargs):
            values = dict(trial.hyperparameters.values)
            result = next((t for t in known if t.values == values), None)
            reused = result is not None
            result = result or _run(recipe, dataset, values)
            done.append(result)
            if file is not None and not reused:
                trials = [_as_dict(t) for t in (*done, *(t for t in known if t not in done))]
                write_json(
                    file,
                    {"fingerprint": fingerprint, "seed": recipe.seed, "objective": recipe.objective, "trials": trials},
                )
            elapsed = time.monotonic() - start
            left = elapsed / len(done) * (recipe.trials - len(done))
            report(
                f"trial {len(done):2d}/{recipe.trials}  {_brief(values)}  {recipe.objective} "
                f"{result.metrics[recipe.objective]:.4f}  best {_best(recipe, done).metrics[recipe.objective]:.4f}"
                + ("  (kept)" if reused else f"  {left:.0f} s left")
                + (f"  failed: {result.error}" if result.error else "")
            )
            return {recipe.objective: result.metrics[recipe.objective]}

        def save_model(self, *args, **kwargs):
            pass

        load_model = save_model

    with tempfile.TemporaryDirectory() as scratch:
        oracle = keras_tuner.oracles.RandomSearchOracle(
            objective=keras_tuner.Objective(recipe.objective, direction(recipe.objective)),
            max_trials=recipe.trials,
            seed=1_000_003 * (recipe.seed + 1),  # spaced: neighbouring seeds would share most of their trials
            max_consecutive_failed_trials=recipe.trials + 1,
        )
        oracle.verbose = 0
        space = _Space(recipe)
        Trainer(oracle, space, directory=scratch, project_name="search").search(verbose=0)
    if all(trial.error for trial in done):
        raise CheckFailed(f"every one of {len(done)} trials failed; the first one with: {done[0].error}")
    best = _best(recipe, done)
    return Search(tuple(done), best, recipe.replace(**best.fields), recipe.objective, time.monotonic() - start, file)


class _Space(keras_tuner.HyperModel):
    """The recipe's space in the form that KerasTuner explores: drawing from it builds nothing yet."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe

    def build(self, hp):
        _draw(self.recipe, hp)


def _draw(recipe: Recipe, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    fields = recipe.draw(hp)
    if not isinstance(fields, dict) or not fields:
        raise ValueError(
            f"{described(recipe.space or usual_space)} returned {fields!r}; "
            "a space returns the recipe's fields to replace"
        )
    for parameter in hp.space:
        low, high = getattr(parameter, "min_value", None), getattr(parameter, "max_value", None)
        if low is not None and high is not None and low >= high:
            raise ValueError(f"space: {parameter.name!r} has the empty range {low} to {high}")
    return fields


def _run(recipe: Recipe, dataset: Dataset, values: dict[str, Any]) -> Trial:
    start = time.monotonic()
    fields: dict[str, Any] = {}
    try:
        if recipe.trial_samples is not None:
            dataset = dataset.thinned(recipe.trial_samples, recipe.seed)
        fields = _draw(recipe, _drawn(values))
        candidate = recipe.replace(**fields).replace(epochs=recipe.trial_epochs)
        keras.backend.clear_session()
        task = candidate.task.adapted(dataset.train.y)  # the space may have changed it
        model = candidate.build(dataset)
        history = fit(
            model,
            (dataset.train.x, task.encode(dataset.train.y)),
            (dataset.validation.x, task.encode(dataset.validation.y)),
            epochs=candidate.epochs,
            batch_size=candidate.batch_size,
            sample_weight=candidate.sample_weights(dataset),
            seed=candidate.seed,
            mixing=candidate.mixing,
            callbacks=candidate.callbacks(),
        )
        metrics = {name: _finite(name, values[-1]) for name, values in history.items()}
        return Trial(values, fields, metrics, time.monotonic() - start)
    except Exception as error:  # a bad candidate is a bad score; it must not end the search
        message = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        return Trial(
            values, fields, {recipe.objective: _finite(recipe.objective, math.nan)}, time.monotonic() - start, message
        )


def _finite(name: str, value: float) -> float:
    return value if math.isfinite(value) else (WORST if direction(name) == "min" else -WORST)


def read_search(recipe: Recipe, dataset: Dataset, file: Path, versions: str) -> Search | None:
    """The search that `file` holds, so far as it came, or None where it is of another recipe.

    It may have had another seed, another number of trials or another objective than the recipe now says.
    """
    content = _content(file)
    searched = recipe.replace(seed=content["seed"], objective=content["objective"])
    trials = _read(recipe, file, _fingerprint(searched, dataset, versions))
    if not trials:
        return None
    best = _best(searched, trials)
    return Search(tuple(trials), best, recipe.replace(**best.fields), searched.objective, 0.0, file)


def _fingerprint(recipe: Recipe, dataset: Dataset, versions: str) -> str:
    """Of all that a single trial's result depends on."""
    return recipe.fingerprint(
        dataset.sha256, versions, without=("epochs", "trials", "objective", "bounds", *EXPORT_ONLY, "name")
    )


def _best(recipe: Recipe, trials: Sequence[Trial]) -> Trial:
    sign = 1 if direction(recipe.objective) == "min" else -1
    return min(trials, key=lambda trial: sign * trial.metrics[recipe.objective])


def with_values(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe with the fields that its space makes of a trial's values."""
    return recipe.replace(**_draw(recipe, _drawn(values)))


def _read(recipe: Recipe, file: Path | None, fingerprint: str) -> list[Trial]:
    """Trials on file, with their fields drawn again from their values: a field may be no plain JSON."""
    if file is None or not file.exists():
        return []
    content = _content(file)
    if content["fingerprint"] != fingerprint:
        return []
    return [Trial(**{**trial, "fields": _draw(recipe, _drawn(trial["values"]))}) for trial in content["trials"]]


def _content(file: Path) -> dict[str, Any]:
    content = read_json(file)
    if not isinstance(content, dict) or not {"fingerprint", "seed", "objective", "trials"} <= content.keys():
        raise ValueError(f"{file} is no search of ours; remove it to search anew")
    return content


def _drawn(values: dict[str, Any]) -> keras_tuner.HyperParameters:
    """Hyperparameters that give these values to whoever asks for them."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp


def _as_dict(trial: Trial) -> dict[str, Any]:
    return {**vars(trial), "fields": described(trial.fields)}


def _brief(values: dict[str, Any]) -> str:
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())
