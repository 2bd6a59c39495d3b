"""The tuner on a KerasTuner HyperModel, on limits and files, and what a search leaves behind; several processes."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import keras
import keras_tuner
import numpy as np
import optuna
import pytest
from conftest import Gate, write_recipe

import zoo
from zoo.base.versions import versions_key
from zoo.recipe.collection import load_recipe
from zoo.tuning import search
from zoo.tuning.fitting import Pruning
from zoo.tuning.history import History
from zoo.tuning.history import quiet as quiet_optuna
from zoo.tuning.oracles import Asha
from zoo.tuning.outcome import space_of, write_outcome
from zoo.tuning.space import parameters
from zoo.tuning.trials import WORST, Trial, best_of, pareto_front, progress, ranked

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(200, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
DATA = {"x": X[:150], "y": Y[:150], "validation_data": (X[150:], Y[150:])}


def build(hp):
    """A KerasTuner user's own function."""
    keras.utils.set_random_seed(1)
    optimizer = hp.Choice("optimizer", ["sgd", "adam"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        if optimizer == "sgd":
            rate = hp.Float("sgd_rate", 1e-2, 1, sampling="log")
            momentum = hp.Float("momentum", 0.5, 0.99)
    with hp.conditional_scope("optimizer", ["adam"]):
        if optimizer == "adam":
            rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    units = hp.Int("units", 4, 16, step=4)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(2)])
    chosen = keras.optimizers.SGD(rate, momentum) if optimizer == "sgd" else keras.optimizers.Adam(rate)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(chosen, loss, metrics=["accuracy"])
    return model


def quiet(line):
    pass


@pytest.mark.parametrize("oracle", ["asha", "bayesian"])
def test_a_hypermodel_of_kerastuner_runs_unchanged(tmp_path, oracle):
    tuner = zoo.Tuner(build, "val_accuracy", oracle=oracle, max_trials=4, directory=tmp_path, report=quiet)
    found = tuner.search(**DATA, epochs=2, batch_size=32)
    assert len(found.trials) == 4 and found.best.metrics["val_accuracy"] > 0.5
    (hp,) = tuner.get_best_hyperparameters()
    assert hp.values == found.best.values
    model = tuner.get_best_models()[0]
    _, accuracy = model.evaluate(X[150:], Y[150:], verbose=0)
    assert accuracy == pytest.approx(found.best.metrics["val_accuracy"])
    assert len(list((tmp_path / "weights").glob("*.weights.h5"))) == min(3, sum(not t.pruned for t in found.trials))
    again = zoo.Tuner(build, "val_accuracy", oracle=oracle, max_trials=4, directory=tmp_path, report=quiet)
    assert [t.values for t in again.search(**DATA, epochs=2, batch_size=32).trials] == [t.values for t in found.trials]


def test_the_same_trial_gives_what_fit_gives(tmp_path):
    tuner = zoo.Tuner(build, oracle="random", max_trials=2, directory=tmp_path, report=quiet)
    found = tuner.search(**DATA, epochs=3, batch_size=32, shuffle=False)
    for trial in found.trials:
        hp = keras_tuner.HyperParameters()
        hp.values = dict(trial.values)
        stock = build(hp).fit(**DATA, epochs=3, batch_size=32, shuffle=False, verbose=0)
        assert trial.metrics["val_loss"] == pytest.approx(stock.history["val_loss"][-1], abs=1e-6)


def test_a_hypermodel_with_a_fit_of_its_own_keeps_it(tmp_path):
    class Own(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32]), verbose=0, **kwargs)

    found = zoo.Tuner(Own(), oracle="random", max_trials=2, directory=tmp_path, report=quiet).search(**DATA, epochs=1)
    assert len(found.trials) == 2 and not any(t.error for t in found.trials)


def test_an_objective_that_is_not_measured_is_refused_before_the_first_trial(tmp_path):
    tuner = zoo.Tuner(build, "val_recall", max_trials=3, directory=tmp_path, report=quiet)
    with pytest.raises(ValueError, match=r"objective='val_recall' is not known; it is one of .*val_accuracy"):
        tuner.search(**DATA, epochs=2)
    assert not tuner.history.trials()


