"""What simple methods reach on the same split: a network that does not beat them is not worth its bytes."""

import warnings

import numpy as np

from zoo.data import Dataset
from zoo.task import Binary, Multilabel, Task, Values


def baselines(dataset: Dataset, task: Task) -> tuple[dict[str, float], dict[str, float]]:
    """Test scores of scikit-learn's estimators with their defaults, fitted on train; and their AUC where it is Binary.

    The scaler is there because linear models and kernels presume inputs of one size.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.svm import SVC, SVR

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

    scores, aucs = {}, {}
    for name, model in models.items():
        if name == "SVR" and task.num_outputs > 1:
            continue  # it gives one output only
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
            fitted = make_pipeline(MinMaxScaler(), model).fit(flat(dataset.train.x), targets(dataset.train.y))
        answers = fitted.predict(flat(dataset.test.x))
        if task.has_classes:
            scores[name] = float(np.mean(answers == targets(dataset.test.y)))
        else:
            scores[name] = task.score(dataset.test.y, answers)
        if isinstance(task, Binary):
            x = flat(dataset.test.x)
            linear = hasattr(fitted, "decision_function")  # the majority has none
            aucs[name] = task.auc(
                dataset.test.y, fitted.decision_function(x) if linear else fitted.predict_proba(x)[:, 1]
            )
    return scores, {name: auc for name, auc in aucs.items() if auc is not None}
