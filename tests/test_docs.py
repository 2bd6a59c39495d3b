"""The README's examples run as they stand."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|console)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that looks like the checkout to the examples, so that they write elsewhere."""
    place = tmp_path_factory.mktemp("readme")
    for name in ("tflite", "tests", "recipes"):
        (place / name).symlink_to(ROOT / name)
    return place


def test_there_are_examples_for_each_of_the_three_users():
    kinds = ["python", "console", "python", "python", "console", "console", "python", "python", "console", "python"]
    assert [kind for kind, _ in BLOCKS] == kinds


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example(number, place):
    kind, text = BLOCKS[number]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if kind == "python":
        commands = [[sys.executable, "-c", text]]
    else:
        lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
        commands = [[sys.executable, "-m", *shlex.split(line)] for line in lines]
    for command in commands:
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
