"""Trains a recipe, its teachers first: the model, its history, its diagnosis, and what a record needs of them."""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.base.files import writing
from zoo.base.progress import Report
from zoo.base.versions import versions_key
from zoo.data import Dataset
from zoo.recipe.building import in_new_session
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import NOT_TRAINED, Recipe
from zoo.recipe.task import Task
from zoo.runs import plots
from zoo.runs.attempts import write_attempt
from zoo.runs.record import write_training
from zoo.training.devices import copy_variables, mirrored
from zoo.training.diagnosis import Diagnosis, batch_of, diagnose, finite, gradient_norms
from zoo.training.distillation import distillation_data, shuffled_in_sets
from zoo.training.loop import fit
from zoo.training.progress import EpochProgress
from zoo.tuning import Search


@dataclass(frozen=True)
class Training:
    """A trained model, its history, its diagnosis, and the recipe that was used, with tuned values."""

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
    """Trains a recipe with its own values and writes the model, its history and its plots to `out`.

    Args:
        found: the search that the recipe's values come from, for the record.
        teachers: folder of the recipe's teachers, `out/teachers` by default; those there are not trained again.
        devices: number of the machine's GPUs that share each batch, or "all"; see `zoo.training.devices`. Teachers take
            one.
    """
    strategy = mirrored(devices) if devices != 1 else None
    count = strategy.num_replicas_in_sync if strategy else 1
    softened = recipe.replace(task=recipe.task.softened()) if recipe.teachers else recipe
    task = softened.task.adapted(dataset.train.y)
    work = [dataset.sha256, versions_key(), *([f"{count} devices"] if strategy else [])]
    data: tuple[Any, np.ndarray] = dataset.train.x, task.encode(dataset.train.y)
    if recipe.teachers:
        if recipe.questions:
            recipe.questions.check(in_new_session(lambda: softened.build(dataset)), data[1])
        data, of_teachers = _distilled(recipe, dataset, task, teachers or out / "teachers", report, work)
        work += [of_teachers] if recipe.teacher else []
    start = time.monotonic()
    gc.collect()  # models of earlier trainings
    model = in_new_session(lambda: softened.build(dataset))
    batch = batch_of(dataset, task, recipe.seed)
    before = gradient_norms(model, *batch)
    report(f"training {recipe.name}: {model.count_params():,} parameters, {recipe.epochs} epochs, seed {recipe.seed}")
    trained = model
    if strategy:
        report(f"a share of each batch on {', '.join(strategy.extended.worker_devices)}")
        with strategy.scope():
            trained = softened.build(dataset)
    history = fit(
        trained,
        data,
        (dataset.validation.x, task.encode(dataset.validation.y)),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        sample_weight=recipe.sample_weights(dataset),
        order=shuffled_in_sets(recipe.seed) if recipe.questions else None,
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
    report(f"{diagnosis.verdict}: {diagnosis.why}" + (f"; next: {diagnosis.knobs[0]}" if diagnosis.knobs else ""))
    result = Training(model, recipe, history, seconds, out / "model.keras", diagnosis)
    gradients = finite({"before": before, "after": gradient_norms(model, *batch)})
    _write(result, out, dataset, found, gradients, count)
    return result


def _write(
    result: Training, out: Path, dataset: Dataset, found: Search | None, gradients: dict[str, Any], devices: int
) -> None:
    recipe, history, seconds = result.recipe, result.history, result.seconds
    with writing(result.file) as temporary:
        result.model.save(temporary)
    fit_of_model = result.diagnosis.as_dict()
    write_training(out, recipe, found, history, seconds, fit=fit_of_model, gradients=gradients, devices=devices)
    write_attempt(out, recipe, dataset.sha256, history, seconds)
    if gradients["before"]:
        with writing(out / "plots" / "gradients.png") as file:
            plots.plot_gradients(gradients, file)
    with writing(out / "plots" / "learning_curves.png") as file:
        plots.plot_history(history, file)


def _distilled(
    recipe: Recipe, dataset: Dataset, task: Task, folder: Path, report: Report, work: Sequence[str]
) -> tuple[tuple[np.ndarray, np.ndarray], str]:
    """Inputs and targets from the recipe's teachers, and the fingerprint of these."""
    teacher = load_recipe(recipe.teacher or recipe).replace(teachers=0, teacher=None, questions=None)
    fingerprint = teacher.replace(seed=1).fingerprint(without=NOT_TRAINED)

    def trained() -> list[keras.Model]:
        models = []
        for seed in range(1, recipe.teachers + 1):
            report(f"teacher {seed} of {recipe.teachers}")
            out = folder / str(seed)
            out.mkdir(parents=True, exist_ok=True)
            models.append(train_recipe(teacher.replace(seed=seed), dataset, out, report).model)
        report(f"outputs of {recipe.teachers} teacher{'s' * (recipe.teachers > 1)}")
        return models

    key = " ".join([*work, fingerprint, str(recipe.teachers)])
    return distillation_data(dataset, task, recipe.questions, trained, folder / "answers.npz", key), fingerprint
