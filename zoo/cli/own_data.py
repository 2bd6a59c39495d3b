"""Verbs about data: a model for your own files, and the known data sets."""

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.base.errors import NotFound
from zoo.base.progress import console
from zoo.cli.command import (
    PATH,
    Verbs,
    cli,
    fail_if_rejected,
    json_option,
    load_tensorflow,
    print_files,
    print_json,
    print_result,
)


@cli.command()
@click.argument("path", type=PATH)
@click.option("--target", help="Column to predict [default: one called target, label or similar, else the last].")
@click.option("--task", help="Binary, Multiclass, Regression or Forecasting [default: inferred from the data].")
@click.option("--kind", help="Kind of data: table, images, sounds, series, forecast or text [default: detected].")
@click.option("--known", multiple=True, help="Forecasting: a column whose future values are known; repeatable.")
@click.option("--minutes", type=float, default=10.0, show_default=True, help="Time limit for everything.")
@click.option("--out", type=PATH, help="Folder of the result [default: runs/NAME OF THE DATA].")
@click.option("--objective", default="val_loss", show_default=True, help="Score to optimize; see `zoo tune`.")
@click.option("--max-bytes", type=int, help="Largest int8 file; larger candidates are not trained.")
@click.option("--overwrite", is_flag=True, help="Discard an interrupted search and changes of the recipe.")
@json_option
def fit(path: Path, as_json: bool, **options: Any) -> None:
    """Make a model for your own data: detect its kind, search, train, export, test. Also writes an editable recipe.

    PATH is a CSV or Parquet file, a .npz with x and y, or a folder with one subfolder per class that holds images,
    WAV, text or CSV files.
    """
    if not path.exists():
        raise NotFound(f"there is no file or folder {path}")
    load_tensorflow()
    done = zoo.fit(path, report=console(), **options)
    if as_json:
        result = {"kind": done.kind, "notes": done.notes, "folder": str(done.folder), "recipe": str(done.recipe)}
        print_json({**result, "beats_baselines": done.beaten, "seconds": done.seconds, "record": done.export.record})
    else:
        print_files(done.export.record)
        click.echo(f"To deploy: {done.folder / 'deploy'}\nTo edit and run again: {done.recipe}\n{done}")
    if not any(file.verified for file in done.export.files):
        fail_if_rejected(done.export)


@cli.group(cls=Verbs)
def data() -> None:
    """Data sets: list them, download them."""


@data.command("list")
@json_option
def list_data(as_json: bool) -> None:
    """List the known data sets: task, size, licence, whether installed, and the command that installs each."""
    from zoo.data.sources import SOURCES

    rows, described = [["DATA SET", "TASK", "SAMPLES", "INPUT", "LICENCE", "HERE", "COMMAND"]], []
    for s in SOURCES.values():
        here, command = s.here, s.command
        shape = " x ".join(map(str, s.shape))
        installed = ["yes", ""] if here else ["no", command]
        rows.append([s.name, s.task, f"{s.samples:,}", shape, s.licence, *installed])
        described.append(
            {"name": s.name, "task": s.task, "samples": s.samples, "shape": list(s.shape), "licence": s.licence,
             "citation": s.citation, "here": here, "command": command}
        )  # fmt: skip
    print_result(as_json, described, rows)


@data.command("prepare")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Let TensorFlow Datasets retry for minutes if no host responds.")
@json_option
def prepare_data(name: str, wait: bool, as_json: bool) -> None:
    """Download, prepare and check a data set.

    NAME is one of `zoo data list`, or tfds: and any builder of TensorFlow Datasets, such as tfds:cifar10.
    """
    from zoo.data.loading import prepare

    dataset = prepare(name, wait=wait, report=console())
    samples = {part: len(x) for part, (x, _) in dataset.parts.items()}
    shape = list(dataset.input_shape)
    if as_json:
        print_json({"name": dataset.name, "samples": samples, "shape": shape, "sha256": dataset.sha256})
    else:
        counts = ", ".join(f"{count:,} {part}" for part, count in samples.items())
        click.echo(f"{dataset.name}: {counts}; input {' x '.join(map(str, shape))}; sha256 {dataset.sha256}")
