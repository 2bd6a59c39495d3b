"""Five ways to choose what to try next, all as oracles of KerasTuner.

Four are KerasTuner's own, guarded against what goes wrong in them (keras-tuner 1.4.8): seeds are spaced out, because
neighbouring ones draw mostly the same trials; failed trials do not end a search; a loss that is not finite counts as
the worst one, see `zoo.tuning.trials`; what they know is kept in no file of theirs. The fifth is Optuna's multivariate
TPE with successive halving, which many workers share.

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
from zoo.tuning.history import FINISHED, History, quietly, this_worker
from zoo.tuning.space import suggest
from zoo.tuning.trials import direction

REDUCTION = 3  # of trials from one rung to the next, whose epochs are as many times more
STARTUP = 10  # trials that are drawn at random, before what they gave is a guide
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
        objective: what trials are compared by at their end; watched: what pruning looks at after an epoch.
        max_trials: how many. Hyperband has as many as its brackets have, once.
        seed: of what is drawn. shared: whether other workers draw, too.
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
            options["seed"] %= 2**32  # above which NumPy, from which this one draws, has no seeds
        oracle = kinds[name](**options)
    oracle.verbose = 0
    return oracle


class Asha(keras_tuner.Oracle):
    """Multivariate TPE proposes, successive halving gives up: asynchronous, so that no worker waits for another.

    After 1, 3, 9, ... epochs only the best third so far of what came as far goes on. The draw depends on seed and
    trials so far alone: a lost trial is drawn again, the same where there is one worker.
    """

    def __init__(self, history: History, *, watched: str, max_trials: int, shared: bool, **options: Any):
        super().__init__(max_trials=None, **options)
        # Two workers that ask at the same moment must not draw the same, nor one that asks twice at the same count
        # because another's trial was lost in between.
        self.salt = [zlib.crc32(this_worker().encode()), 0] if shared else []
        self.verbose = 0
        self.history, self.watched, self.count = history, watched, max_trials
        self.running: dict[str, optuna.Trial] = {}

    def populate_space(self, trial_id):
        live = self.history.live()
        if sum(t.state in FINISHED for t in live) >= self.count:
            return {"status": "STOPPED"}
        if len(live) >= self.count:  # others are at the last ones, which are drawn anew where those are lost
            self.history.fail_lost()
            time.sleep(0.2)
            return {"status": "IDLE"}
        with quietly():
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
        if ahead >= self.count:  # another worker was quicker
            self.history.patiently(lambda: self.history.study.tell(trial, state=TrialState.FAIL))
            return {"status": "IDLE"}
        values = self.history.patiently(lambda: suggest(trial, self.get_space().space))
        self.running[trial_id] = trial
        return {"status": "RUNNING", "values": values}

    def gives_up(self, trial_id: str, epoch: int, value: float) -> bool:
        """Whether a trial that came to `value` after `epoch` epochs is not among the best third that came as far."""
        rung = math.log(epoch, REDUCTION)
        if abs(rung - round(rung)) > 1e-9:
            return False
        trial = self.running[trial_id]
        self.history.patiently(lambda: trial.report(value, epoch))
        reached = [t.intermediate_values[epoch] for t in self.history.live() if epoch in t.intermediate_values]
        reached.sort(reverse=direction(self.watched) == "max")
        last = reached[max(1, len(reached) // REDUCTION) - 1]
        return value > last if direction(self.watched) == "min" else value < last
