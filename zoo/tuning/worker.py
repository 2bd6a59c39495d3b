"""A worker process of a search: loads the recipe from its file and runs trials."""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.base.errors import described
from zoo.base.versions import versions_key
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import Limits
from zoo.tuning.searching import tuner_of

SHARE = 100  # trials per worker process; then a new one replaces it, because TensorFlow's memory grows with each model


def work(job: dict[str, Any]) -> None:
    """Runs trials until there are enough, or this worker has run its share."""
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    fields = job["fields"]
    if fields.get("limits"):
        fields["limits"] = Limits(**fields["limits"])
    recipe = load_recipe(job["recipe"]).replace(**fields)
    dataset = recipe.load_data()
    tuner = tuner_of(
        recipe, dataset, Path(job["folder"]), lambda line: None, versions_key(), job["storage"], overwrite=False
    )
    tuner.share = SHARE
    tuner.prepare()
    tuner.go_on()


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        work(json.loads(sys.argv[1]))
    except Exception as error:
        print(described(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)  # without waiting for threads: all results are in the database
