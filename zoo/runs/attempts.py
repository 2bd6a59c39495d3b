"""The trainings that finished in a run's folder and their validation scores: `attempts.json`.

It survives changes of the recipe, so that a card can compare them. It has no test scores.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.base.errors import InvalidValue
from zoo.base.files import read_json, write_json
from zoo.recipe.recipe import NOT_TRAINED, Recipe
from zoo.training.diagnosis import finite
from zoo.tuning import direction

FILE = "attempts.json"


def write_attempt(
    out: Path, recipe: Recipe, data_sha256: str, history: Mapping[str, Sequence[float]], seconds: float
) -> None:
    """Adds a finished training to `out/attempts.json`, unless the same one with the same scores is there."""
    watched = {
        name: [value for value in values if math.isfinite(value)]
        for name, values in history.items()
        if name.startswith("val_")
    }
    attempt = {
        "settings": _settings(recipe.describe()),
        "seed": recipe.seed,
        "data_sha256": data_sha256,
        "epochs": len(history["loss"]),
        "final": finite({name: history[name][-1] for name in watched}),
        "best": {
            name: (min if direction(name) == "min" else max)(values, default=None) for name, values in watched.items()
        },
    }
    known = _read(out / FILE)
    if not any(attempt.items() <= other.items() for other in known):
        write_json(out / FILE, [*known, {**attempt, "seconds": round(seconds, 1)}])


def tried(out: Path, released: Mapping[str, Any], data_sha256: str) -> list[dict[str, Any]]:
    """The attempts of a run and of its further seeds; attempts that differ only by seed are one row of means.

    Args:
        released: the described recipe that the others are compared with; its own row is the first.

    Returns:
        rows of {"differs": {field: value}, empty for the released recipe, "n": seeds, "epochs", "seconds", "final" and
        "best": {validation metric: value}}. Builder arguments are fields too; None means not given.
    """
    attempts = [a for file in (out / FILE, *sorted(out.glob(f"seeds/*/{FILE}"))) for a in _read(file)]
    ours, rows = _flat(_settings(released), data_sha256), list[tuple[dict[str, Any], list[dict[str, Any]]]]()
    for attempt in attempts:
        theirs = _flat(attempt["settings"], attempt["data_sha256"])
        differs = {name: theirs.get(name) for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)}
        same = next((members for key, members in rows if key == differs), None)
        if same is None:
            rows.append((differs, [attempt]))
        else:
            same.append(attempt)
    rows.sort(key=lambda row: bool(row[0]))
    return [{"differs": differs, "n": len(members), **_means(members)} for differs, members in rows]


def _means(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def mean(of: str) -> dict[str, float | None]:
        values = {name: [m[of][name] for m in members] for name in members[0][of]}
        return {name: None if None in these else statistics.fmean(these) for name, these in values.items()}

    return {
        "epochs": round(statistics.fmean(m["epochs"] for m in members)),
        "seconds": round(statistics.fmean(m["seconds"] for m in members), 1),
        "final": mean("final"),
        "best": mean("best"),
    }


def _settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a training depends on, except the seed."""
    return {name: value for name, value in described.items() if name not in (*NOT_TRAINED, "seed")}


def _flat(settings: Mapping[str, Any], data_sha256: str) -> dict[str, Any]:
    return {**settings, **settings["arguments"], "arguments": None, "data_sha256": data_sha256}


def _read(file: Path) -> list[dict[str, Any]]:
    attempts = read_json(file) if file.is_file() else []
    keys = {"settings", "seed", "data_sha256", "epochs", "seconds", "final", "best"}
    if not isinstance(attempts, list) or not all(isinstance(a, dict) and keys <= a.keys() for a in attempts):
        raise InvalidValue(f"{file} is damaged; remove it: only the card's comparison of attempts needs it")
    return attempts
