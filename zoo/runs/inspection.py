"""Describes a model without training or exporting it: layers, MACs, sizes of its files, errors of its int8 layers."""

from pathlib import Path

import keras

from zoo.base.errors import InvalidValue
from zoo.base.records import read_record
from zoo.base.seeds import random_state_kept
from zoo.exporting.conversion import load_keras
from zoo.exporting.layer_losses import LayerLoss, measured_layer_losses
from zoo.models.cost import FileCost, Summary, costs
from zoo.recipe.collection import folder, load_recipe
from zoo.recipe.recipe import Recipe
from zoo.recipe.task import Values
from zoo.runs.verify import contents_of_recipe


@random_state_kept()
def layer_losses(target: str | Path, recipe: str | Path | Recipe | None = None) -> list[LayerLoss]:
    """The layers of a run's model with the largest errors in int8, the worst first.

    Args:
        target: a recipe or the folder of a run, which holds model.keras.
    """
    place = Path(target) if Path(target).is_dir() else Path("runs") / str(target)
    if not (place / "record.json").is_file() or not (place / "model.keras").is_file():
        raise FileNotFoundError(f"{place} is not a run with model.keras and record.json; `zoo run` creates one")
    record = read_record(place / "record.json")
    recipe = load_recipe(recipe or record["recipe_file"])
    contents, _, _ = contents_of_recipe(recipe, record, place)
    model = load_keras(place / "model.keras")
    return measured_layer_losses(
        model,
        contents.calibration,
        output=contents.output,
        strategy=recipe.strategy,
        values=isinstance(contents.task, Values),
    )


@random_state_kept()
def summary(
    model: keras.Model | Recipe | str | Path, folder: str | Path | None = None, *, steps: int | None = None
) -> Summary:
    """Parameters and multiply-accumulates (MACs) of each layer, by formula; measured bytes and arena of the files.

    MACs count matrix products for one sample, see zoo/models/cost.py. Nothing is trained, run or exported.

    Args:
        model: a Functional or Sequential Keras model, or the path of a .keras file; a recipe, whose model is built for
            its data; or the folder of a run with model.keras.
        folder: the model's export, whose files are listed. For a recipe the default is its run in `runs/`, or else the
            released files, if they were made from the same builder and arguments.
        steps: the length of a sample, for a model with an open length; without it, MACs that depend on it are None.

    Returns:
        rows by layer, their sums, and the files; `print` shows a table.

    Raises:
        ValueError: a model without a graph of layers, a folder with another model's files, or steps of a model whose
            lengths are fixed. FileNotFoundError: no model, or no record in the folder.
    """
    if isinstance(model, keras.Model):
        return costs(model, steps=steps, files=_sizes(model, folder))
    path = Path(model) if isinstance(model, str | Path) else None
    if path is not None and path.suffix == ".keras":
        loaded = load_keras(path)
        return costs(loaded, steps=steps, files=_sizes(loaded, folder))
    if path is not None and path.suffix != ".py" and path.is_dir():
        loaded = load_keras(path / "model.keras")
        if folder is None and (path / "record.json").is_file():
            same = read_record(path / "record.json")["parameters"] == loaded.count_params()  # else trained anew
            folder = path if same else None
        return costs(loaded, steps=steps, files=_sizes(loaded, folder))
    recipe = load_recipe(model)
    built = recipe.build(recipe.load_data())
    return costs(built, steps=steps, files=_sizes(built, _exported(recipe, built) if folder is None else folder))


def _exported(recipe: Recipe, model: keras.Model) -> Path | None:
    """The folder with files of a recipe's model: its run, or the released files; None if a search changed the model."""
    expected = recipe.describe()["builder"], model.count_params()
    for place in (Path("runs") / recipe.name, folder("tflite") / recipe.name):
        record = read_record(place / "record.json") if (place / "record.json").is_file() else {}
        if (record.get("recipe", {}).get("builder"), record.get("parameters")) == expected:
            return place
    return None


def _sizes(model: keras.Model, folder: str | Path | None) -> list[FileCost]:
    """The sizes of files in the record of an export."""
    if folder is None:
        return []
    record_file = Path(folder) / "record.json"
    if not record_file.is_file():
        raise FileNotFoundError(f"there is no {record_file}; `zoo export` writes it")
    record = read_record(record_file)
    if record["parameters"] != model.count_params():
        raise InvalidValue(
            f"{record_file} is of a model with {record['parameters']:,} parameters, and {model.name} has "
            f"{model.count_params():,}; export it again"
        )
    return [FileCost(f["file"], p, f["bytes"], f.get("arena_bytes")) for p, f in record["files"].items()]
