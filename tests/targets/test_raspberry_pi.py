"""examples/raspberry_pi: runs the steps of its README in an environment with only what they install.

`make test-targets` runs these tests on this machine; they fetch numpy and LiteRT from PyPI.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PAGE = ROOT / "examples" / "raspberry_pi" / "README.md"


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """The folder of the steps, and the output of each block of the README."""
    folder = tmp_path_factory.mktemp("pi")
    for name in ("zoo", "examples", "tflite", "tests"):
        (folder / name).symlink_to(ROOT / name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # its python3
    environment = {**os.environ, "PATH": path, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PYTHONPATH": ""}
    printed = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        done = subprocess.run(["sh", "-ec", block], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    return folder / "to_pi", printed


def test_the_digits_are_recognized(steps):
    _, (copied, printed) = steps
    assert not copied
    lines = [line.split() for line in printed.splitlines()[-10:]]
    assert all(len(line) == 11 for line in lines)
    assert sum(line[0] == str(digit) for digit, line in enumerate(lines)) >= 9


def test_neither_tensorflow_nor_this_project_is_installed(steps):
    folder, _ = steps
    for module in ("tensorflow", "keras", "zoo"):
        done = subprocess.run(
            [".venv/bin/python", "-c", f"import {module}"], cwd=folder, capture_output=True, text=True
        )
        assert f"No module named '{module}'" in done.stderr
