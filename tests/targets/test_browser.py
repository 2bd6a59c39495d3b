"""LiteRT.js in headless Chromium: released files answer there as their golden outputs say, and what is refused fails.

`make test-targets` runs these, with Chromium, Playwright from the extra [browser] and LiteRT.js from npm.
"""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from test_targets import RELEASED

from zoo.base.errors import CheckFailed
from zoo.runtime import browser as browser_module
from zoo.runtime.browser import Browser
from zoo.runtime.targets import TARGETS, incompatibility

REFUSED = [path for path in RELEASED if incompatibility(path, TARGETS["browser"])]
TAKEN = [path for path in RELEASED if path not in REFUSED]


def named(path):
    return path.stem


@pytest.fixture(scope="module")
def browser():
    try:
        with Browser() as browser:
            yield browser
    except ImportError as error:
        pytest.skip(f"needs {error.name}: {error}")


def golden(path):
    answers = json.loads(path.with_suffix(".golden.json").read_text())
    return np.array(answers["inputs"]), np.array(answers["outputs"])


@pytest.mark.parametrize("path", TAKEN, ids=named)
def test_a_released_file_answers_as_its_golden_outputs_say(path, browser):
    inputs, outputs = golden(path)
    found = browser.run(path, inputs)
    assert found.shape == outputs.shape
    # Values of int16x8 may differ by a step of theirs; all others agree to the last digits.
    np.testing.assert_allclose(found, outputs, rtol=0, atol=1e-4 * np.abs(outputs).max())


@pytest.mark.parametrize("path", REFUSED, ids=named)
def test_what_the_rule_refuses_does_not_run(path, browser):
    variables = "variable tensors" in incompatibility(path, TARGETS["browser"])
    reason = "Failed to load model" if variables else "INT8 is not supp"
    with pytest.raises(CheckFailed, match=f"does not run in LiteRT.js: .*{reason}"):
        browser.run(path, golden(path)[0])


def test_every_released_family_is_run():
    families = [{path.parent.name.rpartition("_")[2] for path in paths} for paths in (RELEASED, TAKEN)]
    assert families[0] == families[1]


def test_an_open_batch_is_refused_and_fails(browser, tmp_path):
    path = tmp_path / "open.tflite"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).export(path, format="litert", verbose=False)
    assert "open shape (-1, 4)" in incompatibility(path, TARGETS["browser"])
    with pytest.raises(CheckFailed, match=r"does not match expected ranked tensor type Float32\[-1, 4\]"):
        browser.run(path, np.ones((1, 4)))


def test_zoo_targets_measures_it(browser, zoo_process):
    answers = json.loads(zoo_process("targets", TAKEN[0], "--json", check=0).stdout)
    (answer,) = [answer for answer in answers if answer["target"] == "LiteRT.js"]
    assert answer["runs"] is True
    assert "us a sample in headless Chromium here" in answer["detail"]


def test_what_is_missing_is_said_with_its_command(monkeypatch):
    monkeypatch.setattr(browser_module.shutil, "which", lambda name: None)
    with pytest.raises(ImportError, match="apt-get install chromium"):
        browser_module.chromium()
