"""The record of a run: every score, hash, seed and version. Cards and tables are made from it.

Training writes training.json beside the model; the export adds its measurements and writes record.json.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from zoo.base.errors import InvalidValue, NotFound
from zoo.base.files import sha256, write_json, write_text
from zoo.base.records import read_training_file
from zoo.base.versions import versions
from zoo.data import Dataset
from zoo.recipe.recipe import Recipe
from zoo.recipe.task import Task
from zoo.runs.baselines import Baselines
from zoo.runs.cards import card
from zoo.runs.file_checks import FileReport
from zoo.training.diagnosis import finite
from zoo.tuning import Search


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
    """Writes how `out/model.keras` was trained.

    Args:
        fit: its `Diagnosis`. gradients: norms by layer, "before" and "after" training.
        devices: number of devices that shared each batch; recorded if there were several.
    """
    summary = found and {
        "trials": len(found.trials),
        "objective": found.objective,
        "best": found.best.values,
        "value": found.best.metrics[found.objective],
        "history": [
            {
                **t.values,
                found.objective: t.metrics[found.objective],
                **({"given_up_after": t.epochs} if t.pruned else {}),
            }
            for t in found.trials
        ],
    }
    training = {
        "model_sha256": sha256(out / "model.keras"),
        "recipe": recipe.describe(),
        "search": summary,
        "final": finite({name: values[-1] for name, values in history.items()}),
        "history": finite(history),  # a loss that diverges late is NaN, which JSON does not have
        "seconds": seconds,
        "fit": dict(fit),
        "gradients": {when: dict(norms) for when, norms in gradients.items()},
        **({"devices": devices} if devices > 1 else {}),
    }
    write_json(out / "training.json", training)


def read_training(out: Path) -> dict[str, Any]:
    """What `write_training` wrote. Raises ValueError if it belongs to another model than `out/model.keras`."""
    file, model = out / "training.json", out / "model.keras"
    if not file.is_file():
        raise NotFound(f"there is no {file}; `zoo train` writes it beside the model")
    training = read_training_file(file)
    if training["model_sha256"] != sha256(model):
        raise InvalidValue(f"{model} is not the model that {file} describes; train again")
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
        data: name, hash, number of samples and labels of the data set.
        calibration: the part that was used, and the indices into it.
        latencies: median microseconds per inference, by precision.
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
    baselines: Baselines,
) -> dict[str, Any]:
    """The fields that a recipe adds; `training` is from `read_training`."""
    scores, aucs = baselines
    return {
        "about": recipe.about,
        "recipe_file": recipe.file,
        "seed": training["recipe"]["seed"],
        "recipe": training["recipe"],
        "search": training["search"],
        "training": {"epochs": len(training["history"]["loss"]), **training["final"]},
        "fit": training.get("fit"),  # older trainings lack it
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
    """Writes record.json, and card.md for a recipe."""
    write_json(out / "record.json", record)
    if record["recipe_file"]:
        write_text(out / "card.md", card(record))
    return record
