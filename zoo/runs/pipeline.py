"""The verbs over a recipe: tune, train, export, verify, and run, which is all of them in a chain.

Each leaves its result in the run's folder (`runs/<recipe>/`), where the next one finds it:
tune -> search.db; train -> model.keras, training.json, attempts.json; export -> saved_model/1, tflite/, record.json,
card.md, plots.
"""

from zoo.base.errors import InvalidValue
import dataclasses
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.runs import plots
from zoo.runs.attempts import tried
from zoo.runs.baselines import Baselines, baselines, mean_baselines
from zoo.base.checks import check_size
from zoo.recipe.collection import load_recipe
from zoo.exporting.conversion import load_keras
from zoo.exporting.strategies import Strategy
from zoo.models.cost import costs
from zoo.data import Dataset
from zoo.data.arrays import chosen
from zoo.data.arrays import samples as split_samples
from zoo.runs.contents import contents_of
from zoo.runs.exporting import (
    Export,
    export_files,
    export_model,
)
from zoo.base.files import locked, writing
from zoo.training.rate_finder import RateCurve, rate_curve
from zoo.recipe.recipe import Bounds, Recipe
from zoo.runs.record import (
    data_record,
    make_record,
    read_training,
    recipe_record,
    versions_key,
    write_record,
)
from zoo.recipe.task import Task
from zoo.runs.trained import Report, Training, train_recipe
from zoo.tuning import Search, read_search, search
from zoo.tuning.outcome import write_outcome
from zoo.runs.file_checks import Check


def tune(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    workers: int = 1,
    storage: str | None = None,
    overwrite: bool = False,
    report: Report = print,
) -> Search:
    """Searches the recipe's space on train and validation; a search that was cut short goes on.

    Leaves search.db, search.csv, best.py (the winner as a recipe) and plots in `out`.

    Args:
        workers: processes on this machine, where the oracle is "asha".
        storage: URL of a database that several machines search with, "postgresql+psycopg://user@host/name" say;
            without it, `out/search.db`.
        overwrite: forgets what was searched in `out` before.

    Raises:
        ValueError: `out` has a search for something else, with the difference. CheckFailed: every trial failed.
    """
    recipe, out, dataset = _prepared(recipe, out)
    with locked(out):
        return search_recipe(recipe, dataset, out, report, workers=workers, storage=storage, overwrite=overwrite)


def search_recipe(recipe: Recipe, dataset: Dataset, out: Path, report: Report, **how: Any) -> Search:
    result = search(recipe, dataset, out, report, versions_key(), **how)
    values = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.best.values.items())
    report(f"best of {len(result.trials)} trials: {values}")
    with writing(out / "plots" / "search.png") as file:
        plots.plot_search(result, file)
    write_outcome(recipe, result, out)
    return result


def find_learning_rate(
    recipe: str | Path | Recipe, out: str | Path | None = None, *, report: Report = print
) -> RateCurve:
    """Raises the learning rate step by step while a new model of the recipe trains, and draws its loss.

    A model of your own goes into `zoo.rate_finder.rate_curve`.

    Returns:
        the curve, with a suggestion for the recipe's `learning_rate`; it is drawn in `plots/learning_rate.png`.
    """
    recipe, out, dataset = _prepared(recipe, out)
    task = recipe.task.adapted(dataset.train.y)
    keras.backend.clear_session()
    curve = rate_curve(
        recipe.build(dataset),
        (dataset.train.x, task.encode(dataset.train.y)),
        batch_size=recipe.batch_size,
        sample_weight=recipe.sample_weights(dataset),
        seed=recipe.seed,
    )
    file = out / "plots" / "learning_rate.png"
    curve.plot(file)
    report(f"the loss falls fastest at {curve.suggestion:.2g}; {file} shows it up to {curve.rates[-1]:.2g}")
    return curve


