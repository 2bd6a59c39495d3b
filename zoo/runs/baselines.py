"""Baselines: scores of simple methods on the same split, which a network should exceed."""

import warnings
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from zoo.base.progress import Report, Stage
from zoo.data import Dataset, Stored
from zoo.data.sequences import lengths
from zoo.data.sound_files import FILE as SOUND
from zoo.recipe.task import Binary, Forecasting, Multilabel, Task, Values

Baselines = tuple[dict[str, float], dict[str, float]]  # scores by method, and areas under the ROC curve
LARGEST_FOR_KERNELS = 5_000  # samples: the time of a support vector machine grows with their square
MOST_FOR_TREES = 3_000_000  # samples x values x trees per iteration: some seconds
MOST_TREES = 300  # in total: 100 iterations, or fewer if each grows one tree per class
WIDEST_TABLE = 40  # values per row, up to which columns are scaled one by one
POOLED, FREQUENT = 8, 300  # inputs of the trees: pixels per side of an image; most frequent words of a text


def baselines(dataset: Dataset, task: Task, report: Report = lambda line: None) -> Baselines:
    """Test scores of scikit-learn's estimators with their defaults, fitted on train; and their AUC if Binary.

    The mean or the majority class, a linear model, a support vector machine if train is small enough, gradient
    boosting, and naive forecasts. Inputs are scaled, except for the trees, which get the features of `for_trees`. Data
    on disk get no baselines: these estimators need all of train in memory at once.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    x_train, x_test = dataset.train.x, dataset.test.x
    if isinstance(x_train, Stored) or isinstance(x_test, Stored):
        return {}, {}

    def targets(y: np.ndarray) -> np.ndarray:
        if task.has_classes:
            return task.classes(y)
        return y.reshape(len(y), -1) if task.num_outputs > 1 else y.reshape(-1)

    def flat(x: np.ndarray) -> Any:
        if dataset.vocabulary:
            return word_counts(x, len(dataset.vocabulary))
        if SOUND in dataset.files:
            return spectra(x)
        return one_hot(x, dataset.categories) if dataset.categories else x.reshape(len(x), -1)

    # The columns of a table have different units; pixels and steps have one.
    scaler = TfidfTransformer if dataset.vocabulary else StandardScaler if _is_table(dataset) else MinMaxScaler
    models = _estimators(dataset, task)
    if isinstance(task, Multilabel):  # one estimator per label
        models = {name: OneVsRestClassifier(model) for name, model in models.items()}
    inputs = flat(x_train), targets(dataset.train.y), flat(x_test)
    methods = {name: (make_pipeline(scaler(), model), *inputs) for name, model in models.items()}
    if _boosts(task) and not _is_table(dataset):
        features, what = for_trees(dataset)
        some, note = _subsampled(dataset, features(x_train[:1]).shape[1] * _trees(task))
        inputs = features(np.asarray(some.x)), targets(some.y), features(x_test)
        methods[f"gradient boosting {what}{note}"] = boosting(task), *inputs
    scores, aucs = naive_forecasts(dataset, task), dict[str, float | None]()
    with Stage(report, "baselines", len(methods)) as stage:
        for done, (name, (model, x, y, x_test)) in enumerate(methods.items(), 1):
            # One thread: on a busy machine the threads of scikit-learn's trees mostly wait for each other.
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore", ConvergenceWarning)
                warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
                fitted = model.fit(x, y)
            predicted = fitted.predict(x_test)
            if task.has_classes:
                scores[name] = float(np.mean(predicted == targets(dataset.test.y)))
            else:
                scores[name] = task.score(dataset.test.y, predicted)
            if isinstance(task, Binary):
                linear = hasattr(fitted, "decision_function")  # the majority class has none
                ranks = fitted.decision_function(x_test) if linear else fitted.predict_proba(x_test)[:, 1]
                aucs[name] = task.auc(dataset.test.y, ranks)
            stage.advance(done, f"{name} {task.score_name} {scores[name]:.4g}")
    scores |= boosted_forecasts(dataset, task)
    return scores, {name: auc for name, auc in aucs.items() if auc is not None}


def _subsampled(dataset: Dataset, cost: int) -> tuple[Any, str]:
    """As much of train as gradient boosting fits in some seconds, at `cost` per sample, and a note if not all."""
    samples = max(1000, MOST_FOR_TREES // cost)
    if samples >= len(dataset.train.x):
        return dataset.train, ""
    return dataset.thinned(samples).train, f", {samples:,} samples"


def word_counts(x: np.ndarray, words: int) -> Any:
    """Tokens (n, steps) as a sparse matrix (n, words) of their counts, without padding (token 0)."""
    from scipy.sparse import csr_matrix

    sample, step = np.nonzero(x)
    return csr_matrix((np.ones(len(sample), "float32"), (sample, x[sample, step].astype(int))), shape=(len(x), words))


def spectra(x: np.ndarray) -> np.ndarray:
    """Sounds (n, samples, 1) as the logarithm of their power by frequency, (n, 129)."""
    from scipy.signal import welch

    return np.log(welch(x[:, :, 0], nperseg=min(256, x.shape[1]))[1] + 1e-8)


def for_trees(dataset: Dataset) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Features (n, values) for gradient boosting of inputs that are not rows of a table, and their name.

    They are some dozens: with thousands of pixels, steps or words, trees take minutes to hours.
    """
    shape = dataset.input_shape
    if dataset.vocabulary:
        return lambda x: word_counts(x, len(dataset.vocabulary))[:, 2 : 2 + FREQUENT].toarray(), "on frequent words"
    if SOUND in dataset.files:
        return spectra, "on spectra"
    if len(shape) == 3:
        sides = " x ".join(str(min(n, POOLED)) for n in shape[:2])
        return lambda x: pooled(x).reshape(len(x), -1), f"on {sides} pixels"
    if len(shape) == 2:
        return summaries, "on means and spreads"
    return lambda x: one_hot(x, dataset.categories) if dataset.categories else x.reshape(len(x), -1), "on all values"


