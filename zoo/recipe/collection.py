"""Recipes and released files: where they are, and how to list, show, create and load them.

Listing and showing read file names, docstrings and records. They execute no recipe and need no TensorFlow.
"""

import ast
import difflib
import fnmatch
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.checks import check_choice, check_size
from zoo.base.errors import InvalidValue, MissingPackage, NotFound
from zoo.base.files import write_text
from zoo.base.records import read_record
from zoo.recipe.user_code import users_code

if TYPE_CHECKING:
    import keras

    from zoo.deploy import Runner
    from zoo.recipe.recipe import Recipe


def folder(name: str) -> Path:
    """`recipes`, `saved_models` or `tflite`: in the package if a wheel installed it, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    return package / name if (package / name).is_dir() else package.parent / name


@dataclass(frozen=True)
class Entry:
    """One recipe of the collection: its file, its docstring, and its record if it is released."""

    name: str
    path: Path
    doc: str
    task: str  # such as "Multiclass"; "" if the file does not name it literally
    record: dict[str, Any] | None = field(repr=False)

    @property
    def summary(self) -> str:
        return self.doc.strip().split("\n")[0]

    @property
    def files(self) -> list[Path]:
        return sorted((folder("tflite") / self.name).glob("*.tflite"))

    @property
    def file(self) -> dict[str, Any] | None:
        """The record of the released file that lists show: int8, or else the smallest."""
        files = self.record["files"] if self.record else {}
        return files.get("int8") or min(files.values(), key=lambda file: file["bytes"], default=None)


TASKS = ("Binary", "Multiclass", "Multilabel", "Regression", "Forecasting")


def _scored(entry: Entry, name: str) -> float | None:
    return entry.file["score"] if entry.file and (entry.record or {})["score_name"].endswith(name) else None


# Keys for sorting, least first except in BEST_FIRST; None comes last.
ORDERS: dict[str, Callable[[Entry], Any]] = {
    "name": lambda entry: entry.name,
    "task": lambda entry: entry.task or None,
    "accuracy": lambda entry: _scored(entry, "accuracy"),
    "auc": lambda entry: (entry.file or {}).get("auc"),
    "mae": lambda entry: _scored(entry, "mae"),
    "bytes": lambda entry: (entry.file or {}).get("bytes"),
    "latency": lambda entry: (entry.file or {}).get("latency_us"),
    "parameters": lambda entry: (entry.record or {}).get("parameters"),
}
BEST_FIRST = ("accuracy", "auc")


def list_recipes(
    pattern: str = "*", *, task: str | None = None, max_bytes: int | None = None, sort: str = "name"
) -> list[Entry]:
    """The recipes of the collection.

    Args:
        pattern: of the name, with `*` and `?` as in a shell: "digits*".
        task: "Binary", "Multiclass", "Multilabel", "Regression" or "Forecasting", in any case.
        max_bytes: only recipes with a released file of at most this size.
        sort: "name", "task", "accuracy" or "auc" (the best first), "mae", "bytes", "latency", "parameters", of
            `Entry.file`; recipes without the figure come last.

    Raises:
        ValueError: unknown task or order; max_bytes below 1.
    """
    if task is not None:
        task = {name.lower(): name for name in TASKS}.get(str(task).lower(), task)
        check_choice("task", task, TASKS)
    if max_bytes is not None:
        check_size("max_bytes", max_bytes)
    check_choice("sort", sort, ORDERS)

    def fits(entry: Entry) -> bool:
        sizes = [file["bytes"] for file in (entry.record or {"files": {}})["files"].values()]
        return max_bytes is None or min(sizes, default=max_bytes + 1) <= max_bytes

    def key(entry: Entry) -> tuple[bool, Any]:
        value = ORDERS[sort](entry)
        return value is None, 0 if value is None else -value if sort in BEST_FIRST else value

    paths = (path for path in sorted(folder("recipes").glob("[!_]*.py")) if fnmatch.fnmatchcase(path.stem, pattern))
    return sorted((entry for entry in map(_entry, paths) if task in (None, entry.task) and fits(entry)), key=key)


def load(name: str) -> "keras.Model":
    """The released Keras model of a recipe, with its weights, uncompiled.

    It ends in linear logits; the files of `load_tflite(name)` add a softmax or the like.

    Raises:
        LookupError: no such recipe, or it is not released.
        ImportError: without TensorFlow.
    """
    path = folder("saved_models") / released(name).name / "model.keras"
    try:
        import zoo.models  # noqa: F401  (registers its layers)
        from zoo.exporting.conversion import load_keras
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"zoo.load needs {error.name}: pip install 'keras-zoo[train]'; zoo.load_tflite does without"
        ) from None
    return load_keras(path)


def load_tflite(name: str, precision: str = "int8", *, num_threads: int = 1) -> "Runner":
    """A runner of a released .tflite file; needs no TensorFlow.

    Raises:
        LookupError: no such recipe, or it is not released, or not in this precision.
    """
    entry = released(name)
    assert entry.record is not None
    if precision not in entry.record["files"]:
        raise NotFound(
            f"{name} is released in {', '.join(entry.record['files'])}, not in {precision!r}; "
            "zoo.export makes other precisions"
        )
    from zoo.deploy import Runner

    return Runner(folder("tflite") / entry.name / entry.record["files"][precision]["file"], num_threads)


def released(name: str) -> Entry:
    """A released recipe. Raises LookupError if there is none of this name or it is not released."""
    entry = show(name)
    if entry.record is None:
        raise NotFound(f"{name} is not released; `zoo run {name}` trains it into runs/{entry.name}/")
    return entry


def show(recipe: str | Path) -> Entry:
    """One recipe, by its name in the collection or by the path of its file."""
    return _entry(find(recipe))


def find(recipe: str | Path) -> Path:
    """Path of a recipe's file. Raises LookupError, with the nearest name, if there is none."""
    text = str(recipe)
    if text.endswith(".py"):
        if not Path(text).is_file():
            raise NotFound(f"there is no recipe file {text}; `zoo new {Path(text).stem}` writes one to start from")
        return Path(text)
    path = folder("recipes") / f"{text}.py"
    if re.fullmatch(r"\w+", text) and path.is_file():
        return path
    names = [p.stem for p in sorted(folder("recipes").glob("[!_]*.py"))]
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
    raise NotFound(f"there is no recipe {text!r}; {hint} Give a recipe of your own as a path that ends in .py")


