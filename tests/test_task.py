"""Losses, metrics, outputs and scores of each task, against their formulas."""

import numpy as np
import pytest

import zoo

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(50, 4)).astype("float32") * 3


def test_multiclass():
    task = zoo.Multiclass(4)
    y = RNG.integers(0, 4, 50)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    assert float(task.loss_function()(y, LOGITS)) == pytest.approx(-np.log(p[np.arange(50), y]).mean(), rel=1e-5)
    np.testing.assert_allclose(task.output()(LOGITS).numpy(), p, atol=1e-6)
    assert task.score(y, p) == np.mean(p.argmax(axis=1) == y)


def test_binary():
    task = zoo.Binary()
    y = RNG.integers(0, 2, 50)
    logits = LOGITS[:, :1]
    p = 1 / (1 + np.exp(-logits))
    expected = -(y * np.log(p[:, 0]) + (1 - y) * np.log(1 - p[:, 0])).mean()
    assert float(task.loss_function()(task.encode(y), logits)) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(task.output()(logits).numpy(), p, atol=1e-6)
    (accuracy,) = task.metrics()
    accuracy.update_state(task.encode(y), logits)
    assert float(accuracy.result()) == pytest.approx(task.score(y, p))
    assert task.score(y, p) == np.mean((p[:, 0] > 0.5) == y)


def test_regression_trains_standardized_and_answers_in_its_own_unit():
    y = RNG.normal(1000, 50, size=(200, 2))
    task = zoo.Regression(num_outputs=2).adapted(y)
    encoded = task.encode(y)
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(encoded.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(task.output()(encoded).numpy(), y, rtol=1e-5)
    assert task.score(y, y + 3) == pytest.approx(3)
    assert task.better(2.0, 3.0) > 0, "a smaller error is better"


@pytest.mark.parametrize(
    ("task", "y", "message"),
    [
        (zoo.Multiclass(3), np.array([0, 1, 3]), "run from 0 to 3, but num_classes=3"),
        (zoo.Multiclass(3), np.array([0.0, 1.0]), "one integer class"),
        (zoo.Multiclass(3), np.zeros((4, 3), int), "one integer class"),
        (zoo.Binary(), np.array([0, 1, 2]), "Binary needs 0 or 1"),
        (zoo.Regression(2), np.zeros(5), "needs that many"),
    ],
)
def test_targets_of_another_task_are_refused(task, y, message):
    with pytest.raises(ValueError, match=message):
        task.check(y)


def test_bad_tasks():
    with pytest.raises(ValueError, match="num_classes=1"):
        zoo.Multiclass(1)
    with pytest.raises(ValueError, match="adapted"):
        zoo.Regression().output()
