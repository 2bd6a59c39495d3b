"""What is in the collection is found by name, task, size and order, and loaded."""

import json

import numpy as np
import pytest

import zoo
from zoo.base.files import read_json
from zoo.recipe import collection
from zoo.recipe.collection import folder
from zoo.recipe.task import Task


def names(*arguments, **options):
    return [entry.name for entry in zoo.list(*arguments, **options)]


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A collection of three released recipes and one that is not."""
    (tmp_path / "recipes").mkdir()
    released = {
        "b_cnn": ("Multiclass", "accuracy", {"float32": (0.9, 4000, 9.0), "int8": (0.8, 1000, 5.0)}, 70),
        "a_fnn": ("Binary", "accuracy", {"int8": (0.95, 3000, 7.0)}, 50),
        "c_fnn": ("Regression", "mae", {"float32": (12.5, 2000, 6.0)}, 60),
    }
    for name, (task, score_name, files, parameters) in released.items():
        (tmp_path / "recipes" / f"{name}.py").write_text('"""A recipe."""\n')
        described = {
            precision: {
                "file": f"{name}.{precision}.tflite",
                "precision": precision,
                "score": score,
                "bytes": size,
                "latency_us": latency,
                "auc": None,
                "difference": None,
            }
            for precision, (score, size, latency) in files.items()
        }
        described.get("int8", {})["auc"] = 0.99 if name == "a_fnn" else None
        record = {"task": task, "score_name": score_name, "files": described, "parameters": parameters}
        record = read_json(folder("tflite") / "digits_fnn" / "record.json") | record
        (tmp_path / "tflite" / name).mkdir(parents=True)
        (tmp_path / "tflite" / name / "record.json").write_text(json.dumps(record))
    (tmp_path / "recipes" / "d_fnn.py").write_text('"""Another."""\nRECIPE = zoo.Recipe(task=zoo.Binary(soft=True))\n')
    monkeypatch.setattr(collection, "folder", tmp_path.joinpath)


def test_filters(shelf):
    assert names() == ["a_fnn", "b_cnn", "c_fnn", "d_fnn"]
    assert names("*_cnn") == ["b_cnn"] and names("[ab]*") == ["a_fnn", "b_cnn"] and names("A*") == []
    assert names(task="Binary") == ["a_fnn", "d_fnn"], "an unreleased recipe's task is read off its file"
    assert names(task="regression") == ["c_fnn"]
    assert names(max_bytes=2000) == ["b_cnn", "c_fnn"] and names(max_bytes=999) == []
    assert names("*_fnn", task="binary", max_bytes=3000) == ["a_fnn"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("name", "abcd"), ("task", "adbc"), ("accuracy", "abcd"), ("mae", "cabd"), ("auc", "abcd"), ("bytes", "bcad"),
        ("latency", "bcad"), ("parameters", "acbd"),
    ],
)  # fmt: skip
def test_orders(shelf, order, expected):
    assert "".join(name[0] for name in names(sort=order)) == expected


def test_mistakes_in_filters():
    with pytest.raises(ValueError, match="task='Binry' is not known; did you mean 'Binary'"):
        zoo.list(task="Binry")
    with pytest.raises(ValueError, match="sort='byte' is not known; did you mean 'bytes'"):
        zoo.list(sort="byte")
    with pytest.raises(ValueError, match="max_bytes=0 must be at least 1"):
        zoo.list(max_bytes=0)


def test_the_tasks_are_those_that_there_are():
    tasks = [
        name for name in zoo.__all__ if isinstance(getattr(zoo, name), type) and issubclass(getattr(zoo, name), Task)
    ]
    assert set(tasks) == set(collection.TASKS)


def test_the_command_filters_too(zoo_command):
    done = zoo_command("list", "digits_*nn", "--task", "multiclass", "--max-bytes", "30000", "--sort", "bytes", check=0)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["RECIPE", "digits_cnn", "digits_fnn"]
    done = zoo_command("list", "nothing*", check=0)
    assert done.stdout.count("\n") == 1 and "no recipe matches" in done.stderr


def test_load_gives_the_weights():
    model = zoo.load("digits_fnn")
    assert model.name == "fnn" and not model.compiled
    assert any(np.abs(weight).max() > 0.1 for weight in model.get_weights())


def test_load_tflite_gives_the_file_asked_for():
    assert zoo.load_tflite("digits_fnn").path.name == "digits_fnn.int8.tflite"
    runner = zoo.load_tflite("digits_fnn", "float32")
    assert runner.description["precision"] == "float32"
    assert runner.predict(np.zeros((1, 64), "float32")).shape == (1, 10)


@pytest.mark.parametrize("load", [zoo.load, zoo.load_tflite])
def test_names_that_cannot_be_loaded(load, shelf):
    with pytest.raises(LookupError, match=r"there is no recipe 'a_fn'; did you mean a_fnn\?"):
        load("a_fn")
    with pytest.raises(LookupError, match=r"d_fnn is not released; `zoo run d_fnn` trains it into runs/d_fnn/"):
        load("d_fnn")


def test_a_precision_that_is_not_released():
    with pytest.raises(LookupError, match="digits_fnn is released in float32, int8, not in 'int16x8'"):
        zoo.load_tflite("digits_fnn", "int16x8")
