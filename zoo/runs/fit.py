"""From your own files to tested .tflite files: `zoo fit PATH`.

It detects the kind of the data, writes a recipe for it, and runs that within a time limit: search, training, export,
tests. The results are the recipe, which can be edited and run again, and the folder `deploy/`.
"""

import shutil
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from zoo.base.checks import check_choice, check_number
from zoo.base.errors import InvalidValue
from zoo.base.files import locked, write_text, writing_folder
from zoo.base.progress import Report
from zoo.base.seeds import random_state_kept
from zoo.base.tables import figure
from zoo.data import Dataset
from zoo.deploy import Runner
from zoo.recipe.building import in_new_session
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import Recipe
from zoo.runs.baselines import Baselines, baselines
from zoo.runs.export import export_recipe
from zoo.runs.exporting import Export
from zoo.runs.kinds import KINDS, Plan, look
from zoo.runs.report import best_baseline, not_won
from zoo.runs.training import train_recipe
from zoo.runs.tune import search_recipe
from zoo.training.loop import fit as train_model
from zoo.tuning import Search

TASKS = ("Binary", "Multiclass", "Regression", "Forecasting")
LEAST_MINUTES = 0.5
TIMED_SAMPLES = 2048  # of train, on which an epoch is timed
EXPORT_SECONDS, STEP_SECONDS = 25.0, 0.4  # of one idle core: for the files, and for each unrolled step
SEARCH_SHARE = 0.45  # of the time before the export
LEAST_SHARE = 0.15  # of the minutes, for search and training, however long the export takes
FEWEST_TRIALS, MOST_TRIALS, MOST_TRIAL_EPOCHS = 3, 30, 20
MOST_EPOCHS, MOST_STEPS = 100, 8_000  # of the training; small data get more epochs, up to that many steps

RECIPE, RUN = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("fitted_recipe.txt", "run_file.txt")
)


@dataclass(frozen=True)
class Fitted:
    """The result of `zoo.fit`.

    Attributes:
        folder: of the run; `folder/deploy` has what a device needs.
        recipe: the file to edit and run again. kind: of the data. notes: what was inferred, and what was left out.
        export: the files and their measurements. seconds: the whole call took.
        beaten: whether the best file scores better than every baseline.
    """

    folder: Path
    recipe: Path
    kind: str
    notes: tuple[str, ...]
    export: Export
    seconds: float

    @property
    def beaten(self) -> bool:
        return not not_won(self.export.record)

    def __str__(self) -> str:
        record = self.export.record
        name, score = best_baseline(record)
        passed = [file for file in self.export.files if file.verified]
        if not passed:
            return f"no file passed its checks; {self.folder / 'card.md'} gives the reasons"
        file, baseline = passed[-1], f"the baseline {name}, {figure(score)}"
        result = f"{file.file}: {record['score_name']} {figure(file.score)} on test, {file.bytes:,} bytes"
        return f"{result}; " + (f"better than {baseline}" if self.beaten else f"NOT better than {baseline}")


@dataclass(frozen=True)
class Schedule:
    """How many epochs, trials and epochs of a trial fit into the time; 0 trials where the search would get too few."""

    epochs: int = 30
    trials: int = 0
    trial_epochs: int = 10


