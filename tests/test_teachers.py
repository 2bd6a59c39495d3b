"""Distillation: targets from teachers, mixup queries, and that teachers are trained once."""

import shutil

import keras
import numpy as np
import pytest
from conftest import write_recipe

import zoo
from zoo.exporting.conversion import load_keras
from zoo.recipe.task import Binary, Multiclass, Regression
from zoo.runs import training
from zoo.runs.training import train_recipe
from zoo.training.distillation import QUERY_SETS
from zoo.training.loop import predict

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


def test_half_of_the_targets_are_the_teachers_mean_outputs(dataset, tmp_path, monkeypatch):
    seen = []
    fit = training.fit
    monkeypatch.setattr(
        training, "fit", lambda model, train, *a, **k: (seen.append(train[1]), fit(model, train, *a, **k))[1]
    )
    recipe = zoo.Recipe(**FIELDS, teachers=2, seed=3)
    train_recipe(recipe, dataset, tmp_path, silent)
    first, _, targets = seen
    np.testing.assert_array_equal(first, dataset.train.y)
    outputs = []
    for seed in (1, 2):
        logits = predict(load_keras(tmp_path / "teachers" / str(seed) / "model.keras"), dataset.train.x)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        outputs.append(e / e.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(targets, (np.eye(10)[dataset.train.y] + np.mean(outputs, axis=0)) / 2, atol=1e-5)


def test_teachers_of_a_run_are_trained_once_for_all_its_seeds(dataset, tmp_path):
    lines = []
    recipe = zoo.Recipe(**FIELDS, teachers=1, seed=2, trials=0, precisions=["float32"])
    assert zoo.run(recipe, tmp_path, seeds=2, report=lines.append).verified
    trainings = [line for line in lines if line.startswith("epoch   2/2")]
    assert len(trainings) == 3, "one teacher, two seeds"
    assert not (tmp_path / "seeds" / "3" / "teachers").exists()


def test_a_larger_recipe_as_the_teacher(dataset, tmp_path):
    large = write_recipe(tmp_path / "large.py")
    recipe = zoo.Recipe(**FIELDS, teachers=1, teacher=str(large), seed=2)
    result = train_recipe(recipe, dataset, tmp_path / "out", silent)
    taught_by = load_keras(tmp_path / "out" / "teachers" / "1" / "model.keras")
    assert taught_by.count_params() != result.model.count_params()
    # Another teacher is another training: the checkpoint of the first one is not resumed.
    shutil.rmtree(tmp_path / "out" / "teachers")
    again = write_recipe(tmp_path / "large.py", arguments={"units": (24,)})
    other = train_recipe(recipe.replace(teacher=str(again)), dataset, tmp_path / "out", silent)
    assert other.final["loss"] != result.final["loss"]


def test_mixup_queries_are_mixtures_and_the_teachers_outputs_all_of_the_targets(dataset, tmp_path, monkeypatch):
    seen = []
    fit = training.fit

    def spy(model, train, *args, **fields):
        seen.append((train, fields["order"]))
        return fit(model, train, *args, **fields)

    monkeypatch.setattr(training, "fit", spy)
    recipe = zoo.Recipe(**FIELDS, teachers=2, seed=3, questions=zoo.augment.MixUp(1.0))
    first = train_recipe(recipe, dataset, tmp_path, silent)
    (plain, _), _, ((queries, outputs), order) = seen
    n = len(dataset.train.x)
    assert len(queries) == len(outputs) == QUERY_SETS * n
    assert queries.dtype == dataset.train.x.dtype
    assert not (queries[:n] == queries[n : 2 * n]).all(axis=(1, 2, 3)).any(), "each set mixes anew"
    # A mixture's mean over all samples is the mean of the samples, as each is one of the two as often.
    np.testing.assert_allclose(queries.mean(axis=0), plain[0].mean(axis=0), atol=0.3)
    teachers = [load_keras(tmp_path / "teachers" / str(seed) / "model.keras") for seed in (1, 2)]
    expected = np.mean([keras.ops.softmax(predict(model, queries[::50])) for model in teachers], axis=0)
    np.testing.assert_allclose(outputs[::50], expected, atol=1e-5)
    for epoch in (0, 3, 10):
        number = epoch % QUERY_SETS
        np.testing.assert_array_equal(np.sort(order(epoch, QUERY_SETS * n)), np.arange(number * n, (number + 1) * n))
    assert (order(0, QUERY_SETS * n) != order(10, QUERY_SETS * n)).any()

    # Another seed reads the cached outputs and needs no teachers; a damaged cache is computed anew.
    shutil.rmtree(tmp_path / "teachers" / "1")
    del seen[:]
    train_recipe(recipe.replace(seed=4), dataset, tmp_path / "4", silent, teachers=tmp_path / "teachers")
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0][0][1], outputs)
    (tmp_path / "teachers" / "answers.npz").write_bytes(b"PK")
    shutil.rmtree(tmp_path / "4")
    train_recipe(recipe, dataset, tmp_path / "4", silent, teachers=tmp_path / "teachers")
    np.testing.assert_allclose(seen[-1][0][1], outputs, atol=1e-5)
    again = train_recipe(recipe, dataset, tmp_path / "again", silent, teachers=tmp_path / "teachers")
    assert again.history == first.history


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"questions": "mixup"}, TypeError, "questions='mixup' must be None, zoo.augment.MixUp"),
        ({"teachers": 0}, ValueError, "with teachers=0: mixup queries need teachers=1 or more"),
        ({"mixing": zoo.augment.CutMix()}, ValueError, "leave mixing out"),
        ({"class_weight": "balanced"}, ValueError, "leave class_weight out"),
    ],
)
def test_bad_queries_are_rejected(fields, error, message):
    with pytest.raises(error, match=message):
        zoo.Recipe(**FIELDS, **{"teachers": 1, "questions": zoo.augment.MixUp(), **fields})


def test_queries_that_do_not_suit_the_data_are_rejected_before_teachers_are_trained(tmp_path):
    dataset = zoo.data.breast_cancer()
    recipe = zoo.Recipe(**FIELDS, teachers=1, questions=zoo.augment.CutMix()).replace(task=Multiclass(2))
    with pytest.raises(ValueError, match="CutMix cuts boxes out of images"):
        train_recipe(recipe, dataset, tmp_path, silent)
    assert not (tmp_path / "teachers").exists()


@pytest.mark.parametrize(
    ("task", "logits", "targets"),
    [
        (Multiclass(2), [[0.0, np.log(3)]], [[0.25, 0.75]]),
        (Binary(), [[np.log(3)]], [[0.75]]),
        (Regression(1), [[1.5]], [[1.5]]),
    ],
)
def test_outputs_as_targets(task, logits, targets):
    np.testing.assert_allclose(task.as_targets(np.array(logits, "float32")), targets, rtol=1e-6)


def test_a_teacher_without_a_number_of_teachers():
    with pytest.raises(ValueError, match="teacher='digits_cnn' with teachers=0: give the number of teachers"):
        zoo.Recipe(**FIELDS, teacher="digits_cnn")
