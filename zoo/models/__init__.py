"""Builders, one file a family: each function returns an uncompiled Functional `keras.Model` that ends in a linear
layer named `logits`. They know nothing of data, training, files or the command line."""

from zoo.models.clipped import ClippedNormalization  # noqa: F401  (a layer, not a builder)
from zoo.models.cnn import cnn
from zoo.models.crnn import crnn
from zoo.models.ds_cnn import ds_cnn
from zoo.models.fcn import fcn
from zoo.models.fnn import fnn
from zoo.models.log_mel import LogMel  # noqa: F401  (likewise)
from zoo.models.resnet import resnet
from zoo.models.rnn import gru, lstm, rnn
from zoo.models.table import TableFeatures  # noqa: F401  (likewise)

__all__ = ["cnn", "crnn", "ds_cnn", "fcn", "fnn", "gru", "lstm", "resnet", "rnn"]
