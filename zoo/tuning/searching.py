"""Searches a recipe's space by its validation score; never reads the test part."""

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue, described
from zoo.base.seeds import seeded
from zoo.data import Dataset
from zoo.recipe.recipe import EXPORT_ONLY, Recipe
from zoo.tuning.candidates import Candidates, score_again
from zoo.tuning.history import History
from zoo.tuning.space import draw, drawn, with_values
from zoo.tuning.trials import Search, Trial, best_of, brief, figure, finite, ranked, worst
from zoo.tuning.tuner import Tuner
from zoo.tuning.workers import search_with

FILE = "search.db"
MAY_DIFFER = ("seed", "objective", "oracle", "trial_epochs", "trial_samples", "limits")  # of a search that is read
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
    """Runs the trials of the recipe that are still missing, and trains the finalists again from other seeds.

    Args:
        folder: of the history, `search.db`; None keeps no history.
        storage: a database's URL instead, for workers on several machines.
        workers: processes on this machine. until: time.monotonic() after which a single worker starts no trial.

    Raises:
        ValueError: an empty space, or a folder with a search with other settings, with the differences. CheckFailed:
            every trial failed, with the first cause.
    """
    start = time.monotonic()
    check_size("workers", workers)
    if workers > 1 and recipe.oracle != "asha":
        raise InvalidValue(f"workers={workers}: oracle={recipe.oracle!r} runs in one process; use 'asha' for more")
    if storage is not None and "://" not in storage:
        raise InvalidValue(f"storage={storage!r} must be a database's URL, postgresql+psycopg://user@host/name say")
    with tempfile.TemporaryDirectory() as scratch, seeded(recipe.seed):
        folder = folder or Path(scratch)
        tuner = tuner_of(recipe, dataset, folder, report, versions, storage, overwrite)
        try:
            tuner.prepare()
            tuner.until = until
            if workers == 1:
                tuner.go_on()
            else:
                search_with(recipe, workers, folder, storage, report)
                tuner.result()
            finish(recipe, dataset, tuner.history, report)
            return _result(recipe, tuner.history, time.monotonic() - start)
        finally:
            tuner.history.close()


def tuner_of(
    recipe: Recipe, dataset: Dataset, folder: Path, report: Report, versions: str, storage: str | None, overwrite: bool
) -> Tuner:
    if recipe.trials == 0:
        raise InvalidValue("trials=0: there is nothing to search; set trials to at least 1")
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
        settings=settings(recipe, dataset, versions),
        name=recipe.name,
    )


def settings(recipe: Recipe, dataset: Dataset, versions: str) -> dict[str, Any]:
    """Everything that a trial's result depends on, beside the space."""
    fields = {name: value for name, value in recipe.describe().items() if name not in NOT_SEARCHED}
    return {**fields, "data_sha256": dataset.sha256, "versions": versions}


def finish(recipe: Recipe, dataset: Dataset, history: History, report: Report) -> None:
    """Trains the best trials again from further seeds, so that a lucky seed does not win."""
    completed = [t for t in ranked(history.trials(), recipe.objective) if not t.error and not t.pruned]
    finalists = completed[: recipe.finalists]
    if len(finalists) < 2:
        return
    for trial in finalists:
        for seed in range(recipe.seed + 1, recipe.seed + 1 + recipe.finalist_seeds):
            if str(seed) in trial.again:
                continue
            failed = ""
            try:
                value = finite(recipe.objective, score_again(recipe, dataset, trial.values, seed))
            except Exception as error:  # a bad candidate must not end the search
                failed, value = f"  failed: {described(error)}", worst(recipe.objective)
            history.add_score(trial, seed, value)
            report(f"again from seed {seed}: {brief(trial.values)}  {recipe.objective} {figure(value)}{failed}")


def read_search(recipe: Recipe, dataset: Dataset, folder: Path, versions: str) -> Search | None:
    """The search in a folder, finished or not; None where it belongs to another recipe.

    Its seed, number of trials and objective may differ from the recipe's.
    """
    if not (folder / FILE).is_file():
        return None
    history = History(folder / FILE, recipe.name, recipe.objective)
    try:
        trials, known, wanted = history.trials(), history.settings() or {}, settings(recipe, dataset, versions)
        if all(t.error for t in trials) or any(known.get(n) != wanted[n] for n in wanted if n not in MAY_DIFFER):
            return None
        hp = drawn(trials[0].values)
        draw(recipe, hp)
        if hp.values != trials[0].values:
            return None  # another space
        history.objective = known["objective"]
        found = _result(recipe.replace(seed=known["seed"], objective=known["objective"]), history, 0.0)
        return dataclasses.replace(found, recipe=with_values(recipe, found.best.values))
    finally:
        history.close()


def _result(recipe: Recipe, history: History, seconds: float) -> Search:
    trials = tuple(_with_fields(recipe, t) for t in history.trials())
    best = best_of(trials, recipe.objective)
    return Search(trials, best, recipe.replace(**best.fields), recipe.objective, seconds, history.place)


def _with_fields(recipe: Recipe, trial: Trial) -> Trial:
    """With the recipe's fields, which are computed from the values because JSON cannot hold all of them."""
    return trial if trial.error else dataclasses.replace(trial, fields=draw(recipe, drawn(trial.values)))
