"""Verbs that need neither data nor TensorFlow: what the collection has, and a new recipe."""

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.base.errors import CheckFailed
from zoo.base.native import silenced
from zoo.cli.command import PATH, cli, json_option, print_files, print_json, print_table


@cli.command("list")
@click.argument("pattern", default="*")
@click.option("--task", help="Binary, Multiclass, Multilabel, Regression or Forecasting.")
@click.option("--max-bytes", type=int, help="Only recipes with a released file of at most this many bytes.")
@click.option(
    "--sort", default="name", show_default=True,
    help="name, task, accuracy, auc, mae, bytes, latency or parameters; best or smallest first.",
)  # fmt: skip
@json_option
def list_command(pattern: str, task: str | None, max_bytes: int | None, sort: str, as_json: bool) -> None:
    """List the recipes of the collection, with the score of their released int8 file, or of the smallest one.

    PATTERN may contain * and ?: zoo list "digits*" --sort accuracy
    """
    entries = zoo.list(pattern, task=task, max_bytes=max_bytes, sort=sort)
    if as_json:
        print_json([{"name": e.name, "summary": e.summary, "path": str(e.path), "record": e.record} for e in entries])
        return
    from zoo.base.tables import figure

    rows = [["RECIPE", "TASK", "FILE", "BYTES", "SCORE", "SUMMARY"]]
    for entry in entries:
        cells = ["-"] * 3
        if entry.record and (file := entry.file):
            score = f"{entry.record['score_name']} {figure(file['score'])}"
            cells = [file["precision"], f"{file['bytes']:,}", score]
        rows.append([entry.name, entry.task, *cells, entry.summary])
    print_table(rows, right=(3,))
    if not entries:
        click.echo("no recipe matches; `zoo list` shows all", err=True)


@cli.command()
@click.argument("recipe")
@json_option
def show(recipe: str, as_json: bool) -> None:
    """Show a recipe and the scores of its released files, or the metadata of a .tflite file."""
    if recipe.endswith(".tflite"):
        with silenced():
            description = zoo.describe(recipe)
        if as_json:
            print_json(description)
        else:
            _print_description(description)
        if description["damage"]:
            raise CheckFailed(f"{recipe} {description['damage']}")
        return
    entry = zoo.show(recipe)
    if as_json:
        print_json({"name": entry.name, "doc": entry.doc, "path": str(entry.path), "record": entry.record})
        return
    click.echo(f"{entry.name}  ({entry.path})\n\n{entry.doc}\n")
    if not entry.record:
        click.echo(f"Not released. Make it: zoo run {recipe}")
        return
    from zoo.runs.report import spread

    print_files(entry.record)
    for precision in entry.record["files"]:
        click.echo(f"{precision}: {spread(entry.record, precision)}")
    click.echo("\n".join(str(file) for file in entry.files))


def _print_description(description: dict[str, Any]) -> None:
    for name, value in description.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, inner in value.items():
                click.echo(f"  {key}: {inner}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value:
                click.echo(f"{name[:-1]}: " + "  ".join(f"{k} {v}" for k, v in inner.items()))
        else:
            click.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


@cli.command()
@click.argument("name")
@click.option("--into", type=PATH, default=Path(), help="Folder to write it to.")
def new(name: str, into: Path) -> None:
    """Write NAME.py, a recipe to start from, which runs as it is."""
    path = zoo.new(name, into)
    click.echo(f"{path} is written; put your data in, then: zoo run {path}")
