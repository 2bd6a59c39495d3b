"""Teachers of a recipe: whose answers are learnt, that they are trained once, and that they matter."""

import shutil

import numpy as np
import pytest
from conftest import write_recipe

import zoo
from zoo import trained
from zoo.conversion import load_keras
from zoo.task import Binary, Multiclass, Regression
from zoo.trained import train_recipe
from zoo.training import predict

FIELDS = {
    "data": zoo.data.digits,
    "builder": zoo.fnn,
    "arguments": {"units": (8,)},
    "task": zoo.Multiclass(10),
    "epochs": 2,
    "bounds": zoo.Bounds(),
}


def silent(line):
    pass


@pytest.fixture(scope="module")
def dataset():
    return zoo.data.digits()


def test_half_of_the_targets_are_the_teachers_mean_answers(dataset, tmp_path, monkeypatch):
    seen = []
    fit = trained.fit
    monkeypatch.setattr(
        zoo.trained, "fit", lambda model, train, *a, **k: (seen.append(train[1]), fit(model, train, *a, **k))[1]
    )
    recipe = zoo.Recipe(**FIELDS, teachers=2, seed=3)
    train_recipe(recipe, dataset, tmp_path, silent)
    first, _, taught = seen
    np.testing.assert_array_equal(first, dataset.train.y)
    answers = []
    for seed in (1, 2):
        logits = predict(load_keras(tmp_path / "teachers" / str(seed) / "model.keras"), dataset.train.x)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers.append(e / e.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(taught, (np.eye(10)[dataset.train.y] + np.mean(answers, axis=0)) / 2, atol=1e-5)


def test_teachers_of_a_run_are_trained_once_for_all_its_seeds(dataset, tmp_path):
    told = []
    recipe = zoo.Recipe(**FIELDS, teachers=1, seed=2, trials=0, precisions=["float32"])
    assert zoo.run(recipe, tmp_path, seeds=2, report=told.append).verified
    lines = [line for line in told if line.startswith("epoch   2/2")]
    assert len(lines) == 3, "one teacher, two seeds"
    assert not (tmp_path / "seeds" / "3" / "teachers").exists()


def test_a_larger_recipe_may_teach(dataset, tmp_path):
    large = write_recipe(tmp_path / "large.py")
    recipe = zoo.Recipe(**FIELDS, teachers=1, teacher=str(large), seed=2)
    result = train_recipe(recipe, dataset, tmp_path / "out", silent)
    taught_by = load_keras(tmp_path / "out" / "teachers" / "1" / "model.keras")
    assert taught_by.count_params() != result.model.count_params()
    # Another teacher is another training: the checkpoint of the first one is not gone on from.
    shutil.rmtree(tmp_path / "out" / "teachers")
    again = write_recipe(tmp_path / "large.py", arguments={"units": (24,)})
    other = train_recipe(recipe.replace(teacher=str(again)), dataset, tmp_path / "out", silent)
    assert other.final["loss"] != result.final["loss"]


@pytest.mark.parametrize(
    ("task", "logits", "targets"),
    [
        (Multiclass(2), [[0.0, np.log(3)]], [[0.25, 0.75]]),
        (Binary(), [[np.log(3)]], [[0.75]]),
        (Regression(1), [[1.5]], [[1.5]]),
    ],
)
def test_answers_as_targets(task, logits, targets):
    np.testing.assert_allclose(task.as_targets(np.array(logits, "float32")), targets, rtol=1e-6)


def test_a_teacher_without_a_number_of_teachers():
    with pytest.raises(ValueError, match="teacher='digits_cnn' with teachers=0: say how many"):
        zoo.Recipe(**FIELDS, teacher="digits_cnn")
