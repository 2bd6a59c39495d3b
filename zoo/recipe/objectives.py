"""What a search can compare its trials by."""

from zoo.base.checks import check_choice
from zoo.exporting.precisions import PRECISIONS
from zoo.recipe.task import Task


def check_objective(objective: str, task: Task) -> None:
    names = ("loss", *(metric.name for metric in task.metrics()))
    check_choice("objective", objective, [*(p + n for p in ("val_", "") for n in names), *_of_files(task)])


def file_objective(objective: str, task: Task) -> tuple[str, str] | None:
    """Precision and metric of an objective measured on the exported file, such as "int8_accuracy"; None for others."""
    return _of_files(task).get(objective)


def _of_files(task: Task) -> dict[str, tuple[str, str]]:
    score = task.score_name.replace(" ", "_")
    return {f"{precision}_{score}": (precision, score) for precision in PRECISIONS}
