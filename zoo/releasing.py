"""Puts verified runs among the released files, and writes the README's table and all cards from the records.

`python -m zoo.releasing digits_cnn ...` releases runs/digits_cnn and so on; without a name it writes pages alone.
"""

import re
import shutil
import sys
from pathlib import Path

from zoo.cards import card
from zoo.collection import folder, list_recipes
from zoo.files import read_json, write_text, writing, writing_folder
from zoo.report import results_table

TABLE = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- end of results -->)", re.DOTALL)


def release(run: Path, name: str) -> None:
    """Copies a run's SavedModel and .tflite files to saved_models/<name>/1 and tflite/<name>, with record and card.

    The Keras model goes to saved_models/<name>/model.keras, without the optimizer's state, which is twice its size.

    Raises ValueError where the run did not pass every check, or its model.keras is another than the exported one.
    """
    from zoo.conversion import load_keras
    from zoo.record import read_training

    record, training = read_json(run / "record.json"), read_training(run)
    if not record["verified"]:
        raise ValueError(f"{run} did not pass every check; only what did is released")
    if training["recipe"] != record["recipe"]:
        raise ValueError(f"{run / 'model.keras'} was trained after the export; `zoo export {name}` first")
    with writing(folder("saved_models") / name / "model.keras") as model:
        load_keras(run / "model.keras").save(model)
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


def released_cards() -> dict[Path, str]:
    """Each card among the released files, as its record gives it today."""
    records = [*folder("tflite").glob("*/record.json"), *folder("saved_models").glob("*/1/record.json")]
    return {path.with_name("card.md"): card(read_json(path)) for path in sorted(records)}


def with_results(readme: str) -> str:
    """The README's text with the table as the records give it today."""
    return TABLE.sub(lambda _: results_table(list_recipes()) + "\n", readme)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        release(Path("runs") / name, name)
    for page, text in released_cards().items():
        write_text(page, text)
    readme = folder("recipes").parent / "README.md"
    write_text(readme, with_results(readme.read_text(encoding="utf-8")))
