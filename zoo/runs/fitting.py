"""From a stranger's files to proven .tflite files: `zoo fit PATH`.

It looks at the data, writes the recipe that suits them, and runs it within the minutes that it was given: search,
training, export, proof. The result is a folder to hand over, `deploy/`, and the recipe, from which the user goes on.
"""

from zoo.base.errors import InvalidValue
import math
import shutil
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from zoo.runs.baselines import baselines
from zoo.base.checks import check_choice, check_number
from zoo.recipe.collection import load_recipe
from zoo.data import Dataset, image_files, series_files, sound_files, tables, text_files
from zoo.data.folders import path_column
from zoo.deploy import Runner
from zoo.runs.exporting import Export
from zoo.base.files import locked, write_text, writing_folder
from zoo.runs.pipeline import export_recipe, search_recipe
from zoo.recipe.recipe import Recipe
from zoo.base.tables import figure
from zoo.runs.report import best_baseline, not_won
from zoo.data.rows import PARQUET, TABLES, Csv
from zoo.runs.trained import train_recipe
from zoo.training.loop import fit as train_model
from zoo.tuning import Search

KINDS = ("table", "images", "sounds", "series", "forecast", "text")
TASKS = ("Binary", "Multiclass", "Regression", "Forecasting")
Report = Callable[[str], None]

LOOKED_AT = 2048  # training samples that an epoch is timed on
# That the files take to be made and measured by a core for itself, and each step that is written out besides.
EXPORT_SECONDS, STEP_SECONDS = 25.0, 0.4
SEARCH_SHARE = 0.45  # of the time that is left for it
LEAST_SHARE = 0.15  # of the minutes, for search and training, whatever the export takes
FEWEST_TRIALS, MOST_TRIALS = 3, 30
MOST_EPOCHS, MOST_STEPS = 100, 8_000  # of the last training; few samples take more epochs for as many steps

RECIPE = '''"""{summary}

{notes}
"""

from functools import partial

{imports}import zoo
from zoo.recipe.optimizers import narrow_space


def space(hp):
    """What the search tries: the optimizer and its values, and how the model is made."""
    arguments = {{{space}}}
    return {{**narrow_space(hp), "arguments": arguments}}


RECIPE = zoo.Recipe(
    data={data},
    builder={builder},
    arguments={arguments},
    task={task},
    preprocessing=[{preprocessing}],
    augmentation={augmentation},
    batch_size={batch_size},
    epochs={epochs},
    space=space,
    trials={trials},
    trial_epochs={trial_epochs},
    finalists=1,
    objective={objective!r},
    limits={limits},
    strategy={strategy},
    precisions={precisions},
    bounds=zoo.Bounds(),
)
'''
RUN = '''"""Runs the model on the golden inputs and compares: needs numpy and ai-edge-litert only."""
import json
import numpy as np
from ai_edge_litert.interpreter import Interpreter
golden, model = json.load(open("{golden}")), Interpreter("{file}")
run = model.get_signature_runner()  # takes one sample
for x, y in zip(golden["inputs"], golden["outputs"]):
    model.reset_all_variables()  # a recurrent layer may keep its state from one call to the next
    answer = run(input=np.array([x], "{dtype}"))[golden["output_name"]][0]
    print(answer, "as on record" if np.allclose(answer, y, rtol=1e-3, atol=1e-3) else f"ON RECORD: {{y}}")
'''


@dataclass(frozen=True)
class Plan:
    """What the data were taken for, and the model that suits them, as the text of a recipe's fields.

    `steps` are those that its recurrent layers take, in both directions, and the converter writes out one by one.
    """

    kind: str
    dataset: Dataset
    data: str
    builder: str
    arguments: str
    task: str
    space: str = '"dropout": hp.Choice("dropout", [0.1, 0.2, 0.4])'
    preprocessing: str = ""
    augmentation: str = "()"
    batch_size: int = 64
    strategy: str = '"auto"'
    steps: int = 0

    @property
    def precisions(self) -> tuple[str, ...]:
        """A value may lose in int8 what a class does not, as a sound or a text may: there is a file more for them."""
        if self.kind in ("sounds", "texts"):
            return "float32", "dynamic", "int8"
        return ("float32", "int8") if self.dataset.labels else ("float32", "int16x8", "int8")


