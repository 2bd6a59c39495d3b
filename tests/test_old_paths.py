"""Import paths of earlier releases, each in a fresh process: recipes that users have written keep working."""

import subprocess
import sys

import pytest

import zoo

LINES = [
    "from zoo.recipe import Recipe, Bounds, Limits; assert Recipe is zoo.Recipe and Bounds is zoo.Bounds",
    "from zoo.training import fit, evaluate, predict, shuffled, shuffled_in_blocks, compile_epoch, create_variables",
    "from zoo.task import Multiclass; assert Multiclass is zoo.Multiclass",
    "from zoo.optimizer import narrow_space, decay_space, optimizer_space, make_optimizer",
    "import zoo.schedules, zoo.recipe.schedules; assert zoo.schedules.Step is zoo.recipe.schedules.Step",
    "from zoo.collection import load_recipe, find, folder",
    "from zoo.augment import MixUp, for_images; assert zoo.augment.MixUp is MixUp",
    "; ".join(f"import {path}" for path in zoo._MOVED),
]


@pytest.mark.parametrize("line", LINES)
def test_an_old_path_in_a_fresh_process(line):
    done = subprocess.run([sys.executable, "-c", f"import zoo\n{line}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
