"""What a search leaves behind for people: a table, plots, and the winner as a recipe that runs."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import optuna

from zoo.base.files import write_text, writing
from zoo.base.plots import panels, save
from zoo.recipe.recipe import Recipe
from zoo.tuning.history import write_csv
from zoo.tuning.space import Space, parameters
from zoo.tuning.trials import WORST, Search, Trial, direction, pareto_front

BEST = '''"""{name}, with what a search of {count} trials found best: {objective} {value:.6g}{spread}."""

{imports}
RECIPE = {recipe}
'''


def write_outcome(recipe: Recipe, found: Search, folder: Path) -> list[Path]:
    """`search.csv`, `best.py`, `plots/search_*.png`, and `pareto.csv` where files were measured: the paths of these."""
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
    """The text of a recipe file: the one that was searched, with the winner's values."""
    again = list(found.best.again.values())
    value = sum(again) / len(again) if again else found.best.metrics[found.objective]
    file = str(Path(recipe.file).resolve()) if recipe.file.endswith(".py") else recipe.file
    fields = {"trials": 0, "seed": recipe.seed, **found.best.fields}
    if all(map(_literal, fields.values())):
        imports = "from zoo.recipe.collection import load_recipe\n"
        lines = "".join(f"    {name}={value!r},\n" for name, value in fields.items())
        text = f"load_recipe({file!r}).replace(\n{lines})"
    else:  # layers, say, which only the space can make
        imports = "from zoo.recipe.collection import load_recipe\nfrom zoo.tuning import with_values\n"
        values = {k: v for k, v in found.best.values.items() if not k.startswith("tuner/")}
        text = f"with_values(load_recipe({file!r}), {values!r}).replace(trials=0, seed={recipe.seed})"
    spread = f", mean of {len(again)} further seeds" if again else ""
    return BEST.format(
        name=recipe.name, count=len(found.trials), objective=found.objective, value=value, spread=spread,
        imports=imports, recipe=text,
    )  # fmt: skip


def _literal(value: Any) -> bool:
    """Whether Python reads it from what it prints."""
    if isinstance(value, Mapping):
        return all(_literal(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(map(_literal, value))
    return value is None or isinstance(value, bool | int | float | str)


def plots(recipe: Recipe, found: Search, folder: Path) -> list[Path]:
    """Optuna's plots: history, which hyperparameters matter, each one against the objective, and all in parallel."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as drawn

    study = as_study(found.trials, space_of(recipe), found.objective)
    if len(study.trials) < 2:
        return []
    name = found.objective
    wanted: dict[str, Any] = {
        "search_history": lambda: drawn.plot_optimization_history(study, target_name=name),
        "search_importance": lambda: drawn.plot_param_importances(study, target_name=name),
        "search_slices": lambda: drawn.plot_slice(study, target_name=name),
        "search_parallel": lambda: drawn.plot_parallel_coordinate(study, target_name=name),
    }
    written = []
    for file, plot in wanted.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plot()
            except (ValueError, RuntimeError):  # importance needs trials that differ, say
                plt.close("all")
                continue
            figure = plt.gcf()
            figure.set_size_inches(max(8, figure.get_size_inches()[0]), 5)
            with writing(folder / f"{file}.png") as temporary:
                figure.savefig(temporary, dpi=110, bbox_inches="tight")
            plt.close("all")
        written.append(folder / f"{file}.png")
    return written


def space_of(recipe: Recipe) -> list[Any]:
    """The hyperparameters of a recipe, those of every conditional scope included."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        oracle = keras_tuner.oracles.RandomSearchOracle(objective="val_loss", max_trials=1)
        keras_tuner.engine.base_tuner.BaseTuner(oracle, Space(recipe), directory=folder)
        return oracle.get_space().space


def as_study(trials: Sequence[Any], space: list[Any], objective: str) -> optuna.Study:
    """In memory, of the trials that came to an end with a figure."""
    study = optuna.create_study(direction="minimize" if direction(objective) == "min" else "maximize")
    for trial in trials:
        if trial.error or trial.pruned or abs(trial.metrics[objective]) >= WORST:
            continue
        params, kinds = parameters(trial.values, space)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=trial.metrics[objective]))
    return study


def _plot_pareto(trials: Sequence[Trial], front: Sequence[Trial], objective: str, file: Path) -> None:
    """The objective against the bytes of the file, a point a trial; a line through those that no other one beats."""
    drawing, (panel,) = panels(1)
    for some, style, label in ((trials, "o", "trial"), (front, "o-", "beaten by none")):
        points = [(t.metrics["bytes"] / 1000, t.metrics[objective]) for t in some if "bytes" in t.metrics]
        panel.plot(*zip(*points, strict=True), style, label=label)
    panel.set(xlabel="kB of the file", ylabel=objective)
    panel.legend()
    save(drawing, file)
