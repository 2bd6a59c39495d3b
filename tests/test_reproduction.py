"""A released result comes again, or it is said that it does not."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import zoo
from zoo.base.files import read_json
from zoo.recipe import collection
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import NOT_TRAINED
from zoo.runs import reproduce as reproduction
from zoo.runs.reproduce import _by_short_names, as_recorded, prediction_interval

RELEASED = [entry.name for entry in zoo.list() if entry.record]


@pytest.mark.parametrize(("n", "count"), [(5, 1), (3, 10)])
def test_the_interval_holds_as_often_as_it_says(n, count):
    """Simulated: the mean of `count` further draws lies in it in 95 of 100 cases."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        low, high = prediction_interval(rng.normal(3, 2, n).tolist(), count)
        held.append(low <= rng.normal(3, 2, count).mean() <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.017)  # more than three standard errors


def test_the_interval_of_scores_that_are_all_the_same():
    assert prediction_interval([0.9, 0.9, 0.9], 1) == pytest.approx((0.9, 0.9))
    _, high = prediction_interval([0.9, 0.9, 0.9], 1, least_sd=0.01)
    assert high - 0.9 == pytest.approx(4.303 * 0.01 * (1 + 1 / 3) ** 0.5, rel=1e-3), "Student's t with 2 degrees"
    with pytest.raises(ValueError, match="the record has 1 scores, and so no spread"):
        prediction_interval([0.9], 1)


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_recipe_can_be_had_as_it_was(name):
    """The search's winner, from the record alone: no trial is run."""
    record = zoo.show(name).record
    again = as_recorded(load_recipe(name), record)
    described, recorded = _by_short_names(again.describe()), _by_short_names(record["recipe"])
    if record["search"]:
        best = record["search"]["best"]
        (rate,) = (value for name, value in best.items() if name.endswith("learning_rate"))  # SGD's has its own name
        assert again.learning_rate == rate
    assert all(described[k] == v for k, v in recorded.items() if k in described and k not in NOT_TRAINED)


def test_a_recipe_that_changed_since_is_refused_or_restored(quick_run):
    record = read_json(quick_run / "run" / "record.json")
    recipe = load_recipe(quick_run / "quick_fnn.py")
    again = as_recorded(recipe.replace(epochs=99, learning_rate=1.0, arguments={"units": (7,)}), record)
    assert again.epochs == 4 and again.arguments["units"] == (16,)
    assert again.learning_rate == record["recipe"]["learning_rate"]
    with pytest.raises(ValueError, match="quick_fnn has changed since its release: preprocessing; release it again"):
        as_recorded(recipe.replace(preprocessing=()), record)
    with pytest.raises(ValueError, match="has changed since its release: builder, filters"):
        as_recorded(_other(recipe), record)


def _other(recipe):
    return zoo.Recipe(
        name=recipe.name, data=recipe.data, builder=zoo.resnet, task=recipe.task, bounds=recipe.bounds,
        preprocessing=recipe.preprocessing, augmentation=recipe.augmentation, space=recipe.space,
        arguments={"filters": (4,)},
    )  # fmt: skip


def test_reproduce_tells_whether_it_comes_again(quick_run, tmp_path, monkeypatch, zoo_command):
    run = quick_run / "run"
    (tmp_path / "recipes").mkdir()
    shutil.copy(quick_run / "quick_fnn.py", tmp_path / "recipes")
    shutil.copytree(run / "tflite", tmp_path / "tflite" / "quick_fnn")
    monkeypatch.setattr(collection, "folder", tmp_path.joinpath)

    def reproduce(scores, check):
        record = read_json(run / "record.json")
        record["seeds"] = [{"seed": i, "verified": True, "float32": s, "int8": s} for i, s in enumerate(scores, 1)]
        (tmp_path / "tflite" / "quick_fnn" / "record.json").write_text(json.dumps(record))
        return zoo_command("reproduce", "quick_fnn", "--out", tmp_path / "out", cwd=tmp_path, check=check)

    reached = read_json(run / "record.json")["files"]["int8"]["score"]
    done = reproduce([reached, reached - 0.02, reached + 0.02], 0)
    assert "quick_fnn is reproduced: accuracy of 1 new training lies within the 95 %" in done.stdout.splitlines()[-1]
    assert "search" not in done.stderr and "trial" not in done.stderr
    again = read_json(tmp_path / "out" / "4" / "record.json")
    assert again["seed"] == 4, "one past those on record"
    values = read_json(run / "record.json")["recipe"]
    assert again["recipe"]["learning_rate"] == values["learning_rate"]
    files = [SimpleNamespace(precision=precision, score=file["score"]) for precision, file in again["files"].items()]
    same = SimpleNamespace(files=files)
    monkeypatch.setattr(reproduction, "train_and_export", lambda *given, **options: same)
    done = reproduce([0.2, 0.21, 0.2], 1)
    assert "quick_fnn is not reproduced: accuracy of 1 new training lies outside" in done.stderr.splitlines()[-1]
    assert f"int8 {again['files']['int8']['score']:.4f}, not in" in done.stderr and "OUTSIDE" in done.stdout
    done = reproduce([0.9], 2)
    assert "the record has 1 scores, and so no spread" in done.stderr
