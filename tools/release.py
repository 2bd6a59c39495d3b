"""Releases runs that passed every check, and writes the README's table and all cards from the records.

`python -m tools.release digits_cnn ...` releases runs/digits_cnn and so on; without a name it writes README and cards
only. SHA256SUMS gets the hashes of the released files, except for cards, in the format of `sha256sum --check`.
"""

import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.base.errors import InvalidValue
from zoo.base.files import sha256, write_text, writing, writing_folder
from zoo.base.records import read_record
from zoo.recipe.collection import folder, list_recipes, show
from zoo.runs.cards import card
from zoo.runs.report import results_table

SUMS = "SHA256SUMS"
TABLE = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- end of results -->)", re.DOTALL)


def release(run: Path, name: str) -> None:
    """Copies a run's SavedModel and .tflite files to saved_models/<name>/1 and tflite/<name>, with record and card.

    saved_models/<name>/model.keras is the Keras model without the optimizer's state, which is twice its size.

    Raises ValueError if the run failed a check, or if its model.keras is not the exported one.
    """
    from zoo.exporting.conversion import load_keras
    from zoo.runs.record import read_training

    record, training = read_record(run / "record.json"), read_training(run)
    if not record["verified"]:
        raise InvalidValue(f"{run} failed a check, so it cannot be released")
    if training["recipe"] != record["recipe"]:
        raise InvalidValue(f"{run / 'model.keras'} was trained after the export; `zoo export {name}` first")
    with writing(folder("saved_models") / name / "model.keras") as model:
        load_keras(run / "model.keras").save(model)
        deflate(model)
    for source, target in (
        (run / "saved_model" / "1", folder("saved_models") / name / "1"),
        (run / "tflite", folder("tflite") / name),
    ):
        with writing_folder(target) as temporary:
            shutil.copytree(source, temporary, dirs_exist_ok=True)
            for file in ("record.json", "card.md"):
                shutil.copy(run / file, temporary)
            if target.parent.name == "tflite" and (run / "search.csv").is_file():  # a recipe may have no search
                shutil.copy(run / "search.csv", temporary)
    seal(name)


def deflate(archive: Path) -> None:
    """Compresses a Keras file, which Keras stores uncompressed: a fifth smaller, and it loads as before."""
    with zipfile.ZipFile(archive) as stored:
        parts = [(part, stored.read(part)) for part in stored.infolist()]
    with zipfile.ZipFile(archive, "w", compresslevel=9) as packed:
        for part, content in parts:
            packed.writestr(part, content, zipfile.ZIP_DEFLATED)


def root() -> Path:
    """The checkout or package that has the collection."""
    return folder("recipes").parent


def released_files(name: str = "*") -> list[Path]:
    """Every file of a recipe's release, or of all, except cards, which are made from the records."""
    found = [path for place in ("saved_models", "tflite") for path in folder(place).glob(f"{name}/**/*")]
    return sorted(path for path in found if path.is_file() and path.name != "card.md")


def sums() -> dict[str, str]:
    """SHA256SUMS: the SHA-256 of each released file by its path below `root()`.

    Raises ValueError for a malformed line, FileNotFoundError if there is no SHA256SUMS.
    """
    found = {}
    for number, line in enumerate((root() / SUMS).read_text(encoding="utf-8").splitlines(), 1):
        parts = re.fullmatch(r"([0-9a-f]{64})  (\S+)", line)
        if not parts:
            raise InvalidValue(f"line {number} of {SUMS} is not a hash and a file: {line[:100]!r}; see `git diff`")
        found[parts[2]] = parts[1]
    return found


def seal(*names: str) -> None:
    """Writes the current hashes of these recipes' released files into SHA256SUMS."""
    known = sums() if (root() / SUMS).is_file() else {}
    kept = {path: value for path, value in known.items() if path.split("/")[1] not in names}
    new = {path.relative_to(root()).as_posix(): sha256(path) for name in names for path in released_files(name)}
    write_text(root() / SUMS, "".join(f"{value}  {path}\n" for path, value in sorted({**kept, **new}.items())))


def released_cards() -> dict[Path, str]:
    """Each released card, made from its record and the docstring of its recipe as it is now."""
    records = [*folder("tflite").glob("*/record.json"), *folder("saved_models").glob("*/1/record.json")]
    return {path.with_name("card.md"): _released_card(read_record(path)) for path in sorted(records)}


def _released_card(record: Mapping[str, Any]) -> str:
    recipe = folder("recipes") / f"{record['name']}.py"
    return card({**record, "about": show(record["name"]).doc} if recipe.is_file() else record)


def with_results(readme: str) -> str:
    """The README's text with the table made from the records. Raises ValueError if it has no marks for it."""
    if not TABLE.search(readme):
        raise InvalidValue("the README lacks the marks of its table, <!-- results --> and <!-- end of results -->")
    return TABLE.sub(lambda _: results_table(list_recipes()) + "\n", readme)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        release(Path("runs") / name, name)
    for page, text in released_cards().items():
        write_text(page, text)
    readme = root() / "README.md"
    write_text(readme, with_results(readme.read_text(encoding="utf-8")))
