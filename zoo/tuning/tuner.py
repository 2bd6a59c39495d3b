"""The tuner: KerasTuner's loop over trials, each of them trained by `zoo.training.fit`."""

import contextlib
import copy
import hashlib
import inspect
import json
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
from zoo.base.errors import CheckFailed, InvalidType, InvalidValue, described
from zoo.base.files import locked, read_json, write_json
from zoo.base.progress import Stage
from zoo.base.seeds import seeded
from zoo.training.loop import create_variables
from zoo.tuning.candidates import Candidates
from zoo.tuning.fitting import NotMeasured, Pruning, fit_like_keras
from zoo.tuning.history import History, Unreachable
from zoo.tuning.oracles import Asha, make_oracle
from zoo.tuning.sharing import SharedEpochs
from zoo.tuning.space import check_ranges, parameters
from zoo.tuning.trials import WORST, Search, Trial, best_of, brief, direction, finite, progress, ranked, worst

Report = Callable[[str], None]


class Tuner(keras_tuner.Tuner):
    """Searches the hyperparameters of a KerasTuner HyperModel; its history survives a kill.

    The calls are KerasTuner's: `Tuner(build, "val_loss", max_trials=30, directory="search")`, then
    `.search(x, y, epochs=20, validation_data=(x_val, y_val))`, `.get_best_hyperparameters()`, `.get_best_models()`.
    A HyperModel's own `fit` is called where it has one; other models are trained by `zoo.training.fit`, which is faster
    and takes arrays. The same call continues a search that was killed.

    Args:
        hypermodel: a HyperModel, or a function from `keras_tuner.HyperParameters` to a compiled model.
        objective: "val_loss", or a metric of the model, "val_accuracy" say; of a trial's last epoch.
        oracle: how to choose: "asha", "random", "grid", "bayesian" or "hyperband", see zoo/tuning/oracles.py.
        max_trials: number of trials; Hyperband determines its own.
        max_epochs: of a trial, where `search` gets no `epochs`.
        seed: of the candidates, their initial weights, and the order of samples in training.
        directory: of the history, `search.db`, and of the best models' weights.
        storage: a database's URL for workers on several machines, instead of that file; with "asha" only.
        keep: number of best trials whose weights are kept.
        overwrite: deletes the history that `directory` has.
        report: called with one line per trial.

    Raises:
        ValueError: `directory` has a search with other settings, with the differences; a bad argument; an objective
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
        settings: Mapping[str, Any] | None = None,
        name: str = "search",
    ):
        check_size("max_trials", max_trials)
        check_size("max_epochs", max_epochs)
        if storage is not None and oracle != "asha":
            raise InvalidValue(f"storage={storage!r} is for several workers, which need oracle='asha', not {oracle!r}")
        self.folder, self.keep, self._report = Path(directory), keep, report
        self.max_trials, self.max_epochs, self.seed = max_trials, max_epochs, seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.history = History(storage or self.folder / "search.db", name, objective)
        self._shared, self._settings, self._overwrite = storage is not None, settings, overwrite
        ours = hypermodel if isinstance(hypermodel, Candidates) else None
        watched = ours.watched if ours else objective
        chosen = make_oracle(oracle, self.history, objective, max_trials, max_epochs, seed, watched, self._shared)
        chosen.save = lambda *_: None
        self._kind, self._watched, self._ours = oracle, watched, ours is not None
        try:
            # KerasTuner writes files, which are not used; it makes the folder again, and `go_on` removes it.
            with tempfile.TemporaryDirectory(prefix="zoo-tuning-") as scratch, seeded(seed):
                explored = ours.space if ours else hypermodel  # of ours without building models
                super().__init__(chosen, explored, directory=scratch, project_name="search")
            check_ranges(self.oracle.get_space())
            self._space = self._described_space()  # before a HyperModel's `fit` adds to it
        except BaseException:
            self.history.close()
            raise
        if ours:
            self.hypermodel: Any = hypermodel
        self.share: int | None = None  # trials that this process runs at most
        self.until = math.inf  # on time.monotonic(), after which no trial begins
        self._known: list[Trial] = []  # of an earlier call
        self._done: list[Trial] = []
        self._compiled = ours.compiled if ours else SharedEpochs()

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> Search:
        """Runs the trials that are still missing; arguments are those of `model.fit`."""
        with contextlib.nullcontext() if self._shared else locked(self.folder):
            self._check_objective(*fit_args, **fit_kwargs)
            self.prepare()
            return self.go_on(*fit_args, **fit_kwargs)

    def _check_objective(self, x: Any = None, y: Any = None, *_: Any, **options: Any) -> None:
        """Before the first trial, where x and y are arrays: a step on one sample gives the names of the metrics."""
        if self._has_own_fit() or not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
            return
        with seeded(self.seed):
            model = self.hypermodel.build(self.oracle.get_space())
        create_variables(model, x, y)
        names = list(model.get_metrics_result())
        held_out = options.get("validation_data") is not None or options.get("validation_split")
        measured = [*names, *(f"val_{name}" for name in names if held_out)]
        check_choice("objective", self.history.objective, measured)

    def _has_own_fit(self) -> bool:
        return type(self.hypermodel).fit is not keras_tuner.HyperModel.fit

    def prepare(self) -> None:
        """Before the first trial: compares settings with those of the history, and fails trials of ended workers."""
        self._start = time.monotonic()
        self.history.start(self.settings(), self._overwrite)
        self.history.fail_lost(alone=not self._shared)
        before = self.history.trials()
        self._known = [] if self._kind == "asha" else before
        if before:
            self._report(f"{len(before)} trials are in the history")

    def go_on(self, *fit_args: Any, **fit_kwargs: Any) -> Search:
        """`search` for a caller that has locked the folder and called `prepare`."""
        total = None if self._kind == "hyperband" else self.max_trials  # Hyperband counts its own
        self._stage = Stage(self._report, "search", total, "trials", seconds=0)
        try:
            with seeded(self.seed):  # KerasTuner and Keras draw from `random`, whose state is the caller's
                super().search(*fit_args, **fit_kwargs)
        except keras_tuner.errors.FatalError:
            raise self._fatal from None
        except _ShareDone:
            pass
        finally:
            self._stage.close()
            shutil.rmtree(self.directory, ignore_errors=True)  # KerasTuner's files
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        return self.result()

    def _described_space(self) -> dict[str, str]:
        space = {}
        for hp in self.oracle.get_space().space:
            config = {k: v for k, v in hp.get_config().items() if k not in ("name", "conditions", "default")}
            conditions = " and ".join(f"{c.name} in {c.values}" for c in hp.conditions)
            space[f"{hp.name}{f' ({conditions})' if conditions else ''}"] = f"{type(hp).__name__} {config}"
        return space

    def settings(self) -> dict[str, Any]:
        """A search with other settings must not continue the history."""
        given = self._settings if self._settings is not None else {"max_epochs": self.max_epochs}
        known = {"oracle": self._kind, "objective": self.history.objective, "seed": self.seed, "space": self._space}
        return {**known, **given}

    def result(self) -> Search:
        """The search so far. Raises CheckFailed where every trial failed."""
        trials, objective = self.history.trials(), self.history.objective
        if trials and all(trial.error for trial in trials):
            raise CheckFailed(f"every one of {len(trials)} trials failed; the first one with: {trials[0].error}")
        seconds = time.monotonic() - self._start
        return Search(tuple(trials), best_of(trials, objective), None, objective, seconds, self.history.place)

    # A trial.

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        if (self.share is not None and len(self._done) >= self.share) or time.monotonic() > self.until:
            raise _ShareDone

    def run_trial(self, trial, *args, **kwargs):
        values = _clamped(trial.hyperparameters)
        try:
            if kept := len(self._done) < len(self._known):
                done = self._known[len(self._done)]
                trial.hyperparameters.values = dict(done.values)  # in place of what was drawn now
            else:
                done = self._trained(trial, values, args, kwargs)
            self._done.append(done)
            self._report_trial(done, kept)
        except Exception as error:  # KerasTuner would treat it as a failed trial
            self._fatal = error
            raise keras_tuner.errors.FatalError from error
        return {self.history.objective: self._bounded(done)}

    def _bounded(self, done: Trial) -> float:
        """The objective for KerasTuner: the worst finite one so far in place of 1e300, which its Gaussian process
        could not fit."""
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
        self.history.finish(running, done)
        return done

    def _attempt(self, trial, values, args, kwargs) -> Trial:
        objective, start = self.history.objective, time.monotonic()
        try:
            with seeded(self.seed):
                model = self.hypermodel.build(trial.hyperparameters)
            if not isinstance(model, keras.Model):
                raise InvalidType(f"HyperModel.build returned {type(model).__name__}, not a Keras model")
            pruning = Pruning(self.oracle, trial.trial_id, self._watched)
            logs = self._fit(trial, model, pruning, args, kwargs)
            if self._ours and not pruning.pruned:
                logs |= self.hypermodel.measured(model)
            if objective not in logs and not pruning.pruned:
                raise NotMeasured(objective, logs)
            metrics = {name: finite(name, float(value)) for name, value in logs.items()}
            metrics.setdefault(objective, worst(objective))
            done = Trial(values, metrics, time.monotonic() - start, pruning.epochs, pruning.pruned)
        except (NotMeasured, Unreachable):
            raise
        except Exception as error:  # a bad candidate must not end the search
            seconds = time.monotonic() - start
            return Trial(values, {objective: worst(objective)}, seconds, error=described(error))
        self._keep(model, done)
        return done

    def _fit(
        self, trial, model: keras.Model, pruning: Pruning, args: tuple, kwargs: dict[str, Any]
    ) -> dict[str, float]:
        options = {**kwargs, "callbacks": [*copy.deepcopy(list(kwargs.get("callbacks") or [])), pruning]}
        if self._ours or not self._has_own_fit():  # a user's `fit` may draw the epochs
            options.setdefault("epochs", self.max_epochs)
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:  # Hyperband: continues the trial of an earlier round
            options["epochs"] = values["tuner/epochs"]
            options["checkpoint"] = self._checkpoint(trial)
        if self._has_own_fit():
            if "checkpoint" not in inspect.signature(self.hypermodel.fit).parameters:
                options.pop("checkpoint", None)
            history = self.hypermodel.fit(trial.hyperparameters, model, *args, **options)
            history = getattr(history, "history", history)
            if not isinstance(history, Mapping):  # the objective itself, which KerasTuner allows too
                return {self.history.objective: float(history)}
        else:
            history = fit_like_keras(self._compiled, model, *args, **{"seed": self.seed, **options})
        return {name: v[-1] if isinstance(v, list) else v for name, v in history.items()}

    def _checkpoint(self, trial) -> Path:
        """Of a Hyperband trial: that of the earlier round, to which it adds epochs."""
        folder = self.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        file = folder / f"{trial.trial_id}.npz"
        earlier = folder / f"{trial.hyperparameters.values.get('tuner/trial_id', '')}.npz"
        file.unlink(missing_ok=True)  # of a killed search
        if earlier.is_file():
            os.replace(earlier, file)  # it is promoted once
        return file

    def _keep(self, model: keras.Model, done: Trial) -> None:
        """Writes the weights if the trial is among the best so far, and removes those of the others."""
        if not self.keep or self._ours or done.pruned:
            return
        objective, folder = self.history.objective, self.folder / "weights"
        best = ranked([*self.history.trials(), done], objective)[: self.keep]
        if done in best:
            folder.mkdir(exist_ok=True)
            temporary = folder / f".{_key(done.values)}.weights.h5"  # a name that Keras accepts
            model.save_weights(temporary)
            os.replace(temporary, folder / temporary.name[1:])
            write_json(folder / f"{_key(done.values)}.json", model.get_build_config())
        names = {_key(t.values) for t in best}
        for file in folder.glob("*.*"):
            if file.name.split(".")[0] not in names:
                file.unlink(missing_ok=True)

    def _report_trial(self, done: Trial, kept: bool) -> None:
        trials = self.history.trials()
        count, total = len(trials) if self._kind == "asha" else len(self._done), str(self.max_trials)
        left: float | None = (time.monotonic() - self._start) / len(self._done) * (self.max_trials - count)
        if self._kind == "hyperband":  # which determines its own number
            total, left = "?", None
        shown = self._watched if done.pruned and self._watched in done.metrics else None
        line = progress(done, trials, self.history.objective, f"{count:2d}/{total}", None if kept else left, shown)
        best = ranked(trials, self.history.objective)[0].metrics[self.history.objective]
        note = f"best {self.history.objective} {best:.4g}"
        self._stage.advance(count, note, line + "  (kept)" * kept)

    # KerasTuner's calls after a search.

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        completed = [t for t in self.history.trials() if not t.error and not t.pruned]
        found = []
        for trial in ranked(completed, self.history.objective)[:num_trials]:
            found.append(self.oracle.get_space())
            found[-1].values = dict(trial.values)
        return found

    def get_best_models(self, num_models: int = 1) -> list[keras.Model]:
        """With the weights at the end of their trials, which are kept for the best `keep` trials only."""
        if num_models > self.keep:
            raise InvalidValue(f"num_models={num_models}: weights are kept for {self.keep} trials; raise keep")
        models = []
        for hp in self.get_best_hyperparameters(num_models):
            model = self.hypermodel.build(hp)
            if not model.built:
                model.build_from_config(read_json(self.folder / "weights" / f"{_key(hp.values)}.json"))
            model.optimizer.build(model.trainable_variables)  # its state is in the file
            model.load_weights(self.folder / "weights" / f"{_key(hp.values)}.weights.h5")
            models.append(model)
        return models

    def results_summary(self, num_trials: int = 10) -> None:
        for trial in ranked(self.history.trials(), self.history.objective)[:num_trials]:
            self._report(f"{trial.metrics[self.history.objective]:.4f}  {brief(trial.values)}")

    def save(self, *args: Any) -> None:
        """Does nothing: the history is written after each trial."""

    def save_model(self, *args: Any, **kwargs: Any) -> None: ...

    load_model = save_model


class _ShareDone(Exception):
    """This process has run its share of trials, or its time is over."""


def _clamped(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Values in their ranges: KerasTuner's rounding leaves them by a last bit, or by one."""
    for one in hp.space:
        if hp.is_active(one) and isinstance(
            one, keras_tuner.engine.hyperparameters.Float | keras_tuner.engine.hyperparameters.Int
        ):
            hp.values[one.name] = min(max(hp.values[one.name], one.min_value), one.max_value)
    return dict(hp.values)


def _key(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
