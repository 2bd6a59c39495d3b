"""docs/data.md: its examples run, and show what the page says."""

import re
import shlex

import pytest
from conftest import ROOT

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
    first, _, third, fourth, fifth = shown
    assert len(first["cancer"].features) == 30 and first["rows"].input_shape == (8, 8)
    assert len(third["by_person"].labels) == 4 and len(third["by_time"].train.x) > 500
    assert fourth["x"].shape == (2, 5, 2)
    assert isinstance(fifth["large"].train.x, Stored) and fifth["large"].input_shape == (16, 16, 3)


def test_commands(zoo_command):
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        zoo_command(*shlex.split(line.removeprefix("$ zoo ")), check=0)


def test_every_source_is_on_the_page():
    assert not [name for name in SOURCES if f"`{name}`" not in PAGE]
