"""docs/tuning.md: its examples run, and its options are there."""

import re
import sys

import pytest
from click.testing import CliRunner
from conftest import ROOT

from zoo.cli import cli
from zoo.files import read_json
from zoo.tuning.oracles import ORACLES

sys.path.insert(0, str(ROOT))  # benchmarks/ is no package of the distribution
from benchmarks.tuning_table import RECORDS, with_tables

PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[number], {})
    assert list(tmp_path.glob("runs/*/search.db"))


def test_every_option_of_the_page_is_one_of_the_command():
    known = CliRunner().invoke(cli, ["tune", "--help"]).output
    for line in re.findall(r"zoo tune .*", PAGE):
        for option in re.findall(r"--[a-z-]+", line.split("#")[0]):
            assert option in known, line
    assert all(f'"{oracle}"' in PAGE for oracle in ORACLES)


def test_the_figures_of_the_page_are_those_that_were_measured():
    assert with_tables(PAGE, read_json(RECORDS)) == PAGE, "python -m benchmarks.tuning_table"
