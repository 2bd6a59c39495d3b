"""How one trial trains: with the calls of `model.fit`, and pruned where the oracle says so."""

from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from zoo.base.keras_internals import flatten_layers
from zoo.tuning.oracles import Asha
from zoo.tuning.sharing import SharedEpochs
from zoo.tuning.trials import WORST, finite

START_WEIGHT = 0.25  # of the initial moving averages, above which validation says little about a candidate


class NotMeasured(ValueError):
    """The objective is none of the metrics, so that no trial can measure it."""

    def __init__(self, objective: str, logs: Any):
        super().__init__(f"objective={objective!r} is not measured; it is one of {', '.join(sorted(logs))}")


class Pruning(keras.callbacks.Callback):
    """Counts epochs, and stops a trial that the oracle prunes."""

    def __init__(self, oracle: keras_tuner.Oracle, trial_id: str, watched: str):
        super().__init__()
        self.oracle, self.trial_id, self.watched = oracle, trial_id, watched
        self.epochs, self.pruned = 0, False

    def on_epoch_end(self, epoch, logs=None):
        self.epochs = epoch + 1
        if not isinstance(self.oracle, Asha) or epoch + 1 >= self.params["epochs"]:
            return
        if self.watched not in (logs or {}):
            raise NotMeasured(self.watched, logs or {})
        value = finite(self.watched, float(logs[self.watched]))
        if abs(value) >= WORST or (_converged(self.model) and self.oracle.prunes(self.trial_id, epoch + 1, value)):
            self.model.stop_training = self.pruned = True


def _converged(model: keras.Model) -> bool:
    """Whether the moving averages have left their initial values, on which validation depends before."""
    steps = int(model.optimizer.iterations)
    layers = [layer for layer in flatten_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    return all(layer.momentum**steps < START_WEIGHT for layer in layers)


def fit_like_keras(
    compiled: SharedEpochs,
    model: keras.Model,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: Any = None,
    callbacks: Any = (),
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Any = None,
    sample_weight: Any = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    **more: Any,
) -> dict[str, list[float]]:
    """`model.fit` on arrays by `zoo.training.fit`; other data and options go to `model.fit` itself."""
    simple = isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and class_weight is None and not more
    if validation_data is not None:
        simple = simple and len(validation_data) == 2 and all(isinstance(v, np.ndarray) for v in validation_data)
    if not simple:
        history = model.fit(
            x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=list(callbacks),
            validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
            class_weight=class_weight, sample_weight=sample_weight, **more,
        )  # fmt: skip
        return history.history
    if validation_split and validation_data is None:  # the last samples, as in Keras
        cut = int(len(x) * (1 - validation_split))
        validation_data = (x[cut:], y[cut:])
        x, y = x[:cut], y[:cut]
        sample_weight = None if sample_weight is None else sample_weight[:cut]
    return compiled.fit(
        model, (x, y), validation_data, epochs=epochs, batch_size=batch_size or 32, sample_weight=sample_weight,
        order=None if shuffle else lambda epoch, n: np.arange(n), seed=seed, callbacks=callbacks, checkpoint=checkpoint,
    )  # fmt: skip
