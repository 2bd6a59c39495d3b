"""Losses, metrics, outputs and scores of each task, against their formulas."""

import numpy as np
import pytest
from sklearn.metrics import hamming_loss
from sklearn.utils.class_weight import compute_sample_weight

import zoo
from zoo.data.dataset import Dataset, Part
from zoo.recipe.class_weights import check_class_weight, sample_weights
from zoo.runs.baselines import baselines, pooled, summaries

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(50, 4)).astype("float32") * 3


def test_multiclass():
    task = zoo.Multiclass(4)
    y = RNG.integers(0, 4, 50)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    assert float(task.loss_function()(y, LOGITS)) == pytest.approx(-np.log(p[np.arange(50), y]).mean(), rel=1e-5)
    np.testing.assert_allclose(task.output()(LOGITS).numpy(), p, atol=1e-6)
    assert task.score(y, p) == np.mean(p.argmax(axis=1) == y)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_hot_targets_mean_what_integers_mean(smoothing):
    y = RNG.integers(0, 4, 50)
    one_hot = np.eye(4, dtype="int64")[y]
    soft = zoo.Multiclass(4, label_smoothing=smoothing, soft=True)
    for task in (zoo.Multiclass(4), soft):
        task.check(one_hot)
        np.testing.assert_array_equal(task.encode(one_hot), task.encode(y))
        assert task.score(one_hot, LOGITS) == task.score(y, LOGITS)
        np.testing.assert_array_equal(task.classes(one_hot), y)
        (accuracy,) = task.metrics()
        accuracy.update_state(task.encode(y), LOGITS)
        assert float(accuracy.result()) == pytest.approx(task.score(y, LOGITS))
    assert soft.encode(y).dtype == np.float32
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    target = np.eye(4)[y] * (1 - smoothing) + smoothing / 4  # C. Szegedy et al., 2016
    expected = -(target * log_p).sum(axis=1).mean()
    assert float(soft.loss_function()(soft.encode(y), LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_binary_with_smoothing():
    task = zoo.Binary(label_smoothing=0.2)
    y = RNG.integers(0, 2, 50)
    p = 1 / (1 + np.exp(-LOGITS[:, 0]))
    target = y * 0.8 + 0.1
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert float(task.loss_function()(task.encode(y), LOGITS[:, :1])) == pytest.approx(expected, rel=1e-5)


def test_multilabel():
    task = zoo.Multilabel(4)
    y = RNG.integers(0, 2, (50, 4))
    task.check(y)
    p = 1 / (1 + np.exp(-LOGITS))
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert float(task.loss_function()(task.encode(y), LOGITS)) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(task.output()(LOGITS).numpy(), p, atol=1e-6)
    assert task.score(y, p) == pytest.approx(1 - hamming_loss(y, p > 0.5))
    assert task.per_sample(y, p).mean() == task.score(y, p)
    (accuracy,) = task.metrics()
    accuracy.update_state(task.encode(y), LOGITS)
    assert float(accuracy.result()) == pytest.approx(task.score(y, p))


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
    ("loss", "formula"),
    [
        ("mse", lambda e: (e**2).mean()),
        ("mae", lambda e: np.abs(e).mean()),
        ("huber", lambda e: np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5).mean()),
    ],
)
def test_losses_of_values(loss, formula):
    y = RNG.normal(7, 3, size=(50, 2))
    for task in (zoo.Regression(2, loss=loss).adapted(y), zoo.Forecasting(2, loss=loss).adapted(y)):
        errors = task.encode(y) - LOGITS[:, :2]
        assert float(task.loss_function()(task.encode(y), LOGITS[:, :2])) == pytest.approx(formula(errors), rel=1e-5)


