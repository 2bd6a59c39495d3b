"""The one tuner: KerasTuner's loop over trials, each of them trained by `zoo.training.fit`."""

import contextlib
import inspect
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from zoo.base.checks import check_choice, check_size
from zoo.base.errors import InvalidType, InvalidValue, described
from zoo.base.files import locked, read_json, write_json
from zoo.base.progress import Stage
from zoo.training.loop import create_variables
from zoo.tuning.candidates import Candidates
from zoo.tuning.history import History, Unreachable
from zoo.tuning.oracles import Asha, make_oracle
from zoo.tuning.sharing import Shared, keeping_compiled
from zoo.tuning.space import check_ranges, parameters
from zoo.tuning.trials import WORST, Search, Trial, best_of, brief, direction, finite, progress, ranked, worst

Report = Callable[[str], None]
CLEARED_EVERY = 10  # compiled models; Keras' own state grows with each
START_LEFT = 0.25  # of moving averages, above which validation tells of their start


class Tuner(keras_tuner.Tuner):
    """Searches hyperparameters of a KerasTuner HyperModel; what it found so far survives any kill.

    The calls are KerasTuner's: `Tuner(build, "val_loss", max_trials=30, directory="search")`, then
    `.search(x, y, epochs=20, validation_data=(x_val, y_val))`, `.get_best_hyperparameters()`, `.get_best_models()`.
    A model that `HyperModel.fit` trains in its own way is trained so, others by `zoo.training.fit`, which is faster
    and takes arrays. The same call goes on where a killed one was.

    Args:
        hypermodel: a HyperModel, or a function from `keras_tuner.HyperParameters` to a compiled model.
        objective: "val_loss", or a metric of the model, "val_accuracy" say; of a trial's last epoch.
        oracle: how to choose: "asha", "random", "grid", "bayesian" or "hyperband", see zoo/tuning/oracles.py.
        max_trials: how many candidates; Hyperband counts its own.
        max_epochs: of a trial, where `search` gets no `epochs`.
        seed: draws the candidates, and the order of samples in training.
        directory: of the history, `search.db`, and of the best models' weights.
        storage: a database's URL for workers on several machines, instead of that file; with "asha" only.
        keep: of how many of the best trials to keep the weights.
        overwrite: forgets what is there.
        report: gets a line a trial.

    Raises:
        ValueError: something else was searched for in `directory`, with the difference; a bad argument; an objective
            that is not measured. RuntimeError: every trial failed, with the first cause.
    """

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel | Callable[[Any], keras.Model],
        objective: str = "val_loss",
        *,
        oracle: str = "asha",
        max_trials: int = 30,
        max_epochs: int = 12,
        seed: int = 1,
        directory: str | Path = "search",
        storage: str | None = None,
        keep: int = 3,
        overwrite: bool = False,
        report: Report = print,
        asked: Mapping[str, Any] | None = None,
        name: str = "search",
    ):
        check_size("max_trials", max_trials)
        check_size("max_epochs", max_epochs)
        if storage is not None and oracle != "asha":
            raise InvalidValue(
                f"storage={storage!r} is for several workers, which oracle='asha' can have, not {oracle!r}"
            )
        self.folder, self.keep, self._report = Path(directory), keep, report
        self.max_trials, self.max_epochs, self.seed = max_trials, max_epochs, seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.history = History(storage or self.folder / "search.db", name, objective)
        self._shared, self._asked, self._overwrite = storage is not None, asked, overwrite
        ours = hypermodel if isinstance(hypermodel, Candidates) else None
        watched = ours.watched if ours else objective
        chosen = make_oracle(
            oracle, self.history, objective, max_trials, max_epochs, seed, watched, storage is not None
        )
        self._kind, self._watched, self._ours = oracle, watched, ours is not None
        chosen.save = chosen._save_trial = lambda *_: None  # KerasTuner's own files, which nobody reads
        try:
            with tempfile.TemporaryDirectory(prefix="zoo-tuning-") as scratch:
                explored = ours.space if ours else hypermodel  # of ours without building models
                super().__init__(chosen, explored, directory=scratch, project_name="search")
            check_ranges(self.oracle.get_space())
            self._space = self._described_space()  # before a HyperModel's `fit` adds to it
        except BaseException:
            self.history.close()
            raise
        if ours:
            self.hypermodel: Any = hypermodel
        self.share: int | None = None  # how many trials this process does at most
        self.until = math.inf  # on time.monotonic(), after which no trial begins
        self._known: list[Trial] = []
        self._done: list[Trial] = []
        self._compiled = ours.compiled if ours else Shared()
        self._cleared = -CLEARED_EVERY  # the first trial finds a clear session

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> Search:
        """Runs the trials that are still missing; arguments are those of `model.fit`.

        Returns:
            what was found.
        """
        with contextlib.nullcontext() if self._shared else locked(self.folder):
            self._check_objective(*fit_args, **fit_kwargs)
            self.prepare()
            return self.go_on(*fit_args, **fit_kwargs)

    def _check_objective(self, x: Any = None, y: Any = None, *_: Any, **options: Any) -> None:
        """Before the first trial, where the data tell without one: a step on one sample names the metrics."""
        if (
            type(self.hypermodel).fit is not keras_tuner.HyperModel.fit
            or not isinstance(x, np.ndarray)
            or not isinstance(y, np.ndarray)
        ):
            return
        model = self.hypermodel.build(self.oracle.get_space())
        create_variables(model, x, y)
        names = list(model.get_metrics_result())
        held_out = options.get("validation_data") is not None or options.get("validation_split")
        measured = [*names, *(f"val_{name}" for name in names if held_out)]
        check_choice("objective", self.history.objective, measured)

    def prepare(self) -> None:
        """Before the first trial: nobody else searches for something else there, and what is lost is given up."""
        self._start = time.monotonic()
        self.history.ask(self.asked(), self._overwrite)
        self.history.fail_lost(alone=not self._shared)
        before = self.history.trials()
        self._known = [] if self._kind == "asha" else before
        if before:
            self._report(f"{len(before)} trials are there already")

    def go_on(self, *fit_args: Any, **fit_kwargs: Any) -> Search:
        """`search` for a caller that has the folder for itself, and has called `prepare`."""
        total = None if self._kind == "hyperband" else self.max_trials  # Hyperband counts its own
        self._stage = Stage(self._report, "search", total, "trials", seconds=0)
        try:
            super().search(*fit_args, **fit_kwargs)
        except keras_tuner.errors.FatalError:
            raise self._fatal from None
        except _Enough:
            pass
        finally:
            self._stage.close()
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        return self.result()

    def _described_space(self) -> dict[str, str]:
        space = {}
        for hp in self.oracle.get_space().space:
            config = {k: v for k, v in hp.get_config().items() if k not in ("name", "conditions", "default")}
            conditions = " and ".join(f"{c.name} in {c.values}" for c in hp.conditions)
            space[f"{hp.name}{f' ({conditions})' if conditions else ''}"] = f"{type(hp).__name__} {config}"
        return space

    def asked(self) -> dict[str, Any]:
        """What the history is for: another call than this one must not go on with it."""
        given = self._asked if self._asked is not None else {"max_epochs": self.max_epochs}
        return {
            "oracle": self._kind,
            "objective": self.history.objective,
            "seed": self.seed,
            "space": self._space,
            **given,
        }

    def result(self) -> Search:
        """What was found so far. Raises RuntimeError where every trial failed."""
        trials = self.history.trials()
        objective = self.history.objective
        if trials and all(trial.error for trial in trials):
            raise AllFailed(f"every one of {len(trials)} trials failed; the first one with: {trials[0].error}")
        seconds = time.monotonic() - self._start
        return Search(tuple(trials), best_of(trials, objective), None, objective, seconds, self.history.place)

    # A trial.

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        if (self.share is not None and len(self._done) >= self.share) or time.monotonic() > self.until:
            raise _Enough

    def run_trial(self, trial, *args, **kwargs):
        values = _clamped(trial.hyperparameters)
        place = len(self._done)
        try:
            if place < len(self._known):  # whatever would be drawn now: it was drawn so, and counts
                done, kept = self._known[place], True
                trial.hyperparameters.values = dict(done.values)
            else:
                done, kept = self._trained(trial, values, args, kwargs), False
            self._done.append(done)
            self._tell(done, kept)
        except Exception as error:  # KerasTuner would take it for a failed trial
            self._fatal = error
            raise keras_tuner.errors.FatalError from error
        return {self.history.objective: self._bounded(done)}

    def _bounded(self, done: Trial) -> float:
        """The objective for KerasTuner, whose Gaussian process a huge one would blind: the worst finite one so far."""
        objective = self.history.objective
        value = done.metrics[objective]
        if abs(value) < WORST:
            return value
        others = [t.metrics[objective] for t in self._done if abs(t.metrics[objective]) < WORST]
        return (max if direction(objective) == "min" else min)(others, default=1.0 if value > 0 else 0.0)

    def _trained(self, trial, values, args, kwargs) -> Trial:
        running = self.oracle.running.get(trial.trial_id) if isinstance(self.oracle, Asha) else None
        if running is None:
            done = self._attempt(trial, values, args, kwargs)
            self.history.add(done, *parameters(values, self.oracle.get_space().space))
            return done
        with self.history.heartbeat(running):
            done = self._attempt(trial, values, args, kwargs)
        self.history.tell(running, done)
        return done

    def _attempt(self, trial, values, args, kwargs) -> Trial:
        objective, start = self.history.objective, time.monotonic()
        try:
            if (traced := len(self._done) - self._compiled.saved) >= self._cleared + CLEARED_EVERY:
                self._cleared = traced
                self._compiled.clear()
                keras.backend.clear_session()
            with keeping_compiled():
                model = self.hypermodel.build(trial.hyperparameters)
            if not isinstance(model, keras.Model):
                raise InvalidType(f"HyperModel.build returned {type(model).__name__}, not a Keras model")
            watch = _Watch(self.oracle, trial.trial_id, self._watched)
            logs = self._fit(trial, model, watch, args, kwargs)
            if self._ours and not watch.pruned:
                logs |= self.hypermodel.measured(model)
            if objective not in logs and not watch.pruned:
                raise _NotMeasured(f"objective={objective!r} is not measured; it is one of {', '.join(sorted(logs))}")
            metrics = {name: finite(name, float(value)) for name, value in logs.items()}
            metrics.setdefault(objective, worst(objective))
            done = Trial(values, metrics, time.monotonic() - start, watch.epochs, watch.pruned)
        except (_NotMeasured, Unreachable):
            raise
        except Exception as error:  # a bad candidate is a bad score; it must not end the search
            message = described(error)
            return Trial(values, {objective: worst(objective)}, time.monotonic() - start, error=message)
        self._keep(model, done)
        return done

    def _fit(self, trial, model: keras.Model, watch: "_Watch", args: tuple, kwargs: dict[str, Any]) -> dict[str, float]:
        callbacks = [*self._deepcopy_callbacks(kwargs.get("callbacks") or []), watch]
        options = {**kwargs, "callbacks": callbacks}
        own = type(self.hypermodel).fit is not keras_tuner.HyperModel.fit
        if self._ours or not own:  # a `fit` of the user's may draw them
            options.setdefault("epochs", self.max_epochs)
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:  # Hyperband: goes on where the trial of an earlier round ended
            options["epochs"] = values["tuner/epochs"]
            options["checkpoint"] = self._checkpoint(trial)
        if own:
            if "checkpoint" not in inspect.signature(self.hypermodel.fit).parameters:
                options.pop("checkpoint", None)
            history = self.hypermodel.fit(trial.hyperparameters, model, *args, **options)
            history = getattr(history, "history", history)
            if not isinstance(history, Mapping):  # the objective itself, as KerasTuner has it
                return {self.history.objective: float(history)}
            return {name: v[-1] if isinstance(v, list) else v for name, v in history.items()}
        history = fit_like_keras(self._compiled, model, *args, **{"seed": self.seed, **options})
        return {name: v[-1] for name, v in history.items()}

    def _checkpoint(self, trial) -> Path:
        """Of a Hyperband trial: that of the round before, to which it adds epochs."""
        place = self.folder / "checkpoints"
        place.mkdir(exist_ok=True)
        file = place / f"{trial.trial_id}.npz"
        before = place / f"{trial.hyperparameters.values.get('tuner/trial_id', '')}.npz"
        file.unlink(missing_ok=True)  # that of a killed search
        if before.is_file():
            os.replace(before, file)  # it is promoted once
        return file

    def _keep(self, model: keras.Model, done: Trial) -> None:
        """Weights of the best trials so far, and of no others."""
        if not self.keep or self._ours or done.pruned:
            return
        objective, folder = self.history.objective, self.folder / "weights"
        best = ranked([*self.history.trials(), done], objective)[: self.keep]
        if done in best:
            folder.mkdir(exist_ok=True)
            temporary = folder / f".{_key(done.values)}.weights.h5"  # a name that Keras takes
            model.save_weights(temporary)
            os.replace(temporary, folder / temporary.name[1:])
            write_json(folder / f"{_key(done.values)}.json", model.get_build_config())
        names = {_key(t.values) for t in best}
        for file in folder.glob("*.*"):
            if file.name.split(".")[0] not in names:
                file.unlink(missing_ok=True)

    def _tell(self, done: Trial, kept: bool) -> None:
        trials = self.history.trials()
        count, total = len(trials) if self._kind == "asha" else len(self._done), str(self.max_trials)
        left: float | None = (time.monotonic() - self._start) / len(self._done) * (self.max_trials - count)
        if self._kind == "hyperband":  # which counts its own
            total, left = "?", None
        shown = self._watched if done.pruned and self._watched in done.metrics else None
        line = progress(done, trials, self.history.objective, f"{count:2d}/{total}", None if kept else left, shown)
        best = ranked(trials, self.history.objective)[0].metrics[self.history.objective]
        note = f"best {self.history.objective} {best:.4g}"
        self._stage.advance(count, note, line + "  (kept)" * kept)

    # What KerasTuner's users ask for afterwards.

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        found = []
        finished = [t for t in self.history.trials() if not t.error and not t.pruned]
        for trial in ranked(finished, self.history.objective)[:num_trials]:
            hp = self.oracle.get_space()
            hp.values = dict(trial.values)
            found.append(hp)
        return found

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """With the weights at the end of their trials, which are kept for the best `keep` alone."""
        if num_models > self.keep:
            raise InvalidValue(f"num_models={num_models}: weights are kept for {self.keep} trials; raise keep")
        models = []
        for hp in self.get_best_hyperparameters(num_models):
            model = self.hypermodel.build(hp)
            if not model.built:
                model.build_from_config(read_json(self.folder / "weights" / f"{_key(hp.values)}.json"))
            model.optimizer.build(model.trainable_variables)  # its state is in the file, too
            model.load_weights(self.folder / "weights" / f"{_key(hp.values)}.weights.h5")
            models.append(model)
        return models

    def results_summary(self, num_trials: int = 10) -> None:
        for trial in ranked(self.history.trials(), self.history.objective)[:num_trials]:
            self._report(f"{trial.metrics[self.history.objective]:.4f}  {brief(trial.values)}")

    def save(self, *args: Any) -> None:
        """Everything is saved already."""

    def save_model(self, *args: Any, **kwargs: Any) -> None: ...

    load_model = save_model


