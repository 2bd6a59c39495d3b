"""Writes the result of a search for people: tables, plots, and the best trial as a recipe that runs."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import optuna

from zoo.base.files import write_text, writing
from zoo.base.plots import panels, save
from zoo.recipe.recipe import Recipe
from zoo.tuning.history import quiet, write_csv
from zoo.tuning.space import Space, parameters
from zoo.tuning.trials import WORST, Search, Trial, direction, pareto_front

Trials = Sequence[optuna.trial.FrozenTrial]
BEST = '''"""{name} with the best values of a search of {count} trials: {objective} {value:.6g}{spread}."""

{imports}
RECIPE = {recipe}
'''


def write_outcome(recipe: Recipe, result: Search, folder: Path) -> list[Path]:
    """`search.csv`, `best.py`, `plots/search_*.png`, and `pareto.csv` where files were measured: their paths."""
    write_csv(list(result.trials), folder / "search.csv")
    written = [folder / "search.csv"]
    if front := pareto_front(result.trials, result.objective):
        write_csv(front, folder / "pareto.csv")
        with writing(folder / "plots" / "search_pareto.png") as file:
            _plot_pareto(result.trials, front, result.objective, file)
        written += [folder / "pareto.csv", folder / "plots" / "search_pareto.png"]
    if recipe.file:
        write_text(folder / "best.py", best_recipe(recipe, result))
        written.append(folder / "best.py")
    return [*written, *plots(recipe, result, folder / "plots")]


def best_recipe(recipe: Recipe, result: Search) -> str:
    """The text of a recipe file: the searched recipe with the values of the best trial."""
    again = list(result.best.again.values())
    value = sum(again) / len(again) if again else result.best.metrics[result.objective]
    file = str(Path(recipe.file).resolve()) if recipe.file.endswith(".py") else recipe.file
    fields = {"trials": 0, "seed": recipe.seed, **result.best.fields}
    imports = "from zoo.recipe.collection import load_recipe\n"
    if all(map(_literal, fields.values())):
        lines = "".join(f"    {name}={value!r},\n" for name, value in fields.items())
        text = f"load_recipe({file!r}).replace(\n{lines})"
    else:  # for example layers, which only the space can make
        imports += "from zoo.tuning import with_values\n"
        values = {k: v for k, v in result.best.values.items() if not k.startswith("tuner/")}
        text = f"with_values(load_recipe({file!r}), {values!r}).replace(trials=0, seed={recipe.seed})"
    spread = f", mean of {len(again)} further seeds" if again else ""
    return BEST.format(
        name=recipe.name, count=len(result.trials), objective=result.objective, value=value, spread=spread,
        imports=imports, recipe=text,
    )  # fmt: skip


def _literal(value: Any) -> bool:
    """Whether `repr` gives a Python literal."""
    if isinstance(value, Mapping):
        return all(_literal(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(map(_literal, value))
    return value is None or isinstance(value, bool | int | float | str)


def plots(recipe: Recipe, result: Search, folder: Path) -> list[Path]:
    """History, importance of each hyperparameter, the objective against each one, and parallel coordinates."""
    study = as_study(result.trials, space_of(recipe), result.objective)
    trials = study.get_trials(deepcopy=False)
    if len(trials) < 2:
        return []
    scores = np.array([t.value for t in trials], "float64")
    figures = {"search_history": _history(scores, result.objective)}
    try:
        with quiet:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        figures["search_importance"], (panel,) = panels(1)
        panel.barh(list(shares)[::-1], list(shares.values())[::-1])
        panel.set(xlabel=f"importance for {result.objective}")
    except (ValueError, RuntimeError):  # trials that do not differ
        figures.pop("search_importance", None)
    axes = {name: _positions(trials, name) for name in dict.fromkeys(name for t in trials for name in t.params)}
    figures["search_slices"] = _slices(scores, axes, result.objective)
    figures["search_parallel"] = _parallel(scores, axes, result.objective)
    for name, figure in figures.items():
        with writing(folder / f"{name}.png") as file:
            save(figure, file)
    return [folder / f"{name}.png" for name in figures]


def space_of(recipe: Recipe) -> list[Any]:
    """The hyperparameters of a recipe, those of every conditional scope included."""
    with tempfile.TemporaryDirectory() as folder:
        oracle = keras_tuner.oracles.RandomSearchOracle(objective="val_loss", max_trials=1, seed=1)
        keras_tuner.engine.base_tuner.BaseTuner(oracle, Space(recipe), directory=folder)
        return oracle.get_space().space


def as_study(trials: Sequence[Any], space: list[Any], objective: str) -> optuna.Study:
    """An Optuna study in memory, of the completed trials with a finite objective."""
    with quiet:
        study = optuna.create_study(direction="minimize" if direction(objective) == "min" else "maximize")
    for trial in trials:
        if trial.error or trial.pruned or abs(trial.metrics[objective]) >= WORST:
            continue
        params, kinds = parameters(trial.values, space)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=trial.metrics[objective]))
    return study


# Figures without pyplot, whose backend, style and open figures belong to the caller.


def _history(scores: np.ndarray, objective: str) -> Any:
    figure, (panel,) = panels(1)
    best = np.minimum if direction(objective) == "min" else np.maximum
    panel.plot(scores, "o", label="trial")
    panel.plot(best.accumulate(scores), label="best so far")
    panel.set(xlabel="completed trial", ylabel=objective)
    panel.legend()
    return figure


def _positions(trials: Trials, name: str) -> tuple[np.ndarray, list[str], bool]:
    """A hyperparameter's value in each trial, NaN where it is inactive; labels of categories; whether it is log."""
    kind = next(t.distributions[name] for t in trials if name in t.params)
    labels = [str(choice) for choice in getattr(kind, "choices", ())]
    values = [t.params.get(name, math.nan) for t in trials]
    if labels:
        values = [
            labels.index(str(value)) if name in t.params else math.nan for value, t in zip(values, trials, strict=True)
        ]
    return np.array(values, "float64"), labels, bool(getattr(kind, "log", False))


