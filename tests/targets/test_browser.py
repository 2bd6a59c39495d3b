"""LiteRT.js in headless Chromium: released files give their golden outputs, and the files we reject do not run.

`make test-targets` runs these tests, with Chromium, Playwright from the extra [browser] and LiteRT.js from npm.
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

REJECTED = [path for path in RELEASED if incompatibility(path, TARGETS["browser"])]
ACCEPTED = [path for path in RELEASED if path not in REJECTED]


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
    content = json.loads(path.with_suffix(".golden.json").read_text())
    return np.array(content["inputs"]), np.array(content["outputs"])


@pytest.mark.parametrize("path", ACCEPTED, ids=named)
def test_a_released_file_gives_its_golden_outputs(path, browser):
    inputs, outputs = golden(path)
    result = browser.run(path, inputs)
    assert result.shape == outputs.shape
    # int16x8 may differ by one quantization step; all others agree to the last digits.
    np.testing.assert_allclose(result, outputs, rtol=0, atol=1e-4 * np.abs(outputs).max())


@pytest.mark.parametrize("path", REJECTED, ids=named)
def test_rejected_files_do_not_run(path, browser):
    variables = "variable tensors" in incompatibility(path, TARGETS["browser"])
    reason = "Failed to load model" if variables else "INT8 is not supp"
    with pytest.raises(CheckFailed, match=f"does not run in LiteRT.js: .*{reason}"):
        browser.run(path, golden(path)[0])


def test_every_released_family_is_run():
    families = [{path.parent.name.rpartition("_")[2] for path in paths} for paths in (RELEASED, ACCEPTED)]
    assert families[0] == families[1]


def test_a_variable_batch_size_is_rejected_and_fails(browser, tmp_path):
    path = tmp_path / "open.tflite"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).export(path, format="litert", verbose=False)
    assert "open shape (-1, 4)" in incompatibility(path, TARGETS["browser"])
    with pytest.raises(CheckFailed, match=r"does not match expected ranked tensor type Float32\[-1, 4\]"):
        browser.run(path, np.ones((1, 4)))


def test_zoo_targets_measures_it(browser, zoo_process):
    results = json.loads(zoo_process("targets", ACCEPTED[0], "--json", check=0).stdout)
    (result,) = [result for result in results if result["target"] == "LiteRT.js"]
    assert result["runs"] is True
    assert "us a sample in headless Chromium here" in result["detail"]


def test_a_missing_program_is_named_with_its_install_command(monkeypatch):
    monkeypatch.setattr(browser_module.shutil, "which", lambda name: None)
    with pytest.raises(ImportError, match="apt-get install chromium"):
        browser_module.chromium()
