"""Distillation: training samples, or mixup queries, with targets from the outputs of teachers.

By itself a teacher's outputs on the training samples are half of the targets; the data's own are the other half. With
mixup queries the teachers predict mixtures of training samples, many times as many as there are samples, and their
outputs are all of the targets (L. Beyer et al., Knowledge distillation: a good teacher is patient and consistent,
CVPR 2022).
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
from zoo.training.feed import Order, shuffled
from zoo.training.loop import predict

QUERY_SETS = 10  # mixtures of each sample; an epoch trains on one set, and the eleventh on the first one again
CHUNK = 8192  # samples that are mixed at a time


def distillation_data(
    dataset: Dataset,
    task: Task,
    queries: Mixing | None,
    teachers: Callable[[], Sequence[keras.Model]],
    file: Path,
    fingerprint: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and soft targets, (n, num_outputs): of train, or of `QUERY_SETS` mixtures of each sample.

    Args:
        task: with soft targets.
        queries: how samples are mixed; None without mixup queries.
        teachers: gives the trained models; called only if `file` does not hold their outputs.
        file: an .npz that caches the outputs; one with another fingerprint, or a damaged one, is written anew.
        fingerprint: of the teachers and their data.
    """
    x = dataset.train.x[:]
    if queries is not None:
        x = np.concatenate([_mixed(x, queries, number) for number in range(QUERY_SETS)])
    key = hashlib.sha256(f"{fingerprint} {queries} {QUERY_SETS}".encode()).hexdigest()
    outputs = _read(file, key)
    if outputs is None:
        outputs = np.mean([task.as_targets(predict(model, x)) for model in teachers()], axis=0)
        with writing(file) as temporary:
            np.savez(temporary, key=np.array(key), answers=outputs)
    if queries is None:
        outputs = (task.encode(dataset.train.y) + outputs) / 2
    return x, outputs


def shuffled_in_sets(seed: int) -> Order:
    """The order of mixup queries: an epoch has the samples of one set, shuffled."""

    def order(epoch: int, samples: int) -> np.ndarray:
        n = samples // QUERY_SETS
        return epoch % QUERY_SETS * n + shuffled(seed)(epoch, n)

    return order


def _mixed(x: np.ndarray, queries: Mixing, number: int) -> np.ndarray:
    """Each sample of x, in its order, mixed with another one; the same for the same number."""
    generator = keras.random.SeedGenerator(number)
    order = np.random.default_rng(number).permutation(len(x))
    mixed = np.empty_like(x)
    for first in range(0, len(x), CHUNK):
        indices = order[first : first + CHUNK]
        values, _ = queries(x[indices], np.zeros((len(indices), 1), "float32"), generator)
        mixed[indices] = np.rint(values) if np.issubdtype(x.dtype, np.integer) else values
    return mixed


def _read(file: Path, key: str) -> np.ndarray | None:
    try:
        with np.load(file, allow_pickle=False) as saved:
            return saved["answers"] if str(saved["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
