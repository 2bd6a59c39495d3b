"""What every verb over a recipe starts from."""

import tempfile
from pathlib import Path

from zoo.data import Dataset
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import Recipe


def prepared(recipe: str | Path | Recipe, out: str | Path | None) -> tuple[Recipe, Path, Dataset]:
    """The recipe, the folder of its run, `runs/<recipe>` by default, and its data. Raises OSError early if the folder
    cannot be written."""
    recipe = load_recipe(recipe)
    out = Path(out) if out is not None else Path("runs") / recipe.name
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
        pass
    return recipe, out, recipe.load_data()
