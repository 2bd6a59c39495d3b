"""A recipe's training: the model, its history, how well it fits, and what a record needs of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from zoo.runs import plots
from zoo.runs.attempts import write_attempt
from zoo.recipe.collection import load_recipe
from zoo.data import Dataset
from zoo.training.devices import copy_variables, mirrored
from zoo.training.diagnosis import Diagnosis, batch_of, diagnose, finite, gradient_norms
from zoo.base.files import writing
from zoo.recipe.recipe import NOT_TRAINED, Recipe
from zoo.base.versions import versions_key
from zoo.runs.record import write_training
from zoo.training.distillation import lesson_by_lesson, lessons
from zoo.training.progress import EpochProgress
from zoo.training.loop import fit
from zoo.tuning import Search

Report = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A trained model, its history, how it fits, and the recipe that was used, tuned values included."""

    model: keras.Model
    recipe: Recipe
    history: dict[str, list[float]]
    seconds: float
    file: Path
    diagnosis: Diagnosis

    @property
    def final(self) -> dict[str, float]:
        return {name: values[-1] for name, values in self.history.items()}


def train_recipe(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    report: Report,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    found: Search | None = None,
    teachers: Path | None = None,
    devices: int | str = 1,
) -> Training:
    """Trains a recipe as it stands and leaves the model, its history and its plots in `out`.

    Args:
        found: the search that the recipe's values come from, for the record.
        teachers: folder of the recipe's teachers, `out/teachers` by default; those there are not trained again.
        devices: how many of the machine's GPUs each batch is dealt to, or "all"; see `zoo.devices`. Teachers take one.
    """
    strategy = mirrored(devices) if devices != 1 else None
    count = strategy.num_replicas_in_sync if strategy else 1
    taught = recipe.replace(task=recipe.task.softened()) if recipe.teachers else recipe
    task = taught.task.adapted(dataset.train.y)
    x, targets, order = dataset.train.x, task.encode(dataset.train.y), None
    work = [dataset.sha256, versions_key()]
    if strategy:
        work.append(f"{count} devices")
    if recipe.questions:
        recipe.questions.check(taught.build(dataset), targets)
    if recipe.teachers:
        teacher = load_recipe(recipe.teacher or recipe).replace(teachers=0, teacher=None, questions=None)
        folder = teachers or out / "teachers"
        theirs = teacher.replace(seed=1).fingerprint(without=NOT_TRAINED)
        x, targets = lessons(
            dataset,
            task,
            recipe.questions,
            lambda: _teachers(teacher, recipe.teachers, dataset, folder, report),
            folder / "answers.npz",
            " ".join([*work, theirs, str(recipe.teachers)]),
        )
        order = lesson_by_lesson(recipe.seed) if recipe.questions else None
        if recipe.teacher:
            work.append(theirs)
    start = time.monotonic()
    keras.backend.clear_session()
    model = taught.build(dataset)
    batch = batch_of(dataset, task, recipe.seed)
    before = gradient_norms(model, *batch)
    report(f"training {recipe.name}: {model.count_params():,} parameters, {recipe.epochs} epochs, seed {recipe.seed}")
    trained = model
    if strategy:
        report(f"a share of each batch on {', '.join(strategy.extended.worker_devices)}")
        with strategy.scope():
            trained = taught.build(dataset)
    history = fit(
        trained,
        (x, targets),
        (dataset.validation.x, task.encode(dataset.validation.y)),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        sample_weight=recipe.sample_weights(dataset),
        order=order,
        seed=recipe.seed,
        mixing=recipe.mixing,
        callbacks=[*callbacks, *recipe.callbacks(), EpochProgress(report, f"training {recipe.name}")],
        checkpoint=out / "checkpoint.npz",
        fingerprint=recipe.fingerprint(*work, without=NOT_TRAINED),
    )
    if strategy:
        copy_variables(trained, model)
    seconds = time.monotonic() - start
    diagnosis = diagnose(model, recipe, dataset, task, history, before)
    report(f"{diagnosis.verdict}: {diagnosis.why}" + (f"; turn next: {diagnosis.knobs[0]}" if diagnosis.knobs else ""))
    result = Training(model, recipe, history, seconds, out / "model.keras", diagnosis)
    with writing(result.file) as temporary:
        model.save(temporary)
    gradients = finite({"before": before, "after": gradient_norms(model, *batch)})
    write_training(out, recipe, found, history, seconds, fit=diagnosis.as_dict(), gradients=gradients, devices=count)
    write_attempt(out, recipe, dataset.sha256, history, seconds)
    if before:
        with writing(out / "plots" / "gradients.png") as file:
            plots.plot_gradients(gradients, file)
    with writing(out / "plots" / "learning_curves.png") as file:
        plots.plot_history(history, file)
    return result


def _teachers(teacher: Recipe, count: int, dataset: Dataset, folder: Path, report: Report) -> list[keras.Model]:
    """Models of a recipe, trained from seeds 1, 2, ... in folders of these names."""
    models = []
    for seed in range(1, count + 1):
        report(f"teacher {seed} of {count}")
        place = folder / str(seed)
        place.mkdir(parents=True, exist_ok=True)
        models.append(train_recipe(teacher.replace(seed=seed), dataset, place, report).model)
    report(f"{count} teacher{'s' * (count > 1)} answer{'s' * (count == 1)}")
    return models
