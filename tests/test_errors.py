"""Exit codes: a mistake of the user's is one line and 2; a bug of zoo's is said to be one, and leaves its traceback."""

import errno
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, write_recipe

import zoo
from zoo.recipe.collection import folder

NAME = "digits_fnn"


def lines_of(done):
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("zoo: ")]


@pytest.fixture
def released(tmp_path):
    """A released file with its record, outside the collection."""
    shutil.copytree(ROOT / "tflite" / NAME, tmp_path / "files")
    return tmp_path / "files"


def broken(record, how):
    if how == "empty":
        return {}
    if how == "a list":
        return []
    if how == "no files":
        del record["files"]
    if how == "a file without score":
        del record["files"]["int8"]["score"]
    if how == "words for bytes":
        record["files"]["int8"]["bytes"] = "many"
    return record


MISSING = {
    "empty": "'name' is missing",
    "a list": "it is a list, not a dict",
    "no files": "'files' is missing",
    "a file without score": "'files.int8.score' is missing",
    "words for bytes": "'files.int8.bytes' is 'many', not a int",
}


@pytest.mark.parametrize("how", MISSING)
def test_a_damaged_record_is_named_with_what_is_missing(zoo_command, released, how):
    path = released / "record.json"
    path.write_text(json.dumps(broken(json.loads(path.read_text()), how)))
    (line,) = lines_of(zoo_command("verify", released / f"{NAME}.int8.tflite", check=2))
    assert f"{path} is damaged: {MISSING[how]}" in line and "restore the file" in line


VERBS = {
    "verify": ["verify", "RUN"],
    "verify --layers": ["verify", "RUN", "--layers"],
    "summary": ["summary", "RUN"],
    "export": ["export", "RECIPE", "--out", "RUN"],
}


@pytest.mark.parametrize("content", ["{}", "[]", "{", "null"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_damaged_record_of_a_run(zoo_command, quick_run, tmp_path, verb, content):
    run = tmp_path / "run"
    shutil.copytree(quick_run / "run", run)
    file = run / ("training.json" if verb == "export" else "record.json")
    file.write_text(content)
    arguments = [{"RUN": run, "RECIPE": quick_run / "quick_fnn.py"}.get(word, word) for word in VERBS[verb]]
    (line,) = lines_of(zoo_command(*arguments, check=2))
    assert str(file) in line, line


@pytest.mark.parametrize("verb", [["list"], ["show", NAME], ["verify", NAME], ["reproduce", NAME]])
def test_a_damaged_record_of_the_collection(zoo_command, tmp_path, monkeypatch, verb):
    for name in ("recipes", "tflite", "saved_models"):
        shutil.copytree(folder(name), tmp_path / name, ignore=shutil.ignore_patterns("[!d]*_*", "d[!i]*_*"))
    (tmp_path / "tflite" / NAME / "record.json").write_text("{}")
    monkeypatch.setattr("zoo.recipe.collection.folder", tmp_path.joinpath)
    monkeypatch.setattr("zoo.runs.verify.folder", tmp_path.joinpath, raising=False)
    (line,) = lines_of(zoo_command(*verb, cwd=tmp_path, check=2))
    assert f"{NAME}/record.json is damaged: 'name' is missing" in line


def recipe_with(path, space=None, before="", **replaced):
    """A quick recipe whose own code has a mistake."""
    write_recipe(path)
    text = path.read_text()
    if space:
        text = text.replace(
            '    optimizer = hp.Choice("optimizer", ["sgd", "adam"])\n', f"    {space}\n    optimizer = 'sgd'\n"
        )
    for name, value in replaced.items():
        text = re.sub(rf"\n    {name}=.*", f"\n    {name}={value},", text)
    path.write_text(text.replace("import zoo\n", f"import zoo\n{before}\n", 1))
    return path


DATA = 'def data():\n    return {"x": 1}["y"]\n'
BUILDER = 'def build(input_shape, num_outputs, **arguments):\n    raise RuntimeError("no such layer")\n'
OWN_CODE = {
    "a NameError in space": ({"space": "rate = lerning_rate"}, "lerning_rate", "NameError"),
    "a KeyError in data": ({"before": DATA, "data": "data"}, '{"x": 1}["y"]', "KeyError"),
    "a builder that raises": ({"before": BUILDER, "builder": "build"}, "no such layer", "RuntimeError"),
    "an import that fails": ({"before": "import numpyy"}, "numpyy", "ModuleNotFoundError"),
}


@pytest.mark.parametrize("mistake", OWN_CODE)
@pytest.mark.parametrize("verb", ["tune", "run"])
def test_a_mistake_in_a_recipes_own_code_shows_its_own_lines(zoo_command, tmp_path, mistake, verb):
    changes, words, kind = OWN_CODE[mistake]
    recipe = recipe_with(tmp_path / "mine.py", **changes)
    done = zoo_command(verb, recipe, "--out", tmp_path / "out", check=2)
    (line,) = lines_of(done)
    message = done.stderr[done.stderr.index(line) :]
    assert kind in message and words in message and "mine.py" in message
    assert str(ROOT / "zoo") not in message and "site-packages" not in message


def test_a_bug_says_so_and_keeps_its_traceback(zoo_command, tmp_path, monkeypatch):
    def planted(*arguments, **options):
        return {}["recipe_file"]

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(zoo, "list", planted)
    done = zoo_command("list", "digits*", check=70)
    (line,) = lines_of(done)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    found = re.fullmatch(
        r"zoo: this is a bug in zoo: KeyError: 'recipe_file'; the traceback is in (\S+); please report it", line
    )
    file = Path(found[1])
    text = file.read_text()
    assert file.parent == tmp_path and file.stat().st_mode & 0o777 == 0o600
    assert "command: zoo list 'digits*'" in text and f"keras-zoo: {zoo.__version__}" in text and "python: " in text
    assert "in planted" in text and text.rstrip().endswith("KeyError: 'recipe_file'")


def test_a_bug_is_told_where_no_file_can_be_written(zoo_command, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zoo.cli.tempfile.mkstemp", full)
    monkeypatch.setattr(zoo, "list", lambda *arguments, **options: 1 / 0)
    (line,) = lines_of(zoo_command("list", check=70))
    assert "bug in zoo: ZeroDivisionError" in line and "No space left on device" in line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/a/model.keras"), "runs/a/model.keras: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), "runs: Permission denied"),
        (MemoryError(), "out of memory"),
        (ModuleNotFoundError("No module named 'sklearn'", name="sklearn"), "pip install 'keras-zoo[train]'"),
        (zoo.base.errors.InvalidValue("first\n  File mine.py, line 2"), "first"),
    ],
)
def test_the_machine_and_the_user_end_with_2(zoo_command, monkeypatch, error, words):
    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(zoo, "list", fails)
    done = zoo_command("list", check=2)
    (line,) = lines_of(done)
    assert words in line
    if isinstance(error, zoo.base.errors.InvalidValue):
        assert done.stderr == "zoo: first\n  File mine.py, line 2\n", "several lines stay as they are"


def test_debug_raises(zoo_command, monkeypatch):
    monkeypatch.setattr(zoo, "list", lambda *arguments, **options: 1 / 0)
    monkeypatch.setenv("ZOO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        _ = zoo_command("list")
