"""Figures that need no display and leave the caller's matplotlib as it is."""

from pathlib import Path
from typing import Any


def panels(count: int, height: float = 4.0) -> tuple[Any, Any]:
    """A figure and its axes in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * count, height), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def save(figure: Any, file: Path) -> None:
    figure.savefig(file, dpi=120)