class AllFailed(RuntimeError):
    """Every trial of a search failed."""


class _Enough(Exception):
    """This process has done its share of trials; others do the rest."""


class _NotMeasured(ValueError):
    """The objective is none of the metrics: no trial could tell."""


class _Watch(keras.callbacks.Callback):
    """Counts epochs, and stops a trial that the oracle gives up."""

    def __init__(self, oracle: keras_tuner.Oracle, trial_id: str, watched: str):
        super().__init__()
        self.oracle, self.trial_id, self.watched = oracle, trial_id, watched
        self.epochs, self.pruned = 0, False

    def on_epoch_end(self, epoch, logs=None):
        self.epochs = epoch + 1
        if not isinstance(self.oracle, Asha) or epoch + 1 >= self.params["epochs"]:
            return
        if self.watched not in (logs or {}):
            raise _NotMeasured(
                f"objective={self.watched!r} is not measured; it is one of {', '.join(sorted(logs or {}))}"
            )
        value = finite(self.watched, float(logs[self.watched]))
        if abs(value) >= WORST or (_settled(self.model) and self.oracle.gives_up(self.trial_id, epoch + 1, value)):
            self.model.stop_training = self.pruned = True


def _settled(model: keras.Model) -> bool:
    """Whether moving averages have come to the data: before, validation tells of their start, not of a candidate."""
    steps = int(model.optimizer.iterations)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    return all(layer.momentum**steps < START_LEFT for layer in layers)


def fit_like_keras(
    compiled: Shared,
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
    """`model.fit` on arrays by `zoo.training.fit`; what that does not take goes to `model.fit` itself."""
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


def _clamped(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Values in their ranges, from which KerasTuner's rounding takes some by a last bit, or by one."""
    for one in hp.space:
        if hp.is_active(one) and isinstance(
            one, keras_tuner.engine.hyperparameters.Float | keras_tuner.engine.hyperparameters.Int
        ):
            hp.values[one.name] = min(max(hp.values[one.name], one.min_value), one.max_value)
    return dict(hp.values)


def _key(values: Mapping[str, Any]) -> str:
    import hashlib
    import json

    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
