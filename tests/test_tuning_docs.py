"""docs/tuning.md: its examples in Python run; tests/targets/test_site.py runs its commands."""

import re
import sys

import pytest
from conftest import ROOT

from zoo.base.files import read_json
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


def test_every_oracle_is_on_the_page():
    assert all(f'"{oracle}"' in PAGE for oracle in ORACLES)


def test_the_figures_of_the_page_are_those_that_were_measured():
    assert with_tables(PAGE, read_json(RECORDS)) == PAGE, "python -m benchmarks.tuning_table"
