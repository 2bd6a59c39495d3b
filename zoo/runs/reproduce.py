"""The verb `zoo.reproduce`: trains a released recipe again, from new seeds, and compares with the recorded scores."""

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import t as students_t

from zoo.base.checks import check_size, is_whole
from zoo.base.errors import InvalidValue
from zoo.base.files import locked
from zoo.base.progress import Report
from zoo.base.seeds import random_state_kept
from zoo.base.tables import figure
from zoo.recipe.collection import load_recipe, released
from zoo.recipe.recipe import NOT_TRAINED, Recipe
from zoo.runs.report import measurements
from zoo.runs.run import train_and_export
from zoo.tuning import with_values

LEVEL = 0.95


@dataclass(frozen=True)
class FileReproduction:
    """One precision: the recorded scores, the new ones, and the interval in which their mean must lie."""

    precision: str
    recorded: tuple[float, ...]
    measured: tuple[float | None, ...]  # None for a file that could not be scored
    low: float
    high: float

    @property
    def mean(self) -> float | None:
        scores = [score for score in self.measured if score is not None]
        return statistics.fmean(scores) if len(scores) == len(self.measured) else None

    @property
    def holds(self) -> bool:
        return self.mean is not None and self.low <= self.mean <= self.high


@dataclass(frozen=True)
class Reproduction:
    """Scores of trainings from other seeds, compared with the record; `folder` has one run per seed."""

    name: str
    folder: Path
    score_name: str
    seeds: tuple[int, ...]
    files: tuple[FileReproduction, ...]

    @property
    def holds(self) -> bool:
        return all(file.holds for file in self.files)

    def __str__(self) -> str:
        trainings = f"{len(self.seeds)} new training{'s' * (len(self.seeds) > 1)}"
        count = len(self.files[0].recorded)
        rule = f"{LEVEL * 100:.0f} % prediction interval (Student's t) of the {count} recorded ones"
        if self.holds:
            return f"{self.name} is reproduced: {self.score_name} of {trainings} lies within the {rule}, in every file"
        outside = ", ".join(
            f"{file.precision} {figure(file.mean)}, not in {figure(file.low)} to {figure(file.high)}"
            for file in self.files
            if not file.holds
        )
        return f"{self.name} is not reproduced: {self.score_name} of {trainings} lies outside the {rule}: {outside}"


@random_state_kept()
def reproduce(
    name: str,
    out: str | Path | None = None,
    *,
    seeds: int = 1,
    seed: int | None = None,
    report: Report = print,
) -> Reproduction:
    """Trains a released recipe again, exports and measures it, and compares with the recorded scores.

    The search is not repeated: its result is in the record. The mean score of the new trainings must lie in the
    prediction interval of the recorded ones, see `prediction_interval`.

    Args:
        name: of a released recipe.
        out: gets one run per seed; by default `runs/<name>/reproduced`.
        seeds: how many trainings. seed: of the first one; by default the largest recorded one plus one, because a
            recorded seed would repeat the same training.

    Raises:
        LookupError: no such recipe, or it is not released. ValueError: a record of a single training, which has no
            spread; data or a recipe that changed since the release.
    """
    check_size("seeds", seeds)
    if seed is not None and not is_whole(seed, 0):
        raise InvalidValue(f"seed={seed!r} must be a whole number of at least 0")
    record = released(name).record
    assert record is not None
    least = 1 / record["data"]["samples"]["test"] if record["score_name"].endswith("accuracy") else 0.0
    scores = {precision: measurements(record, precision) for precision in record["files"]}
    # Bonferroni's correction (1936): the chance that any file fails by accident stays below 5 %.
    level = 1 - (1 - LEVEL) / len(scores)
    intervals = {p: prediction_interval(values, seeds, level, least) for p, values in scores.items()}
    recipe = as_recorded(load_recipe(name), record)
    dataset = recipe.load_data()
    if dataset.sha256 != record["data"]["sha256"]:
        raise InvalidValue(f"the data of {name} changed since its release; release it again")
    used = {record["seed"], *(entry["seed"] for entry in record["seeds"])}
    first = max(used) + 1 if seed is None else seed
    chosen = tuple(range(first, first + seeds))
    if repeated := sorted(used.intersection(chosen)):
        report(f"seed {', '.join(map(str, repeated))} is recorded already: this repeats the same training")
    folder = Path(out) if out is not None else Path("runs") / name / "reproduced"
    measured: dict[str, list[float | None]] = {precision: [] for precision in scores}
    with locked(folder):
        for number in chosen:
            again = recipe.replace(seed=number)
            trained = train_and_export(again, dataset, folder / str(number), report, teachers=folder / "teachers")
            for file in trained.files:
                measured[file.precision].append(file.score)
    files = tuple(
        FileReproduction(precision, tuple(scores[precision]), tuple(measured[precision]), *intervals[precision])
        for precision in scores
    )
    return Reproduction(name, folder, record["score_name"], chosen, files)