def train(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    devices: int | str = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Report = print,
) -> Training:
    """Trains the recipe, with the values that a search in `out` found best, if there is one.

    A training that was cut short goes on from its checkpoint, to the same end.

    Args:
        devices: how many of this machine's GPUs to train on, or "all"; each takes a share of every batch.
    """
    recipe, out, dataset = _prepared(recipe, out)
    found = _search_in(out, recipe, dataset, report)
    chosen = found.recipe if found else recipe
    return train_recipe(chosen, dataset, out, report, callbacks=callbacks, found=found, devices=devices)


def export(
    model: keras.Model | Recipe | str | Path,
    folder: str | Path | None = None,
    *,
    precisions: Sequence[str] | None = None,
    calibration: np.ndarray | None = None,
    test: tuple[np.ndarray, np.ndarray | None] | np.ndarray | None = None,
    strategy: Strategy | None = None,
    target: str | None = None,
    task: Task | None = None,
    bounds: Bounds | None = None,
    name: str | None = None,
    labels: Sequence[str] = (),
    files: Mapping[str, str | bytes] | None = None,
    report: Report = print,
) -> Export:
    """Exports a Keras model to .tflite files, measures each of them, and keeps those that pass every check.

    Args:
        model: a Keras model of one input and one output, or the path of a .keras file; or a recipe, of which the model
            is taken that `train` left in `folder`, with the recipe's own data, task and bounds.
        folder: where to: `tflite/`, `saved_model/1`, `record.json`, and `refused/` for what did not pass. By default
            `runs/<name>`.
        precisions: from `zoo/precisions/`: "float32", "float16", "dynamic", "int8", "int8_io", "int16x8".
        calibration: samples of the training data, (n, *input_shape), from which int8 learns the range of every tensor;
            256 of them are used.
        test: x, or (x, y), to measure the files on. Without it, half of `calibration` measures.
        strategy: for recurrent layers: "auto", "unrolled", "fused", "while", "streaming", or {precision: one of these};
            see zoo/conversion/.
        target: where the files must run: "litert", "browser", "micro".
        task: what the outputs mean, `Multiclass(10)` say; its softmax is then put behind the model's logits. Without
            it, the outputs stay as they are, and are scored by what `y` holds.
        bounds: what the files must meet; the precisions' own by default.
        name: of the files; the model's own by default.
        labels: of the outputs. files: others to put into the .tflite's archive, by name: a vocabulary, say.

    Returns:
        the files with what was measured on each. `verified` says whether all passed.

    Raises:
        ValueError: what was asked for cannot be had, and why. CheckFailed: the converter refused the model.
    """
    given: dict[str, Any] = {
        "precisions": precisions,
        "strategy": strategy,
        "target": target,
        "bounds": bounds,
        "name": name,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if isinstance(model, str | Path) and str(model).endswith(".keras"):
        given.setdefault("name", re.sub(r"\W", "_", Path(model).stem))
        model = load_keras(model)
    if isinstance(model, keras.Model):
        if calibration is None and test is None:
            raise InvalidValue("give calibration=x, samples of the training data: the files are calibrated and measured")
        if test is None:
            samples = split_samples(None, (np.asarray(calibration), None))
        else:
            samples = split_samples(calibration, test if isinstance(test, tuple) else (test, None))
        folder = Path(folder) if folder is not None else Path("runs") / str(given.get("name", model.name))
        return export_model(model, folder, samples, task=task, labels=labels, files=files, report=report, **given)
    if calibration is not None or test is not None or task is not None or labels or files:
        raise InvalidValue(f"recipe {model} brings its own data, task and labels; leave these out, or give a Keras model")
    recipe, out, dataset = _prepared(load_recipe(model).replace(**given), folder)
    with locked(out):
        return export_recipe(recipe, load_keras(out / "model.keras"), dataset, out, report)


def run(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    seeds: int = 1,
    workers: int = 1,
    overwrite: bool = False,
    report: Report = print,
) -> Export:
    """Data, search, training, export and proof, in one go.

    Args:
        seeds: how many times the winner is trained and exported, each time from another seed, for a mean and a
            spread; the files of the first one are the result. Of a recipe with `folds`, how many times these are dealt.
        workers, overwrite: of the search, see `tune`.
    """
    check_size("seeds", seeds)
    recipe, out, dataset = _prepared(recipe, out)
    with locked(out):
        return _run(recipe, out, dataset, seeds, report, {"workers": workers, "overwrite": overwrite})


def _run(recipe: Recipe, out: Path, dataset: Dataset, seeds: int, report: Report, how: dict[str, Any]) -> Export:
    counts = ", ".join(f"{len(part.x)} {name}" for name, part in dataset.parts.items())
    report(f"{recipe.name}: data {dataset.name} ({counts}), sha256 {dataset.sha256[:12]}")
    found = search_recipe(recipe, dataset, out, report, **how) if recipe.trials else None
    tuned = found.recipe if found else recipe
    model = train_recipe(tuned, dataset, out, report, found=found).model
    result = export_recipe(tuned, model, dataset, out, report)
    if not result.verified or (seeds == 1 and recipe.folds is None):
        return result
    simple: dict[str, dict[str, float]] = {}
    if recipe.folds is None:
        scores = [_scores(result, seed=tuned.seed)]
        for seed in range(tuned.seed + 1, tuned.seed + seeds):
            again, place = tuned.replace(seed=seed), out / "seeds" / str(seed)
            report(f"again with seed {seed}")
            taught = train_and_export(again, dataset, place, report, found, teachers=out / "teachers")
            scores.append(_scores(taught, seed=seed))
    else:
        scores, simple = _cross_validated(recipe, dataset, recipe.folds, out, seeds, report, how)
    result = dataclasses.replace(result, means=tuple(_check_means(recipe, scores)))
    for check in result.means:
        report(f"mean of {len(scores)}: {check.detail}{'' if check.held else ', refused'}")
    attempts = tried(out, result.record["recipe"], dataset.sha256)  # those of the other seeds are among them
    record = {**result.record, **simple, "seeds": scores, "tried": attempts, "verified": result.verified}
    return dataclasses.replace(result, record=write_record(record, out))


def train_and_export(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    report: Report,
    found: Search | None = None,
    teachers: Path | None = None,
) -> Export:
    """Another training of a recipe and the files of it, without what simple methods score."""
    out.mkdir(parents=True, exist_ok=True)
    model = train_recipe(recipe, dataset, out, report, found=found, teachers=teachers).model
    return export_recipe(recipe, model, dataset, out, report, simple=({}, {}))


def _cross_validated(
    recipe: Recipe, dataset: Dataset, folds: int, out: Path, seeds: int, report: Report, how: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """What the files of every fold score on the part that neither their search nor their training saw.

    Returns:
        a line a fold, and the means of what simple methods score on the same folds, "baselines" and "baselines_auc".
    """
    # A fold is too small to be held to a bound: their mean is.
    recipe = recipe.replace(bounds=dataclasses.replace(recipe.bounds, score=None))
    scores, simple = [], []
    for seed in range(recipe.seed, recipe.seed + seeds):
        for number, fold in enumerate(dataset.folds(folds, seed)):
            again, place = recipe.replace(seed=seed), out / "folds" / f"{seed}-{number}"
            report(f"fold {number + 1} of {folds}, dealt by seed {seed}")
            place.mkdir(parents=True, exist_ok=True)
            found = search_recipe(again, fold, place, report, **{**how, "workers": 1}) if recipe.trials else None
            tuned = found.recipe if found else again
            scores.append(_scores(train_and_export(tuned, fold, place, report, found), seed=seed, fold=number))
            simple.append(baselines(fold, tuned.task.adapted(fold.train.y)))
    return scores, mean_baselines(simple)


def _check_means(recipe: Recipe, scores: Sequence[Mapping[str, Any]]) -> list[Check]:
    """Whether the mean score of each precision is within `bounds.mean`."""
    asked, checks = recipe.bounds.mean, []
    if asked is None:
        return []
    for precision in recipe.precisions:
        measured = [score[precision] for score in scores if score.get(precision) is not None]
        missing = len(scores) - len(measured)  # of files that do not run, say
        mean = float(np.mean(measured)) if measured else math.nan
        held = not missing and recipe.task.better(mean, asked) >= 0
        detail = f"{recipe.task.score_name} {mean:.4f} in {precision}, {asked} asked"
        checks.append(Check("mean", held, detail + (f"; {missing} not measured" if missing else "")))
    return checks


def _prepared(recipe: str | Path | Recipe, out: str | Path | None) -> tuple[Recipe, Path, Dataset]:
    """The recipe, its folder, which must be one that can be written, and its data."""
    recipe = load_recipe(recipe)
    out = Path(out) if out is not None else Path("runs") / recipe.name
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):  # better now than after the training
        pass
    return recipe, out, recipe.load_data()


def _search_in(out: Path, recipe: Recipe, dataset: Dataset, report: Report) -> Search | None:
    """The search that stands in a run's folder, if it is one for this recipe."""
    file = out / "search.db"
    if not file.exists():
        return None
    found = read_search(recipe, dataset, out, versions_key())
    if found is None:
        report(f"{file} is of another recipe, data set or version and is not used; the recipe's own values are")
    else:
        report(f"with the best values of {file}")
    return found


def export_recipe(
    recipe: Recipe,
    model: keras.Model,
    dataset: Dataset,
    out: Path,
    report: Report,
    simple: Baselines | None = None,
) -> Export:
    """`simple`: what simple methods score, where that is known, or is not to be measured: that may take minutes."""
    training = read_training(out)
    task = recipe.task.adapted(dataset.train.y)
    # From train only, and written down: which samples int8 was calibrated on is part of what made the file.
    indices = chosen(len(dataset.train.x), training["recipe"]["seed"])
    measured = export_files(
        model,
        out,
        contents_of(recipe, dataset, task, dataset.train.x[indices], training["recipe"]["seed"]),
        precisions=recipe.precisions,
        strategy=recipe.strategy,
        target=recipe.target,
        bounds=recipe.bounds,
        report=report,
    )
    record = make_record(
        recipe.name,
        task,
        data_record(dataset),
        parameters=model.count_params(),
        calibration={"part": "train", "indices": indices.tolist()},
        files=measured.files,
        latencies=measured.latencies,
        target=recipe.target,
        macs=_macs(model),
        tried=tried(out, training["recipe"], dataset.sha256),
        **recipe_record(recipe, dataset, training, baselines(dataset, task) if simple is None else simple),
    )
    decided = task.decide(measured.outputs)
    if dataset.labels and task.has_classes:
        classes = task.classes(dataset.test.y)
        with writing(out / "plots" / "confusion_matrix.png") as path:
            plots.plot_confusion(classes, decided, dataset.labels, path)
        _, first = np.unique(classes, return_index=True)
    else:
        first = np.arange(min(10, len(dataset.test.x)))
    with writing(out / "example.npy") as path:  # one sample a class, to try the file with
        np.save(path, dataset.test.x[first])
    return Export(out, measured.files, write_record(record, out))


def _scores(result: Export, **which: int) -> dict[str, Any]:
    scores: dict[str, Any] = {
        **which,
        "verified": result.verified,
        **{file.precision: file.score for file in result.files},
    }
    aucs = {file.precision: file.auc for file in result.files if file.auc is not None}
    return {**scores, "auc": aucs} if aucs else scores


def _macs(model: keras.Model) -> int | None:
    """Of one sample; None where they hang on its length, or the model is no graph of layers."""
    try:
        return costs(model).macs
    except ValueError:
        return None
