"""Keras Zoo: small neural networks, from data to a tested .tflite file.

Builders: `fnn`, `cnn`, `resnet`, `ds_cnn`, `fcn`, `rnn`, `lstm`, `gru`, `crnn`. Verbs: `list`, `show`, `load`,
`load_tflite`, `new`, `fit`, `summary`, `find_learning_rate`, `tune`, `train`, `export`, `verify`, `benchmark`,
`predict`, `run`, `reproduce`. Names are loaded at first use, so `import zoo` does not import TensorFlow.
"""

import sys
from typing import TYPE_CHECKING

from zoo.base.lazy import MovedModules, lazy_names
from zoo.base.versions import __version__ as __version__

if TYPE_CHECKING:
    from zoo import data as data
    from zoo.base.errors import CheckFailed as CheckFailed
    from zoo.deploy import Runner as Runner
    from zoo.deploy import describe as describe
    from zoo.models import ClippedNormalization as ClippedNormalization
    from zoo.models import LogMel as LogMel
    from zoo.models import TableFeatures as TableFeatures
    from zoo.models import augment as augment
    from zoo.models import cnn as cnn
    from zoo.models import crnn as crnn
    from zoo.models import ds_cnn as ds_cnn
    from zoo.models import fcn as fcn
    from zoo.models import fnn as fnn
    from zoo.models import gru as gru
    from zoo.models import lstm as lstm
    from zoo.models import resnet as resnet
    from zoo.models import rnn as rnn
    from zoo.models.augment import Augmentation as Augmentation
    from zoo.recipe import schedules as schedules
    from zoo.recipe.bounds import Bounds as Bounds
    from zoo.recipe.bounds import Limits as Limits
    from zoo.recipe.collection import list_recipes as list
    from zoo.recipe.collection import load as load
    from zoo.recipe.collection import load_tflite as load_tflite
    from zoo.recipe.collection import new as new
    from zoo.recipe.collection import show as show
    from zoo.recipe.recipe import Recipe as Recipe
    from zoo.recipe.task import Binary as Binary
    from zoo.recipe.task import Forecasting as Forecasting
    from zoo.recipe.task import Multiclass as Multiclass
    from zoo.recipe.task import Multilabel as Multilabel
    from zoo.recipe.task import Regression as Regression
    from zoo.runs.export import export as export
    from zoo.runs.fit import fit as fit
    from zoo.runs.inspection import layer_losses as layer_losses
    from zoo.runs.inspection import summary as summary
    from zoo.runs.reproduce import reproduce as reproduce
    from zoo.runs.run import run as run
    from zoo.runs.train import train as train
    from zoo.runs.tune import find_learning_rate as find_learning_rate
    from zoo.runs.tune import tune as tune
    from zoo.runs.verify import verify as verify
    from zoo.runtime.latency import benchmark as benchmark
    from zoo.runtime.prediction import predict as predict
    from zoo.training.diagnosis import gradient_norms as gradient_norms
    from zoo.tuning import Tuner as Tuner

__getattr__, __dir__, __all__ = lazy_names(__name__)

# Import paths that recipes of earlier releases use, and where the modules are now.
_MOVED = {
    "zoo.augment": "zoo.models.augment",
    "zoo.collection": "zoo.recipe.collection",
    "zoo.errors": "zoo.base.errors",
    "zoo.optimizer": "zoo.recipe.optimizers",
    "zoo.precisions": "zoo.exporting.precisions",
    "zoo.schedules": "zoo.recipe.schedules",
    "zoo.targets": "zoo.runtime.targets",
    "zoo.task": "zoo.recipe.task",
}
sys.meta_path.append(MovedModules(_MOVED))
