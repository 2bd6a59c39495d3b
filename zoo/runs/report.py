"""Tables made from records."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.base.tables import figure, markdown_table

if TYPE_CHECKING:
    from zoo.recipe.collection import Entry

GRADIENTS = ("before", "after")  # training


def results_table(entries: Sequence["Entry"]) -> str:
    """The README's table: one row per released file."""
    head = ["recipe", "precision", "bytes", "test score of the file", "mean ± sd", "best baseline", "test samples"]
    rows = []
    for entry in entries:
        record = entry.record
        if record is None:
            continue
        name, score = best_baseline(record)
        for precision, file in record["files"].items():
            auc = "" if file.get("auc") is None else f", AUC {figure(file['auc'])}"
            score_of_file = f"{record['score_name']} {figure(file['score'])}{auc}"
            rows.append([
                f"[{entry.name}](recipes/{entry.name}.py)", precision, f"{file['bytes']:,}", score_of_file,
                spread(record, precision), f"{name} {figure(score)}", f"{record['data']['samples']['test']:,}",
            ])  # fmt: skip
    return markdown_table(head, rows)


def best_baseline(record: Mapping[str, Any]) -> tuple[str, float | None]:
    """Name and score of the best baseline: the largest score, or the smallest error."""
    scores = record["baselines"]
    if not scores:
        return "-", None
    best = (max if larger_is_better(record) else min)(scores, key=scores.__getitem__)
    return best, scores[best]


def not_won(record: Mapping[str, Any]) -> str:
    """A warning if no file scores better than the best baseline on the same test samples, else "".

    With several seeds or folds, means are compared.
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
        f"**The network is not better than the baseline: {name} has {record['score_name']} {figure(score)}, the best "
        f"file {figure(best)}.** Use the baseline wherever scikit-learn runs."
    )


def larger_is_better(record: Mapping[str, Any]) -> bool:
    return record.get("larger_is_better", record["score_name"].endswith("accuracy"))  # older records lack it


def measurements(record: Mapping[str, Any], precision: str, figure_of: str = "score") -> list[float]:
    """A precision's score, or its "auc", in the training of each seed or fold."""
    seeds = record["seeds"]
    values = [seed.get(precision) if figure_of == "score" else seed.get("auc", {}).get(precision) for seed in seeds]
    return [value for value in values if value is not None]


def spread(record: Mapping[str, Any], precision: str, figure_of: str = "score") -> str:
    """Mean, standard deviation and number of seeds or folds, of a precision's score or "auc"."""
    values = measurements(record, precision, figure_of)
    if len(values) < 2:
        return "one seed"
    kind = " folds" if any("fold" in seed for seed in record["seeds"]) else ""
    rejected = sum(not seed["verified"] for seed in record["seeds"])
    note = f", {rejected} rejected" if rejected else ""
    mean = statistics.mean(values)
    return f"{figure(mean)} ± {figure(statistics.stdev(values), like=mean)} (n={len(values)}{kind}{note})"


def files_table(record: Mapping[str, Any]) -> list[list[str]]:
    """Head and rows of the table that a run prints: one row per file."""
    files = record["files"].values()
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "precision": lambda file: file["precision"],
        "bytes": lambda file: f"{file['bytes']:,}",
        f"test {record['score_name']}": lambda file: figure(file["score"]),
        "test AUC": lambda file: figure(file.get("auc")),
        "max abs error to Keras": lambda file: "-" if file["difference"] is None else f"{file['difference']:.1e}",
        "latency, 1 thread": lambda file: f"{file['latency_us']:.1f} us" if file["latency_us"] else "rejected",
        "arena, LiteRT Micro": lambda file: "-" if file.get("arena_bytes") is None else f"{file['arena_bytes']:,}",
    }
    for name, key in (("test AUC", "auc"), ("arena, LiteRT Micro", "arena_bytes")):
        if all(file.get(key) is None for file in files):
            del columns[name]
    return [list(columns), *([cell(file) for cell in columns.values()] for file in files)]