@random_state_kept()
def fit(
    path: str | Path,
    target: str | None = None,
    task: str | None = None,
    *,
    kind: str | None = None,
    known: Sequence[str] = (),
    minutes: float = 10.0,
    out: str | Path | None = None,
    objective: str = "val_loss",
    max_bytes: int | None = None,
    overwrite: bool = False,
    report: Report = print,
) -> Fitted:
    """Detects the kind of the data, writes a recipe, then searches, trains, exports and tests within a time limit.

    Args:
        path: a CSV or Parquet file; a folder with one subfolder of images, WAV, CSV or text files per class, or a CSV
            with the paths of such images or WAV files; or a .npz with x (and y, groups).
        target: column to predict, of a table, of texts or of a series to forecast.
        known: columns of a series to forecast whose future values are known, such as holidays.
        task: "Binary", "Multiclass", "Regression" or "Forecasting"; inferred from the data by default.
        kind: one of `KINDS`, such as "table" or "images"; detected by default.
        minutes: for everything. Small data may take less. An interrupted call resumes with its finished trials.
        out: folder of the result; by default `runs/<name of the data>`.
        objective: of the search; "int8_accuracy", for example, scores the exported file.
        max_bytes: of the int8 file; larger candidates are not trained.
        overwrite: discards the trials of an interrupted call, and changes of the recipe.

    Raises:
        LookupError, ValueError: no such data, or nothing to learn from, with file, line and reason.
    """
    start = time.monotonic()
    check_number("minutes", minutes, 0)
    if minutes < LEAST_MINUTES:
        raise InvalidValue(
            f"minutes={minutes} is too short to train, export and measure anything: give at least {LEAST_MINUTES:g}"
        )
    if task is not None:
        check_choice("task", task, TASKS)
    if kind is not None:
        check_choice("kind", kind, KINDS)
    plan = look(Path(path), target, task, kind, known)
    dataset = plan.dataset
    for note in (f"treated as {plan.kind}", *dataset.notes):
        report(note)
    counts = ", ".join(f"{len(part.x):,} {part_name}" for part_name, part in dataset.parts.items())
    report(f"{counts}; input {' x '.join(map(str, dataset.input_shape))}")
    folder = Path(out) if out is not None else Path("runs") / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{_identifier(dataset.name)}.py"
    with locked(folder):
        written = folder / "deploy" / "recipe.py"
        if not overwrite and file.is_file() and written.is_file() and file.read_bytes() != written.read_bytes():
            raise InvalidValue(
                f"{file} was changed since `zoo fit` wrote it, and would be overwritten: `zoo run {file}` runs it; "
                "give another folder (--out), or --overwrite"
            )
        interrupted = None if overwrite else _interrupted(folder, file)
        recipe = _write_recipe(plan, file, objective, max_bytes, interrupted or Schedule())
        simple = _baselines(recipe, dataset, report)
        end, last, schedule = _scheduled(plan, recipe, start, 60 * minutes, report)
        if interrupted:
            schedule = interrupted  # the same search, so that its trials count
            report("resumes the interrupted search; --overwrite starts a new one")
        report(
            f"{schedule.trials} trials of {schedule.trial_epochs} epochs, then a training of {schedule.epochs} epochs"
        )
        recipe = _write_recipe(plan, file, objective, max_bytes, schedule)
        export = _run(recipe, dataset, folder, (end, last), interrupted is None, simple, report)
        _write_deploy(export, folder, file)
    return Fitted(folder, file, plan.kind, dataset.notes, export, time.monotonic() - start)


def _run(
    recipe: Recipe, dataset: Dataset, folder: Path, ends: tuple[float, float], overwrite: bool, simple: Baselines,
    report: Report,
) -> Export:  # fmt: skip
    """Search, training and export; `ends` of search and training, on time.monotonic()."""
    search: Search | None = None
    if recipe.trials:
        search = search_recipe(recipe, dataset, folder, report, until=ends[0], overwrite=overwrite)
        recipe = search.recipe
    patience = max(10, recipe.epochs // 4)
    stop = [_Until(ends[1]), keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)]
    (folder / "checkpoint.npz").unlink(missing_ok=True)  # its fingerprint knows nothing of the time limit
    model = train_recipe(recipe, dataset, folder, report, callbacks=stop, found=search).model
    return export_recipe(recipe, model, dataset, folder, report, simple=simple)


def _baselines(recipe: Recipe, dataset: Dataset, report: Report) -> Baselines:
    task, start = recipe.task.adapted(dataset.train.y), time.monotonic()
    simple = baselines(dataset, task, report)
    if simple[0]:
        record = {
            "baselines": simple[0], "score_name": task.score_name, "larger_is_better": task.larger_is_better,
        }  # fmt: skip
        name, score = best_baseline(record)
        report(f"best baseline: {name}, {task.score_name} {figure(score)} ({time.monotonic() - start:.0f} s)")
    return simple


