"""The verbs that choose values of a recipe: `zoo.tune` and `zoo.find_learning_rate`."""

from pathlib import Path
from typing import Any

from zoo.base.files import locked, writing
from zoo.base.progress import Report
from zoo.base.seeds import random_state_kept
from zoo.base.versions import versions_key
from zoo.data import Dataset
from zoo.recipe.building import in_new_session
from zoo.recipe.recipe import Recipe
from zoo.runs import plots
from zoo.runs.prepare import prepared
from zoo.training.rate_finder import RateCurve, rate_curve
from zoo.tuning import Search, read_search, search
from zoo.tuning.outcome import write_outcome


@random_state_kept()
def tune(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    workers: int = 1,
    storage: str | None = None,
    overwrite: bool = False,
    report: Report = print,
) -> Search:
    """Searches the recipe's space on train and validation; resumes an interrupted search.

    Leaves search.db, search.csv, best.py (the winner as a recipe) and plots in `out`.

    Args:
        workers: processes on this machine, if the oracle is "asha".
        storage: URL of a database that several machines share, for example "postgresql+psycopg://user@host/name";
            by default `out/search.db`.
        overwrite: discards an earlier search in `out`.

    Raises:
        ValueError: `out` has a search of something else; the message names the difference. CheckFailed: every trial
            failed.
    """
    recipe, out, dataset = prepared(recipe, out)
    with locked(out):
        return search_recipe(recipe, dataset, out, report, workers=workers, storage=storage, overwrite=overwrite)


def search_recipe(recipe: Recipe, dataset: Dataset, out: Path, report: Report, **options: Any) -> Search:
    result = search(recipe, dataset, out, report, versions_key(), **options)
    values = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.best.values.items())
    report(f"best of {len(result.trials)} trials: {values}")
    with writing(out / "plots" / "search.png") as file:
        plots.plot_search(result, file)
    write_outcome(recipe, result, out)
    return result


def search_in(out: Path, recipe: Recipe, dataset: Dataset, report: Report) -> Search | None:
    """The search in a run's folder, if it is of this recipe."""
    file = out / "search.db"
    if not file.exists():
        return None
    found = read_search(recipe, dataset, out, versions_key())
    if found is None:
        report(f"{file} is of another recipe, data set or version: using the recipe's own values instead")
    else:
        report(f"using the best values of {file}")
    return found


@random_state_kept()
def find_learning_rate(
    recipe: str | Path | Recipe, out: str | Path | None = None, *, report: Report = print
) -> RateCurve:
    """Raises the learning rate step by step while a new model of the recipe trains, and plots its loss.

    For a model of your own, use `zoo.training.rate_finder.rate_curve`.

    Returns:
        the curve, with a suggestion for the recipe's `learning_rate`; it is plotted in `plots/learning_rate.png`.
    """
    recipe, out, dataset = prepared(recipe, out)
    task = recipe.task.adapted(dataset.train.y)
    curve = rate_curve(
        in_new_session(lambda: recipe.build(dataset)),
        (dataset.train.x, task.encode(dataset.train.y)),
        batch_size=recipe.batch_size,
        sample_weight=recipe.sample_weights(dataset),
        seed=recipe.seed,
    )
    file = out / "plots" / "learning_rate.png"
    curve.plot(file)
    report(f"the loss falls fastest at {curve.suggestion:.2g}; {file} shows it up to {curve.rates[-1]:.2g}")
    return curve
