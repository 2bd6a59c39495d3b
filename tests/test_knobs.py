"""The shared knobs are declared once, and help, signatures and type checkers show each of them."""

import inspect
import pydoc
import subprocess
import sys
from dataclasses import fields
from typing import get_type_hints

import pytest
from conftest import ROOT

import zoo
from zoo.models.blocks import Hidden, Knobs

NAMES = [field.name for field in fields(Hidden)]
LACKS = {"fnn": {"spatial_dropout"}, "rnn": {"negative_slope"}, "lstm": {"negative_slope"}, "gru": {"negative_slope"}}


def test_type_checkers_read_the_same_names_and_types():
    assert get_type_hints(Knobs) == get_type_hints(Hidden)


@pytest.mark.parametrize("name", zoo.models.__all__)
def test_help_and_signature_show_each_knob_with_its_default(name):
    builder = getattr(zoo, name)
    parameters = inspect.signature(builder).parameters
    text = pydoc.render_doc(builder, renderer=pydoc.plaintext)
    for knob in NAMES:
        assert (knob in parameters) == (knob not in LACKS.get(name, ()))
        if knob in parameters:
            assert f"{knob}={parameters[knob].default!r}" in text
            arguments = text.split("Args:")[1].split("Returns:")[0]
            assert any(knob in line.split(":")[0] for line in arguments.splitlines()), f"{knob} has no line"
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def test_mypy_accepts_right_calls_and_rejects_wrong_ones(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import zoo\n"
        "zoo.cnn((8, 8, 1), 3, filters=(4,), dropout=0.1, activation='relu', max_norm=None)\n"
        "zoo.cnn((8, 8, 1), 3, dropout='much')\n"
        "zoo.cnn((8, 8, 1), 3, dropuot=0.1)\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    errors = [line for line in done.stdout.splitlines() if "program.py" in line and "error" in line]
    assert [line.split(":")[1] for line in errors] == ["3", "4"], done.stdout
    assert "dropout" in errors[0] and "dropuot" in errors[1]