@dataclass(frozen=True)
class Fitted:
    """What came of it.

    Attributes:
        folder: of the run; `folder/deploy` is what is handed over.
        recipe: the file to go on from. notes: what the data were taken for, and what was left out.
        export: the files and what was measured. seconds: that it took.
        beaten: whether the best file scores better than every simple method.
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
        good = [file for file in self.export.files if file.verified]
        if not good:
            return f"no file passed its checks; {self.folder / 'card.md'} says why"
        file = good[-1]
        told = f"{file.file}: {record['score_name']} {figure(file.score)} on test, {file.bytes:,} bytes"
        rival = f"{name} {figure(score)}"
        return f"{told}; " + (f"better than {rival}" if self.beaten else f"it does NOT beat {rival}")


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
    """Looks at the data, picks and writes a recipe, tunes, trains, exports and proves it, within so many minutes.

    Args:
        path: a CSV or Parquet file; a folder with a folder of images, WAV, CSV or text files for each class, or a CSV
            that names such images or WAV files; or a .npz with x (and y, groups).
        target: column to predict, of a table, of texts or of a series to forecast.
        known: columns of a series to forecast that are known ahead, a holiday say.
        task: "Binary", "Multiclass", "Regression" or "Forecasting", where the data do not tell rightly.
        kind: what the data are, one of `KINDS`, "table" or "images" say, where they are taken for
            something else.
        minutes: for all of it. Small data may take less. What was killed goes on with the trials that it had.
        out: folder of the result; by default `runs/<name of the data>`.
        objective: of the search, "int8_accuracy" say, which scores the exported file.
        max_bytes: of the int8 file; larger candidates are not trained.
        overwrite: forgets the trials of a call that was cut short, and what was changed in the recipe.

    Raises:
        FileNotFoundError, ValueError: no such data, or nothing that can be learnt from, with file, line and reason.
    """
    start = time.monotonic()
    check_number("minutes", minutes, 0)
    if minutes < 0.5:
        raise InvalidValue(f"minutes={minutes} is too short to train, export and measure anything: give at least 0.5")
    if task is not None:
        check_choice("task", task, TASKS)
    if kind is not None:
        check_choice("kind", kind, KINDS)
    path = Path(path)
    plan = look(path, target, task, kind, known)
    dataset = plan.dataset
    for note in (f"taken for {plan.kind}", *dataset.notes):
        report(note)
    counts = ", ".join(f"{len(part.x):,} {part_name}" for part_name, part in dataset.parts.items())
    report(f"{counts}; an input is {' x '.join(map(str, dataset.input_shape))}")
    folder = Path(out) if out is not None else Path("runs") / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{_identifier(dataset.name)}.py"
    with locked(folder):
        end = start + 60 * minutes
        written = folder / "deploy" / "recipe.py"
        if not overwrite and file.is_file() and written.is_file() and file.read_bytes() != written.read_bytes():
            raise InvalidValue(
                f"{file} was changed since `zoo fit` wrote it, and would be written anew: `zoo run {file}` runs it; "
                "give another folder (--out), or --overwrite"
            )
        cut_short = None if overwrite else _cut_short(folder, file)
        return _fitted(plan, folder, file, (start, end), objective, max_bytes, cut_short, report)


def look(path: Path, target: str | None, task: str | None, kind: str | None, known: Sequence[str] = ()) -> Plan:
    """Reads the data as what they are. Raises FileNotFoundError or ValueError, see `fit`."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    kind = kind or kind_of(path, task)
    if known and kind != "forecast":
        raise InvalidValue(f"known={', '.join(known)}: columns that are known ahead go with task='Forecasting'")
    readers: dict[str, Callable[..., Plan]] = {
        "table": _table, "images": _images, "sounds": _sounds, "series": _series, "text": _text,
        "forecast": partial(_forecast, known=tuple(known)),
    }  # fmt: skip
    return readers[kind](path, target, task)


