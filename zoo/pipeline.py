"""The verbs over a recipe: tune, train, export, verify, and run, which is all of them in a chain.

Each leaves its result in the run's folder (`runs/<recipe>/`), where the next one finds it:
tune -> search.json; train -> model.keras, training.json; export -> saved_model/1, tflite/, record.json, card.md, plots.
"""

import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import report as reports
from zoo.baselines import baselines
from zoo.benchmarking import latency
from zoo.collection import folder, load_recipe
from zoo.conversion import convert, load_keras
from zoo.data import Dataset
from zoo.deploy import Runner, find_record
from zoo.files import read_json, write_text, writing
from zoo.recipe import Recipe
from zoo.record import make_record, read_training, versions, write_record, write_training
from zoo.training import fit, predict
from zoo.tuning import Search, read_search, search
from zoo.verification import Check, FileReport, check_file

CALIBRATION_SAMPLES = 256
Report = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A trained model, its history and the recipe that was used, tuned values included."""

    model: keras.Model
    recipe: Recipe
    history: dict[str, list[float]]
    seconds: float
    file: Path

    @property
    def final(self) -> dict[str, float]:
        return {name: values[-1] for name, values in self.history.items()}


@dataclass(frozen=True)
class Export:
    """What an export or a verification found: one report a file; refused files stand in `refused/`."""

    folder: Path
    files: tuple[FileReport, ...]
    record: dict[str, Any]

    @property
    def verified(self) -> bool:
        return bool(self.files) and all(file.verified for file in self.files)


def tune(recipe: str | Path | Recipe, out: str | Path | None = None, *, report: Report = print) -> Search:
    """Searches the recipe's space on train and validation; a search that was cut short goes on."""
    recipe, out, dataset = _prepared(recipe, out)
    result = search(recipe, dataset, out / "search.json", report, _versions_key())
    values = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.best.values.items())
    report(f"best of {len(result.trials)} trials: {values}")
    with writing(out / "plots" / "search.png") as file:
        reports.plot_search(result, file)
    return result


def train(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Report = print,
) -> Training:
    """Trains the recipe, with the values that a search in `out` found best, if there is one.

    A training that was cut short goes on from its checkpoint, to the same end.
    """
    recipe, out, dataset = _prepared(recipe, out)
    found = _search_in(out, recipe, dataset, report)
    return _train(found.recipe if found else recipe, dataset, out, callbacks, report, found)


def export(recipe: str | Path | Recipe, out: str | Path | None = None, *, report: Report = print) -> Export:
    """Exports the model that `train` left in `out`, measures every file on test, and keeps those that pass."""
    recipe, out, dataset = _prepared(recipe, out)
    return _export(recipe, load_keras(out / "model.keras"), dataset, out, report)


def verify(target: str | Path, recipe: str | Path | Recipe | None = None, *, report: Report = print) -> Export:
    """Measures exported files once more, on the whole test set, against the Keras model and against their record.

    Args:
        target: a recipe, of which the run in `runs/` is taken or else the released files; a folder; or one file.
        recipe: of the files, where it is not the one that their record names.

    Returns:
        one report a file. A file of a run that does not pass is moved to `refused/`; a released one stays.

    Raises:
        FileNotFoundError, LookupError: nothing exported there. ValueError: a damaged model, or other data.
    """
    files = _files_of(target)
    described = find_record(files[0])
    if described is None:
        raise ValueError(f"{files[0]} has no record.json beside it, so nothing tells what it must hold")
    record, place = read_json(described), described.parent
    if not (recipe or record["recipe_file"]):
        raise ValueError(f"{place / 'record.json'} names no recipe file; give the recipe as second argument")
    recipe = load_recipe(recipe or record["recipe_file"])
    dataset = recipe.load_data()
    if dataset.sha256 != record["data"]["sha256"]:
        raise ValueError(f"the data of {recipe.name} are not those of {place / 'record.json'}; export anew")
    reference = _reference(recipe, dataset, place)
    found = []
    for path in files:
        precision = next((k for k, v in record["files"].items() if v["file"] == path.name), path.name.split(".")[-2])
        bounds = recipe.bounds
        if precision not in bounds.difference:
            raise ValueError(f"{path}: no bounds are known for precision {precision!r}")
        file = check_file(path, precision, *dataset.test, reference, recipe.task.adapted(dataset.train.y), bounds)
        recorded = record["files"].get(precision, {}).get("score")
        same = recorded is not None and file.score is not None and abs(file.score - recorded) < 1e-9
        drift = Check("record", same, f"{file.score} measured, {recorded} recorded")
        file = dataclasses.replace(file, checks=(*file.checks, drift))
        if not file.verified and place != path.resolve().parent:  # a run; released files stand beside their record
            _refuse(path, place, file)
        report(_line(file))
        found.append(file)
    return Export(place, tuple(found), record)


