"""docs/models/: each knob of each builder has its row and a line that runs, each figure is what was measured."""

import ast
import functools
import inspect
import re
import sys

import keras
import pytest
from conftest import ROOT
from families import families

import zoo
from zoo.base.files import read_json

sys.path.insert(0, str(ROOT))  # benchmarks/ is no package of the distribution
from benchmarks.model_pages import FAMILIES, FOLDER, PRECISIONS, index_table, with_table

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
BUILDERS = {page: tuple(getattr(zoo, name) for name in family.golden) for page, family in families().items()}
SMALL = {name: call for family in families().values() for name, call in family.small.items()}
RECORDS = read_json(FOLDER / "cost.json")
NAMES = {"keras": keras, "zoo": zoo}


def rows(page, heading):
    """The cells of the table under a heading, without its head."""
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGES[page], re.DOTALL | re.MULTILINE)[1] if heading else ""
    lines = [line for line in (part or PAGES[page]).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def knobs(page):
    """Knob -> default as written, families that have it, and the line."""
    found = {}
    for row in rows(page, "" if page == "knobs" else "Knobs"):
        if knob := re.fullmatch(r"`(\w+)=(.+)`", row[0]):
            assert knob[1] not in found, f"{knob[1]} stands twice in {page}.md"
            families = row[2] if page == "knobs" else page
            found[knob[1]] = (ast.literal_eval(knob[2]), families, re.fullmatch(r"`([^`]+)`", row[-1])[1])
    return found


OWN = {page: knobs(page) for page in FAMILIES}
SHARED = knobs("knobs")
LINES = [(page, knob) for page, found in {**OWN, "knobs": SHARED}.items() for knob in found]


@functools.cache
def call(line):
    """The builder's name in a line, and the arguments as it gives them."""
    (statement,) = ast.parse(line).body
    assert isinstance(statement.value, ast.Call), line
    arguments = {
        keyword.arg: eval(compile(ast.Expression(keyword.value), line, "eval"), dict(NAMES))
        for keyword in statement.value.keywords
    }
    return statement.value.func.attr, arguments


def options(builder):
    parameters = inspect.signature(builder).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_knob_has_its_row_with_its_default_and_none_is_invented(family):
    for builder in BUILDERS[family]:
        wanted = options(builder)
        name = builder.__name__
        for knob, default in wanted.items():
            row = OWN[family].get(knob) or SHARED.get(knob)
            assert row, f"{knob} of {name} stands neither in {family}.md nor in knobs.md"
            assert row[0] == default, f"{family}.md gives {knob} as {row[0]!r}; it is {default!r}"
        named = {"cell"} if builder in (zoo.lstm, zoo.gru) else set()
        assert not OWN[family].keys() - wanted.keys() - named, f"{name} has no such knob"


@pytest.mark.parametrize("knob", SHARED)
def test_a_shared_knob_is_in_the_families_that_its_row_names(knob):
    _, families, _ = SHARED[knob]
    having = {builder.__name__ for group in BUILDERS.values() for builder in group if knob in options(builder)}
    without = set(re.findall(r"\w+", families.removeprefix("all but "))) if families != "all" else set()
    assert having == SMALL.keys() - without


@pytest.mark.parametrize(("page", "knob"), LINES, ids=["-".join(line) for line in LINES])
def test_every_line_runs_and_turns_its_knob(page, knob):
    default, _, line = (SHARED if page == "knobs" else OWN[page])[knob]
    builder, arguments = call(line)
    allowed = {b.__name__ for b in BUILDERS.get(page, sum(BUILDERS.values(), ()))}
    assert builder in allowed, f"{line} is of another family"
    assert knob in arguments and arguments[knob] != default, f"{line} does not turn {knob}"
    made = structure(ast.unparse(ast.parse(line)))
    source = ast.parse(line).body[0].value  # without the knob it is another model
    source.keywords = [
        k for k in source.keywords if k.arg != knob and (knob, k.arg) != ("activation", "negative_slope")
    ]
    if knob in ("vocabulary_size", "strides", "cell"):  # the shape asks for it, or it is as long as another
        return
    assert structure(ast.unparse(source)) != made, f"{line} changes nothing"


@functools.cache
def structure(line):
    """What the model of a line is made of; without the numbers in layers' names, for Keras counts them on."""
    model = eval(line, dict(NAMES))
    assert isinstance(model, keras.Model) and model.layers[-1].name == "logits"
    configs = str([layer.get_config() for layer in model.layers])
    return re.sub(r"_\d+\b", "", configs), model.name, model.count_params()


@pytest.mark.parametrize("line", ["zoo.cnn((8, 8, 1), 2, dropout=0.1)", "zoo.gru((6, 3), 2)"])
def test_a_knob_that_changed_nothing_would_be_found(line):
    assert structure(line) == structure(line + " ")


@pytest.mark.parametrize("builder", sorted(SMALL.keys() - {"lstm", "gru"}))  # which are rnn
@pytest.mark.parametrize("knob", SHARED)
def test_a_shared_knob_works_in_each_family(knob, builder):
    _, families, line = SHARED[knob]
    if builder in families.removeprefix("all but ").split(", "):
        return
    shape, small = SMALL[builder]
    given = call(line)[1]
    arguments = {name: given[name] for name in given if knob in (name, "negative_slope")}
    getattr(zoo, builder)(shape, 2, **small, **arguments)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs_and_its_model_fits_the_shapes_beside_it(page):
    for block in re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL):
        names = {}
        exec(block, names)
        made = [model for model in names.values() if isinstance(model, keras.Model)]
        assert made or page == "knobs"
        shapes = [str(tuple(layer.output.shape)).replace("None", "B", 1) for model in made for layer in model.layers]
        for told in re.findall(r"\(B, [\d, ]+\)", block):
            assert told in shapes, f"{told} of {page}.md is the shape of no layer"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", PAGES[page]):
        assert (FOLDER / target).exists(), f"{page}.md: {target}"


def test_all_families_have_a_page_and_are_in_the_index():
    assert PAGES.keys() == {"README", "knobs", *FAMILIES}
    assert all(f"({family}.md)" in PAGES["README"] for family in FAMILIES)
    models = {builder.__name__ for group in BUILDERS.values() for builder in group}
    assert models == set(zoo.models.__all__)


@pytest.mark.parametrize("page", ["README", *FAMILIES])
def test_the_table_is_what_was_measured(page):
    assert with_table(PAGES[page], page, RECORDS) == PAGES[page], "python -m benchmarks.model_pages --tables"


@pytest.mark.parametrize("field", ["parameters", "float32", "int8"])
def test_a_wrong_figure_is_found(field):
    first, *others = RECORDS["rows"]
    wrong = {**first, "parameters": 1} if field == "parameters" else {**first, "bytes": {**first["bytes"], field: 1}}
    assert with_table(PAGES["cnn"], "cnn", {**RECORDS, "rows": [wrong, *others]}) != PAGES["cnn"]


def test_every_call_was_measured_and_has_its_parameters():
    calls = [item for _, _, calls in FAMILIES.values() for item in calls]
    assert [(row["call"], row["strategy"]) for row in RECORDS["rows"]] == calls
    for row in RECORDS["rows"]:
        assert structure(ast.unparse(ast.parse(row["call"])))[-1] == row["parameters"], f"{row['call']}: measure anew"
        assert all(row["bytes"][precision] > 0 for precision in PRECISIONS)
    assert index_table(RECORDS) in PAGES["README"]