def kind_of(path: Path, task: str | None) -> str:
    """What the data are, by their names; of a CSV, by its columns."""
    if path.is_dir():
        counts = {
            "images": image_files.IMAGES, "sounds": sound_files.SOUNDS, "text": text_files.SUFFIXES,
            "series": series_files.SUFFIXES,
        }  # fmt: skip
        names = [p.name for depth in ("*/*", "*/*/*") for p in path.glob(depth)]
        found = [Path(name).suffix.lower() for name in names if not name.startswith(".")]
        best = max(counts, key=lambda kind: sum(suffix in counts[kind] for suffix in found))
        if not any(suffix in counts[best] for suffix in found):
            raise InvalidValue(
                f"{path} has no folder of images, of WAV, of text or of CSV files in it; a folder is one class"
            )
        return best
    if path.suffix == ".npz":
        return "series"
    if path.suffix in TABLES:
        if task == "Forecasting":
            return "forecast"
        rows = [] if path.suffix in PARQUET else Csv(path).first(200)
        for kind, suffixes in (("images", image_files.IMAGES), ("sounds", sound_files.SOUNDS)):
            if path_column(rows, suffixes) is not None:
                return kind
        return text_files.kind_of(path)
    raise InvalidValue(f"{path} is no CSV, Parquet or .npz file, and no folder of classes")