@pytest.mark.parametrize("oracle", ["asha", "random", "grid", "bayesian"])
def test_a_large_seed_is_one_too(tmp_path, oracle):
    tuner = zoo.Tuner(build, "val_accuracy", oracle=oracle, max_trials=1, seed=2**40, directory=tmp_path, report=quiet)
    assert len(tuner.search(**DATA, epochs=1).trials) == 1


def test_finalists_are_judged_by_further_seeds_alone():
    lucky = Trial({}, {"val_loss": 0.1}, 1.0, number=0, again={"2": 0.5, "3": 0.7})
    steady = Trial({}, {"val_loss": 0.2}, 1.0, number=1, again={"2": 0.3, "3": 0.3})
    pruned = Trial({}, {"val_loss": 0.01}, 1.0, number=2, pruned=True)
    assert best_of([lucky, steady, pruned], "val_loss") is steady
    assert ranked([steady, pruned, lucky], "val_loss") == [lucky, steady, pruned]


SPACE = (
    "space=lambda hp: {'learning_rate': hp.Float('rate', 1e-3, 1e-1, sampling='log'), "
    "'arguments': {'units': (hp.Choice('units', [8, 64]),)}},"
)


@pytest.fixture
def recipe(tmp_path):
    return load_recipe(write_recipe(tmp_path / "quick.py", more=SPACE))


def test_the_best_are_trained_again_and_that_is_not_done_twice(recipe, tmp_path):
    told = []
    chosen = recipe.replace(oracle="random", trials=3, finalists=2, finalist_seeds=2)
    dataset = recipe.load_data()
    found = search(chosen, dataset, tmp_path / "out", told.append, "v")
    assert sum("again from seed" in line for line in told) == 4
    assert sorted(map(len, (t.again for t in found.trials))) == [0, 2, 2]
    told.clear()
    assert search(chosen, dataset, tmp_path / "out", told.append, "v").best == found.best
    assert not any("again from seed" in line for line in told)


def test_what_is_over_a_limit_is_not_trained(recipe):
    dataset = recipe.load_data()
    chosen = recipe.replace(trials=6, oracle="random", limits=zoo.Limits(macs=64 * 8 + 8 * 10))
    found = search(chosen, dataset, None, quiet, "v")
    large = [t for t in found.trials if t.values["units"] == 64]
    assert large and all("TooLarge: 4,736 MACs, 592 are allowed" in t.error for t in large)
    assert found.best.values["units"] == 8
    with pytest.raises(zoo.CheckFailed, match=r"TooLarge: [\d,]+ bytes in int8, 100 are allowed"):
        search(recipe.replace(trials=1, limits=zoo.Limits(bytes=100)), dataset, None, quiet, "v")


def test_the_objective_may_be_that_of_the_exported_file(recipe, converter_here, tmp_path):
    dataset = recipe.load_data()
    chosen = recipe.replace(trials=2, oracle="random", objective="int8_accuracy")
    found = search(chosen, dataset, None, quiet, "v")
    assert {tmp_path / "pareto.csv", tmp_path / "plots" / "search_pareto.png"} <= set(
        write_outcome(chosen, found, tmp_path)
    )
    with (tmp_path / "pareto.csv").open() as file:
        assert all(float(row["bytes"]) > 1000 for row in csv.DictReader(file))
    assert all(0 <= t.metrics["int8_accuracy"] <= 1 and not t.error for t in found.trials)
    assert found.best.metrics["int8_accuracy"] == max(t.metrics["int8_accuracy"] for t in found.trials)
    with pytest.raises(ValueError, match="objective"):
        recipe.replace(objective="int7_accuracy")


