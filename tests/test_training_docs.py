"""docs/training.md: its examples run, and show what the page says."""

import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def shown():
    """The names that each block leaves behind."""
    spaces = []
    for block in BLOCKS:
        spaces.append({})
        exec(block, spaces[-1])
    return spaces


def test_deep_sigmoids_let_the_gradient_vanish_and_relu_does_not(shown):
    sigmoid, relu = shown[0]["norms"]["sigmoid"], shown[0]["norms"]["relu"]
    assert len(sigmoid) == len(relu) == 9, "eight hidden layers and the logits"
    assert sigmoid[0] < 1e-4 * sigmoid[-1], "at best a quarter passes each sigmoid: 0.25 ** 8 is 1.5e-5"
    assert relu[0] > 0.1 * relu[-1]


def test_the_summary_of_the_page_counts(shown):
    summary = shown[1]["summary"]
    assert summary.macs == 100 * 4 * 64 * (6 + 64) + 64 * 3


def test_the_thresholds_on_the_page_are_those_of_the_code():
    from zoo.training import diagnosis

    assert diagnosis.UNDERFITS_ABOVE == 1 / 5 and "a fifth of the blind error" in PAGE
    assert diagnosis.OVERFITS_ABOVE == 0.05 and "more than 5 % of the blind error" in PAGE
    assert diagnosis.STANDARD_ERRORS == 2 and "more than two standard errors" in PAGE
