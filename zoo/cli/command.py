"""What the verbs of the command share: the group, options, and how results are printed."""

import difflib
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.base.errors import CheckFailed, MissingPackage
from zoo.base.native import silenced

PATH = click.Path(path_type=Path)


ORDER = ("list", "show", "new", "fit", "find-lr", "summary", "tune", "train", "export", "run", "reproduce", "verify")


class Verbs(click.Group):
    """A group that lists its commands in the order of use and names the nearest one for an unknown one."""

    def list_commands(self, ctx):
        return sorted(self.commands, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def resolve_command(self, ctx, args):
        if args and args[0] not in self.commands:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(self.list_commands(ctx))}"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli() -> None:
    """Small neural networks, from data to a tested .tflite file.

    RECIPE is a name from the collection (see `zoo list`) or the path of your own recipe file.
    """


def out_option(command: Callable) -> Callable:
    return click.option("--out", type=PATH, help="Folder of the run [default: runs/RECIPE].")(command)


def json_option(command: Callable) -> Callable:
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def print_table(rows: list[list[str]], **options: Any) -> None:
    from zoo.base.tables import plain_table

    click.echo(plain_table(rows, **options))


def print_result(as_json: bool, value: Any, rows: list[list[str]], **options: Any) -> None:
    """The value as JSON, or the rows as a table."""
    if as_json:
        print_json(value)
    else:
        print_table(rows, **options)


def load_tensorflow() -> None:
    try:
        with silenced():
            importlib.import_module("tensorflow").get_logger().setLevel("ERROR")  # hides its warnings to developers
    except ModuleNotFoundError as error:
        raise MissingPackage(f"this command needs {error.name}: pip install 'keras-zoo[train]'") from None


def recipe_with(recipe: str, **fields: Any) -> Any:
    """The recipe with the fields that were given on the command line."""
    from zoo.recipe.collection import find, load_recipe

    find(recipe)  # an unknown name fails before the seconds that TensorFlow's import takes
    load_tensorflow()
    return load_recipe(recipe).replace(**{name: value for name, value in fields.items() if value is not None})


def print_files(record: Any) -> None:
    from zoo.runs.report import files_table

    print_table(files_table(record))


def fail_if_rejected(export: Any) -> None:
    rejected = [f"{file.file}: {file.refusal}" for file in export.files if not file.verified]
    if rejected:
        raise CheckFailed(f"rejected: {' | '.join(rejected)}")
