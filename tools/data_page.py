"""Writes the table of named data sets in docs/data.md: `python -m tools.data_page`."""

from pathlib import Path

from zoo.base.files import write_text
from zoo.data.sources import SOURCES

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
BEGIN, END = "<!-- data sets, written by tools/data_page.py -->\n", "<!-- end of data sets -->\n"


def page(text: str) -> str:
    """The page with the table of the data sets that exist now."""
    before, _, rest = text.partition(BEGIN)
    lines = ["| data set | task | samples | input | licence |", "|---|---|---|---|---|"]
    for source in SOURCES.values():
        shape = " x ".join(map(str, source.shape))
        lines.append(f"| `{source.name}` | {source.task} | {source.samples:,} | {shape} | {source.licence} |")
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))
