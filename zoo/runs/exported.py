"""What was exported, looked at once more: measured again, layer by layer, or for its size.

All of it reads a run's folder or the released files, and trains nothing.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.errors import InvalidValue
from zoo.base.progress import Stage
from zoo.base.records import read_record
from zoo.base.seeds import random_state_kept
from zoo.data import Dataset
from zoo.data.arrays import samples as split_samples
from zoo.deploy import find_record
from zoo.exporting.conversion import load_keras
from zoo.exporting.layer_losses import LayerLoss
from zoo.exporting.layer_losses import layer_losses as losses
from zoo.exporting.precisions import PRECISIONS
from zoo.models.cost import FileCost, Summary, costs
from zoo.recipe.building import in_new_session
from zoo.recipe.collection import folder, load_recipe
from zoo.recipe.recipe import Bounds, Recipe
from zoo.recipe.task import Values
from zoo.runs.exporting import Contents, Export, contents_of, data_hash, guessed_task, line, refuse, round_trip, serve
from zoo.runs.verification import Check, FileReport, check_file
from zoo.training.loop import predict

Report = Callable[[str], None]


@random_state_kept()
def verify(
    target: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    test: tuple[np.ndarray, np.ndarray | None] | np.ndarray | None = None,
    report: Report = print,
) -> Export:
    """Measures exported files once more, on the whole test set, against the Keras model and against their record.

    Args:
        target: a recipe, of which the run in `runs/` is taken or else the released files; a folder; or one file.
        recipe: of the files, where it is not the one that their record names.
        test: x, or (x, y): what files without a recipe were measured on when they were exported.

    Returns:
        one report a file. A file of a run that does not pass is moved to `refused/`; a released one stays.

    Raises:
        FileNotFoundError, LookupError: nothing exported there. ValueError: a damaged model, or other data.
    """
    files = _files_of(target)
    described = find_record(files[0])
    if described is None:
        raise InvalidValue(f"{files[0]} has no record.json beside it, so nothing tells what it must hold")
    record, place = read_record(described), described.parent
    if recipe or record["recipe_file"]:
        contents, bounds, reference = _of_recipe(load_recipe(recipe or record["recipe_file"]), record, place)
    elif test is not None:
        contents, bounds, reference = _of_data(test if isinstance(test, tuple) else (test, None), record, place)
    else:
        raise InvalidValue(
            f"{described} names no recipe; give the data it was measured on, `--data x.npz`, or a recipe"
        )
    found = []
    stage = Stage(report, "measuring", len(files), "files")
    for path in files:
        precision = next((k for k, v in record["files"].items() if v["file"] == path.name), path.name.split(".")[-2])
        if precision not in PRECISIONS:
            raise InvalidValue(f"{path}: {precision!r} is none of the precisions {', '.join(PRECISIONS)}")
        known = record["files"].get(precision, {})
        wanted = reference[:, -1] if known.get("strategy") == "streaming" and reference.ndim == 3 else reference
        runs_on = record.get("target", "litert")
        file = check_file(path, precision, contents.x, contents.y, wanted, contents.task, bounds, runs_on)
        more = [Check("record", *_drift(file, known)), *round_trip(path, contents, file)]
        file = dataclasses.replace(file, checks=(*file.checks, *more), strategy=known.get("strategy"))
        if not file.verified and place != path.resolve().parent:  # a run; released files stand beside their record
            refuse(path, place, file)
        stage.counted(line(file))
        found.append(file)
    stage.close()
    return Export(place, tuple(found), record)


@random_state_kept()
def layer_losses(target: str | Path, recipe: str | Path | Recipe | None = None) -> list[LayerLoss]:
    """Which layers of a run's model lose most in int8, the worst first.

    Args:
        target: a recipe or the folder of a run, which holds model.keras.
    """
    place = Path(target) if Path(target).is_dir() else Path("runs") / str(target)
    if not (place / "record.json").is_file() or not (place / "model.keras").is_file():
        raise FileNotFoundError(f"{place} is no run with model.keras and record.json; `zoo run` leaves one")
    record = read_record(place / "record.json")
    recipe = load_recipe(recipe or record["recipe_file"])
    contents, _, _ = _of_recipe(recipe, record, place)
    model = load_keras(place / "model.keras")
    return losses(
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
    """Parameters and multiply-accumulates (MACs) of each layer, by formula; bytes and arena of the files, as measured.

    MACs count the products of matrices, for one sample, see zoo/cost.py. Nothing is trained, run or exported.

    Args:
        model: a Functional or Sequential Keras model, or the path of a .keras file; a recipe, whose model is built for
            its data; or the folder of a run, of which model.keras is taken.
        folder: of the model's export, whose files are to be shown. Of a recipe they are found without: those of its
            run in `runs/`, or else the released ones, where they were made from the same builder and arguments.
        steps: the length of a sample, for a model that leaves it open; without it, MACs that hang on it are None.

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
            same = (
                read_record(path / "record.json")["parameters"] == loaded.count_params()
            )  # else trained, not exported
            folder = path if same else None
        return costs(loaded, steps=steps, files=_sizes(loaded, folder))
    recipe = load_recipe(model)
    built = in_new_session(lambda: recipe.build(recipe.load_data()))
    return costs(built, steps=steps, files=_sizes(built, _exported(recipe, built) if folder is None else folder))