def _fitted(
    plan: Plan, folder: Path, file: Path, span: tuple[float, float], objective: str, max_bytes: int | None,
    cut_short: Recipe | None, report: Report,
) -> Fitted:  # fmt: skip
    (start, end), dataset = span, plan.dataset
    numbers = () if cut_short is None else (cut_short.epochs, cut_short.trials, cut_short.trial_epochs)
    recipe = _written(plan, file, objective, max_bytes, *numbers)
    task = recipe.task.adapted(dataset.train.y)
    before = time.monotonic()
    simple = baselines(dataset, task)
    if simple[0]:
        best = best_baseline({"baselines": simple[0], "score_name": task.score_name,
                              "larger_is_better": task.larger_is_better})  # fmt: skip
        report(f"to beat: {best[0]}, {task.score_name} {figure(best[1])} ({time.monotonic() - before:.0f} s)")
    epoch, overhead, busy = _epoch_seconds(recipe, dataset)
    last = end - max(busy * (EXPORT_SECONDS + STEP_SECONDS * plan.steps), 0.1 * (end - start))
    last = max(last, time.monotonic() + LEAST_SHARE * (end - start))
    left = last - time.monotonic()
    most = max(MOST_EPOCHS, MOST_STEPS // -(-len(dataset.train.x) // plan.batch_size))
    epochs = int(np.clip((1 - SEARCH_SHARE) * left / epoch, 1, most))
    trial_epochs = max(1, min(epochs, 20, round(epochs / 3)))
    trials = int(min(MOST_TRIALS, SEARCH_SHARE * left / (overhead + trial_epochs * epoch)))
    if trials < FEWEST_TRIALS:  # the training gets the search's time, too
        trials, epochs = 0, int(np.clip(left / epoch, 1, most))
    if numbers:  # the same search, so that its trials count
        epochs, trials, trial_epochs = numbers
        report("goes on with the search that was cut short; --overwrite begins anew")
    report(f"an epoch takes {epoch:.2g} s: {trials} trials of {trial_epochs}, then {epochs} epochs")
    if epoch > left:
        report(f"of the minutes {left:.0f} s are left for it: this will take longer; --minutes gives more")
    recipe = _written(plan, file, objective, max_bytes, epochs, trials, trial_epochs)
    found: Search | None = None
    if trials:
        until = time.monotonic() + SEARCH_SHARE * left
        found = search_recipe(recipe, dataset, folder, report, until=until, overwrite=cut_short is None)
        recipe = found.recipe
    stop = [_Until(last), keras.callbacks.EarlyStopping(patience=max(10, epochs // 4), restore_best_weights=True)]
    (folder / "checkpoint.npz").unlink(missing_ok=True)  # the clock is no part of what a training is
    model = train_recipe(recipe, dataset, folder, report, callbacks=stop, found=found).model
    result = export_recipe(recipe, model, dataset, folder, report, simple=simple)
    _hand_over(result, folder, file)
    return Fitted(folder, file, plan.kind, dataset.notes, result, time.monotonic() - start)


def _written(
    plan: Plan, file: Path, objective: str, max_bytes: int | None, epochs: int = 30, trials: int = 0,
    trial_epochs: int = 10,
) -> Recipe:  # fmt: skip
    """The recipe as a file of the user's, and as it is."""
    dataset = plan.dataset
    known = ", ".join(dataset.labels[:5]) + ", ..." * (len(dataset.labels) > 5)
    target = dataset.target or "the class"
    summary = f"{dataset.name}: {target} from {plan.kind}" + (f": {known}." if known else ".")
    told = "; ".join((f"Written by `zoo fit`, which took the data for {plan.kind}", *dataset.notes)) + "."
    notes = "\n".join(textwrap.wrap(told, 116))
    imports = "import keras\n\n" if "keras." in plan.preprocessing else ""
    limits = f"zoo.Limits(bytes={max_bytes})" if max_bytes else "None"
    fields = {k: v for k, v in vars(plan).items() if k not in ("kind", "dataset", "steps")}
    text = RECIPE.format(
        summary=_quotable(summary), notes=_quotable(notes), epochs=epochs, trials=trials,
        trial_epochs=trial_epochs, objective=objective, limits=limits, imports=imports, precisions=plan.precisions,
        **fields,
    )  # fmt: skip
    write_text(file, text)
    return load_recipe(file)


def _epoch_seconds(recipe: Recipe, dataset: Dataset) -> tuple[float, float, float]:
    """What an epoch takes, what building a model and compiling its first epoch does, and how busy the machine is.

    The last is how many times longer things take than a core that has nothing else to do would need.
    """
    task, some = recipe.task.adapted(dataset.train.y), min(LOOKED_AT, len(dataset.train.x))
    began, computed = time.monotonic(), time.process_time()
    x = dataset.train.x[:some]
    small = dataset.thinned(some) if some < len(dataset.train.x) else dataset
    keras.backend.clear_session()
    model, clock = recipe.build(small), _Clock()
    train_model(model, (np.asarray(x), task.encode(dataset.train.y[:some])), epochs=2, batch_size=recipe.batch_size,
                callbacks=[clock])  # fmt: skip
    busy = max(1.0, (time.monotonic() - began) / (time.process_time() - computed))
    epoch = max(1e-3, clock.ends[1] - clock.ends[0]) * (len(dataset.train.x) + len(dataset.validation.x) / 3) / some
    return epoch, clock.ends[0] - began, busy


def _cut_short(folder: Path, file: Path) -> Recipe | None:
    """The recipe of a call whose search was begun and which came to no result."""
    search, record = folder / "search.db", folder / "record.json"
    if not search.is_file() or not file.is_file():
        return None
    if record.is_file() and record.stat().st_mtime > search.stat().st_mtime:
        return None
    return load_recipe(file)


def _hand_over(result: Export, folder: Path, recipe: Path) -> None:
    """`deploy/`: files that passed, card, recipe, golden inputs and outputs, and a program that runs one of them."""
    good = [file for file in result.files if file.verified]
    with writing_folder(folder / "deploy") as place:
        for file in good:
            for source in (folder / "tflite" / file.file, (folder / "tflite" / file.file).with_suffix(".golden.json")):
                shutil.copy(source, place)
        shutil.copy(folder / "card.md", place)
        shutil.copy(recipe, place / "recipe.py")
        if good:
            golden = Path(good[-1].file).with_suffix(".golden.json").name
            program = RUN.format(file=good[-1].file, golden=golden, dtype=Runner(place / good[-1].file).input_dtype)
            (place / "run.py").write_text(program, encoding="utf-8")


class _Until(keras.callbacks.Callback):
    """Ends a training before its time is up."""

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


# What suits each kind.


def _table(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = tables.table(path, target, task)
    classes = len(dataset.labels)
    chosen = "zoo.Regression()" if not classes else "zoo.Binary()" if classes == 2 else f"zoo.Multiclass({classes})"
    name = chosen.partition("(")[0].removeprefix("zoo.")
    width = 64 if len(dataset.train.x) > 2000 else 32
    return Plan(
        "a table", dataset,
        f"partial(zoo.data.table, {str(path.resolve())!r}, {dataset.target!r}, {name!r})",
        "zoo.fnn", f'{{"units": ({width}, {width // 2}), "dropout": 0.0}}', chosen,
        space='"units": (hp.Choice("units", [32, 64, 128]),) * 2, "dropout": hp.Choice("dropout", [0.0, 0.1, 0.3])',
        preprocessing=f"zoo.TableFeatures({dataset.categories})",
        batch_size=_batch(dataset),
    )  # fmt: skip


def _images(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = image_files.images(path, target=target)
    stages = int(np.clip(math.log2(min(dataset.input_shape[:2]) / 6), 1, 4))
    filters = tuple(16 * 2**i for i in range(stages))
    return Plan(
        "images", dataset,
        f"partial(zoo.data.images, {str(path.resolve())!r}, {dataset.input_shape[:2]}, {dataset.input_shape[2]}"
        + (f", target={target!r})" if target else ")"),
        "zoo.cnn", f'{{"filters": {filters}, "dropout": 0.2}}', f"zoo.Multiclass({len(dataset.labels)})",
        preprocessing="keras.layers.Rescaling(1 / 255)",
        augmentation='zoo.augment.for_images("light", flip=False)',
        batch_size=min(64, _batch(dataset)),
    )  # fmt: skip


def _sounds(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = sound_files.sounds(path, target=target)
    rate = sound_files.rate_of(dataset.files[sound_files.FILE])
    return Plan(
        "sounds", dataset,
        f"partial(zoo.data.sounds, {str(path.resolve())!r}, {rate}, {dataset.input_shape[0] / rate}"
        + (f", target={target!r})" if target else ")"),
        "zoo.ds_cnn", '{"filters": (32, 32, 32, 32), "strides": (2, 1, 1, 1), "dropout": 0.2}',
        f"zoo.Multiclass({len(dataset.labels)})",
        preprocessing=f"zoo.LogMel({rate}), keras.layers.Normalization(axis=None)",
        batch_size=min(64, _batch(dataset)),
    )  # fmt: skip


def _text(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = text_files.text(path, target)
    words, steps = len(dataset.vocabulary), dataset.input_shape[0]
    return Plan(
        "texts", dataset,
        f"partial(zoo.data.text, {str(path.resolve())!r}, {target!r}, steps={steps})",
        "zoo.lstm",
        f'{{"units": (32,), "bidirectional": True, "head": "last", "vocabulary_size": {words}, "embedding_dim": 32, '
        '"dropout": 0.4}', f"zoo.Multiclass({len(dataset.labels)})",
        augmentation='zoo.augment.for_text("light", unknown=1)',
        batch_size=min(64, _batch(dataset)),
        strategy='{"float32": "fused", "int8": "unrolled"}',  # to write out both takes a minute
        steps=2 * steps,
    )  # fmt: skip


def _series(path: Path, target: str | None, task: str | None) -> Plan:
    if target is not None:
        raise InvalidValue(f"target={target!r} is a column's name, but classes of series are y of the .npz, or folders")
    dataset = series_files.series(path)
    values = not dataset.labels
    return Plan(
        "series", dataset, f"partial(zoo.data.series, {str(path.resolve())!r})", "zoo.gru",
        '{"units": (48,), "mask_value": 0.0, "dropout": 0.2}',
        "zoo.Regression()" if values else f"zoo.Multiclass({len(dataset.labels)})",
        preprocessing="keras.layers.Normalization()",
        augmentation='zoo.augment.for_sequences("light")',
        batch_size=min(64, _batch(dataset)),
        steps=dataset.input_shape[0],
    )  # fmt: skip


def _forecast(path: Path, target: str | None, task: str | None, known: tuple[str, ...] = ()) -> Plan:
    dataset = series_files.forecast(path, target, known=known)
    (window, features), horizon = dataset.input_shape, dataset.train.y.shape[1]
    seasons = window // horizon
    # A step is a row ahead, and reads the rows at its place in the seasons before, all by the same weights. What is
    # seldom anything but zero, rain say, would lie hundreds of standard deviations away when it is: cut off at three.
    folded = (
        f", keras.layers.Reshape(({seasons}, {horizon}, {features})), keras.layers.Permute((2, 1, 3)), "
        f"keras.layers.Reshape(({horizon}, {seasons * features}))"
    )
    return Plan(
        "a series to forecast", dataset,
        f"partial(zoo.data.forecast, {str(path.resolve())!r}, {target!r}, window={window}, horizon={horizon}"
        + (f", known={known!r})" if known else ")"),
        "zoo.gru", '{"units": (48,), "bidirectional": True, "head": "each"}', f'zoo.Forecasting({horizon}, loss="mae")',
        preprocessing="zoo.ClippedNormalization()" + folded,
        batch_size=_batch(dataset),
        steps=2 * horizon,
    )  # fmt: skip


def _batch(dataset: Dataset) -> int:
    """About a hundred steps an epoch, between 8 and 512 samples each."""
    return int(2 ** np.clip(round(math.log2(max(1, len(dataset.train.x) / 100))), 3, 9))


def _identifier(name: str) -> str:
    word = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return word if word[:1].isalpha() else f"data_{word}"


def _quotable(text: str) -> str:
    """For a docstring."""
    return text.replace("\\", "/").replace('"""', "'''")
