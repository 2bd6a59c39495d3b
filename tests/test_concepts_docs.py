"""docs/concepts.md: each concept has a row, each line runs, and each argument and each test exists."""

import contextlib
import functools
import inspect
import re

import numpy as np
import pytest
from conftest import ROOT

import zoo
from zoo.recipe.optimizers import make_optimizer

PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
PRELUDE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
TABLES = [  # rows of cells, starting with the header
    [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()]
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
]
CONCEPTS = {row[0]: row for table in TABLES[:-1] for row in table[2:]}
DIFFERENCES = TABLES[-1][2:]

# What an introduction to deep learning teaches.
TAUGHT = """neuron, FNN, CNN, RNN, LSTM, GRU, depth, sigmoid, tanh, relu, leaky relu, prelu, softmax, binary
cross-entropy, categorical cross-entropy, sparse categorical cross-entropy, negative log-likelihood, MSE, MAE,
gradient descent, SGD, mini-batch, back-propagation, momentum, Nesterov, Adam, RMSprop, Adagrad, learning rate, L1,
L2, elastic net, dropout, data augmentation, bias and variance"""


def test_every_concept_has_a_row():
    assert not set(" ".join(TAUGHT.split()).split(", ")) - CONCEPTS.keys()
    assert all(table[0] == TABLES[0][0] for table in TABLES[:-1])
    assert all(len(row) == 5 and all(row) for row in CONCEPTS.values())
    assert all(len(row) == 4 and all(row) for row in DIFFERENCES)
    assert len(CONCEPTS) == sum(len(table) - 2 for table in TABLES[:-1]), "no concept has two rows"


@pytest.mark.parametrize("row", [*CONCEPTS.values(), *DIFFERENCES], ids=lambda row: row[0])
def test_every_linked_test_exists(row):
    links = re.findall(r"\[`(test_\w+)`\]\((\.\./tests/test_\w+\.py)\)", row[-1])
    assert links and ", ".join(f"[`{name}`]({file})" for name, file in links) == row[-1]
    for name, file in links:
        assert f"\ndef {name}(" in (ROOT / "docs" / file).read_text(encoding="utf-8"), f"{name} is not in {file}"


def test_every_argument_exists():
    known = set()
    for function in (zoo.fnn, zoo.cnn, zoo.resnet, zoo.ds_cnn, zoo.fcn, zoo.rnn, zoo.crnn, zoo.Recipe, make_optimizer):
        known |= inspect.signature(function).parameters.keys()
    for concept, (_, _, knob, *_) in CONCEPTS.items():
        named = set(re.findall(r"`(\w+)=", knob))
        assert named <= known, f"{concept}: {named - known} is not an argument"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Returns the value of a concept's line, run once after the first block of the page, in a temporary folder."""
    names = {}
    exec(PRELUDE, names)

    @functools.cache
    def run(concept):
        return eval(re.fullmatch(r"`([^`]+)`", CONCEPTS[concept][3])[1], dict(names))

    with contextlib.chdir(tmp_path_factory.mktemp("concepts")):
        yield run


@pytest.mark.parametrize("concept", CONCEPTS)
def test_every_line_runs(concept, shown, capsys):
    value = shown(concept)
    assert value is not None or capsys.readouterr().out, "a line must return or print something"
    if "`learn(" in CONCEPTS[concept][3]:
        assert value["accuracy"] > 0.3 and value["val_loss"] < 2, "it must learn; chance is 0.1"


def test_three_losses_on_the_page_are_one_number(shown):
    names = ("categorical cross-entropy", "sparse categorical cross-entropy", "negative log-likelihood")
    values = [float(shown(concept)) for concept in names]
    np.testing.assert_allclose(values, values[0], rtol=1e-6)


def test_a_learning_rate_that_is_too_high_diverges_and_one_too_low_crawls(shown):
    high, right, low = shown("learning rate")
    assert right < low and (right < high or np.isnan(high))


def test_the_line_of_bias_and_variance_shows_both(shown):
    small, large = shown("bias and variance")
    assert small["loss"] > 2 * large["loss"], "one unit underfits"
    assert large["val_loss"] > 1.5 * large["loss"], "many units overfit"