def _slices(scores: np.ndarray, axes: Mapping[str, Any], objective: str) -> Any:
    figure, row = panels(len(axes))
    for panel, (name, (positions, choices, log)) in zip(row, axes.items(), strict=True):
        panel.scatter(positions, scores, c=range(len(scores)))
        panel.set(xlabel=name, ylabel=objective, xscale="log" if log else "linear")
        if choices:
            panel.set_xticks(range(len(choices)), choices)
    return figure


def _parallel(scores: np.ndarray, axes: Mapping[str, Any], objective: str) -> Any:
    """One line per trial over all axes, each scaled to its range; the darker the line, the better the trial."""
    columns, ticks = [], []
    for name, (positions, choices, log) in {objective: (scores, [], False), **axes}.items():
        low, high = np.nanmin(positions), np.nanmax(positions)
        scaled = np.log(positions) if log else positions
        columns.append((scaled - np.nanmin(scaled)) / (np.ptp(scaled[~np.isnan(scaled)]) or 1.0))
        ends = (choices[int(low)], choices[int(high)]) if choices else (f"{low:.3g}", f"{high:.3g}")
        ticks.append(f"{name}\n{ends[0]} to {ends[1]}")
    figure, (panel,) = panels(1)
    figure.set_size_inches(max(6, 2 * len(columns)), 4)
    worst_first = np.argsort(scores if direction(objective) == "max" else -scores)
    for rank, i in enumerate(worst_first, start=1):
        panel.plot([column[i] for column in columns], "-o", color="tab:blue", alpha=0.1 + 0.9 * rank / len(scores))
    panel.set_xticks(range(len(ticks)), ticks)
    panel.set_yticks([])
    return figure


def _plot_pareto(trials: Sequence[Trial], front: Sequence[Trial], objective: str, file: Path) -> None:
    """The objective against the bytes of the file: a point per trial, and a line through the Pareto front."""
    figure, (panel,) = panels(1)
    for some, style, label in ((trials, "o", "trial"), (front, "o-", "Pareto front")):
        points = [(t.metrics["bytes"] / 1000, t.metrics[objective]) for t in some if "bytes" in t.metrics]
        panel.plot(*zip(*points, strict=True), style, label=label)
    panel.set(xlabel="kB of the file", ylabel=objective)
    panel.legend()
    save(figure, file)
