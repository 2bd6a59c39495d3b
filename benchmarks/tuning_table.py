"""docs/tuning.json, what the benchmarks of tuning measured last, and the tables of docs/tuning.md that tell it.

`python -m benchmarks.tuning_table` writes the tables anew from the file; the benchmarks do so with `--record`.
"""

import re
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from zoo.base.files import read_json, write_json, write_text

ROOT = Path(__file__).parents[1]
RECORDS, PAGE = ROOT / "docs" / "tuning.json", ROOT / "docs" / "tuning.md"
TABLES = re.compile(r"(?<=<!-- tables -->\n).*?(?=<!-- end of tables -->)", re.DOTALL)
NAMES = {
    "ours": "asha", "random": "random, stock", "bayesian": "bayesian, stock", "hyperband": "hyperband, stock",
    "optuna": "plain Optuna", "ours random": "random", "ours bayesian": "bayesian", "ours hyperband": "hyperband",
}  # fmt: skip


def record(kind: str, name: str, measured: dict[str, Any]) -> None:
    """Keeps what was measured in place of what was there, with the day, and writes the tables anew."""
    records = read_json(RECORDS)
    records[kind][name] = {"date": date.today().isoformat(), **measured}
    write_json(RECORDS, records)
    write_text(PAGE, with_tables(PAGE.read_text(encoding="utf-8"), records))


def with_tables(page: str, records: dict[str, Any]) -> str:
    return TABLES.sub(lambda _: tables(records), page)


def tables(records: dict[str, Any]) -> str:
    """A table for each set of rivals, and a line for each thing about scale."""
    found = sorted(records["efficiency"].items(), key=lambda item: sorted(item[1]["rivals"]))
    text = ""
    for rivals, rows in groupby(found, key=lambda item: tuple(item[1]["rivals"])):
        text += f"\n| | {' | '.join(NAMES[rival] for rival in rivals)} | measured |\n|{' --- |' * (len(rivals) + 2)}\n"
        for name, row in sorted(rows):
            cells = [_cell(rival, row["rivals"][rival]) for rival in rivals]
            label = name.removesuffix(" oracles")
            text += f"| {label}, {row['seconds']:.0f} s, {row['seeds']} seeds | {' | '.join(cells)} | {row['date']} |\n"
    for name, row in sorted(records["scale"].items()):
        text += f"\n{_sentence(name, row)}\n"
    return f"{text}\n"


def _cell(rival: str, measured: dict[str, Any]) -> str:
    sd = f" ± {measured['sd']:.3f}" if measured["sd"] is not None else ""
    value = f"{measured['mean']:.3f}{sd}"
    return f"**{value}**" if rival == "ours" else f"{value} ({measured['part_of_time']:.0%})"


def _sentence(name: str, row: dict[str, Any]) -> str:
    if name == "memory":
        return (
            f"One process held {row['mb_after_50']:.0f} MB after 50 trials and {row['mb_at_end']:.0f} MB after "
            f"{row['trials']}, {row['ratio']:.2f} times as much ({row['date']})."
        )
    steady, whole = row["steady"], row["whole"]
    return (
        f"{row['trials']} trials, {row['repetitions']} repetitions: two workers did {steady['speedup']:.2f} times the "
        f"trials a minute of one ({steady['one']:.1f} and {steady['two']:.1f}) while all were at work, and "
        f"{whole['speedup']:.2f} times of the whole command, loading TensorFlow included ({row['date']})."
    )


if __name__ == "__main__":
    write_text(PAGE, with_tables(PAGE.read_text(encoding="utf-8"), read_json(RECORDS)))