def _scheduled(
    plan: Plan, recipe: Recipe, start: float, seconds: float, report: Report
) -> tuple[float, float, Schedule]:
    """When the search and the training must end, on time.monotonic(), and what fits until then."""
    epoch, overhead, busy = _epoch_seconds(recipe, plan.dataset)
    last = start + seconds - max(busy * (EXPORT_SECONDS + STEP_SECONDS * plan.steps), 0.1 * seconds)
    now = time.monotonic()
    last = max(last, now + LEAST_SHARE * seconds)
    left = last - now
    most = max(MOST_EPOCHS, MOST_STEPS // -(-len(plan.dataset.train.x) // plan.batch_size))
    epochs = int(np.clip((1 - SEARCH_SHARE) * left / epoch, 1, most))
    trial_epochs = max(1, min(epochs, MOST_TRIAL_EPOCHS, round(epochs / 3)))
    trials = int(min(MOST_TRIALS, SEARCH_SHARE * left / (overhead + trial_epochs * epoch)))
    if trials < FEWEST_TRIALS:  # the training gets the time of the search too
        trials, epochs = 0, int(np.clip(left / epoch, 1, most))
    report(f"one epoch takes {epoch:.2g} s")
    if epoch > left:
        report(f"only {left:.0f} s are left, so this will exceed the limit; --minutes raises it")
    return now + SEARCH_SHARE * left, last, Schedule(epochs, trials, trial_epochs)


def _write_recipe(plan: Plan, file: Path, objective: str, max_bytes: int | None, schedule: Schedule) -> Recipe:
    dataset = plan.dataset
    classes = ", ".join(dataset.labels[:5]) + ", ..." * (len(dataset.labels) > 5)
    summary = f"{dataset.name}: {dataset.target or 'the class'} from {plan.kind}{f': {classes}' * bool(classes)}."
    notes = "; ".join((f"Written by `zoo fit`, which treated the data as {plan.kind}", *dataset.notes)) + "."
    fields = {k: v for k, v in vars(plan).items() if k not in ("kind", "dataset", "steps")}
    text = RECIPE.format(
        summary=_quotable(summary),
        notes=_quotable("\n".join(textwrap.wrap(notes, 116))),
        imports="import keras\n\n" if "keras." in plan.preprocessing else "",
        limits=f"zoo.Limits(bytes={max_bytes})" if max_bytes else "None",
        objective=objective, precisions=plan.precisions, **vars(schedule), **fields,
    )  # fmt: skip
    write_text(file, text)
    return load_recipe(file)


def _epoch_seconds(recipe: Recipe, dataset: Dataset) -> tuple[float, float, float]:
    """Seconds of an epoch, seconds to build a model and compile its first epoch, and how busy the machine is.

    The last one is elapsed time by processor time: 1 on an idle machine.
    """
    task, count = recipe.task.adapted(dataset.train.y), min(TIMED_SAMPLES, len(dataset.train.x))
    start, computed = time.monotonic(), time.process_time()
    x = dataset.train.x[:count]
    small = dataset.thinned(count) if count < len(dataset.train.x) else dataset
    model, clock = in_new_session(lambda: recipe.build(small)), _Clock()
    train_model(
        model, (np.asarray(x), task.encode(dataset.train.y[:count])), epochs=2, batch_size=recipe.batch_size,
        callbacks=[clock],
    )  # fmt: skip
    busy = max(1.0, (time.monotonic() - start) / (time.process_time() - computed))
    epoch = max(1e-3, clock.ends[1] - clock.ends[0]) * (len(dataset.train.x) + len(dataset.validation.x) / 3) / count
    return epoch, clock.ends[0] - start, busy


def _interrupted(folder: Path, file: Path) -> Schedule | None:
    """What an earlier call planned, if it began a search and did not come to its end."""
    search, record = folder / "search.db", folder / "record.json"
    if not search.is_file() or not file.is_file():
        return None
    if record.is_file() and record.stat().st_mtime > search.stat().st_mtime:
        return None
    recipe = load_recipe(file)
    return Schedule(recipe.epochs, recipe.trials, recipe.trial_epochs)


def _write_deploy(export: Export, folder: Path, recipe: Path) -> None:
    """`deploy/`: the files that passed, golden inputs and outputs, card, recipe, and a program that runs one file."""
    passed = [file for file in export.files if file.verified]
    with writing_folder(folder / "deploy") as place:
        for file in passed:
            source = folder / "tflite" / file.file
            shutil.copy(source, place)
            shutil.copy(source.with_suffix(".golden.json"), place)
        shutil.copy(folder / "card.md", place)
        shutil.copy(recipe, place / "recipe.py")
        if passed:
            example = place / passed[-1].file
            golden = example.with_suffix(".golden.json").name
            program = RUN.format(file=example.name, golden=golden, dtype=Runner(example).input_dtype)
            (place / "run.py").write_text(program, encoding="utf-8")


class _Until(keras.callbacks.Callback):
    """Ends a training before the epoch that would end too late."""

    def __init__(self, end: float):
        super().__init__()
        self._end, self._began = end, time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        if now + (now - self._began) > self._end:
            self.model.stop_training = True


class _Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.monotonic())


def _identifier(name: str) -> str:
    word = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return word if word[:1].isalpha() else f"data_{word}"


def _quotable(text: str) -> str:
    """For a docstring."""
    return text.replace("\\", "/").replace('"""', "'''")
