"""Every example on every page and in every docstring runs as written; a start page takes five minutes to read."""

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
HERE = ("README.md", "docs/recipes.md", *START)
MODELS = {f"docs/models/{path.stem}.md": "test_model_pages.py" for path in (ROOT / "docs" / "models").glob("*.md")}
ELSEWHERE = {  # the tests that run the examples of the other pages
    "python": {
        **MODELS,
        "CONTRIBUTING.md": "test_sources.py",
        "docs/concepts.md": "test_concepts_docs.py",
        "docs/data.md": "test_data_docs.py",
        "docs/export.md": "targets/test_site.py",
        "docs/training.md": "test_training_docs.py",
        "docs/tuning.md": "test_tuning_docs.py",
    },
    "console": {
        "CONTRIBUTING.md": "test_new_family.py",
        "docs/data.md": "test_data_docs.py",
        "docs/tuning.md": "targets/test_site.py",
    },
}
INSTALL = "pip install -c constraints.txt '.[train]'"
BLOCKS = [block for block in FENCED.findall(PAGES["README.md"]) if block[0] in ELSEWHERE]


def untested(pages):
    """Pages whose examples no test runs, with the kind of block."""
    for page, text in pages.items():
        for kind in {kind for kind, _ in FENCED.findall(text)} & ELSEWHERE.keys():
            test = ROOT / "tests" / ELSEWHERE[kind].get(page, "none")
            reads = test.read_text(encoding="utf-8") if test.is_file() else ""
            name = "FOLDER.glob" if page in MODELS else page.split("/")[-1]
            if page not in HERE and not (
                name in reads and (f"```{kind}" in reads or f'run_page("{page}"' in reads or "SECTION" in reads)
            ):
                yield page, kind


def test_the_examples_of_every_page_are_run_by_a_test():
    assert not [*untested(PAGES)], "run the examples of these pages here, or name the test that runs them in ELSEWHERE"


def test_a_page_without_a_test_is_detected():
    more = {"docs/new.md": "```python\nimport zoo\n```\n", "docs/training.md": "```console\n$ zoo list\n```\n"}
    assert [*untested(more)] == [("docs/new.md", "python"), ("docs/training.md", "console")]


def test_the_readme_has_examples_for_all_users():
    kinds = ["console", "console", "python", "python", "console", "python"]
    assert [kind for kind, _ in BLOCKS] == kinds


def test_the_readme_is_short_and_starts_with_three_commands():
    assert len(PAGES["README.md"].splitlines()) <= 200
    assert BLOCKS[0][1].splitlines()[0] == f"$ {INSTALL}" and len(BLOCKS[0][1].splitlines()) == 3


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A working directory for the examples: they read the checkout's files, and write here."""
    workdir = tmp_path_factory.mktemp("docs")
    for name in ("tflite", "tests", "recipes", "examples"):
        (workdir / name).symlink_to(ROOT / name)
    return workdir


