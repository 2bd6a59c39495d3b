"""What a model learns from its teachers: their answers to the training samples, or to mixtures of these.

Answers to the samples alone are half of the targets, the data's own the other half. Where a recipe has `questions`,
teachers answer mixtures that no data set has, many times as many as there are samples: the answers are all of the
targets then, and what is learnt is the teachers' function (L. Beyer et al., Knowledge distillation: a good teacher is
patient and consistent, CVPR 2022).
"""

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from zoo.base.files import writing
from zoo.data import Dataset
from zoo.models.augment import Mixing
from zoo.recipe.task import Task
from zoo.training.loop import Order, predict, shuffled

LESSONS = 10  # an epoch is one of them; the eleventh is the first one again
CHUNK = 8192  # samples that are mixed at a time


def lessons(
    dataset: Dataset,
    task: Task,
    questions: Mixing | None,
    teachers: Callable[[], Sequence[keras.Model]],
    file: Path,
    fingerprint: str,
) -> tuple[np.ndarray, np.ndarray]:
    """What is learnt from: samples of train, or `LESSONS` mixtures of each, and their targets, (n, num_outputs).

    Args:
        task: of soft targets.
        teachers: gives the models, trained; asked only if their answers are not in `file` already.
        file: keeps the answers, an .npz; one of another fingerprint, or a damaged one, is made anew.
        fingerprint: of the teachers and their data.
    """
    x = dataset.train.x[:]
    if questions is not None:
        x = np.concatenate([_mixed(x, questions, lesson) for lesson in range(LESSONS)])
    key = hashlib.sha256(f"{fingerprint} {questions} {LESSONS}".encode()).hexdigest()
    answers = _read(file, key)
    if answers is None:
        answers = np.mean([task.as_targets(predict(model, x)) for model in teachers()], axis=0)
        with writing(file) as temporary:
            np.savez(temporary, key=np.array(key), answers=answers)
    if questions is None:
        answers = (task.encode(dataset.train.y) + answers) / 2
    return x, answers


def lesson_by_lesson(seed: int) -> Order:
    """The order of samples where they are `LESSONS` times as many: shuffled, but an epoch sees those of one lesson."""

    def order(epoch: int, samples: int) -> np.ndarray:
        n = samples // LESSONS
        return epoch % LESSONS * n + shuffled(seed)(epoch, n)

    return order


def _mixed(x: np.ndarray, questions: Mixing, lesson: int) -> np.ndarray:
    """Each sample of x, in its order, mixed with another one; the same for the same lesson."""
    generator = keras.random.SeedGenerator(lesson)
    places = np.random.default_rng(lesson).permutation(len(x))
    mixed = np.empty_like(x)
    for first in range(0, len(x), CHUNK):
        here = places[first : first + CHUNK]
        values, _ = questions(x[here], np.zeros((len(here), 1), "float32"), generator)
        mixed[here] = np.rint(values) if np.issubdtype(x.dtype, np.integer) else values
    return mixed


def _read(file: Path, key: str) -> np.ndarray | None:
    try:
        with np.load(file, allow_pickle=False) as saved:
            return saved["answers"] if str(saved["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
