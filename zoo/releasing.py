"""Puts verified runs among the released files and writes the README's table from their records.

`python -m zoo.releasing digits_cnn ...` releases runs/digits_cnn and so on; without a name it writes the table alone.
"""

import re
import shutil
import sys
from pathlib import Path

from zoo.collection import folder, list_recipes
from zoo.files import read_json, write_text, writing_folder
from zoo.report import results_table

TABLE = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- end of results -->)", re.DOTALL)


def release(run: Path, name: str) -> None:
    """Copies a run's SavedModel and .tflite files to saved_models/<name>/1 and tflite/<name>, with record and card.

    Raises ValueError where the run did not pass every check.
    """
    if not read_json(run / "record.json")["verified"]:
        raise ValueError(f"{run} did not pass every check; only what did is released")
    for source, target in (
        (run / "saved_model" / "1", folder("saved_models") / name / "1"),
        (run / "tflite", folder("tflite") / name),
    ):
        with writing_folder(target) as temporary:
            shutil.copytree(source, temporary, dirs_exist_ok=True)
            for file in ("record.json", "card.md"):
                shutil.copy(run / file, temporary)


def with_results(readme: str) -> str:
    """The README's text with the table as the records give it today."""
    return TABLE.sub(lambda _: results_table(list_recipes()) + "\n", readme)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        release(Path("runs") / name, name)
    readme = folder("recipes").parent / "README.md"
    write_text(readme, with_results(readme.read_text(encoding="utf-8")))
