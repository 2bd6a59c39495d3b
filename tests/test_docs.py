"""Every example of every page and docstring runs as it stands; the three ways in take five minutes to read each."""

import contextlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import wave

import numpy as np
import pytest
from conftest import ROOT

import zoo

FENCED = re.compile(r"^```(\S*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
}
START = ("docs/start/builder.md", "docs/start/recipe.md", "docs/start/deploy.md")
HERE = ("README.md", *START)
MODELS = {f"docs/models/{path.stem}.md": "test_model_pages.py" for path in (ROOT / "docs" / "models").glob("*.md")}
ELSEWHERE = {  # what runs the examples of the other pages
    "python": {
        **MODELS,
        "docs/concepts.md": "test_concepts_docs.py",
        "docs/data.md": "test_data_docs.py",
        "docs/export.md": "targets/test_site.py",
        "docs/training.md": "test_training_docs.py",
        "docs/tuning.md": "test_tuning_docs.py",
    },
    "console": {"docs/data.md": "test_data_docs.py", "docs/tuning.md": "targets/test_site.py"},
}
BLOCKS = [block for block in FENCED.findall(PAGES["README.md"]) if block[0] in ELSEWHERE]


def uncovered(pages):
    """The pages, with the kind of block, whose examples no test runs."""
    for page, text in pages.items():
        for kind in {kind for kind, _ in FENCED.findall(text)} & ELSEWHERE.keys():
            test = ROOT / "tests" / ELSEWHERE[kind].get(page, "none")
            reads = test.read_text(encoding="utf-8") if test.is_file() else ""
            name = "FOLDER.glob" if page in MODELS else page.split("/")[-1]
            if page not in HERE and not (name in reads and (f"```{kind}" in reads or f'run_page("{page}"' in reads)):
                yield page, kind


def test_every_page_is_run_by_some_test():
    assert not [*uncovered(PAGES)], "run its examples here, or name in ELSEWHERE the test that does"


def test_a_page_that_no_test_runs_would_be_found():
    more = {"docs/new.md": "```python\nimport zoo\n```\n", "docs/training.md": "```console\n$ zoo list\n```\n"}
    assert [*uncovered(more)] == [("docs/new.md", "python"), ("docs/training.md", "console")]


