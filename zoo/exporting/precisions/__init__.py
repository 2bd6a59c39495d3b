"""Precisions of exported files: each module of this folder defines one, and bears its name."""

import importlib
import pkgutil

from zoo.exporting.precision import Precision

_found = {
    module.name: importlib.import_module(f"{__name__}.{module.name}").PRECISION
    for module in pkgutil.iter_modules(__path__)
}
PRECISIONS: dict[str, Precision] = dict(sorted(_found.items(), key=lambda item: item[1].rank))

__all__ = ["PRECISIONS", "Precision"]