def pooled(x: np.ndarray) -> np.ndarray:
    """Images (n, height, width, channels) average-pooled to at most 8 x 8 pixels."""
    for axis in (1, 2):
        size = x.shape[axis]
        if size > POOLED:
            edges = np.arange(POOLED) * size // POOLED
            counts = np.diff([*edges, size]).reshape([-1 if i == axis else 1 for i in range(4)])
            x = np.add.reduceat(x, edges, axis=axis) / counts
    return x


def summaries(x: np.ndarray) -> np.ndarray:
    """Series (n, steps, channels) as (n, 7 channels), without padding.

    Mean, standard deviation, minimum, maximum, first, last and mean absolute change per step.
    """
    steps = np.maximum(lengths(x), 1)
    there = (np.arange(x.shape[1]) < steps[:, None])[:, :, None]
    mean = x.sum(axis=1, where=there) / steps[:, None]
    spread = np.sqrt(((x - mean[:, None]) ** 2).sum(axis=1, where=there) / steps[:, None])
    low, high = x.min(axis=1, where=there, initial=np.inf), x.max(axis=1, where=there, initial=-np.inf)
    change = np.abs(np.diff(x, axis=1)).sum(axis=1, where=there[:, 1:]) / steps[:, None]
    return np.concatenate([mean, spread, low, high, x[:, 0], x[np.arange(len(x)), steps - 1], change], axis=1)


def naive_forecasts(dataset: Dataset, task: Task) -> dict[str, float]:
    """Scores of repeating the last value, or the values of one or seven horizons ago (a day or a week).

    Only for data sets whose first feature is the past of the target.
    """
    if not isinstance(task, Forecasting) or not _sees_its_past(dataset, task):
        return {}
    (x, y), horizon = dataset.test, task.horizon
    past = np.asarray(x)[:, :, 0]
    scores = {"naive, the last value": task.score(y, np.repeat(past[:, -1:], horizon, axis=1))}
    for season in (horizon, 7 * horizon):
        if season <= past.shape[1]:
            start = past.shape[1] - season
            scores[f"seasonal naive, {season} steps ago"] = task.score(y, past[:, start : start + horizon])
    return scores