def test_the_pareto_front_has_what_no_other_trial_beats_in_score_and_bytes():
    def trial(number, accuracy, size, **more):
        return Trial({}, {"int8_accuracy": accuracy, "bytes": size}, 1.0, number=number, **more)

    trials = [trial(0, 0.9, 30.0), trial(1, 0.8, 20.0), trial(2, 0.7, 25.0), trial(3, 0.9, 29.0), trial(4, 0.5, 10.0)]
    pruned = trial(5, 0.99, 5.0, pruned=True)
    failed = Trial({}, {"int8_accuracy": -WORST}, 1.0, error="ValueError")
    assert [t.number for t in pareto_front([*trials, pruned, failed], "int8_accuracy")] == [4, 1, 3]
    assert pareto_front([failed], "int8_accuracy") == []


def test_what_a_search_leaves_behind(recipe, tmp_path):
    chosen = recipe.replace(trials=3, oracle="random")
    found = search(chosen, recipe.load_data(), tmp_path, quiet, "v")
    written = write_outcome(chosen, found, tmp_path)
    assert all(path.is_file() for path in written)
    with (tmp_path / "search.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["rate"]) for row in rows] == [t.values["rate"] for t in found.trials]
    assert {p.name for p in written} >= {"search.csv", "best.py", "search_history.png", "search_slices.png"}
    best = load_recipe(tmp_path / "best.py")
    assert best.learning_rate == found.best.values["rate"] and best.trials == 0


def test_spaces_are_the_same_in_optuna(recipe):
    hp = keras_tuner.HyperParameters()
    hp.Float("a", 1e-3, 1, sampling="log")
    hp.Float("b", 0, 1, step=0.25)
    hp.Float("c", 1, 100, sampling="reverse_log")
    hp.Int("d", 1, 64, step=2, sampling="log")
    hp.Boolean("e")
    hp.Fixed("f", 3)
    values = {"a": 0.1, "b": 0.5, "c": 20.0, "d": 8, "e": True, "f": 3}
    params, kinds = parameters(values, hp.space)
    assert params["a"] == 0.1 and params["b"] == 0.5 and params["e"] is True and "f" not in params
    assert 0 <= params["c"] <= 1 and 0 <= params["d"] <= 1, "Optuna has no such ranges; it draws the place in them"
    assert all(kind._contains(kind.to_internal_repr(params[name])) for name, kind in kinds.items())
    assert [hp.name for hp in space_of(recipe)] == ["rate", "units"]


def snapshot():
    import matplotlib
    import matplotlib.pyplot as plt

    return {
        "backend": matplotlib.get_backend(),
        "style": dict(matplotlib.rcParams),
        "figures": plt.get_fignums(),
        "optuna": optuna.logging.get_verbosity(),
        "warnings": list(warnings.filters),
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),
    }


def test_a_search_leaves_the_process_as_it_was(recipe, tmp_path):
    import matplotlib.pyplot as plt

    figure = plt.figure()
    held = keras.layers.Dense(1).name
    before = snapshot()
    chosen = recipe.replace(trials=3, finalists=2, finalist_seeds=1)
    write_outcome(chosen, search(chosen, recipe.load_data(), tmp_path, quiet, "v"), tmp_path)
    after = snapshot()
    assert {name for name in before if before[name] != after[name]} == set()
    assert keras.layers.Dense(1).name != held, "names of layers count on: the session was not cleared"
    plt.close(figure)


def test_logs_and_warnings_are_restored_after_the_last_of_several_threads():
    level, filters = optuna.logging.get_verbosity(), list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def other():
        with quiet_optuna:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with quiet_optuna:
        thread.start()
        assert inside.wait(10)
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    leave.set()
    thread.join()
    assert optuna.logging.get_verbosity() == level and list(warnings.filters) == filters


