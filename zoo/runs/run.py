"""The verb `zoo.run`: search, training and export, from several seeds or on several folds."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.checks import check_size
from zoo.base.files import locked
from zoo.base.progress import Report
from zoo.base.seeds import random_state_kept
from zoo.data import Dataset
from zoo.recipe.recipe import Recipe
from zoo.runs.attempts import tried
from zoo.runs.baselines import baselines, mean_baselines
from zoo.runs.export import export_recipe
from zoo.runs.exporting import Export
from zoo.runs.file_checks import Check
from zoo.runs.prepare import prepared
from zoo.runs.record import write_record
from zoo.runs.training import train_recipe
from zoo.runs.tune import search_recipe
from zoo.tuning import Search


@random_state_kept()
def run(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    seeds: int = 1,
    workers: int = 1,
    overwrite: bool = False,
    report: Report = print,
) -> Export:
    """Data, search, training, export and tests.

    Args:
        seeds: how many times the winner is trained and exported, each time from another seed, for a mean and a
            spread; the files of the first one are the result. With `folds` in the recipe: how many times these are
            dealt.
        workers, overwrite: of the search, see `tune`.
    """
    check_size("seeds", seeds)
    recipe, out, dataset = prepared(recipe, out)
    with locked(out):
        return _run(recipe, out, dataset, seeds, report, {"workers": workers, "overwrite": overwrite})


def _run(recipe: Recipe, out: Path, dataset: Dataset, seeds: int, report: Report, options: dict[str, Any]) -> Export:
    counts = ", ".join(f"{len(part.x)} {name}" for name, part in dataset.parts.items())
    report(f"{recipe.name}: data {dataset.name} ({counts}), sha256 {dataset.sha256[:12]}")
    search = search_recipe(recipe, dataset, out, report, **options) if recipe.trials else None
    tuned = search.recipe if search else recipe
    model = train_recipe(tuned, dataset, out, report, found=search).model
    result = export_recipe(tuned, model, dataset, out, report)
    if not result.verified or (seeds == 1 and recipe.folds is None):
        return result
    simple: dict[str, dict[str, float]] = {}
    if recipe.folds is None:
        scores = [_scores(result, seed=tuned.seed)]
        for seed in range(tuned.seed + 1, tuned.seed + seeds):
            report(f"seed {seed}")
            place, teachers = out / "seeds" / str(seed), out / "teachers"
            again = train_and_export(tuned.replace(seed=seed), dataset, place, report, search, teachers)
            scores.append(_scores(again, seed=seed))
    else:
        scores, simple = _cross_validated(recipe, dataset, recipe.folds, out, seeds, report, options)
    result = dataclasses.replace(result, means=tuple(_check_means(recipe, scores)))
    for check in result.means:
        report(f"mean of {len(scores)}: {check.detail}{'' if check.held else ', rejected'}")
    attempts = tried(out, result.record["recipe"], dataset.sha256)  # now with those of the other seeds
    record = {**result.record, **simple, "seeds": scores, "tried": attempts, "verified": result.verified}
    return dataclasses.replace(result, record=write_record(record, out))


def train_and_export(
    recipe: Recipe, dataset: Dataset, out: Path, report: Report, search: Search | None = None,
    teachers: Path | None = None,
) -> Export:  # fmt: skip
    """A further training of a recipe and its files, without baselines."""
    out.mkdir(parents=True, exist_ok=True)
    model = train_recipe(recipe, dataset, out, report, found=search, teachers=teachers).model
    return export_recipe(recipe, model, dataset, out, report, simple=({}, {}))


def _cross_validated(
    recipe: Recipe, dataset: Dataset, folds: int, out: Path, seeds: int, report: Report, options: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """Scores of the files of each fold, on the part that neither their search nor their training used.

    Returns:
        one row per fold, and the baselines' mean scores on the same folds, "baselines" and "baselines_auc".
    """
    # A fold is too small for a bound on its own score: the bound is on their mean.
    recipe = recipe.replace(bounds=dataclasses.replace(recipe.bounds, score=None))
    scores, simple = [], []
    for seed in range(recipe.seed, recipe.seed + seeds):
        for number, fold in enumerate(dataset.folds(folds, seed)):
            again, place = recipe.replace(seed=seed), out / "folds" / f"{seed}-{number}"
            report(f"fold {number + 1} of {folds}, dealt by seed {seed}")
            place.mkdir(parents=True, exist_ok=True)
            search = search_recipe(again, fold, place, report, **{**options, "workers": 1}) if recipe.trials else None
            tuned = search.recipe if search else again
            scores.append(_scores(train_and_export(tuned, fold, place, report, search), seed=seed, fold=number))
            simple.append(baselines(fold, tuned.task.adapted(fold.train.y), report))
    return scores, mean_baselines(simple)


def _check_means(recipe: Recipe, scores: Sequence[Mapping[str, Any]]) -> list[Check]:
    """Whether the mean score of each precision meets `bounds.mean`."""
    bound, checks = recipe.bounds.mean, []
    if bound is None:
        return []
    for precision in recipe.precisions:
        measured = [score[precision] for score in scores if score.get(precision) is not None]
        missing = len(scores) - len(measured)  # files that do not run, for example
        mean = float(np.mean(measured)) if measured else math.nan
        held = not missing and recipe.task.better(mean, bound) >= 0
        detail = f"{recipe.task.score_name} {mean:.4f} in {precision}, {bound} required"
        checks.append(Check("mean", held, detail + (f"; {missing} not measured" if missing else "")))
    return checks


def _scores(result: Export, **which: int) -> dict[str, Any]:
    scores = {**which, "verified": result.verified, **{file.precision: file.score for file in result.files}}
    aucs = {file.precision: file.auc for file in result.files if file.auc is not None}
    return {**scores, "auc": aucs} if aucs else scores
