"""The verb `zoo.export`: of a recipe's trained model, or of any Keras model."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.errors import InvalidValue
from zoo.base.files import locked, writing
from zoo.base.progress import Report, Stage
from zoo.base.seeds import random_state_kept
from zoo.data import Dataset
from zoo.data.arrays import chosen
from zoo.data.arrays import samples as split_samples
from zoo.exporting.conversion import load_keras
from zoo.exporting.strategies import Strategy
from zoo.models.cost import costs
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import Bounds, Recipe
from zoo.recipe.task import Task
from zoo.runs import plots
from zoo.runs.attempts import tried
from zoo.runs.baselines import Baselines, baselines
from zoo.runs.contents import contents_of
from zoo.runs.exporting import Export, export_files, export_model
from zoo.runs.prepare import prepared
from zoo.runs.record import data_record, make_record, read_training, recipe_record, write_record

PRECISIONS = ("float32", "int8")  # of a Keras model
EXAMPLES = 10  # samples in example.npy, if there are no classes


@random_state_kept()
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
        model: a Keras model with one input and one output, or the path of a .keras file; or a recipe, whose model is
            the one that `train` left in `folder`, with the recipe's own data, task and bounds.
        folder: gets `tflite/`, `saved_model/1`, `record.json`, and `refused/` for files that failed. By default
            `runs/<name>`.
        precisions: "float32", "float16", "dynamic", "int8", "int8_io", "int16x8".
        calibration: samples of the training data, (n, *input_shape), from which int8 learns the range of every tensor;
            256 of them are used.
        test: x, or (x, y), to measure the files on. By default one half of `calibration`; the other half calibrates.
        strategy: for recurrent layers: "auto", "unrolled", "fused", "while", "streaming", or {precision: one of these}.
        target: runtime that the files must support: "litert", "browser", "micro".
        task: meaning of the outputs, for example `Multiclass(10)`, whose softmax is then appended to the model's
            logits. By default the outputs stay as they are, and `y` decides how they are scored.
        bounds: that the files must meet; by default those of each precision.
        name: of the files; by default the model's.
        labels: of the outputs. files: to store in the .tflite's archive, by name: a vocabulary, for example.

    Returns:
        the files with their measurements. `verified` says whether all passed.

    Raises:
        ValueError: an impossible combination, with the reason. CheckFailed: the converter rejected the model.
    """
    given: dict[str, Any] = {
        "precisions": precisions, "strategy": strategy, "target": target, "bounds": bounds, "name": name,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    if isinstance(model, str | Path) and str(model).endswith(".keras"):
        given.setdefault("name", re.sub(r"\W", "_", Path(model).stem))
        model = load_keras(model)
    if isinstance(model, keras.Model):
        if calibration is None and test is None:
            raise InvalidValue("give calibration=x, samples of the training data, to calibrate and measure the files")
        if test is None:
            samples = split_samples(None, (np.asarray(calibration), None))
        else:
            samples = split_samples(calibration, test if isinstance(test, tuple) else (test, None))
        folder = Path(folder) if folder is not None else Path("runs") / str(given.get("name", model.name))
        steps = 1 + len(given.get("precisions", PRECISIONS))
        with Stage(report, f"exporting {given.get('name', model.name)}", steps, "steps") as stage:
            return export_model(
                model, folder, samples, task=task, labels=labels, files=files, report=stage.counted, **given
            )
    if calibration is not None or test is not None or task is not None or labels or files:
        raise InvalidValue(f"recipe {model} has its own data, task and labels; omit these, or give a Keras model")
    recipe, out, dataset = prepared(load_recipe(model).replace(**given), folder)
    with locked(out):
        return export_recipe(recipe, load_keras(out / "model.keras"), dataset, out, report)


def export_recipe(
    recipe: Recipe, model: keras.Model, dataset: Dataset, out: Path, report: Report, simple: Baselines | None = None
) -> Export:
    """`simple`: scores of the baselines, if they are known or not wanted; measuring them may take minutes."""
    training = read_training(out)
    task = recipe.task.adapted(dataset.train.y)
    seed = training["recipe"]["seed"]
    indices = chosen(len(dataset.train.x), seed)  # recorded, because calibration decides the int8 file's bytes
    with Stage(report, f"exporting {recipe.name}", 1 + len(recipe.precisions), "steps") as stage:  # convert, measure
        measured = export_files(
            model,
            out,
            contents_of(recipe, dataset, task, dataset.train.x[indices], seed),
            precisions=recipe.precisions,
            strategy=recipe.strategy,
            target=recipe.target,
            bounds=recipe.bounds,
            report=stage.counted,
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
        **recipe_record(recipe, dataset, training, baselines(dataset, task, report) if simple is None else simple),
    )
    first = np.arange(min(EXAMPLES, len(dataset.test.x)))
    if dataset.labels and task.has_classes:
        classes, decided = task.classes(dataset.test.y), task.decide(measured.outputs)
        with writing(out / "plots" / "confusion_matrix.png") as path:
            plots.plot_confusion(classes, decided, dataset.labels, path)
        _, first = np.unique(classes, return_index=True)  # one sample per class
    with writing(out / "example.npy") as path:
        np.save(path, dataset.test.x[first])
    return Export(out, measured.files, write_record(record, out))


def _macs(model: keras.Model) -> int | None:
    """Of one sample; None if they depend on its length, or if the model is not a graph of layers."""
    try:
        return costs(model).macs
    except ValueError:
        return None