def run(
    recipe: str | Path | Recipe, out: str | Path | None = None, *, seeds: int = 1, report: Report = print
) -> Export:
    """Data, search, training, export and proof, in one go.

    Args:
        seeds: how many times the winner is trained and exported, each time from another seed, for a mean and a
            spread; the files of the first one are the result.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds} must be at least 1")
    recipe, out, dataset = _prepared(recipe, out)
    counts = ", ".join(f"{len(part.x)} {name}" for name, part in dataset.parts.items())
    report(f"{recipe.name}: data {dataset.name} ({counts}), sha256 {dataset.sha256[:12]}")
    found = tune(recipe, out, report=report)
    tuned = found.recipe
    model = _train(tuned, dataset, out, (), report, found).model
    result = _export(tuned, model, dataset, out, report)
    if result.verified and seeds > 1:
        scores = [_scores(tuned.seed, result)]
        for seed in range(tuned.seed + 1, tuned.seed + seeds):
            again, place = tuned.replace(seed=seed), out / "seeds" / str(seed)
            report(f"again with seed {seed}")
            place.mkdir(parents=True, exist_ok=True)
            model = _train(again, dataset, place, (), report, found).model
            scores.append(_scores(seed, _export(again, model, dataset, place, report)))
        result = dataclasses.replace(result, record=write_record({**result.record, "seeds": scores}, out))
    return result


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
    file = out / "search.json"
    if not file.exists():
        return None
    found = read_search(recipe, dataset, file, _versions_key())
    if found is None:
        report(f"{file} is of another recipe, data set or version and is not used; the recipe's own values are")
    else:
        report(f"with the best values of {file}")
    return found


def _train(
    recipe: Recipe, dataset: Dataset, out: Path, callbacks: Sequence[Any], report: Report, found: Search | None
) -> Training:
    start = time.monotonic()
    task = recipe.task.adapted(dataset.train.y)
    keras.backend.clear_session()
    model = recipe.build(dataset)
    report(f"training {recipe.name}: {model.count_params():,} parameters, {recipe.epochs} epochs, seed {recipe.seed}")
    history = fit(
        model,
        (dataset.train.x, task.encode(dataset.train.y)),
        (dataset.validation.x, task.encode(dataset.validation.y)),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        callbacks=[*callbacks, _Progress(report)],
        checkpoint=out / "checkpoint.npz",
        fingerprint=recipe.fingerprint(
            dataset.sha256,
            _versions_key(),
            without=("space", "objective", "trials", "trial_epochs", "bounds", "precisions", "name"),
        ),
    )
    result = Training(model, recipe, history, time.monotonic() - start, out / "model.keras")
    with writing(result.file) as temporary:
        model.save(temporary)
    write_training(out, recipe, found, history, result.seconds)
    with writing(out / "plots" / "learning_curves.png") as file:
        reports.plot_history(history, file)
    return result


def _export(recipe: Recipe, model: keras.Model, dataset: Dataset, out: Path, report: Report) -> Export:
    task = recipe.task.adapted(dataset.train.y)
    training = read_training(out)
    # From train only, and written down: which samples int8 was calibrated on is part of what made the file.
    count = min(CALIBRATION_SAMPLES, len(dataset.train.x))
    indices = np.sort(
        np.random.default_rng(training["recipe"]["seed"]).choice(len(dataset.train.x), count, replace=False)
    )
    staging = Path(tempfile.mkdtemp(prefix=".export.", dir=out))
    try:
        report(f"exporting to {', '.join(recipe.precisions)}")
        convert(
            model,
            staging,
            output=task.output(),
            output_name=task.output_name,
            precisions=recipe.precisions,
            calibration=dataset.train.x[indices],
        )
        reference = task.output()(predict(model, dataset.test.x)).numpy()
        saved_model = _check_saved_model(staging / "saved_model", dataset.test.x, reference)
        files, outputs = [], reference
        shutil.rmtree(out / "refused", ignore_errors=True)
        for precision in recipe.precisions:
            path = staging / f"{recipe.name}.{precision}.tflite"
            os.replace(staging / f"{precision}.tflite", path)
            file = check_file(path, precision, *dataset.test, reference, task, recipe.bounds)
            file = dataclasses.replace(file, checks=(*file.checks, saved_model))
            report(_line(file))
            (out / "tflite" / path.name).unlink(missing_ok=True)  # of an earlier export, whose record goes too
            if file.verified:
                outputs = Runner(path).predict(dataset.test.x)
            else:
                _refuse(path, out, file)
            files.append(file)
        latencies = {
            file.precision: round(float(np.median(latency(Runner(staging / file.file), 0.3))) * 1e6, 1)
            for file in files
            if file.verified
        }
        record = make_record(
            recipe,
            task,
            dataset,
            training,
            parameters=model.count_params(),
            calibration=indices.tolist(),
            baselines=baselines(dataset, task),
            files=files,
            latencies=latencies,
        )
        (out / "tflite").mkdir(exist_ok=True)
        for file in files:
            if file.verified:
                os.replace(staging / file.file, out / "tflite" / file.file)
        shutil.rmtree(out / "saved_model", ignore_errors=True)  # of an earlier export
        if record["verified"]:
            (out / "saved_model").mkdir()
            os.replace(staging / "saved_model", out / "saved_model" / "1")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    decided = task.decide(outputs)
    if dataset.labels:
        with writing(out / "plots" / "confusion_matrix.png") as path:
            reports.plot_confusion(dataset.test.y, decided, dataset.labels, path)
        _, first = np.unique(dataset.test.y, return_index=True)
    else:
        first = np.arange(min(10, len(dataset.test.x)))
    with writing(out / "example.npy") as path:  # one sample a class, to try the file with
        np.save(path, dataset.test.x[first])
    return Export(out, tuple(files), write_record(record, out))


def _scores(seed: int, result: Export) -> dict[str, Any]:
    return {"seed": seed, "verified": result.verified, **{file.precision: file.score for file in result.files}}


def _refuse(path: Path, out: Path, file: FileReport) -> None:
    """Takes a file away from where good ones are, and says why beside it."""
    refused = out / "refused"
    refused.mkdir(exist_ok=True)
    os.replace(path, refused / path.name)
    write_text(refused / f"{path.name}.txt", file.refusal + "\n")


def _line(file: FileReport) -> str:
    if not file.verified:
        return f"{file.file}: refused ({file.refusal})"
    return f"{file.file}: verified on {file.samples} test samples, {len(file.checks)} checks"


def _check_saved_model(path: Path, x: np.ndarray, reference: np.ndarray) -> Check:
    difference = float(np.abs(_serve(path, x) - reference).max())
    return Check("SavedModel", difference <= 1e-4, f"largest difference {difference:.2g}, 0.0001 allowed")


def _serve(path: Path, x: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # kept by name: its functions do not keep its variables
    (outputs,) = loaded.serve(tf.constant(x)).values()
    return outputs.numpy()


def _reference(recipe: Recipe, dataset: Dataset, place: Path) -> np.ndarray:
    """The Keras model's outputs on test: from the run's model.keras, else from the released SavedModel."""
    if (place / "model.keras").exists():
        logits = predict(load_keras(place / "model.keras"), dataset.test.x)
        return recipe.task.adapted(dataset.train.y).output()(logits).numpy()
    saved_model = folder("saved_models") / place.name / "1"
    if not saved_model.is_dir():
        raise FileNotFoundError(f"there is neither {place / 'model.keras'} nor {saved_model} to compare with")
    return _serve(saved_model, dataset.test.x)


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


class _Progress(keras.callbacks.Callback):
    """A line every few seconds."""

    def __init__(self, report: Report, seconds: float = 2.0):
        super().__init__()
        self._tell, self._seconds, self._last = report, seconds, time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self._last > self._seconds or epoch + 1 == self.params["epochs"]:
            self._last = time.monotonic()
            figures = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
            self._tell(f"epoch {epoch + 1:3d}/{self.params['epochs']}  {figures}")


def _versions_key() -> str:
    return str(versions())
