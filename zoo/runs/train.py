"""The verb `zoo.train`."""

from collections.abc import Sequence
from pathlib import Path

import keras

from zoo.base.progress import Report
from zoo.base.seeds import random_state_kept
from zoo.recipe.recipe import Recipe
from zoo.runs.prepare import prepared
from zoo.runs.training import Training, train_recipe
from zoo.runs.tune import search_in


@random_state_kept()
def train(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    *,
    devices: int | str = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Report = print,
) -> Training:
    """Trains the recipe, with the best values of a search in `out`, if there is one.

    An interrupted training resumes from its checkpoint and ends with the same result.

    Args:
        devices: number of this machine's GPUs to train on, or "all"; each takes a share of every batch.
    """
    recipe, out, dataset = prepared(recipe, out)
    search = search_in(out, recipe, dataset, report)
    chosen = search.recipe if search else recipe
    return train_recipe(chosen, dataset, out, report, callbacks=callbacks, found=search, devices=devices)