def prediction_interval(
    values: Sequence[float], count: int, level: float = LEVEL, least_sd: float = 0.0
) -> tuple[float, float]:
    """Interval in which the mean of `count` further values of the same distribution lies, with probability `level`.

    mean ± t * sd * sqrt(1/n + 1/count), with n values of one normal distribution and Student's t of n - 1 degrees of
    freedom (G. Hahn, 1969).

    Args:
        least_sd: lower limit of the standard deviation. Accuracies of few trainings may be equal by chance: one
            sample of test is then a sensible limit.

    Raises:
        ValueError: fewer than two values, which have no spread.
    """
    if len(values) < 2:
        raise InvalidValue(f"the record has {len(values)} scores, and so no spread; release it from several seeds")
    spread = max(statistics.stdev(values), least_sd)
    quantile = float(students_t.ppf((1 + level) / 2, len(values) - 1))
    half = quantile * spread * math.sqrt(1 / len(values) + 1 / count)
    return statistics.fmean(values) - half, statistics.fmean(values) + half


def as_recorded(recipe: Recipe, record: Mapping[str, Any]) -> Recipe:
    """The recipe with the recorded values: those of its search, and those that its file had.

    Raises:
        ValueError: a field that is not a plain value, such as layers, has changed since.
    """
    if record["search"]:
        recipe = with_values(recipe, record["search"]["best"])
    recorded, now = _by_short_names(record["recipe"]), _by_short_names(recipe.describe())
    names = [name for name in recorded if name in now and name not in ("seed", "arguments", *NOT_TRAINED)]
    fields = {name: recorded[name] for name in names if recorded[name] != now[name]}
    ours, theirs = now["arguments"], recorded["arguments"]
    arguments = {
        name: theirs.get(name, ...) for name in {**ours, **theirs} if ours.get(name, ...) != theirs.get(name, ...)
    }
    changed = [name for name, value in fields.items() if name in ("data", "builder", "task") or not _plain(value)]
    changed += [name for name, value in arguments.items() if not _plain(value)]
    if changed:
        raise InvalidValue(
            f"recipe {recipe.name} has changed since its release: {', '.join(changed)}; release it again, "
            f"`make release RECIPES={recipe.name}`"
        )
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
    export_only = {"precisions": tuple(record["files"]), "strategy": recorded["strategy"], "target": recorded["target"]}
    return recipe.replace(**fields, **export_only, arguments=arguments)


def _by_short_names(description: Mapping[str, Any]) -> dict[str, Any]:
    """A described recipe with zoo's functions without their modules, which may have moved since the release."""
    return json.loads(re.sub(r'"zoo\.(\w+\.)*(\w+)"', r'"zoo.\2"', json.dumps(description)))


def _plain(value: Any) -> bool:
    """Whether a described value is the value itself, not the name of a function or the settings of a layer."""
    values = value if isinstance(value, list) else [value]
    return all(value is None or isinstance(value, bool | int | float | str) for value in values)