def _exported(recipe: Recipe, model: keras.Model) -> Path | None:
    """Where files of a recipe's model are: in its run, or among the released ones; a search may have chosen details."""
    asked = recipe.describe()["builder"], model.count_params()
    for place in (Path("runs") / recipe.name, folder("tflite") / recipe.name):
        record = read_record(place / "record.json") if (place / "record.json").is_file() else {}
        if (record.get("recipe", {}).get("builder"), record.get("parameters")) == asked:
            return place
    return None


def _sizes(model: keras.Model, folder: str | Path | None) -> list[FileCost]:
    """What the record of an export says of its files."""
    if folder is None:
        return []
    described = Path(folder) / "record.json"
    if not described.is_file():
        raise FileNotFoundError(f"there is no {described}; `zoo export` writes it")
    record = read_record(described)
    if record["parameters"] != model.count_params():
        raise InvalidValue(
            f"{described} is of a model of {record['parameters']:,} parameters, and {model.name} has "
            f"{model.count_params():,}; export it anew"
        )
    return [FileCost(f["file"], p, f["bytes"], f.get("arena_bytes")) for p, f in record["files"].items()]


def _of_recipe(recipe: Recipe, record: dict[str, Any], place: Path) -> tuple[Contents, Bounds, np.ndarray]:
    dataset = recipe.load_data()
    if dataset.sha256 != record["data"]["sha256"]:
        raise InvalidValue(f"the data of {recipe.name} are not those of {place / 'record.json'}; export anew")
    task = recipe.task.adapted(dataset.train.y)
    contents = contents_of(recipe, dataset, task, dataset.train.x[record["calibration"]["indices"]], 0)
    return contents, recipe.bounds, keras_outputs(recipe, dataset, place)


def _of_data(test: tuple[Any, Any], record: dict[str, Any], place: Path) -> tuple[Contents, Bounds, np.ndarray]:
    samples = split_samples(None, test)
    whole = split_samples(test[0], test)
    saved_model = place / "saved_model" / "1"
    for candidate in (samples, whole):
        if data_hash(candidate) == record["data"]["sha256"]:
            reference = serve(saved_model, candidate.x)
            task, output_name = guessed_task(reference, candidate.y)
            contents = Contents(
                record["name"], task, None, output_name, candidate.x, candidate.y, candidate.calibration,
                record["data"]["labels"],
            )  # fmt: skip
            return contents, Bounds(), reference
    raise InvalidValue(f"these are not the data of {place / 'record.json'}; give those of the export")


def keras_outputs(recipe: Recipe, dataset: Dataset, place: Path) -> np.ndarray:
    """The Keras model's outputs on test: from the run's model.keras, else from the released SavedModel."""
    if (place / "model.keras").exists():
        logits = predict(load_keras(place / "model.keras"), dataset.test.x)
        return recipe.task.adapted(dataset.train.y).output()(logits).numpy()
    saved_model = folder("saved_models") / place.name / "1"
    if not saved_model.is_dir():
        raise FileNotFoundError(f"there is neither {place / 'model.keras'} nor {saved_model} to compare with")
    return serve(saved_model, dataset.test.x)


def _drift(file: FileReport, known: dict[str, Any]) -> tuple[bool, str]:
    """Whether a file still measures as recorded: its score, or, where nothing was scored, its largest difference."""
    name = "score" if known.get("score") is not None else "difference"
    now, then = getattr(file, name), known.get(name)
    # Float kernels differ in the last bits from processor to processor, and an error in dollars shows that.
    same = (
        now is not None
        and then is not None
        and abs(now - then) <= (1e-6 if name == "score" else 1e-4) * max(1, abs(then))
    )
    return same, f"{name} {now} measured, {then} recorded"


def _files_of(target: str | Path) -> list[Path]:
    path = Path(target)
    if path.suffix == ".tflite":
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        return [path]
    if path.suffix == ".py" or not path.is_dir():
        name = path.stem if path.suffix == ".py" else str(target)
        places = [Path("runs") / name, folder("tflite") / name]
        path = next((p for p in places if (p / "record.json").is_file()), Path())
        if path == Path():
            load_recipe(target)  # names the nearest recipe where there is none of that name
            raise FileNotFoundError(f"{target} has neither a run in {places[0]} nor released files; `zoo run {target}`")
    files = sorted(path.glob("*.tflite")) or sorted((path / "tflite").glob("*.tflite"))
    if not files:
        raise FileNotFoundError(f"there is no .tflite file in {path}; `zoo export` makes them")
    return files
