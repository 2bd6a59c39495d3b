"""Keras Zoo: small neural networks, from data to a proven .tflite.

Builders: `fnn`, `cnn`, `resnet`, `ds_cnn`, `fcn`, `rnn`, `lstm`, `gru`, `crnn`. Verbs: `list`, `show`, `load`,
`load_tflite`, `new`, `fit`, `summary`, `find_learning_rate`, `tune`, `train`, `export`, `verify`, `benchmark`,
`predict`, `run`, `reproduce`. Names are loaded at first use, so `import zoo` does not import TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from zoo import augment as augment
    from zoo import data as data
    from zoo import schedules as schedules
    from zoo.asking import predict as predict
    from zoo.augment import Augmentation as Augmentation
    from zoo.benchmarking import benchmark as benchmark
    from zoo.collection import list_recipes as list
    from zoo.collection import load as load
    from zoo.collection import load_tflite as load_tflite
    from zoo.collection import new as new
    from zoo.collection import show as show
    from zoo.deploy import Runner as Runner
    from zoo.deploy import describe as describe
    from zoo.diagnosis import gradient_norms as gradient_norms
    from zoo.errors import CheckFailed as CheckFailed
    from zoo.exported import layer_losses as layer_losses
    from zoo.exported import summary as summary
    from zoo.exported import verify as verify
    from zoo.fitting import fit as fit
    from zoo.models import ClippedNormalization as ClippedNormalization
    from zoo.models import LogMel as LogMel
    from zoo.models import TableFeatures as TableFeatures
    from zoo.models import cnn as cnn
    from zoo.models import crnn as crnn
    from zoo.models import ds_cnn as ds_cnn
    from zoo.models import fcn as fcn
    from zoo.models import fnn as fnn
    from zoo.models import gru as gru
    from zoo.models import lstm as lstm
    from zoo.models import resnet as resnet
    from zoo.models import rnn as rnn
    from zoo.pipeline import export as export
    from zoo.pipeline import find_learning_rate as find_learning_rate
    from zoo.pipeline import run as run
    from zoo.pipeline import train as train
    from zoo.pipeline import tune as tune
    from zoo.recipe import Bounds as Bounds
    from zoo.recipe import Limits as Limits
    from zoo.recipe import Recipe as Recipe
    from zoo.reproduction import reproduce as reproduce
    from zoo.task import Binary as Binary
    from zoo.task import Forecasting as Forecasting
    from zoo.task import Multiclass as Multiclass
    from zoo.task import Multilabel as Multilabel
    from zoo.task import Regression as Regression
    from zoo.tuning import Tuner as Tuner

# Public name -> where it is. No submodule bears the name of a verb: importing it would replace the function here.
_NAMES = {
    "Augmentation": "zoo.augment",
    "augment": "zoo.augment:",
    "benchmark": "zoo.benchmarking",
    "list": "zoo.collection:list_recipes",
    "load": "zoo.collection",
    "load_tflite": "zoo.collection",
    "new": "zoo.collection",
    "show": "zoo.collection",
    "data": "zoo.data:",
    "Runner": "zoo.deploy",
    "describe": "zoo.deploy",
    "predict": "zoo.asking",
    "gradient_norms": "zoo.diagnosis",
    "CheckFailed": "zoo.errors",
    "fit": "zoo.fitting",
    "ClippedNormalization": "zoo.models",
    "LogMel": "zoo.models",
    "TableFeatures": "zoo.models",
    "cnn": "zoo.models",
    "crnn": "zoo.models",
    "ds_cnn": "zoo.models",
    "fcn": "zoo.models",
    "fnn": "zoo.models",
    "gru": "zoo.models",
    "lstm": "zoo.models",
    "resnet": "zoo.models",
    "rnn": "zoo.models",
    "export": "zoo.pipeline",
    "find_learning_rate": "zoo.pipeline",
    "layer_losses": "zoo.exported",
    "run": "zoo.pipeline",
    "summary": "zoo.exported",
    "train": "zoo.pipeline",
    "tune": "zoo.pipeline",
    "verify": "zoo.exported",
    "Bounds": "zoo.recipe",
    "Limits": "zoo.recipe",
    "Recipe": "zoo.recipe",
    "reproduce": "zoo.reproduction",
    "schedules": "zoo.schedules:",
    "Binary": "zoo.task",
    "Forecasting": "zoo.task",
    "Multiclass": "zoo.task",
    "Multilabel": "zoo.task",
    "Regression": "zoo.task",
    "Tuner": "zoo.tuning",
}
__all__ = [*_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}; it has {', '.join(sorted(_NAMES))}")
    module, _, attribute = _NAMES[name].partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name in ("tensorflow", "keras", "keras_tuner", "sklearn", "matplotlib", "optuna"):
            raise ImportError(
                f"zoo.{name} needs {error.name}, which the base install leaves out: pip install 'keras-zoo[train]'",
                name=error.name,
            ) from None
        raise
    value = loaded if _NAMES[name].endswith(":") else getattr(loaded, attribute or name)
    globals()[name] = value
    return value


def __dir__() -> Any:
    return sorted([*globals(), *_NAMES])