def commands_of(block):
    """The arguments of each `zoo` command in a block."""
    lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    assert {line for line in lines if not line.startswith("zoo ")} <= {INSTALL}
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("zoo ")]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_readme_example(number, workdir):
    """Each block of the README runs by itself, in a new process."""
    kind, text = BLOCKS[number]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    programs = [["-c", text]] if kind == "python" else [["-m", "zoo", *command] for command in commands_of(text)]
    for program in programs:
        command = [sys.executable, *program]
        done = subprocess.run(command, cwd=workdir, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def run_page(page, workdir, zoo_command):
    """Runs a page from top to bottom as one program, and returns its variables.

    A python block that follows the words "in `x.py`:" is written into that file.
    """
    names = {}
    with contextlib.chdir(workdir):
        for block in FENCED.finditer(PAGES[page]):
            kind, text = block.groups()
            file = re.search(r"in\s`(\w+\.py)`:\n\n\Z", PAGES[page][: block.start()])
            if kind == "python" and file:
                (workdir / file[1]).write_text(text, encoding="utf-8")
            elif kind == "python":
                exec(compile(text, page, "exec"), names)
            elif kind == "console":
                for command in commands_of(text):
                    zoo_command(*command, check=0)
    return names


@pytest.mark.parametrize("page", [*START, "docs/recipes.md"])
def test_page_runs_from_top_to_bottom(page, workdir, zoo_command):
    names = run_page(page, workdir, zoo_command)
    for file in names["result"].files if "result" in names else []:
        assert file.verified, file.refusal


@pytest.mark.parametrize("page", START)
def test_a_start_page_takes_five_minutes_to_read(page):
    """At 200 words a minute, code and tables included; adults read 238 words of prose a minute (Brysbaert, 2019)."""
    assert len(PAGES[page].split()) <= 5 * 200


def test_the_index_links_to_every_page():
    index = PAGES["docs/index.md"]
    for page in START:
        assert f"]({page.removeprefix('docs/')})" in index.split("```")[0]
    listed = set(re.findall(r"^(?:\w+ <)?([\w/]+)>?$", index, re.MULTILINE))
    if "\nmodels/*\n" in index:
        listed |= {f"models/{path.stem}" for path in (ROOT / "docs" / "models").glob("*.md")}
    assert listed == {page[5:-3] for page in PAGES if page.startswith("docs/")} - {"index"}


def test_every_public_name_is_in_the_api_reference():
    page = PAGES["docs/api.md"]
    shown = set(re.findall(r":: (?:zoo\.)?(\w+)$", page, re.MULTILINE))
    families = set(zoo.models.__all__)  # a new one is described on its own page
    assert set(zoo.__all__) - shown - families == {"Augmentation"} and "Augmentation" in zoo.augment.__all__
    assert shown <= {*zoo.__all__, "zoo"}


def test_every_command_on_a_page_exists_with_its_options():
    """Also the commands that no test runs, because they take hours or need other machines."""
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
    """Calls in backticks in the docstrings of public names."""
    public = {name: getattr(zoo, name) for name in zoo.__all__}
    for name in ("data", "augment"):
        public.update({f"{name}.{inner}": getattr(public[name], inner) for inner in public[name].__all__})
    texts = [inspect.getdoc(value) or "" for value in public.values()]
    return sorted({call for text in texts for call in re.findall(r"`(zoo\.[\w.]+\([^`]*\))`", text)})


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    """Small files with the names that docstrings use."""
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    with contextlib.chdir(folder):
        rooms = rng.integers(1, 6, 80)
        rents = rooms * 300 + rng.normal(0, 9, 80).round(1)
        lines = [f"{n},{size:.1f},{rent}" for n, size, rent in zip(rooms, rng.normal(60, 9, 80), rents, strict=True)]
        (folder / "flats.csv").write_text("\n".join(["rooms,size,rent", *lines]))
        words = {"good": ["warm", "clever", "moving", "bright"], "bad": ["dull", "slow", "empty", "flat"]}
        texts = [f"a {' '.join(rng.choice(words[k], 3))} film number {i},{k}" for i in range(40) for k in words]
        (folder / "reviews.csv").write_text("\n".join(["text,stars", *texts]))
        hours = np.datetime64("2024-01-01T00", "h") + np.arange(24 * 60)
        load = 100 + 20 * np.sin(np.arange(len(hours)) * np.pi / 12) + rng.normal(0, 1, len(hours))
        lines = [
            f"{hour},{value:.2f}" for hour, value in zip(np.datetime_as_string(hours, unit="m"), load, strict=True)
        ]
        (folder / "power.csv").write_text("\n".join(["time,load", *lines]))
        np.savez("gestures.npz", x=rng.normal(size=(60, 12, 3)).astype("float32"), y=np.arange(60) % 2)
        for kind in range(2):
            for name in ("flowers", "birds"):
                (folder / name / str(kind)).mkdir(parents=True)
            for i in range(20):
                pixels = rng.integers(0, 255, (12, 12, 3), dtype="uint8")
                Image.fromarray(pixels).save(folder / "flowers" / str(kind) / f"{i}.png")
                with wave.open(str(folder / "birds" / str(kind) / f"{i}.wav"), "wb") as sound:
                    sound.setparams((1, 2, 8000, 0, "NONE", ""))
                    tone = np.sin(np.arange(4000) / (3 + kind)) * 8000 + rng.normal(0, 99, 4000)
                    sound.writeframes(tone.astype("<i2").tobytes())
        yield folder


@pytest.mark.parametrize("call", docstring_examples())
def test_an_example_in_a_docstring_runs(call, own_files):
    if call.startswith(("zoo.data.tfds(", "zoo.data.load(")):
        with contextlib.suppress(LookupError):  # the data set may not be installed
            assert eval(call).train
        return
    with contextlib.chdir(own_files):
        assert eval(call) is not None


def test_docstrings_have_examples():
    assert {"zoo.gru((28, 28), 10, units=(64,))", 'zoo.data.table("flats.csv", target="rent")'} <= {
        *docstring_examples()
    }
