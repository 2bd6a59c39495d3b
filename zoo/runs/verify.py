"""Measures exported files again: in the folder of a run, or the released ones. Trains nothing."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.errors import InvalidValue
from zoo.base.progress import Stage
from zoo.base.records import read_record
from zoo.base.seeds import random_state_kept
from zoo.data import Dataset
from zoo.data.arrays import samples as split_samples
from zoo.deploy import find_record
from zoo.exporting.conversion import load_keras
from zoo.exporting.precisions import PRECISIONS
from zoo.recipe.collection import folder, load_recipe
from zoo.recipe.recipe import Bounds, Recipe
from zoo.runs.contents import Contents, contents_of, data_hash, guessed_task
from zoo.runs.exporting import Export, line, reject
from zoo.runs.file_checks import Check, FileReport, check_file
from zoo.runs.measuring import round_trip, serve
from zoo.training.loop import predict


@random_state_kept()
def verify(
    target: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    test: tuple[np.ndarray, np.ndarray | None] | np.ndarray | None = None,
    report: Callable[[str], None] = print,
) -> Export:
    """Measures exported files again, on the whole test set, against the Keras model and against their record.

    Args:
        target: a recipe, whose run in `runs/` or else released files are measured; a folder; or one file.
        recipe: of the files, if it is not the one that their record names.
        test: x, or (x, y): the test data of the export, for files without a recipe.

    Returns:
        one report per file. A file of a run that does not pass is moved to `refused/`; released files stay.

    Raises:
        FileNotFoundError, LookupError: nothing exported there. ValueError: a damaged model, or other data.
    """
    files = _files_of(target)
    record_file = find_record(files[0])
    if record_file is None:
        raise InvalidValue(f"{files[0]} has no record.json beside it to compare with")
    record, run = read_record(record_file), record_file.parent
    if recipe or record["recipe_file"]:
        loaded = load_recipe(recipe or record["recipe_file"])
        contents, bounds, reference = contents_of_recipe(loaded, record, run)
    elif test is not None:
        contents, bounds, reference = _of_data(test if isinstance(test, tuple) else (test, None), record, run)
    else:
        raise InvalidValue(
            f"{record_file} names no recipe; give the data it was measured on, `--data x.npz`, or a recipe"
        )
    reports = []
    stage = Stage(report, "measuring", len(files), "files")
    for path in files:
        precision = next((k for k, v in record["files"].items() if v["file"] == path.name), path.name.split(".")[-2])
        if precision not in PRECISIONS:
            raise InvalidValue(f"{path}: {precision!r} is not one of the precisions {', '.join(PRECISIONS)}")
        known = record["files"].get(precision, {})
        expected = reference[:, -1] if known.get("strategy") == "streaming" and reference.ndim == 3 else reference
        runtime = record.get("target", "litert")
        file = check_file(path, precision, contents.x, contents.y, expected, contents.task, bounds, runtime)
        file = file.with_checks(_unchanged(file, known), round_trip(path, contents, file))
        file = dataclasses.replace(file, strategy=known.get("strategy"))
        if not file.passed and run != path.resolve().parent:  # released files are beside their record
            reject(path, run, file)
        stage.counted(line(file))
        reports.append(file)
    stage.close()
    return Export(run, tuple(reports), record)


def contents_of_recipe(recipe: Recipe, record: dict[str, Any], run: Path) -> tuple[Contents, Bounds, np.ndarray]:
    dataset = recipe.load_data()
    if dataset.sha256 != record["data"]["sha256"]:
        raise InvalidValue(f"the data of {recipe.name} are not those of {run / 'record.json'}; export again")
    task = recipe.task.adapted(dataset.train.y)
    contents = contents_of(recipe, dataset, task, dataset.train.x[record["calibration"]["indices"]], 0)
    return contents, recipe.bounds, keras_outputs(recipe, dataset, run)


def _of_data(test: tuple[Any, Any], record: dict[str, Any], run: Path) -> tuple[Contents, Bounds, np.ndarray]:
    samples = split_samples(None, test)
    whole = split_samples(test[0], test)
    saved_model = run / "saved_model" / "1"
    for candidate in (samples, whole):
        if data_hash(candidate) == record["data"]["sha256"]:
            reference = serve(saved_model, candidate.x)
            task, output_name = guessed_task(reference, candidate.y)
            contents = Contents(
                record["name"], task, None, output_name, candidate.x, candidate.y, candidate.calibration,
                record["data"]["labels"],
            )  # fmt: skip
            return contents, Bounds(), reference
    raise InvalidValue(f"these are not the data of {run / 'record.json'}; give those of the export")


def keras_outputs(recipe: Recipe, dataset: Dataset, run: Path) -> np.ndarray:
    """The Keras model's outputs on test: from the run's model.keras, else from the released SavedModel."""
    if (run / "model.keras").exists():
        logits = predict(load_keras(run / "model.keras"), dataset.test.x)
        return recipe.task.adapted(dataset.train.y).output()(logits).numpy()
    saved_model = folder("saved_models") / run.name / "1"
    if not saved_model.is_dir():
        raise FileNotFoundError(f"there is neither {run / 'model.keras'} nor {saved_model} to compare with")
    return serve(saved_model, dataset.test.x)


def _unchanged(file: FileReport, known: dict[str, Any]) -> Check:
    """Whether a file still measures as recorded: its score, or without one its max abs error."""
    if known.get("score") is not None:
        name, now, then, tolerance = "score", file.score, known["score"], 1e-6
    else:  # float kernels differ in the last bits between processors
        name, now, then, tolerance = "max abs error", file.max_abs_error, known.get("difference"), 1e-4
    same = now is not None and then is not None and abs(now - then) <= tolerance * max(1, abs(then))
    return Check("record", same, f"{name} {now} measured, {then} recorded")


def _files_of(target: str | Path) -> list[Path]:
    path = Path(target)
    if path.suffix == ".tflite":
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        return [path]
    if path.suffix == ".py" or not path.is_dir():
        name = path.stem if path.suffix == ".py" else str(target)
        folders = [Path("runs") / name, folder("tflite") / name]
        path = next((p for p in folders if (p / "record.json").is_file()), Path())
        if path == Path():
            load_recipe(target)  # its error names the nearest recipe
            raise FileNotFoundError(
                f"{target} has neither a run in {folders[0]} nor released files; `zoo run {target}`"
            )
    files = sorted(path.glob("*.tflite")) or sorted((path / "tflite").glob("*.tflite"))
    if not files:
        raise FileNotFoundError(f"there is no .tflite file in {path}; `zoo export` makes them")
    return files
