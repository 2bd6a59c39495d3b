"""Builders, one file per family: each function returns an uncompiled Functional `keras.Model` that ends in a linear
layer named `logits`. They know nothing of data, training, files or the command line.

Every module here is imported, so that Keras can load our layers from a file. Every builder in one is a name of this
package: a new family is a new file. The imports below are for editors and type checkers.
"""

import importlib
import pkgutil

from zoo.models.builder import builders_of
from zoo.models.clipped import ClippedNormalization  # noqa: F401  (a layer, not a builder)
from zoo.models.cnn import cnn  # noqa: F401
from zoo.models.crnn import crnn  # noqa: F401
from zoo.models.ds_cnn import ds_cnn  # noqa: F401
from zoo.models.fcn import fcn  # noqa: F401
from zoo.models.fnn import fnn  # noqa: F401
from zoo.models.log_mel import LogMel  # noqa: F401
from zoo.models.resnet import resnet  # noqa: F401
from zoo.models.rnn import gru, lstm, rnn  # noqa: F401
from zoo.models.table import TableFeatures  # noqa: F401

BUILDERS = {
    name: function
    for module in pkgutil.iter_modules(__path__)
    for name, function in builders_of(importlib.import_module(f"{__name__}.{module.name}")).items()
}
globals().update(BUILDERS)
__all__ = sorted(BUILDERS)  # noqa: PLE0605