def boosted_forecasts(dataset: Dataset, task: Task) -> dict[str, float]:
    """Gradient boosting of a forecast; a sample is one row ahead: its position and the values there in the past."""
    from threadpoolctl import threadpool_limits

    if not isinstance(task, Forecasting) or not _sees_its_past(dataset, task):
        return {}
    horizon = task.horizon

    def rows(x: np.ndarray) -> np.ndarray:
        """(n * horizon, values): how far ahead, the last row, and the target at this position of each past season."""
        ahead, last = np.tile(np.arange(horizon), len(x)), np.repeat(x[:, -1], horizon, axis=0)
        seasons = x[:, x.shape[1] % horizon :, 0].reshape(len(x), -1, horizon).transpose(0, 2, 1)
        return np.column_stack([ahead, last, seasons.reshape(len(x) * horizon, -1)])

    some, note = _subsampled(dataset, horizon * rows(dataset.train.x[:1]).shape[1])
    with threadpool_limits(1):
        model = boosting(task).fit(rows(np.asarray(some.x)), some.y.reshape(-1))
    predicted = model.predict(rows(np.asarray(dataset.test.x))).reshape(dataset.test.y.shape)
    return {f"gradient boosting of each row ahead{note}": task.score(dataset.test.y, predicted)}


def _sees_its_past(dataset: Dataset, task: Forecasting) -> bool:
    """Whether the inputs begin with the past of the one series that is forecast."""
    return task.num_series == 1 and bool(dataset.features) and dataset.target.startswith(dataset.features[0])


def one_hot(x: np.ndarray, categories: Sequence[int]) -> np.ndarray:
    """A table's rows (n, values) with each category as a column of 0 and 1."""
    parts = [
        (column[:, None] == np.arange(codes)).astype("float32") if codes else column[:, None]
        for column, codes in zip(x.T, categories, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _is_table(dataset: Dataset) -> bool:
    return not dataset.vocabulary and len(dataset.input_shape) == 1 and dataset.input_shape[0] <= WIDEST_TABLE


def mean_baselines(measured: Sequence[Baselines]) -> dict[str, dict[str, float]]:
    """Means over folds, as a record's "baselines" and "baselines_auc", of the baselines that every fold has."""
    kinds = {"baselines": [scores for scores, _ in measured], "baselines_auc": [aucs for _, aucs in measured]}
    return {
        kind: {name: fmean(fold[name] for fold in folds) for name in folds[0] if all(name in fold for fold in folds)}
        for kind, folds in kinds.items()
    }


def _estimators(dataset: Dataset, task: Task) -> dict[str, Any]:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import SVC, SVR

    samples = len(dataset.train.x)
    words, sounds = bool(dataset.vocabulary), SOUND in dataset.files
    values = 129 if sounds else int(np.prod(dataset.input_shape))
    single = not isinstance(task, Values) or task.num_outputs == 1  # SVR and gradient boosting predict one value
    if isinstance(task, Values):
        models = {"mean": DummyRegressor(), "ridge regression": Ridge()}
        kernel = "SVR", SVR()
    else:
        # On many samples 100 steps end near the optimum, and 1000 take an hour.
        steps = 1000 if samples * values <= 1_000_000 else 100
        models = {
            "majority class": DummyClassifier(),
            f"{'TF-IDF and ' * words}logistic regression{' on spectra' * sounds}": LogisticRegression(max_iter=steps),
        }
        kernel = "SVC", SVC()
    if samples <= LARGEST_FOR_KERNELS and single and not words:
        models[kernel[0]] = kernel[1]
    if _is_table(dataset) and single:
        models["gradient boosting"] = boosting(task)
    return models


def boosting(task: Task) -> Any:
    """Gradient boosting with scikit-learn's defaults, except for fewer iterations if there are many classes."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if isinstance(task, Values) else HistGradientBoostingClassifier
    return kind(random_state=0, max_iter=min(100, max(10, MOST_TREES // _trees(task))))


def _boosts(task: Task) -> bool:
    """Whether gradient boosting can predict it: one value, or one class."""
    return not isinstance(task, Multilabel) and (not isinstance(task, Values) or task.num_outputs == 1)


def _trees(task: Task) -> int:
    """Per iteration of gradient boosting."""
    return task.num_outputs if task.has_classes and not isinstance(task, Binary) else 1