def load_recipe(recipe: "str | Path | Recipe") -> "Recipe":
    """Executes a recipe's file and returns its `RECIPE`, named after the file."""
    if not isinstance(recipe, str | Path):
        return recipe
    path = find(recipe)
    if not re.fullmatch(r"[A-Za-z]\w*", path.stem):
        raise InvalidValue(
            f"recipe file {path.name}: the name must be letters, digits and _: exported files are named after it"
        )
    spec = importlib.util.spec_from_file_location(f"zoo_recipe_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that inspect and pickle find what the recipe defines
    with users_code(f"recipe {path}"):
        spec.loader.exec_module(module)
    from zoo.recipe.recipe import Recipe

    if not isinstance(getattr(module, "RECIPE", None), Recipe):
        raise InvalidValue(f"recipe {path} must define RECIPE = zoo.Recipe(...)")
    ours = path.parent.resolve() == folder("recipes")
    about = inspect.getdoc(module) or ""
    return module.RECIPE.replace(name=path.stem, file=path.stem if ours else str(path), about=about)


def new(name: str, into: str | Path = ".") -> Path:
    """Writes `<name>.py`, a recipe to start from. Raises FileExistsError if it exists."""
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise InvalidValue(
            f"name={name!r} must be letters, digits and _, such as my_data_cnn: files are named after it"
        )
    path = Path(into) / f"{name}.py"
    if path.exists():
        raise FileExistsError(f"{path} exists already; choose another name")
    write_text(path, (Path(__file__).parent / "new_recipe.txt").read_text(encoding="utf-8").replace("NAME", name))
    return path


def _entry(path: Path) -> Entry:
    task = ""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        doc = ast.get_docstring(tree) or ""
        for node in ast.walk(tree):  # task=zoo.Multiclass(10)
            if isinstance(node, ast.keyword) and node.arg == "task" and isinstance(node.value, ast.Call):
                task = ast.unparse(node.value.func).split(".")[-1]
    except (SyntaxError, UnicodeDecodeError) as error:
        doc = f"(cannot be read: {error})"
    known = folder("tflite") / path.stem / "record.json"
    record = read_record(known) if known.is_file() and path.parent == folder("recipes") else None
    return Entry(path.stem, path, doc, record["task"] if record else task, record)
