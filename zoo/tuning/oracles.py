"""Five ways to choose the next trial, all as oracles of KerasTuner.

Four are KerasTuner's own, with workarounds for keras-tuner 1.4.8: seeds are spaced out, because neighbouring seeds draw
mostly the same trials; failed trials do not end a search; a loss that is not finite counts as the worst one, see
`zoo.tuning.trials`. The fifth is Optuna's multivariate TPE with successive halving, which many workers can share.

Source: J. Bergstra et al. (TPE), NeurIPS 2011; L. Li et al. (Hyperband), JMLR 2018; L. Li et al. (ASHA), MLSys 2020.
"""

import math
import time
import zlib
from typing import Any

import keras_tuner
import numpy as np
import optuna
from optuna.trial import TrialState

from zoo.base.checks import check_choice
from zoo.tuning.history import FINISHED, History, quiet, this_worker
from zoo.tuning.space import suggest
from zoo.tuning.trials import direction

REDUCTION = 3  # each rung keeps a third of the trials and has three times the epochs
STARTUP = 10  # random trials before TPE starts
ORACLES = ("asha", "random", "grid", "bayesian", "hyperband")


def make_oracle(
    name: str,
    history: History,
    objective: str,
    max_trials: int,
    max_epochs: int,
    seed: int,
    watched: str | None = None,
    shared: bool = False,
) -> keras_tuner.Oracle:
    """The oracle of this name, one of `ORACLES`.

    Args:
        objective: compares finished trials. watched: the metric that pruning compares after an epoch.
        max_trials: number of trials; Hyperband runs each of its brackets once.
        seed: of the draws. shared: whether other workers draw too.
    """
    check_choice("oracle", name, ORACLES)
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(objective, direction(objective)),
        "max_trials": max_trials,
        "seed": 1_000_003 * (seed + 1),
        "max_consecutive_failed_trials": 1 << 30,
    }
    if name == "asha":
        return Asha(history, watched=watched or objective, shared=shared, **options)
    if name == "hyperband":
        del options["max_trials"]
        oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=max_epochs, factor=REDUCTION, **options)
    else:
        kinds = {
            "random": keras_tuner.oracles.RandomSearchOracle,
            "grid": keras_tuner.oracles.GridSearchOracle,
            "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        }
        if name == "bayesian":
            options["seed"] %= 2**32  # the largest seed of NumPy, from which this oracle draws
        oracle = kinds[name](**options)
    oracle.verbose = 0
    return oracle


class Asha(keras_tuner.Oracle):
    """Multivariate TPE proposes and successive halving prunes: asynchronous, so that no worker waits for another.

    After 1, 3, 9, ... epochs, only trials in the best third of those that reached the epoch continue. A draw depends
    on the seed and the trials so far only: a lost trial is drawn again, and with one worker it is the same.
    """

    def __init__(self, history: History, *, watched: str, max_trials: int, shared: bool, **options: Any):
        super().__init__(max_trials=None, **options)
        # Two workers must not draw the same values at the same number of trials, nor one worker twice, where another's
        # trial was lost in between.
        self.salt = [zlib.crc32(this_worker().encode()), 0] if shared else []
        self.verbose = 0
        self.history, self.watched, self.count = history, watched, max_trials
        self.running: dict[str, optuna.Trial] = {}

    def populate_space(self, trial_id):
        live = self.history.live()
        if sum(t.state in FINISHED for t in live) >= self.count:
            return {"status": "STOPPED"}
        if len(live) >= self.count:  # other workers run the last ones; lost trials are drawn again
            self.history.fail_lost()
            time.sleep(0.2)
            return {"status": "IDLE"}
        with quiet:
            self.history.study.sampler = optuna.samplers.TPESampler(
                multivariate=True,
                group=True,
                n_startup_trials=STARTUP,
                seed=int(np.random.SeedSequence([self.seed, len(live), *self.salt]).generate_state(1)[0]),
            )
        self.salt[1:] = [draws + 1 for draws in self.salt[1:]]
        trial = self.history.patiently(self.history.study.ask)
        self.history.claim(trial)
        ahead = sum(t.number < trial.number for t in self.history.live())
        if ahead >= self.count:  # another worker was faster
            self.history.patiently(lambda: self.history.study.tell(trial, state=TrialState.FAIL))
            return {"status": "IDLE"}
        values = self.history.patiently(lambda: suggest(trial, self.get_space().space))
        self.running[trial_id] = trial
        return {"status": "RUNNING", "values": values}

    def prunes(self, trial_id: str, epoch: int, value: float) -> bool:
        """Whether `value` after `epoch` epochs is worse than the best third of the trials that reached this epoch."""
        rung = math.log(epoch, REDUCTION)
        if abs(rung - round(rung)) > 1e-9:
            return False
        trial = self.running[trial_id]
        self.history.patiently(lambda: trial.report(value, epoch))
        reached = [t.intermediate_values[epoch] for t in self.history.live() if epoch in t.intermediate_values]
        reached.sort(reverse=direction(self.watched) == "max")
        last = reached[max(1, len(reached) // REDUCTION) - 1]
        return value > last if direction(self.watched) == "min" else value < last
