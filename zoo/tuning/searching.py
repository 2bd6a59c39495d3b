"""Chooses among a recipe's candidates by validation; never reads test."""

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from zoo.base.checks import check_size
from zoo.base.errors import CheckFailed, InvalidValue
from zoo.data import Dataset
from zoo.recipe.recipe import EXPORT_ONLY, Recipe
from zoo.tuning.candidates import Candidates, score_again
from zoo.tuning.history import History
from zoo.tuning.space import draw, drawn, with_values
from zoo.tuning.trials import Search, Trial, best_of, brief, finite, ranked, worst
from zoo.tuning.tuner import AllFailed, Tuner
from zoo.tuning.workers import search_with

FILE = "search.db"
NOT_SEARCHED = ("epochs", "trials", "finalists", "finalist_seeds", "bounds", "space", *EXPORT_ONLY, "name")
Report = Callable[[str], None]


def search(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path | None,
    report: Report,
    versions: str,
    *,
    storage: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    until: float = math.inf,
) -> Search:
    """Runs the trials of the recipe that are still missing, and trains the best ones again from other seeds.

    Args:
        folder: of the history, `search.db`; None for none.
        storage: a database's URL instead, for workers on several machines.
        workers: processes on this machine. until: time.monotonic() after which one worker begins no trial.

    Raises:
        ValueError: an empty space, or a folder with another search, with the difference. CheckFailed: every trial
            failed, with the first cause.
    """
    start = time.monotonic()
    check_size("workers", workers)
    if workers > 1 and recipe.oracle != "asha":
        raise InvalidValue(f"workers={workers}: oracle={recipe.oracle!r} has one, 'asha' any number")
    if storage is not None and "://" not in storage:
        raise InvalidValue(f"storage={storage!r} must be a database's URL, postgresql+psycopg://user@host/name say")
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or Path(scratch)
        tuner = tuner_of(recipe, dataset, place, report, versions, storage, overwrite)
        try:
            tuner.prepare()
            tuner.until = until
            if workers == 1:
                tuner.go_on()
            else:
                search_with(recipe, workers, place, storage, report)
                tuner.result()
            finish(recipe, dataset, tuner.history, report)
            return _found(recipe, tuner.history, time.monotonic() - start)
        except AllFailed as error:
            raise CheckFailed(str(error)) from None
        finally:
            tuner.history.close()


def tuner_of(
    recipe: Recipe, dataset: Dataset, folder: Path, report: Report, versions: str, storage: str | None, overwrite: bool
) -> Tuner:
    if recipe.trials == 0:
        raise InvalidValue("trials=0: the recipe's own values stand and there is nothing to search; give trials")
    return Tuner(
        Candidates(recipe, dataset),
        recipe.objective,
        oracle=recipe.oracle,
        max_trials=recipe.trials,
        max_epochs=recipe.trial_epochs,
        seed=recipe.seed,
        directory=folder,
        storage=storage,
        overwrite=overwrite,
        report=report,
        asked=asked(recipe, dataset, versions),
        name=recipe.name,
    )


def asked(recipe: Recipe, dataset: Dataset, versions: str) -> dict[str, Any]:
    """All that a single trial's result depends on, beside the space itself."""
    described = {name: value for name, value in recipe.describe().items() if name not in NOT_SEARCHED}
    return {**described, "data_sha256": dataset.sha256, "versions": versions}


def finish(recipe: Recipe, dataset: Dataset, history: History, report: Report) -> None:
    """Trains the best trials again from other seeds, so that luck does not win; what is there already stands."""
    finalists = [
        t for t in ranked(history.trials(), recipe.objective)[: recipe.finalists] if not t.error and not t.pruned
    ]
    if len(finalists) < 2:
        return
    for trial in finalists:
        for seed in range(recipe.seed + 1, recipe.seed + 1 + recipe.finalist_seeds):
            if str(seed) in trial.again:
                continue
            keras.backend.clear_session()
            try:
                value = finite(recipe.objective, score_again(recipe, dataset, trial.values, seed))
            except Exception as error:  # a bad candidate, after all
                report(f"again from seed {seed}: {brief(trial.values)}  failed: {error}")
                value = worst(recipe.objective)
            history.again(trial, seed, value)
            report(f"again from seed {seed}: {brief(trial.values)}  {recipe.objective} {value:.4g}")


def read_search(recipe: Recipe, dataset: Dataset, folder: Path, versions: str) -> Search | None:
    """The search that stands in a folder, so far as it came, or None where it is of another recipe.

    It may have had another seed, another number of trials or another objective than the recipe now says.
    """
    if not (folder / FILE).is_file():
        return None
    history = History(folder / FILE, recipe.name, recipe.objective)
    try:
        known, wanted = dict(history.asked() or {}), asked(recipe, dataset, versions)
        free = ("seed", "objective", "oracle", "trial_epochs", "trial_samples", "limits")
        if all(t.error for t in history.trials()) or any(
            known.get(name) != wanted[name] for name in wanted if name not in free
        ):
            return None
        hp = drawn(history.trials()[0].values)
        draw(recipe, hp)
        if hp.values != history.trials()[0].values:
            return None  # another space
        searched = recipe.replace(seed=known["seed"], objective=known["objective"])
        history.objective = searched.objective
        found = _found(searched, history, 0.0)
        return Search(**{**vars(found), "recipe": with_values(recipe, found.best.values)})
    finally:
        history.close()


def _found(recipe: Recipe, history: History, seconds: float) -> Search:
    trials = tuple(_with_fields(recipe, t) for t in history.trials())
    best = best_of(trials, recipe.objective)
    return Search(trials, best, recipe.replace(**best.fields), recipe.objective, seconds, history.place)


def _with_fields(recipe: Recipe, trial: Trial) -> Trial:
    """With the recipe's fields drawn again from its values: a field may be no plain JSON."""
    fields = {} if trial.error else draw(recipe, drawn(trial.values))
    return Trial(**{**vars(trial), "fields": fields})
