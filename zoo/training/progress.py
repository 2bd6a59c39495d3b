"""Reports a training epoch by epoch."""

import keras

from zoo.base.progress import Report, Stage


class EpochProgress(keras.callbacks.Callback):
    """A stage of `report` with one step per epoch; shows the validation loss, or the loss, and the best so far."""

    def __init__(self, report: Report, name: str):
        super().__init__()
        self._report, self._name = report, name
        self._best: float | None = None

    def on_train_begin(self, logs=None):
        self._stage = Stage(self._report, self._name, self.params["epochs"], "epochs")

    def on_epoch_end(self, epoch, logs=None):
        logs, total = logs or {}, self.params["epochs"]
        figures = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        watched = next((name for name in ("val_loss", "loss") if name in logs), None)
        note = ""
        if watched:
            self._best = logs[watched] if self._best is None else min(self._best, logs[watched])
            note = f"{watched} {logs[watched]:.4g}, best {self._best:.4g}"
        self._stage.advance(epoch + 1, note, f"epoch {epoch + 1:3d}/{total}  {figures}")

    def on_train_end(self, logs=None):
        self._stage.close()
