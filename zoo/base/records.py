"""Reads the JSON files that runs leave, and checks that nothing is missing in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.base.errors import InvalidValue
from zoo.base.files import read_json

# Key -> its type, or the keys of the mapping under it. "*": of every entry.
_DATA = {"sha256": str, "samples": dict, "input_shape": list, "labels": list}
_FILE = {"file": str, "precision": str, "bytes": int, "score": object, "difference": object}
_RECORD = {
    "name": str, "recipe_file": str, "verified": bool, "date": str, "task": str, "score_name": str, "parameters": int,
    "data": _DATA, "calibration": {"indices": list}, "files": {"*": _FILE}, "seeds": list, "versions": dict,
    "machine": str,
}  # fmt: skip
_OF_RECIPE = {"seed": int, "recipe": dict, "search": object, "baselines": dict}
_TRAINING = {
    "model_sha256": str, "recipe": {"seed": int}, "search": object, "final": dict, "history": {"loss": list},
    "seconds": object,
}  # fmt: skip


def read_record(path: str | Path) -> dict[str, Any]:
    """A record.json. Raises ValueError that names the file and the field that is missing or has another type."""
    record = _read(path, _RECORD, "`zoo export` writes a new one")
    if record["recipe_file"]:
        _check(path, record, _OF_RECIPE, "`zoo export` writes a new one")
    return record


def read_training_file(path: str | Path) -> dict[str, Any]:
    """A training.json, likewise."""
    return _read(path, _TRAINING, "`zoo train` writes a new one")


def _read(path: str | Path, schema: Mapping[str, Any], source: str) -> dict[str, Any]:
    value = read_json(path)
    _check(path, value, schema, source)
    return value


def _check(path: str | Path, value: Any, schema: Any, source: str, key: str = "") -> None:
    if isinstance(schema, Mapping):
        _check(path, value, dict, source, key)
        if "*" in schema:
            schema = dict.fromkeys(value, schema["*"])
        for name, inner in schema.items():
            here = f"{key}.{name}".lstrip(".")
            if name not in value:
                raise InvalidValue(f"{path} is damaged: {here!r} is missing; {source}, or restore the file")
            _check(path, value[name], inner, source, here)
    elif not isinstance(value, schema):
        what = f"{key!r} is {str(value)[:40]!r}" if key else f"it is a {type(value).__name__}"
        raise InvalidValue(f"{path} is damaged: {what}, not a {schema.__name__}; {source}, or restore the file")
