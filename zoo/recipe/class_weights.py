"""Weights of the samples' losses in training by their classes."""

import math
from collections.abc import Mapping

import numpy as np

from zoo.base.checks import check_choice, is_real, is_whole
from zoo.base.errors import InvalidType, InvalidValue
from zoo.recipe.task import Task

ClassWeight = str | Mapping[int, float] | None


def check_class_weight(class_weight: ClassWeight, task: Task) -> None:
    """Raises ValueError or TypeError unless these are weights of this task's classes."""
    if class_weight is None:
        return
    if not task.has_classes:
        raise InvalidValue(
            f"class_weight={class_weight!r} with {type(task).__name__}, which has no classes; leave it out"
        )
    if isinstance(class_weight, str):
        check_choice("class_weight", class_weight, ["balanced"])
        return
    if not isinstance(class_weight, Mapping):
        raise InvalidType(
            f"class_weight={class_weight!r} must be None, 'balanced' or weights by class, such as {{1: 5.0}}"
        )
    classes = max(2, task.num_outputs)
    for number, weight in class_weight.items():
        if not is_whole(number, 0) or not number < classes:
            raise InvalidValue(f"class_weight has the class {number!r}; classes are whole numbers, 0 to {classes - 1}")
        if not is_real(weight) or not 0 <= weight < math.inf:
            raise InvalidValue(f"class_weight={{{number}: {weight!r}}}: a weight must be a number of at least 0")


def sample_weights(class_weight: ClassWeight, task: Task, y: np.ndarray) -> np.ndarray | None:
    """The weight of each sample's loss, (n,), from that of its class; None without class weights.

    "balanced" is n / (classes * count of the class), as in scikit-learn, over the classes that occur. A class that the
    mapping does not name has weight 1, as in Keras.
    """
    check_class_weight(class_weight, task)
    if class_weight is None:
        return None
    classes = task.classes(y)
    if isinstance(class_weight, Mapping):
        return np.array([class_weight.get(int(number), 1.0) for number in classes], "float32")
    _, indices, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return (len(y) / (len(counts) * counts[indices])).astype("float32")
