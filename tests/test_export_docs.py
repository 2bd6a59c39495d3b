"""The table of docs/export.md is what docs/export.json gives."""

import sys

import pytest
from conftest import ROOT

from zoo.base.files import read_json

sys.path.insert(0, str(ROOT))  # benchmarks/ is no package of the distribution
from benchmarks.export_table import FAMILIES, combinations, with_table

PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def records():
    return read_json(ROOT / "docs" / "export.json")


def test_every_combination_was_measured_once(records):
    measured = [(row["family"], row["strategy"], row["precision"]) for row in records["rows"]]
    assert sorted(measured) == sorted(combinations())


def test_the_table_is_what_was_measured(records):
    assert with_table(PAGE, records) == PAGE
    assert all(f"**{family}**" in PAGE for family in FAMILIES)


@pytest.mark.parametrize("field", ["bytes", "latency_us", "score"])
def test_a_wrong_figure_is_found(records, field):
    rows = [dict(row) for row in records["rows"]]
    next(row for row in rows if row["works"])[field] += 1
    assert with_table(PAGE, {**records, "rows": rows}) != PAGE
