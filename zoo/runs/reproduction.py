"""Whether a released result comes again: the recipe trained anew as it was, from seeds that were not used for it."""

from zoo.base.errors import InvalidValue
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import t as students_t

from zoo.base.checks import check_size, is_whole
from zoo.recipe.collection import load_recipe, released
from zoo.base.files import locked
from zoo.runs.pipeline import train_and_export
from zoo.recipe.recipe import NOT_TRAINED, Recipe
from zoo.base.tables import figure
from zoo.runs.report import measurements
from zoo.tuning import with_values

LEVEL = 0.95


@dataclass(frozen=True)
class FileReproduction:
    """One precision: the recorded scores, those measured now, and the bounds in which their mean is to lie."""

    precision: str
    recorded: tuple[float, ...]
    measured: tuple[float | None, ...]  # None of a file that could not be scored
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
    """What trainings from other seeds gave, against the record; `folder` holds a run for each seed."""

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
        rule = (
            f"{LEVEL * 100:.0f} % prediction interval (Student's t) of the {len(self.files[0].recorded)} recorded ones"
        )
        if self.holds:
            return f"{self.name} is reproduced: {self.score_name} of {trainings} lies within the {rule}, in every file"
        outside = ", ".join(
            f"{file.precision} {figure(file.mean)}, not in {figure(file.low)} to {figure(file.high)}"
            for file in self.files
            if not file.holds
        )
        return f"{self.name} is not reproduced: {self.score_name} of {trainings} lies outside of the {rule}: {outside}"


def reproduce(
    name: str,
    out: str | Path | None = None,
    *,
    seeds: int = 1,
    seed: int | None = None,
    report: Callable[[str], None] = print,
) -> Reproduction:
    """Trains a released recipe again, exports and measures it, and compares with the spread on record.

    There is no new search: the values that the released one found are taken from its record. The mean score of the new
    trainings must lie in the prediction interval of the recorded ones, see `prediction_interval`.

    Args:
        name: of a released recipe.
        out: for a run a seed; by default `runs/<name>/reproduced`.
        seeds: how many trainings. seed: of the first one; by default one past all that are on record, because a seed
            that was used before gives the same training, which tells nothing of the spread.

    Raises:
        LookupError: no such recipe, or not a released one. ValueError: a record of one training, which has no spread;
            data or a recipe that are no longer the released ones.
    """
    check_size("seeds", seeds)
    if seed is not None and not is_whole(seed, 0):
        raise InvalidValue(f"seed={seed!r} must be a whole number of at least 0")
    record = released(name).record
    assert record is not None
    least = 1 / record["data"]["samples"]["test"] if record["score_name"].endswith("accuracy") else 0.0
    scores = {precision: measurements(record, precision) for precision in record["files"]}
    # Wrong in 5 of 100 cases in all, however many files there are (C. Bonferroni, 1936).
    level = 1 - (1 - LEVEL) / len(scores)
    intervals = {p: prediction_interval(values, seeds, level, least) for p, values in scores.items()}
    recipe = as_recorded(load_recipe(name), record)
    dataset = recipe.load_data()
    if dataset.sha256 != record["data"]["sha256"]:
        raise InvalidValue(f"the data of {name} are no longer those that it was released with; release it anew")
    used = {record["seed"], *(entry["seed"] for entry in record["seeds"])}
    first = max(used) + 1 if seed is None else seed
    chosen = tuple(range(first, first + seeds))
    if repeated := sorted(used.intersection(chosen)):
        report(f"seed {', '.join(map(str, repeated))} is on record: the same training, not an independent one")
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
    """Where the mean of `count` further values lies, with probability `level`, if they come as `values` did.

    mean ± t * sd * sqrt(1/n + 1/count), with n values of one normal distribution and Student's t of n - 1 degrees of
    freedom (G. Hahn, 1969).

    Args:
        least_sd: of the values: one sample of test, say, where scores are counts of samples and may all be the same.

    Raises:
        ValueError: fewer than two values, which have no spread.
    """
    if len(values) < 2:
        raise InvalidValue(f"the record has {len(values)} scores, and so no spread; release from several seeds")
    spread = max(statistics.stdev(values), least_sd)
    quantile = float(students_t.ppf((1 + level) / 2, len(values) - 1))
    half = quantile * spread * math.sqrt(1 / len(values) + 1 / count)
    return statistics.fmean(values) - half, statistics.fmean(values) + half


def as_recorded(recipe: Recipe, record: Mapping[str, Any]) -> Recipe:
    """The recipe with the values that the record resolved it to: those of its search, and those in its file by then.

    Raises:
        ValueError: a field that is no plain value, such as layers, has changed since.
    """
    recorded = record["recipe"]
    if record["search"]:
        recipe = with_values(recipe, record["search"]["best"])
    now = recipe.describe()
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
            f"recipe {recipe.name} has changed since its release: {', '.join(changed)}; release it anew, "
            f"`make release RECIPES={recipe.name}`"
        )
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
    export_only = {"precisions": tuple(record["files"]), "strategy": recorded["strategy"], "target": recorded["target"]}
    return recipe.replace(**fields, **export_only, arguments=arguments)


def _plain(value: Any) -> bool:
    """Whether a described value is the value itself, rather than the name of a function or a layer's settings."""
    values = value if isinstance(value, list) else [value]
    return all(value is None or isinstance(value, bool | int | float | str) for value in values)