def test_forecasting_standardizes_each_series_and_answers_in_its_unit():
    y = RNG.normal([1000, 0.5, -3], [50, 0.1, 7], size=(200, 4, 3))  # 4 steps of 3 series
    task = zoo.Forecasting(horizon=4, num_series=3)
    task.check(y)
    task = task.adapted(y)
    np.testing.assert_allclose(task.mean, y.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(task.scale, y.std(axis=(0, 1)), rtol=1e-6)
    expected = ((y - y.mean(axis=(0, 1))) / y.std(axis=(0, 1))).reshape(200, 12)
    np.testing.assert_allclose(task.encode(y), expected, atol=1e-5)
    np.testing.assert_allclose(task.output()(task.encode(y)).numpy(), y.reshape(200, 12), rtol=1e-4)
    assert task.num_outputs == 12
    assert task.score(y, (y + 2).reshape(200, 12)) == pytest.approx(2)
    one = zoo.Forecasting(horizon=4).adapted(y[:, :, 0])  # a single series has one mean for all steps
    assert len(one.mean) == 1
    np.testing.assert_allclose(one.encode(y[:, :, :1]), task.encode(y)[:, ::3], atol=1e-5)


def test_balanced_weights_are_those_of_scikit_learn():
    y = np.array([0, 0, 0, 0, 0, 2, 2, 3])  # class 1 does not occur
    expected = compute_sample_weight("balanced", y)
    for targets in (y, np.eye(4)[y]):
        np.testing.assert_allclose(sample_weights("balanced", zoo.Multiclass(4), targets), expected, rtol=1e-6)
    y = np.array([0.0, 1, 1, 1])
    np.testing.assert_allclose(
        sample_weights("balanced", zoo.Binary(), y[:, None]), compute_sample_weight("balanced", y), rtol=1e-6
    )
    np.testing.assert_array_equal(sample_weights({1: 5, 2: 0}, zoo.Multiclass(4), np.array([0, 1, 2])), [1, 5, 0])
    assert sample_weights(None, zoo.Regression(), y) is None


@pytest.mark.parametrize(
    ("weights", "task", "error", "message"),
    [
        ("balanced", zoo.Regression(), ValueError, "with Regression, which has no classes"),
        ("balanced", zoo.Multilabel(3), ValueError, "with Multilabel, which has no classes"),
        ("balancd", zoo.Binary(), ValueError, "class_weight='balancd' is not known; did you mean 'balanced'"),
        ({3: 1.0}, zoo.Multiclass(3), ValueError, "has the class 3; classes are whole numbers, 0 to 2"),
        ({2: 1.0}, zoo.Binary(), ValueError, "0 to 1"),
        ({1: -1.0}, zoo.Binary(), ValueError, "1: -1.0"),
        ([1, 2], zoo.Binary(), TypeError, r"class_weight=\[1, 2\] must be None"),
    ],
)
def test_bad_class_weights(weights, task, error, message):
    with pytest.raises(error, match=message):
        check_class_weight(weights, task)


def test_simple_methods_are_scored_like_the_model():
    x = RNG.normal(size=(120, 5))
    labels = (x[:, :3] > 0.1).astype(int)
    values = x[:, :4].reshape(-1, 2, 2) * 10
    for task, y, best in ((zoo.Multilabel(3), labels, 0.8), (zoo.Multiclass(3), np.eye(3)[x[:, :3].argmax(1)], 0.6)):
        scores, aucs = baselines(Dataset("d", Part(x, y), Part(x, y), Part(x, y)), task)
        assert not aucs
        assert scores["logistic regression"] > best > scores["majority class"]
    part = Part(x, values)
    scores, _ = baselines(Dataset("d", part, part, part), zoo.Forecasting(2, 2).adapted(values))
    assert scores["ridge regression"] < 2 and scores["mean"] > 6


def test_trees_see_images_series_and_texts_by_their_means_spreads_and_words():
    image = np.arange(2 * 9 * 16, dtype="float32").reshape(2, 9, 16, 1)
    found = pooled(image)
    assert found.shape == (2, 8, 8, 1)
    assert found[0, 0, 0, 0] == image[0, :1, :2].mean() and found[1, 7, 7, 0] == image[1, 7:, 14:].mean()
    x = np.zeros((2, 5, 1), "float32")
    x[0, :3, 0], x[1, :, 0] = [1, 5, 3], [2, 2, 2, 2, 2]
    np.testing.assert_allclose(summaries(x), [[3, np.std([1, 5, 3]), 1, 5, 1, 3, 2], [2, 0, 2, 2, 2, 2, 0]], rtol=1e-6)
    tokens = RNG.integers(2, 9, (300, 6)).astype("int32")
    part = Part(tokens, (tokens == 3).any(axis=1).astype(int))
    scores, _ = baselines(Dataset("d", part, part, part, vocabulary=tuple("abcdefghi")), zoo.Multiclass(2))
    assert scores["gradient boosting on frequent words"] > 0.99


def test_trees_forecast_each_row_ahead_by_its_place_in_the_seasons_before():
    season = np.tile(RNG.normal(size=6) * 10, 80)
    x = np.lib.stride_tricks.sliding_window_view(season, 12)[:-6, :, None].astype("float32")
    y = np.lib.stride_tricks.sliding_window_view(season, 6)[12:].astype("float32")
    part = Part(x, y)
    dataset = Dataset("d", part, part, part, features=("load",), target="load, the next 6")
    scores, _ = baselines(dataset, zoo.Forecasting(6).adapted(y))
    assert scores["gradient boosting of each row ahead"] < 0.2 < scores["mean"]


@pytest.mark.parametrize(
    ("task", "y", "message"),
    [
        (zoo.Multiclass(3), np.array([0, 1, 3]), "run from 0 to 3, but num_classes=3"),
        (zoo.Multiclass(3), np.array([0.0, 1.0]), "one integer class"),
        (zoo.Multiclass(3), np.zeros((4, 3), int), "one integer class"),
        (zoo.Multiclass(3), np.full((4, 3), 1 / 3), "a single 1 in each row"),
        (zoo.Binary(), np.array([0, 1, 2]), "Binary needs 0 or 1"),
        (zoo.Multilabel(2), np.array([0, 1]), r"Multilabel\(2\) needs \(n, 2\) of 0 and 1"),
        (zoo.Multilabel(2), np.array([[0, 2]]), "of 0 and 1"),
        (zoo.Forecasting(3), np.zeros((5, 2)), r"needs \(n, 3, 1\) or \(n, 3\)"),
        (zoo.Forecasting(3, 2), np.zeros((5, 6)), r"needs \(n, 3, 2\)"),
        (zoo.Regression(2), np.zeros(5), "needs 2 a sample"),
    ],
)
def test_targets_of_another_task_are_refused(task, y, message):
    with pytest.raises(ValueError, match=message):
        task.check(y)


def test_bad_tasks():
    with pytest.raises(ValueError, match="num_classes=1"):
        zoo.Multiclass(1)
    for task in (zoo.Regression(), zoo.Forecasting(2)):
        with pytest.raises(ValueError, match=f"{type(task).__name__} has no mean and scale .* call task.adapted"):
            task.output()
    for make in (lambda s: zoo.Multiclass(3, label_smoothing=s), zoo.Binary, lambda s: zoo.Multilabel(3, s)):
        for smoothing in (1, -0.1, "much"):
            with pytest.raises(ValueError, match="label_smoothing="):
                make(smoothing)
    with pytest.raises(ValueError, match="loss='hubr' is not known; did you mean 'huber'"):
        zoo.Regression(loss="hubr")
    with pytest.raises(ValueError, match="horizon=0 must be at least 1"):
        zoo.Forecasting(0)
    with pytest.raises(ValueError, match="Regression has no classes"):
        zoo.Regression().classes(np.zeros(3))
