"""docs/tuning.md: its examples in Python run; tests/targets/test_site.py runs its commands."""

import re

import pytest
from conftest import ROOT

from zoo.tuning.oracles import ORACLES

PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[number], {})
    assert list(tmp_path.glob("runs/*/search.db"))


def test_every_oracle_is_on_the_page():
    assert all(f'"{oracle}"' in PAGE for oracle in ORACLES)