def test_importing_plain_names_loads_no_tensorflow():
    code = "import sys, zoo.tuning; zoo.tuning.Trial; assert not {'tensorflow', 'keras', 'optuna'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lines_of_progress():
    done = Trial({"rate": 0.1}, {"val_loss": 0.5}, 1.0, epochs=9)
    pruned = Trial({"rate": 0.2}, {"val_loss": 0.7}, 1.0, epochs=3, pruned=True)
    failed = Trial({"rate": 9.0}, {"val_loss": WORST}, 1.0, error="ValueError: no")

    def line(trial, left=None):
        return progress(trial, [done, pruned, failed], "val_loss", "1/3", left)

    assert line(done, 4.2) == "trial 1/3  rate=0.1  val_loss 0.5000  best 0.5000  4 s left"
    assert line(pruned).endswith("val_loss 0.7000  best 0.5000  pruned after epoch 3")
    assert line(failed).endswith("val_loss -  best 0.5000  failed: ValueError: no")


# Several processes.


def test_killed_workers_and_a_killed_parent_lose_no_finished_trial(tmp_path):
    gate = Gate(tmp_path / "quick.py", tmp_path / "out", more=SPACE)
    gate.allow(1)  # the two workers finish two trials at most
    job = [sys.executable, "-c", SEARCH, str(tmp_path / "quick.py"), str(tmp_path / "out")]
    process = subprocess.Popen(job, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = iter(process.stdout.readline, "")
    assert next(lines).startswith("trial"), process.stderr.read()
    os.kill(children(process.pid)[0], signal.SIGKILL)
    assert any("a worker ended with code -9" in line for line in lines), process.stderr.read()
    gate.allow(3)
    assert any(line.startswith("trial") for line in lines), "another one takes its place"
    workers = children(process.pid)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 300
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.1)
    before = [(t.values, t.metrics) for t in finished(tmp_path / "out")]
    assert 2 <= len(before) < 8
    gate.allow(8)
    recipe = load_recipe(tmp_path / "quick.py")
    found = search(recipe.replace(trials=8), recipe.load_data(), tmp_path / "out", quiet, versions_key())
    after = [(t.values, t.metrics) for t in found.trials]
    assert len(after) == 8 and len({json.dumps(values) for values, _ in after}) == 8
    assert all(trial in after for trial in before)


def finished(folder):
    history = History(folder / "search.db", "quick", "val_loss")
    trials = history.trials()
    history.close()
    return trials


SEARCH = """
import sys
from pathlib import Path
from zoo.recipe.collection import load_recipe
from zoo.base.versions import versions_key
from zoo.tuning import search
from zoo.tuning.fitting import Pruning
recipe = load_recipe(sys.argv[1]).replace(trials=8)
say = lambda line: print(line, flush=True)
search(recipe, recipe.load_data(), Path(sys.argv[2]), say, versions_key(), workers=2)
"""


def children(pid):
    return [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"workers": 2, "oracle": "random"}, "oracle='random' runs in one process; use 'asha' for more"),
        ({"workers": 0}, "workers=0"),
        ({"storage": "postgres//nowhere"}, "storage='postgres//nowhere'"),
        ({"oracle": "genetic"}, "oracle='genetic' is not known"),
    ],
)
def test_a_mistake_is_told_before_the_first_trial(recipe, tmp_path, change, message):
    fields = {k: v for k, v in change.items() if k == "oracle"}
    how = {k: v for k, v in change.items() if k != "oracle"}
    with pytest.raises(ValueError, match=message):
        search(recipe.replace(**fields), recipe.load_data(), tmp_path / "out", quiet, "v", **how)


@pytest.mark.parametrize(("momentum", "steps", "settled"), [(0.99, 100, False), (0.99, 200, True), (0.9, 20, True)])
def test_no_trial_is_pruned_while_moving_averages_are_close_to_their_start(momentum, steps, settled):
    """Of momentum .99 there is .37 of it left after 100 steps, .13 after 200."""

    class Prunes(Asha):
        def __init__(self): ...

        def prunes(self, trial_id, epoch, value):
            return True

    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(momentum=momentum)])
    model.compile("sgd", "mse")
    model.optimizer.iterations.assign(steps)
    model.stop_training = False
    pruning = Pruning(Prunes(), "0", "val_loss")
    pruning.set_model(model)
    pruning.set_params({"epochs": 9})
    pruning.on_epoch_end(0, {"val_loss": 1.0})
    assert model.stop_training is settled and pruning.pruned is settled
