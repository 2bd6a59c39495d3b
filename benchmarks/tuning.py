"""Our tuner against stock KerasTuner: seconds for the same trials, and how good a search is after equal time.

`python -m benchmarks.tuning [--json] [--only fnn,cnn,lstm] [--trials 6] [--repetitions 3]`: the same models, trials and
order of samples on both sides, in one run, alternating; medians over spaced seeds. The last line is JSON:
{"fnn": {"speedup": ..., "stock_s": ..., "ours_s": ..., "difference": ...}, ...}, where "difference" is the largest
one of any validation loss after any epoch. All search optimizer, learning rate, momentum and L2; cnn, lstm and
fnn_dropout dropout too.

`--efficiency SECONDS`: instead, for each model and rival (KerasTuner's random, bayesian and hyperband, plain Optuna,
and ours) a search of so many seconds from each of 5 spaced seeds: mean and standard deviation of the best validation
loss, and after which part of that time ours was as good as each rival's mean at its end. `--oracles` compares our own
ways to choose among each other instead, which all train by the compiled epoch. `--record` keeps the figures for
docs/tuning.md.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
import optuna

import zoo
from benchmarks.tuning_table import record
from zoo.base.tables import plain_table
from zoo.training.epoch import same_rounding

EPOCHS = {"fnn": 20, "fnn_dropout": 20, "cnn": 20, "lstm": 12}
TRIALS = {"fnn": 30, "fnn_dropout": 6, "cnn": 6, "lstm": 6}
SHAPES = {"fnn": (64,), "fnn_dropout": (64,), "cnn": (8, 8, 1), "lstm": (8, 8)}
BATCH = 32
SEEDS = (1_000, 20_000, 300_000, 4_000_000, 50_000_000)  # spaced: neighbours share KerasTuner's draws
RIVALS = ("ours", "random", "bayesian", "hyperband", "optuna")
OURS = ("ours", "ours random", "ours bayesian", "ours hyperband")  # the first one is "asha"
CAP = 2.5  # of a loss that is no number, or far off


def data(name: str):
    """Digits, pixels in [0, 1]: (x, y) of train, and of validation."""
    digits = zoo.data.digits(shape=SHAPES[name])
    return [((part.x / 16).astype("float32"), part.y) for part in (digits.train, digits.validation)]


def builder(name: str):
    """A KerasTuner user's function from `hp` to a compiled model."""

    def build(hp):
        keras.utils.set_random_seed(1)
        penalty = keras.regularizers.L2(hp.Float("l2", 1e-6, 1e-2, sampling="log"))
        rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
        kind = hp.Choice("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad"])
        momentum = 0.0
        with hp.conditional_scope("optimizer", ["momentum", "nesterov"]):
            if kind in ("momentum", "nesterov"):
                momentum = hp.Float("momentum", 0.5, 0.99)
        dropout = [] if name == "fnn" else [keras.layers.Dropout(hp.Float("dropout", 0.0, 0.6))]
        dense = [keras.layers.Dense(64, "relu", kernel_regularizer=penalty), *dropout]
        layers = {
            "fnn": lambda: dense,
            "fnn_dropout": lambda: dense,
            "cnn": lambda: [
                keras.layers.Conv2D(8, 3, activation="relu", kernel_regularizer=penalty),
                keras.layers.Conv2D(16, 3, activation="relu", kernel_regularizer=penalty),
                keras.layers.Flatten(),
                *dropout,
            ],
            "lstm": lambda: [keras.layers.LSTM(32, kernel_regularizer=penalty), *dropout],
        }[name]()
        model = keras.Sequential([keras.Input(SHAPES[name]), *layers, keras.layers.Dense(10)])
        optimizer = {
            "sgd": lambda: keras.optimizers.SGD(rate),
            "momentum": lambda: keras.optimizers.SGD(rate, momentum),
            "nesterov": lambda: keras.optimizers.SGD(rate, momentum, nesterov=True),
            "adam": lambda: keras.optimizers.Adam(rate),
            "adamw": lambda: keras.optimizers.AdamW(rate),
            "rmsprop": lambda: keras.optimizers.RMSprop(rate),
            "adagrad": lambda: keras.optimizers.Adagrad(rate),
        }[kind]()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
        return model

    return build


