"""What simple methods reach on the same split: a network that does not beat them is not worth its bytes."""

import warnings

import numpy as np

from zoo.data import Dataset, Stored
from zoo.task import Multilabel, Task, Values


def baselines(dataset: Dataset, task: Task) -> dict[str, float]:
    """Test scores of scikit-learn's estimators with their defaults, fitted on train.

    The scaler is there because linear models and kernels presume inputs of one size. Of data on disk there are none:
    these estimators want all of train in memory at once.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.svm import SVC, SVR

    x_train, x_test = dataset.train.x, dataset.test.x
    if isinstance(x_train, Stored) or isinstance(x_test, Stored):
        return {}
    if isinstance(task, Values):
        models = {"mean": DummyRegressor(), "ridge regression": Ridge(), "SVR": SVR()}
    else:
        models = {
            "majority class": DummyClassifier(),
            "logistic regression": LogisticRegression(max_iter=1000),
            "SVC": SVC(),
        }
    if isinstance(task, Multilabel):  # one for each label, as those that know only classes would have it
        models = {name: OneVsRestClassifier(model) for name, model in models.items()}

    def targets(y: np.ndarray) -> np.ndarray:
        if task.has_classes:
            return task.classes(y)
        return y.reshape(len(y), -1) if task.num_outputs > 1 else y.reshape(-1)

    def flat(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1)

    scores = {}
    for name, model in models.items():
        if name == "SVR" and task.num_outputs > 1:
            continue  # it gives one output only
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
            fitted = make_pipeline(MinMaxScaler(), model).fit(flat(x_train), targets(dataset.train.y))
        answers = fitted.predict(flat(x_test))
        if task.has_classes:
            scores[name] = float(np.mean(answers == targets(dataset.test.y)))
        else:
            scores[name] = task.score(dataset.test.y, answers)
    return scores
