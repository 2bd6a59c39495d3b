"""Names that are imported at first use, so that `import zoo` and `zoo list` do not import TensorFlow."""

import ast
import importlib
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from zoo.base.errors import MissingPackage

TRAIN_EXTRA = ("tensorflow", "keras", "keras_tuner", "sklearn", "matplotlib", "optuna")  # packages of keras-zoo[train]


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a package, read from its `if TYPE_CHECKING:` block.

    Editors and type checkers read the same block, so every public name is declared once.

    Args:
        package: its `__name__`; its `__init__.py` imports each name as `from package.module import name as name`.
    """
    module = sys.modules[package]
    sources = _declared(Path(str(module.__file__)))

    def load(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(sources))}")
        source, attribute = sources[name]
        try:
            holder = importlib.import_module(source)
            if source == package or not hasattr(holder, attribute):  # a module that nothing has imported yet
                value = importlib.import_module(f"{source}.{attribute}")
            else:
                value = getattr(holder, attribute)
        except ModuleNotFoundError as error:
            if error.name not in TRAIN_EXTRA:
                raise
            raise MissingPackage(
                f"{package}.{name} needs {error.name}, which the base install leaves out: "
                "pip install 'keras-zoo[train]'",
                name=error.name,
            ) from None
        setattr(module, name, value)
        return value

    return load, lambda: sorted([*vars(module), *sources]), [*sources]


def _declared(file: Path) -> dict[str, tuple[str, str]]:
    """Public name -> (module, attribute), from the imports under `if TYPE_CHECKING:`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    blocks = [n.body for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: (str(node.module), alias.name) for node in imports for alias in node.names}


class MovedModules:
    """Keeps import paths of earlier releases working: each one imports the module that replaced it.

    For the end of `sys.meta_path`: Python's own finders come first.
    """

    def __init__(self, moved: dict[str, str]) -> None:
        self.moved = moved

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in self.moved else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        sys.modules[module.__name__] = importlib.import_module(self.moved[module.__name__])
