"""Writes the result of a search for people: tables, plots, and the best trial as a recipe that runs."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import optuna

from zoo.base.files import write_text, writing
from zoo.base.plots import panels, save
from zoo.recipe.recipe import Recipe
from zoo.tuning.history import quiet, write_csv
from zoo.tuning.space import Space, parameters
from zoo.tuning.trials import WORST, Search, Trial, direction, pareto_front

BEST = '''"""{name} with the best values of a search of {count} trials: {objective} {value:.6g}{spread}."""

{imports}
RECIPE = {recipe}
'''


def write_outcome(recipe: Recipe, found: Search, folder: Path) -> list[Path]:
    """`search.csv`, `best.py`, `plots/search_*.png`, and `pareto.csv` where files were measured: their paths."""
    write_csv(list(found.trials), folder / "search.csv")
    written = [folder / "search.csv"]
    if front := pareto_front(found.trials, found.objective):
        write_csv(front, folder / "pareto.csv")
        with writing(folder / "plots" / "search_pareto.png") as file:
            _plot_pareto(found.trials, front, found.objective, file)
        written += [folder / "pareto.csv", folder / "plots" / "search_pareto.png"]
    if recipe.file:
        write_text(folder / "best.py", best_recipe(recipe, found))
        written.append(folder / "best.py")
    return [*written, *plots(recipe, found, folder / "plots")]


def best_recipe(recipe: Recipe, found: Search) -> str:
    """The text of a recipe file: the searched recipe with the values of the best trial."""
    again = list(found.best.again.values())
    value = sum(again) / len(again) if again else found.best.metrics[found.objective]
    file = str(Path(recipe.file).resolve()) if recipe.file.endswith(".py") else recipe.file
    fields = {"trials": 0, "seed": recipe.seed, **found.best.fields}
    imports = "from zoo.recipe.collection import load_recipe\n"
    if all(map(_literal, fields.values())):
        lines = "".join(f"    {name}={value!r},\n" for name, value in fields.items())
        text = f"load_recipe({file!r}).replace(\n{lines})"
    else:  # layers, say, which only the space can make
        imports += "from zoo.tuning import with_values\n"
        values = {k: v for k, v in found.best.values.items() if not k.startswith("tuner/")}
        text = f"with_values(load_recipe({file!r}), {values!r}).replace(trials=0, seed={recipe.seed})"
    spread = f", mean of {len(again)} further seeds" if again else ""
    return BEST.format(
        name=recipe.name, count=len(found.trials), objective=found.objective, value=value, spread=spread,
        imports=imports, recipe=text,
    )  # fmt: skip


def _literal(value: Any) -> bool:
    """Whether `repr` gives a Python literal."""
    if isinstance(value, Mapping):
        return all(_literal(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(map(_literal, value))
    return value is None or isinstance(value, bool | int | float | str)


def plots(recipe: Recipe, found: Search, folder: Path) -> list[Path]:
    """History, importance of each hyperparameter, the objective against each one, and parallel coordinates."""
    study = as_study(found.trials, space_of(recipe), found.objective)
    trials = study.get_trials(deepcopy=False)
    if len(trials) < 2:
        return []
    figures = {"search_history": _history(trials, found.objective)}
    try:
        with quiet:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        figures["search_importance"], (panel,) = panels(1)
        panel.barh(list(shares)[::-1], list(shares.values())[::-1])
        panel.set(xlabel=f"importance for {found.objective}")
    except (ValueError, RuntimeError):  # trials that do not differ
        figures.pop("search_importance", None)
    axes = {name: _positions(trials, name) for name in dict.fromkeys(name for t in trials for name in t.params)}
    figures["search_slices"] = _slices(trials, axes, found.objective)
    figures["search_parallel"] = _parallel(trials, axes, found.objective)
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


def _history(trials: Sequence[optuna.trial.FrozenTrial], objective: str) -> Any:
    figure, (panel,) = panels(1)
    values, best = [float(t.value or 0.0) for t in trials], min if direction(objective) == "min" else max
    panel.plot(values, "o", label="trial")
    panel.plot([best(values[: i + 1]) for i in range(len(values))], label="best so far")
    panel.set(xlabel="completed trial", ylabel=objective)
    panel.legend()
    return figure


def _positions(trials: Sequence[optuna.trial.FrozenTrial], name: str) -> tuple[list[float], list[str], bool]:
    """A hyperparameter's value in each trial, NaN where it is inactive; labels of categories; whether it is log."""
    kind = next(t.distributions[name] for t in trials if name in t.params)
    if isinstance(kind, optuna.distributions.CategoricalDistribution):
        choices = [str(choice) for choice in kind.choices]
        return [choices.index(str(t.params[name])) if name in t.params else math.nan for t in trials], choices, False
    return [t.params.get(name, math.nan) for t in trials], [], bool(getattr(kind, "log", False))


def _slices(trials: Sequence[optuna.trial.FrozenTrial], axes: Mapping[str, Any], objective: str) -> Any:
    figure, row = panels(len(axes))
    for panel, (name, (positions, choices, log)) in zip(row, axes.items(), strict=True):
        panel.scatter(positions, [t.value for t in trials], c=range(len(trials)))
        panel.set(xlabel=name, ylabel=objective, xscale="log" if log else "linear")
        if choices:
            panel.set_xticks(range(len(choices)), choices)
    return figure


def _parallel(trials: Sequence[optuna.trial.FrozenTrial], axes: Mapping[str, Any], objective: str) -> Any:
    """One line per trial over all axes, each scaled to its range; the darker the line, the better the trial."""
    columns: dict[str, Any] = {objective: ([t.value for t in trials], [], False), **axes}
    scaled, ticks = [], []
    for name, (positions, choices, log) in columns.items():
        there = [p for p in positions if not math.isnan(p)]
        low, high = min(there), max(there)
        scale = math.log if log else float
        span = scale(high) - scale(low) or 1.0
        scaled.append([math.nan if math.isnan(p) else (scale(p) - scale(low)) / span for p in positions])
        ends = (choices[int(low)], choices[int(high)]) if choices else (f"{low:.3g}", f"{high:.3g}")
        ticks.append(f"{name}\n{ends[0]} to {ends[1]}")
    figure, (panel,) = panels(1)
    figure.set_size_inches(max(6, 2 * len(columns)), 4)
    order = sorted(range(len(trials)), key=lambda i: scaled[0][i], reverse=direction(objective) == "max")
    for rank, i in reversed(list(enumerate(order))):
        panel.plot([column[i] for column in scaled], "-o", color="tab:blue", alpha=1 - 0.9 * rank / len(order))
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