def test_there_are_examples_for_each_of_the_three_users():
    kinds = ["python", "console", "python", "python", "console", "console", "python", "python", "console", "python"]
    assert [kind for kind, _ in BLOCKS] == kinds


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that looks like the checkout to the examples, so that they write elsewhere."""
    place = tmp_path_factory.mktemp("docs")
    for name in ("tflite", "tests", "recipes"):
        (place / name).symlink_to(ROOT / name)
    return place


def commands_of(block):
    """The arguments of each `zoo` command in a block."""
    lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example(number, place):
    """Each of the README by itself, in a process of its own, as a user has it."""
    kind, text = BLOCKS[number]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    programs = [["-c", text]] if kind == "python" else [["-m", "zoo", *command] for command in commands_of(text)]
    for program in programs:
        command = [sys.executable, *program]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def run_page(page, place, zoo_command):
    """Runs a page from its start to its end, as one program; a block behind "in `x.py`:" is that file."""
    names = {}
    with contextlib.chdir(place):
        for found in FENCED.finditer(PAGES[page]):
            kind, text = found.groups()
            file = re.search(r"in `(\w+\.py)`:\n\n\Z", PAGES[page][: found.start()])
            if kind == "python" and file:
                (place / file[1]).write_text(text, encoding="utf-8")
            elif kind == "python":
                exec(compile(text, page, "exec"), names)
            elif kind == "console":
                for command in commands_of(text):
                    zoo_command(*command, check=0)
    return names


@pytest.mark.parametrize("page", START)
def test_a_way_in_runs_from_its_start_to_its_end(page, place, zoo_command):
    names = run_page(page, place, zoo_command)
    for file in names["result"].files if "result" in names else []:
        assert file.verified, file.refusal


@pytest.mark.parametrize("page", START)
def test_a_way_in_takes_five_minutes(page):
    """At 200 words a minute, code and tables counted, which is slow for an adult (Brysbaert, 2019: 238)."""
    assert len(PAGES[page].split()) <= 5 * 200


def test_the_front_page_leads_to_the_three_ways_in_and_to_every_page():
    front = PAGES["docs/index.md"]
    for page in START:
        assert f"]({page.removeprefix('docs/')})" in front.split("```")[0]
    listed = set(re.findall(r"^(?:\w+ <)?([\w/]+)>?$", front, re.MULTILINE))
    assert listed == {page[5:-3] for page in PAGES if page.startswith("docs/")} - {"index"}


def test_every_public_name_is_in_the_reference():
    page = PAGES["docs/api.md"]
    shown = set(re.findall(r":: (?:zoo\.)?(\w+)$", page, re.MULTILINE))
    assert set(zoo.__all__) - shown == {"Augmentation"} and "Augmentation" in zoo.augment.__all__
    assert shown <= {*zoo.__all__, "zoo"}


def test_every_command_on_a_page_is_one_with_options_that_it_has():
    """Those that are not run, too, because they would take hours or other machines."""
    from zoo.cli import cli

    lines = [
        line for text in PAGES.values() for _, block in FENCED.findall(text) for line in block.splitlines()
        if re.match(r"(\w*\$ +)?(\w+=\S+ )?zoo ", line)
    ]  # fmt: skip
    assert len(lines) > 20
    for line in lines:
        verb, *rest = shlex.split(line[line.index("zoo ") :], comments=True)[1:]
        assert verb in cli.commands, line
        known = {option for parameter in cli.commands[verb].params for option in parameter.opts}
        group = getattr(cli.commands[verb], "commands", {})  # zoo data list
        assert {word for word in rest if word.startswith("--")} <= known or rest[0] in group, line


def docstring_examples():
    """Calls in backticks in the docstrings of all that is public."""
    public = {name: getattr(zoo, name) for name in zoo.__all__}
    for name in ("data", "augment"):
        public.update({f"{name}.{inner}": getattr(public[name], inner) for inner in public[name].__all__})
    texts = [inspect.getdoc(value) or "" for value in public.values()]
    return sorted({call for text in texts for call in re.findall(r"`(zoo\.[\w.]+\([^`]*\))`", text)})


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    """Files of the names that docstrings use, each as small as it may be."""
    from PIL import Image

    place, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    with contextlib.chdir(place):
        rooms = rng.integers(1, 6, 80)
        rents = rooms * 300 + rng.normal(0, 9, 80).round(1)
        lines = [f"{n},{size:.1f},{rent}" for n, size, rent in zip(rooms, rng.normal(60, 9, 80), rents, strict=True)]
        (place / "flats.csv").write_text("\n".join(["rooms,size,rent", *lines]))
        words = {"good": ["warm", "clever", "moving", "bright"], "bad": ["dull", "slow", "empty", "flat"]}
        texts = [f"a {' '.join(rng.choice(words[k], 3))} film number {i},{k}" for i in range(40) for k in words]
        (place / "reviews.csv").write_text("\n".join(["text,stars", *texts]))
        hours = np.datetime64("2024-01-01T00", "h") + np.arange(24 * 60)
        load = 100 + 20 * np.sin(np.arange(len(hours)) * np.pi / 12) + rng.normal(0, 1, len(hours))
        lines = [
            f"{hour},{value:.2f}" for hour, value in zip(np.datetime_as_string(hours, unit="m"), load, strict=True)
        ]
        (place / "power.csv").write_text("\n".join(["time,load", *lines]))
        np.savez("gestures.npz", x=rng.normal(size=(60, 12, 3)).astype("float32"), y=np.arange(60) % 2)
        for kind in range(2):
            for folder in ("flowers", "birds"):
                (place / folder / str(kind)).mkdir(parents=True)
            for i in range(20):
                pixels = rng.integers(0, 255, (12, 12, 3), dtype="uint8")
                Image.fromarray(pixels).save(place / "flowers" / str(kind) / f"{i}.png")
                with wave.open(str(place / "birds" / str(kind) / f"{i}.wav"), "wb") as sound:
                    sound.setparams((1, 2, 8000, 0, "NONE", ""))
                    tone = np.sin(np.arange(4000) / (3 + kind)) * 8000 + rng.normal(0, 99, 4000)
                    sound.writeframes(tone.astype("<i2").tobytes())
        yield place


@pytest.mark.parametrize("call", docstring_examples())
def test_an_example_in_a_docstring_runs(call, own_files):
    if call.startswith(
        ("zoo.data.tfds(", "zoo.data.load(")
    ):  # whose data may not be here: then it says what brings them
        with contextlib.suppress(LookupError):
            assert eval(call).train
        return
    with contextlib.chdir(own_files):
        assert eval(call) is not None


def test_docstrings_have_examples():
    assert {"zoo.gru((28, 28), 10, units=(64,))", 'zoo.data.table("flats.csv", target="rent")'} <= {
        *docstring_examples()
    }
