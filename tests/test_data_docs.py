"""docs/data.md: its examples run, and show what the page says."""

import re
import shlex

import pytest
from conftest import ROOT

from tools.data_page import page
from zoo.data import SOURCES, Stored

PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown():
    """The names that each block leaves behind."""
    spaces = []
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        spaces.append({})
        exec(block, spaces[-1])
    return spaces


def test_python(shown):
    at_hand, _, splits, folds, texts, sequences, large = shown
    assert len(at_hand["cancer"].features) == 30 and at_hand["rows"].input_shape == (8, 8)
    assert len(splits["by_person"].labels) == 4 and len(splits["by_time"].train.x) > 500
    assert len(folds["fold"].test.x) in (113, 114)
    assert texts["reviews"].input_shape == (6,) and "film" in texts["reviews"].vocabulary
    assert sequences["x"].shape == (2, 5, 2)
    assert isinstance(large["large"].train.x, Stored) and large["large"].input_shape == (16, 16, 3)


def test_commands(zoo_command):
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        zoo_command(*shlex.split(line.removeprefix("$ zoo ")), check=0)


def test_every_source_is_on_the_page():
    assert page(PAGE) == PAGE, "run: python -m tools.data_page"
    assert all(f"| `{name}` |" in PAGE for name in SOURCES)