class Curve(keras.callbacks.Callback):
    """Validation losses of all trials, an entry an epoch; KerasTuner copies callbacks, so the list is the class's."""

    losses: list[float] = []  # noqa: RUF012
    best: list[tuple[float, float]] = []  # noqa: RUF012  (seconds since the start, best so far)
    start = 0.0

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("val_loss", CAP)
        loss = min(loss, CAP) if np.isfinite(loss) else CAP
        Curve.losses.append(loss)
        if not Curve.best or loss < Curve.best[-1][1]:
            Curve.best.append((time.perf_counter() - Curve.start, loss))

    @classmethod
    def restart(cls) -> None:
        cls.losses, cls.best, cls.start = [], [], time.perf_counter()


def stock(name: str, kind: str, seed: int, trials: int | None, arguments: dict) -> None:
    """What a user of KerasTuner writes."""
    tuners = {
        "random": lambda where: keras_tuner.RandomSearch(
            builder(name), "val_loss", max_trials=trials or 10_000, seed=seed, **where
        ),
        "bayesian": lambda where: keras_tuner.BayesianOptimization(
            builder(name), "val_loss", max_trials=trials or 10_000, seed=seed, **where
        ),
        "hyperband": lambda where: keras_tuner.Hyperband(
            builder(name), "val_loss", max_epochs=EPOCHS[name], hyperband_iterations=100, seed=seed, **where
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        tuner = tuners[kind]({"directory": folder, "project_name": "stock", "max_consecutive_failed_trials": 10_000})
        tuner.search(**arguments, verbose=0)


def ours(name: str, oracle: str, seed: int, trials: int, arguments: dict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tuner = zoo.Tuner(
            builder(name), oracle=oracle, max_trials=trials, max_epochs=EPOCHS[name], seed=seed, directory=folder,
            report=complain, keep=1,
        )  # fmt: skip
        tuner.search(**arguments)
        tuner.history.close()


def complain(line: str) -> None:
    """A trial that fails at once would make a search look quick."""
    if "failed:" in line:
        raise RuntimeError(line)


def plain_optuna(name: str, seed: int, arguments: dict) -> None:
    """Optuna as its own example has it: TPE, a pruner, and `model.fit`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    class Hp:
        """KerasTuner's words for Optuna's."""

        def __init__(self, trial):
            self.trial = trial

        def Float(self, name, low, high, sampling="linear"):
            return self.trial.suggest_float(name, low, high, log=sampling == "log")

        def Choice(self, name, values):
            return self.trial.suggest_categorical(name, values)

        def conditional_scope(self, *_):
            return contextlib.nullcontext()

    class Prune(keras.callbacks.Callback):
        def __init__(self, trial):
            super().__init__()
            self.trial = trial

        def on_epoch_end(self, epoch, logs=None):
            self.trial.report(min(logs["val_loss"], CAP) if np.isfinite(logs["val_loss"]) else CAP, epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def objective(trial):
        keras.backend.clear_session()
        callbacks = [*arguments["callbacks"], Prune(trial)]
        history = builder(name)(Hp(trial)).fit(**{**arguments, "callbacks": callbacks}, verbose=0).history
        return min(v if np.isfinite(v) else CAP for v in history["val_loss"])

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner())
    study.optimize(objective, n_trials=10_000)


class OutOfTime(BaseException):
    """Ends a search wherever it is."""


class Clock(Curve):
    seconds = 0.0

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if time.perf_counter() - Curve.start > Clock.seconds:
            raise OutOfTime


def speed(names: list[str], given: int | None, repetitions: int, as_json: bool) -> None:
    rows, results = [["MODEL", "STOCK", "OURS", "RATIO", "LARGEST DIFFERENCE OF A LOSS"]], {}
    for name in names:
        trials = given or TRIALS[name]
        (x, y), held_out = data(name)
        arguments = {
            "x": x, "y": y, "validation_data": held_out, "epochs": EPOCHS[name], "batch_size": BATCH, "shuffle": False,
        }  # fmt: skip
        theirs, mine, difference = [], [], 0.0
        for seed in SEEDS[:repetitions]:
            Curve.restart()
            stock(name, "random", 1_000_003 * (seed + 1), trials, {**arguments, "callbacks": [Curve()]})
            theirs.append(time.perf_counter() - Curve.start)
            losses = Curve.losses
            Curve.restart()
            ours(name, "random", seed, trials, {**arguments, "callbacks": [Curve()]})
            mine.append(time.perf_counter() - Curve.start)
            assert len(losses) == len(Curve.losses), "not the same trials"
            difference = max(difference, float(np.abs(np.subtract(losses, Curve.losses)).max()))
        seconds = statistics.median(theirs), statistics.median(mine)
        ratio = statistics.median(a / b for a, b in zip(theirs, mine, strict=True))
        results[name] = {
            "speedup": round(ratio, 2), "stock_s": round(seconds[0], 2), "ours_s": round(seconds[1], 2),
            "difference": difference, "trials": trials, "epochs": EPOCHS[name], "repetitions": repetitions,
        }  # fmt: skip
        rows.append([name, f"{seconds[0]:.1f} s", f"{seconds[1]:.1f} s", f"{ratio:.1f}", f"{difference:.1e}"])
        if not as_json:
            print(plain_table(rows[:1] + rows[-1:]), flush=True)
    print(json.dumps(results))


def search(rival: str, name: str, seed: int, arguments: dict) -> None:
    """Without an end of its own."""
    if rival == "hyperband":  # gives the epochs itself
        stock(name, rival, seed, None, arguments)
        return
    arguments = {**arguments, "epochs": EPOCHS[name]}
    if rival.startswith("ours"):
        oracle = rival.removeprefix("ours").strip() or "asha"
        for again in itertools.count():  # Hyperband ends after its brackets
            ours(name, oracle, seed + again, 100_000, arguments)
    elif rival == "optuna":
        plain_optuna(name, seed, arguments)
    else:
        stock(name, rival, seed, None, arguments)


def efficiency(names: list[str], seconds: float, seeds: int, rivals: tuple[str, ...], kept: bool) -> None:
    results: dict[str, dict] = {}
    for name in names:
        (x, y), held_out = data(name)
        Clock.seconds = seconds
        arguments = {"x": x, "y": y, "validation_data": held_out, "batch_size": BATCH, "callbacks": [Clock()]}
        found: dict[str, list[list[tuple[float, float]]]] = {rival: [] for rival in rivals}
        for seed in SEEDS[:seeds]:
            for rival in rivals:
                Curve.restart()
                with contextlib.suppress(OutOfTime):
                    search(rival, name, seed, arguments)
                found[rival].append(Curve.best)
                keras.backend.clear_session()
        rows = [["RIVAL", "BEST LOSS", "SD", "OURS WAS THERE AFTER"]]
        results[name] = {}
        for rival, curves in found.items():
            ends = [curve[-1][1] for curve in curves]
            mean = statistics.fmean(ends)
            reached = [next((t for t, loss in curve if loss <= mean), seconds) for curve in found["ours"]]
            part = statistics.fmean(reached) / seconds
            sd = statistics.stdev(ends) if len(ends) > 1 else 0.0
            results[name][rival] = {"mean": round(mean, 5), "sd": round(sd, 5), "part_of_time": round(part, 3)}
            rows.append([rival, f"{mean:.4f}", f"{sd:.4f}", "" if rival == "ours" else f"{part:.0%} of the time"])
        print(f"{name}, {seconds:.0f} s, {seeds} seeds\n{plain_table(rows)}", flush=True)
        if kept:
            measured = {"seconds": seconds, "seeds": seeds, "rivals": results[name]}
            record("efficiency", f"{name} oracles" if rivals == OURS else name, measured)
    print(json.dumps(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--only", default="fnn,fnn_dropout,cnn,lstm")
    parser.add_argument("--trials", type=int, help=f"of each search; by default {TRIALS}")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--efficiency", type=float, metavar="SECONDS")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--oracles", action="store_true", help="with --efficiency: our own ways to choose")
    parser.add_argument("--record", action="store_true", help="with --efficiency: write the figures to docs/tuning.md")
    given = parser.parse_args()
    names = given.only.split(",")
    with same_rounding:  # on both sides, or Adagrad rounds differently
        if given.efficiency:
            efficiency(names, given.efficiency, given.seeds, OURS if given.oracles else RIVALS, given.record)
        else:
            speed(names, given.trials, given.repetitions, given.json)


if __name__ == "__main__":
    main()
