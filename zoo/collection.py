"""Where recipes and released files are, and how one is found, shown, started and loaded.

Listing and showing read file names, docstrings and records; they execute no recipe and need no TensorFlow.
"""

import ast
import difflib
import importlib.util
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files import read_json, write_text

if TYPE_CHECKING:
    from zoo.recipe import Recipe


def folder(name: str) -> Path:
    """`recipes`, `saved_models` or `tflite`: inside the package where a wheel put it, else in the checkout."""
    package = Path(__file__).resolve().parent
    return package / name if (package / name).is_dir() else package.parent / name


@dataclass(frozen=True)
class Entry:
    """One recipe of the collection: its file, what it says of itself, and its record where it is released."""

    name: str
    path: Path
    doc: str
    record: dict[str, Any] | None = field(repr=False)

    @property
    def summary(self) -> str:
        return self.doc.strip().split("\n")[0]

    @property
    def files(self) -> list[Path]:
        return sorted((folder("tflite") / self.name).glob("*.tflite"))


def list_recipes() -> list[Entry]:
    """Every recipe of the collection, by name."""
    return [_entry(path) for path in sorted(folder("recipes").glob("[!_]*.py"))]


def show(recipe: str | Path) -> Entry:
    """One recipe, by its name in the collection or by the path of its file."""
    return _entry(find(recipe))


def find(recipe: str | Path) -> Path:
    """Path of a recipe's file. Raises LookupError, with the nearest name, where there is none."""
    text = str(recipe)
    if text.endswith(".py"):
        if not Path(text).is_file():
            raise LookupError(f"there is no recipe file {text}; `zoo new {Path(text).stem}` writes one to start from")
        return Path(text)
    path = folder("recipes") / f"{text}.py"
    if re.fullmatch(r"\w+", text) and path.is_file():
        return path
    names = [p.stem for p in sorted(folder("recipes").glob("[!_]*.py"))]
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
    raise LookupError(f"there is no recipe {text!r}; {hint} A recipe of your own is named by its path, with .py")


def load_recipe(recipe: "str | Path | Recipe") -> "Recipe":
    """Executes a recipe's file and gives its `RECIPE`, named after the file."""
    if not isinstance(recipe, str | Path):
        return recipe
    path = find(recipe)
    if not re.fullmatch(r"[A-Za-z]\w*", path.stem):
        raise ValueError(f"recipe file {path.name}: the name must be letters, digits and _ so that files can carry it")
    spec = importlib.util.spec_from_file_location(f"zoo_recipe_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that inspect and pickle find what the recipe defines
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a recipe is somebody's program: whatever it raises is told with its place
        line = _line_in(error, path)
        raise ValueError(f"recipe {path}{line}: {type(error).__name__}: {error}") from error
    from zoo.recipe import Recipe

    if not isinstance(getattr(module, "RECIPE", None), Recipe):
        raise ValueError(f"recipe {path} must define RECIPE = zoo.Recipe(...)")
    ours = path.parent.resolve() == folder("recipes")
    return module.RECIPE.replace(name=path.stem, file=path.stem if ours else str(path))


def new(name: str, into: str | Path = ".") -> Path:
    """Writes `<name>.py`, a recipe to start from. Raises FileExistsError rather than overwrite one."""
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise ValueError(f"name={name!r} must be letters, digits and _, such as my_data_cnn: files are named after it")
    path = Path(into) / f"{name}.py"
    if path.exists():
        raise FileExistsError(f"{path} exists already; choose another name")
    write_text(path, (Path(__file__).parent / "new_recipe.txt").read_text(encoding="utf-8").replace("NAME", name))
    return path


def _entry(path: Path) -> Entry:
    try:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (SyntaxError, UnicodeDecodeError) as error:
        doc = f"(cannot be read: {error})"
    record = folder("tflite") / path.stem / "record.json"
    known = record.is_file() and path.parent == folder("recipes")
    return Entry(path.stem, path, doc, read_json(record) if known else None)


def _line_in(error: BaseException, path: Path) -> str:
    """Where in the recipe's own file an error came from, as ", line 12"."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    trace, line = error.__traceback__, ""
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line
