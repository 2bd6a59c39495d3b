"""Tables in plain text and Markdown, and the format of their numbers."""

import math
from collections.abc import Collection, Sequence
from typing import Any


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def plain_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns for a terminal, as wide as their widest cell; those with an index in `right` are right-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        [cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def figure(value: Any, like: float | None = None) -> str:
    """A number with four decimals, or four significant digits if it is larger; `like`: with that number's decimals."""
    if not isinstance(value, float):
        return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    size = abs(value if like is None else like)
    decimals = 4 if size <= 1 or not math.isfinite(size) else max(0, 3 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}"
