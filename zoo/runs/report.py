"""From records to what people read: tables and plots. No figure is typed here; each comes from a record."""

import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.base.tables import figure, markdown_table

GRADIENTS = ("before", "after")  # when they were taken: of the fresh model, of the trained one

if TYPE_CHECKING:
    import numpy as np

    from zoo.recipe.collection import Entry
    from zoo.tuning import Search


def results_table(entries: Sequence["Entry"]) -> str:
    """The README's table: a row for each released file, from the records."""
    head = ["recipe", "precision", "bytes", "test score of the file", "mean ± sd", "best simple method", "test samples"]
    rows = []
    for entry in entries:
        record = entry.record
        if record is None:
            continue
        name, score = best_baseline(record)
        for precision, file in record["files"].items():
            auc = "" if file.get("auc") is None else f", AUC {figure(file['auc'])}"
            rows.append(
                [
                    f"[{entry.name}](recipes/{entry.name}.py)",
                    precision,
                    f"{file['bytes']:,}",
                    f"{record['score_name']} {figure(file['score'])}{auc}",
                    spread(record, precision),
                    f"{name} {figure(score)}",
                    f"{record['data']['samples']['test']:,}",
                ]
            )
    return markdown_table(head, rows)


def best_baseline(record: Mapping[str, Any]) -> tuple[str, float | None]:
    """Name and score of the simple method that does best: by the largest score, or the smallest error."""
    scores = record["baselines"]
    if not scores:
        return "-", None
    best = (max if larger_is_better(record) else min)(scores, key=scores.__getitem__)
    return best, scores[best]


def not_won(record: Mapping[str, Any]) -> str:
    """Says where no file scores better than the best simple method on the same test samples, else nothing.

    By the mean over seeds or folds, where there are several, as the simple method's score is of the same folds.
    """
    name, score = best_baseline(record)
    scores = [file["score"] for file in record["files"].values() if file["score"] is not None]
    several = [measurements(record, precision) for precision in record["files"]]
    if any(len(values) > 1 for values in several):
        scores = [statistics.mean(values) for values in several if values]
    if score is None or not scores:
        return ""
    best = (max if larger_is_better(record) else min)(scores)
    if best > score if larger_is_better(record) else best < score:
        return ""
    return (
        f"**The network does not win: {name} has {record['score_name']} {figure(score)}, the best file "
        f"{figure(best)}.** Where a few hundred kilobytes and scikit-learn can be had, take that."
    )


def larger_is_better(record: Mapping[str, Any]) -> bool:
    return record.get("larger_is_better", record["score_name"].endswith("accuracy"))  # older records do not tell


def measurements(record: Mapping[str, Any], precision: str, figure_of: str = "score") -> list[float]:
    """A precision's score, or its "auc", of each training from another seed or on another fold."""
    seeds = record["seeds"]
    values = [seed.get(precision) if figure_of == "score" else seed.get("auc", {}).get(precision) for seed in seeds]
    return [value for value in values if value is not None]


def spread(record: Mapping[str, Any], precision: str, figure_of: str = "score") -> str:
    """Mean, standard deviation and number of seeds or folds of a precision's score, or of its "auc"."""
    values = measurements(record, precision, figure_of)
    if len(values) < 2:
        return "one seed"
    kind = " folds" if any("fold" in seed for seed in record["seeds"]) else ""
    refused = sum(not seed["verified"] for seed in record["seeds"])
    note = f", {refused} refused" if refused else ""
    mean = statistics.mean(values)
    return f"{figure(mean)} ± {figure(statistics.stdev(values), like=mean)} (n={len(values)}{kind}{note})"


def files_table(record: Mapping[str, Any]) -> list[list[str]]:
    """Head and rows of what a run ends with: one row a file."""
    files = record["files"].values()
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "precision": lambda file: file["precision"],
        "bytes": lambda file: f"{file['bytes']:,}",
        f"test {record['score_name']}": lambda file: figure(file["score"]),
        "test AUC": lambda file: figure(file.get("auc")),
        "largest difference to Keras": lambda file: "-" if file["difference"] is None else f"{file['difference']:.1e}",
        "latency, 1 thread": lambda file: f"{file['latency_us']:.1f} us" if file["latency_us"] else "refused",
        "arena, LiteRT Micro": lambda file: "-" if file.get("arena_bytes") is None else f"{file['arena_bytes']:,}",
    }
    for name, key in (("test AUC", "auc"), ("arena, LiteRT Micro", "arena_bytes")):  # where any file has it
        if all(file.get(key) is None for file in files):
            del columns[name]
    return [list(columns), *([cell(file) for cell in columns.values()] for file in files)]
