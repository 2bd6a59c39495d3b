"""Puts verified runs among the released files, and writes the README's table and all cards from the records.

`python -m tools.release digits_cnn ...` releases runs/digits_cnn and so on; without a name it writes pages alone. A
release leaves the hashes of its files in SHA256SUMS, which `sha256sum --check` reads, too; pages are made, not hashed.
"""

import re
import shutil
import sys
import zipfile
from pathlib import Path

from zoo.base.errors import InvalidValue
from zoo.base.files import read_json, sha256, write_text, writing, writing_folder
from zoo.recipe.collection import folder, list_recipes
from zoo.runs.cards import card
from zoo.runs.report import results_table

SUMS = "SHA256SUMS"
TABLE = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- end of results -->)", re.DOTALL)


def release(run: Path, name: str) -> None:
    """Copies a run's SavedModel and .tflite files to saved_models/<name>/1 and tflite/<name>, with record and card.

    The Keras model goes to saved_models/<name>/model.keras, without the optimizer's state, which is twice its size.

    Raises ValueError where the run did not pass every check, or its model.keras is another than the exported one.
    """
    from zoo.exporting.conversion import load_keras
    from zoo.runs.record import read_training

    record, training = read_json(run / "record.json"), read_training(run)
    if not record["verified"]:
        raise InvalidValue(f"{run} did not pass every check; only what did is released")
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
    """Packs a Keras file, whose parts Keras stores as they are: a fifth smaller, and read as before."""
    with zipfile.ZipFile(archive) as stored:
        parts = [(part, stored.read(part)) for part in stored.infolist()]
    with zipfile.ZipFile(archive, "w", compresslevel=9) as packed:
        for part, content in parts:
            packed.writestr(part, content, zipfile.ZIP_DEFLATED)


def root() -> Path:
    """The checkout, or the package, in which the collection lies."""
    return folder("recipes").parent


def released_files(name: str = "*") -> list[Path]:
    """Every file of a recipe's release, or of all, but for the cards, which are made from the records."""
    found = [path for place in ("saved_models", "tflite") for path in folder(place).glob(f"{name}/**/*")]
    return sorted(path for path in found if path.is_file() and path.name != "card.md")


def sums() -> dict[str, str]:
    """The SHA-256 of each released file by its path below `root()`, as SHA256SUMS holds them.

    Raises ValueError for a line that is none, FileNotFoundError without the file.
    """
    found = {}
    for number, line in enumerate((root() / SUMS).read_text(encoding="utf-8").splitlines(), 1):
        parts = re.fullmatch(r"([0-9a-f]{64})  (\S+)", line)
        if not parts:
            raise InvalidValue(
                f"line {number} of {SUMS} is no hash and file: {line[:100]!r}; `git diff` shows what it was"
            )
        found[parts[2]] = parts[1]
    return found


def seal(*names: str) -> None:
    """Writes the hashes of the releases of these recipes into SHA256SUMS, as their files are now."""
    known = sums() if (root() / SUMS).is_file() else {}
    kept = {path: value for path, value in known.items() if path.split("/")[1] not in names}
    new = {path.relative_to(root()).as_posix(): sha256(path) for name in names for path in released_files(name)}
    write_text(root() / SUMS, "".join(f"{value}  {path}\n" for path, value in sorted({**kept, **new}.items())))


def released_cards() -> dict[Path, str]:
    """Each card among the released files, as its record gives it today."""
    records = [*folder("tflite").glob("*/record.json"), *folder("saved_models").glob("*/1/record.json")]
    return {path.with_name("card.md"): card(read_json(path)) for path in sorted(records)}


def with_results(readme: str) -> str:
    """The README's text with the table as the records give it today. Raises ValueError where it has none."""
    if not TABLE.search(readme):
        raise InvalidValue(
            "the README has no place for the results, between <!-- results --> and <!-- end of results -->"
        )
    return TABLE.sub(lambda _: results_table(list_recipes()) + "\n", readme)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        release(Path("runs") / name, name)
    for page, text in released_cards().items():
        write_text(page, text)
    readme = root() / "README.md"
    write_text(readme, with_results(readme.read_text(encoding="utf-8")))
