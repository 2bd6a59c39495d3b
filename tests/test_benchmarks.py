"""Benchmarks that claim equal results end with exit code 1 where the two sides differ; each is broken on purpose."""

import json
import subprocess

import numpy as np
import pytest

from benchmarks import predict, runner, training, tuning
from benchmarks.equality import require_equal
from zoo.recipe.collection import folder


def exit_code(main, *arguments):
    """0 where the benchmark returns."""
    try:
        main(*arguments)
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.mark.parametrize("error, code", [(0.0, 0), (1e-6, 0), (1e-3, 1), (float("nan"), 1), (float("inf"), 1)])
def test_the_tolerance(error, code):
    assert exit_code(require_equal, {"equal": 0.0, "measured": error}, 1e-5) == code


@pytest.mark.parametrize("shift", [0, 1])
def test_tuning_compares_the_same_trials(monkeypatch, capsys, shift):
    ours = tuning.ours
    monkeypatch.setattr(tuning, "ours", lambda name, oracle, seed, *rest: ours(name, oracle, seed + shift, *rest))
    monkeypatch.setitem(tuning.EPOCHS, "fnn", 1)
    large = tuning.SEEDS.index(300_000)  # times 1,000,003 it is above 2^32
    monkeypatch.setattr(tuning, "SEEDS", tuning.SEEDS[large : large + 1])
    assert exit_code(tuning.speed, ["fnn"], 2, 1, True) == shift
    difference = json.loads(capsys.readouterr().out.splitlines()[-1])["fnn"]["difference"]
    assert (difference > tuning.TOLERANCE) == bool(shift)


def test_tuning_notices_another_number_of_trials():
    assert tuning.largest_difference([1.0, 2.0], [1.0]) == float("inf")


@pytest.mark.parametrize("epochs_missing", [0, 1])
def test_training_compares_weights(monkeypatch, epochs_missing):
    fit = training.fit
    monkeypatch.setattr(
        training, "fit", lambda *data, epochs, **options: fit(*data, epochs=epochs - epochs_missing, **options)
    )
    for name, value in (("RECIPES", ("digits_fnn",)), ("EPOCHS", 2), ("REPETITIONS", 1)):
        monkeypatch.setattr(training, name, value)
    assert exit_code(training.main) == epochs_missing


@pytest.mark.parametrize("shift", [0, 1])
def test_predict_compares_classes(monkeypatch, shift):
    answers = {"-c": json.dumps([3, 4]), "-m": json.dumps([{"class": 3}, {"class": 4 + shift}])}
    monkeypatch.setattr(
        predict.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, answers[command[1]])
    )
    assert exit_code(predict.main) == shift


@pytest.mark.parametrize("shift", [0, 1])
def test_runner_compares_outputs(monkeypatch, shift):
    ours = runner.ours

    def shifted(file, x):
        seconds, outputs = ours(file, x)
        return seconds, outputs + np.float32(shift)

    for name, value in (("ours", shifted), ("INPUTS", 20), ("FEWER", 10), ("ROUNDS", 1)):
        monkeypatch.setattr(runner, name, value)
    monkeypatch.setattr(runner, "peak_memory", lambda file, inputs: 0.0)
    assert exit_code(runner.main, [folder("tflite") / "digits_fnn" / "digits_fnn.int8.tflite"]) == shift
