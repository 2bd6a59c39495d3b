"""What simple methods reach on the same split: a network that does not beat them is not worth its bytes."""

import warnings
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from zoo.data import Dataset, Stored
from zoo.data.sound_files import FILE as SOUND
from zoo.task import Binary, Forecasting, Multilabel, Task, Values

Baselines = tuple[dict[str, float], dict[str, float]]  # scores by method, and areas under the ROC curve
LARGEST_FOR_KERNELS = 5_000  # samples: what a support vector machine takes grows with their square
WIDEST_FOR_TREES = 40  # values of an input: a table; of pixels, trees take minutes to hours and are poor


def baselines(dataset: Dataset, task: Task) -> Baselines:
    """Test scores of scikit-learn's estimators with their defaults, fitted on train; and their AUC where it is Binary.

    The mean or the majority, a linear model, gradient boosting on tables, and a support vector machine where train is
    small enough for one. The scaler is there because linear models and kernels presume inputs of one size. Of data on
    disk there are none: these estimators want all of train in memory at once.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

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

    # Columns of a table have units of their own; pixels and steps have one.
    scaler = TfidfTransformer if dataset.vocabulary else StandardScaler if _is_table(dataset) else MinMaxScaler
    models = _estimators(dataset, task)
    if isinstance(task, Multilabel):  # one for each label, as those that know only classes would have it
        models = {name: OneVsRestClassifier(model) for name, model in models.items()}
    scores, aucs = naive_forecasts(dataset, task), dict[str, float | None]()
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
            fitted = make_pipeline(scaler(), model).fit(flat(x_train), targets(dataset.train.y))
        answers = fitted.predict(flat(x_test))
        if task.has_classes:
            scores[name] = float(np.mean(answers == targets(dataset.test.y)))
        else:
            scores[name] = task.score(dataset.test.y, answers)
        if isinstance(task, Binary):
            x = flat(x_test)
            linear = hasattr(fitted, "decision_function")  # the majority has none
            aucs[name] = task.auc(
                dataset.test.y, fitted.decision_function(x) if linear else fitted.predict_proba(x)[:, 1]
            )
    return scores, {name: auc for name, auc in aucs.items() if auc is not None}


def word_counts(x: np.ndarray, words: int) -> Any:
    """Tokens (n, steps) as a sparse matrix (n, words) of how often each stands there; padding, token 0, is left out."""
    from scipy.sparse import csr_matrix

    sample, step = np.nonzero(x)
    return csr_matrix((np.ones(len(sample), "float32"), (sample, x[sample, step].astype(int))), shape=(len(x), words))


def spectra(x: np.ndarray) -> np.ndarray:
    """Sounds (n, samples, 1) as the logarithms of their power by frequency, (n, 129): by samples nobody could tell."""
    from scipy.signal import welch

    return np.log(welch(x[:, :, 0], nperseg=min(256, x.shape[1]))[1] + 1e-8)


def naive_forecasts(dataset: Dataset, task: Task) -> dict[str, float]:
    """What is scored by saying that all stays as it is, or comes again as one or seven horizons ago (a day or a week).

    Of data sets whose first feature is the past of the target.
    """
    if not isinstance(task, Forecasting) or task.num_series != 1 or not dataset.features:
        return {}
    if not dataset.target.startswith(dataset.features[0]):
        return {}
    (x, y), horizon = dataset.test, task.horizon
    past = np.asarray(x)[:, :, 0]
    scores = {"naive, the last value": task.score(y, np.repeat(past[:, -1:], horizon, axis=1))}
    for season in (horizon, 7 * horizon):
        if season <= past.shape[1]:
            start = past.shape[1] - season
            scores[f"seasonal naive, {season} steps ago"] = task.score(y, past[:, start : start + horizon])
    return scores


def one_hot(x: np.ndarray, categories: Sequence[int]) -> np.ndarray:
    """A table's rows (n, values) with its codes as columns of 0 and 1, which is how such methods take categories."""
    parts = [
        (column[:, None] == np.arange(codes)).astype("float32") if codes else column[:, None]
        for column, codes in zip(x.T, categories, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _is_table(dataset: Dataset) -> bool:
    return len(dataset.input_shape) == 1 and dataset.input_shape[0] <= WIDEST_FOR_TREES


def mean_baselines(measured: Sequence[Baselines]) -> dict[str, dict[str, float]]:
    """Means over folds, as a record's "baselines" and "baselines_auc", of the methods that every fold had."""
    kinds = {"baselines": [scores for scores, _ in measured], "baselines_auc": [aucs for _, aucs in measured]}
    return {
        kind: {name: fmean(fold[name] for fold in folds) for name in folds[0] if all(name in fold for fold in folds)}
        for kind, folds in kinds.items()
    }


def _estimators(dataset: Dataset, task: Task) -> dict[str, Any]:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import SVC, SVR

    samples = len(dataset.train.x)
    words, sounds = bool(dataset.vocabulary), SOUND in dataset.files
    values = 129 if sounds else int(np.prod(dataset.input_shape))
    single = not isinstance(task, Values) or task.num_outputs == 1  # SVR and gradient boosting give one value only
    if isinstance(task, Values):
        models = {"mean": DummyRegressor(), "ridge regression": Ridge()}
        kernel, trees = ("SVR", SVR()), HistGradientBoostingRegressor(random_state=0)
    else:
        # The optimum, where it comes soon; on many samples a hundred steps are near it and a thousand take an hour.
        steps = 1000 if samples * values <= 1_000_000 else 100
        models = {
            "majority class": DummyClassifier(),
            f"{'TF-IDF and ' * words}logistic regression{' on spectra' * sounds}": LogisticRegression(max_iter=steps),
        }
        kernel, trees = ("SVC", SVC()), HistGradientBoostingClassifier(random_state=0)
    if samples <= LARGEST_FOR_KERNELS and single and not words:
        models[kernel[0]] = kernel[1]
    if _is_table(dataset) and single and not words:
        models["gradient boosting"] = trees
    return models
