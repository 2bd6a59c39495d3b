"""The record of a run: every figure, hash, seed and version, as measured. Cards and tables are made from it.

Training writes its part, training.json, beside the model; the export adds what it measured and writes record.json.
"""

from zoo.base.errors import InvalidValue
import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from zoo.runs.cards import card
from zoo.data import Dataset
from zoo.base.versions import versions, versions_key
from zoo.base.files import read_json, sha256, write_json, write_text
from zoo.recipe.recipe import Recipe
from zoo.recipe.task import Task
from zoo.tuning import Search
from zoo.runs.file_checks import FileReport

def write_training(
    out: Path,
    recipe: Recipe,
    found: Search | None,
    history: Mapping[str, Sequence[float]],
    seconds: float,
    *,
    fit: Mapping[str, Any],
    gradients: Mapping[str, Mapping[str, float | None]],
    devices: int = 1,
) -> None:
    """What `out/model.keras` was trained with, and how that went.

    Args:
        fit: its `Diagnosis`. gradients: norms by layer, "before" and "after" training.
        devices: that shared each batch; told where there were several.
    """
    summary = found and {
        "trials": len(found.trials),
        "objective": found.objective,
        "best": found.best.values,
        "value": found.best.metrics[found.objective],
        "history": [
            {
                **trial.values,
                found.objective: trial.metrics[found.objective],
                **({"given_up_after": trial.epochs} if trial.pruned else {}),
            }
            for trial in found.trials
        ],
    }
    training = {
        "model_sha256": sha256(out / "model.keras"),
        "recipe": recipe.describe(),
        "search": summary,
        "final": {name: values[-1] for name, values in history.items()},
        "history": history,
        "seconds": seconds,
        "fit": dict(fit),
        "gradients": {when: dict(norms) for when, norms in gradients.items()},
        **({"devices": devices} if devices > 1 else {}),
    }
    write_json(out / "training.json", training)


def read_training(out: Path) -> dict[str, Any]:
    """What `write_training` wrote. Raises ValueError where it is of another model than the one that stands there."""
    if not (out / "training.json").is_file():
        raise FileNotFoundError(f"there is no {out / 'training.json'}; `zoo train` writes it beside the model")
    training = read_json(out / "training.json")
    if training["model_sha256"] != sha256(out / "model.keras"):
        raise InvalidValue(f"{out / 'model.keras'} is not the model that {out / 'training.json'} describes; train again")
    return training


def make_record(
    name: str,
    task: Task,
    data: Mapping[str, Any],
    *,
    parameters: int,
    calibration: Mapping[str, Any],
    files: Sequence[FileReport],
    latencies: Mapping[str, float],
    **more: Any,
) -> dict[str, Any]:
    """The record of an export as plain values.

    Args:
        data: name, hash, number of samples, labels of what was measured on.
        calibration: which part, and the indices into it.
        latencies: median microseconds of an invoke, by precision.
        more: further fields.
    """
    return {
        "name": name,
        "recipe_file": "",
        "verified": all(file.verified for file in files),
        "date": date.today().isoformat(),
        "task": type(task).__name__,
        "score_name": task.score_name,
        "larger_is_better": task.larger_is_better,
        "parameters": parameters,
        "data": dict(data),
        "calibration": dict(calibration),
        "files": {file.precision: {**file.as_dict(), "latency_us": latencies.get(file.precision)} for file in files},
        "seeds": [],
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **more,
    }


def recipe_record(
    recipe: Recipe,
    dataset: Dataset,
    training: Mapping[str, Any],
    baselines: tuple[Mapping[str, float], Mapping[str, float]],
) -> dict[str, Any]:
    """The fields that a recipe adds: `training` is that of the model that was exported, from `read_training`."""
    scores, aucs = baselines
    return {
        "about": recipe.about,
        "recipe_file": recipe.file,
        "seed": training["recipe"]["seed"],
        "recipe": training["recipe"],
        "search": training["search"],
        "training": {"epochs": len(training["history"]["loss"]), **training["final"]},
        "fit": training.get("fit"),  # a model that was trained before these were written has none
        "gradients": training.get("gradients"),
        **({"devices": training["devices"]} if "devices" in training else {}),
        "baselines": dict(scores),
        "baselines_auc": dict(aucs),
    }


def data_record(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "samples": {name: len(part.x) for name, part in dataset.parts.items()},
        "input_shape": list(dataset.input_shape),
        "labels": list(dataset.labels),
        "licence": dataset.licence,
        "citation": dataset.citation,
    }


def write_record(record: dict[str, Any], out: Path) -> dict[str, Any]:
    write_json(out / "record.json", record)
    if record["recipe_file"]:
        write_text(out / "card.md", card(record))
    return record
