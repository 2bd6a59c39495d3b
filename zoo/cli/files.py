"""Verbs about exported files; all but `verify` work without TensorFlow."""

from pathlib import Path

import click

import zoo
from zoo.base.errors import CheckFailed
from zoo.base.native import silenced
from zoo.base.progress import console
from zoo.cli.command import PATH, cli, fail_if_rejected, json_option, load_tensorflow, print_json, print_result


@cli.command()
@click.argument("target")
@click.option("--recipe", help="Recipe of the files, if it is not the recorded one.")
@click.option(
    "--data",
    type=PATH,
    help="Files without a recipe: the data of their export. With a CSV or Parquet file of new rows: check for drift.",
)
@click.option("--layers", is_flag=True, help="Rank the layers by their quantization error.")
@json_option
def verify(target: str, recipe: str | None, data: Path | None, layers: bool, as_json: bool) -> None:
    """Measure exported files again. TARGET is a recipe, a folder or a .tflite file.

    With --data new.csv and the file of a table, nothing is measured: it lists the columns whose distribution differs
    from the training data. The exit code is 1 if there are any.
    """
    from zoo.data.rows import TABLES

    if data is not None and data.suffix in TABLES:
        _check_drift(target, data, as_json)
        return
    load_tensorflow()
    test = None
    if data is not None:
        from zoo.data.arrays import read_arrays

        test = read_arrays(data)[1]
    if layers:
        losses = zoo.layer_losses(target, recipe)
        rows = [["LAYER", "OPS", "ERROR OF ITS WORST OP, IN STEPS OF INT8 (ROUNDING: 0.29)"]]
        rows += [[x.layer, ", ".join(x.ops), f"{x.error:.2f}"] for x in losses]
        print_result(as_json, [vars(loss) for loss in losses], rows)
        return
    result = zoo.verify(target, recipe, test=test, report=console())
    if as_json:
        print_json([file.as_dict() for file in result.files])
    else:
        for file in result.files:
            for check in file.checks:
                click.echo(f"{file.file}  {'ok' if check.held else 'NO':3} {check.name}: {check.detail}")
    fail_if_rejected(result)


def _check_drift(file: str, data: Path, as_json: bool) -> None:
    from zoo.data.drift import drift

    with silenced():
        shifts = drift(file, data)
    moved = [shift for shift in shifts if shift.moved]
    if as_json:
        print_json([{**vars(shift), "moved": shift.moved} for shift in shifts])
    else:
        click.echo("\n".join(map(str, moved)) or f"all {len(shifts)} columns look like those of train")
    if moved:
        raise CheckFailed(f"{data} drifted: {len(moved)} of {len(shifts)} columns moved")


@cli.command()
@click.argument("file", type=PATH)
@click.option("--threads", type=int, multiple=True, default=(1, 2), show_default=True, help="Repeatable.")
@click.option("--seconds", type=float, default=0.5, show_default=True, help="Duration of each measurement.")
@json_option
def benchmark(file: Path, threads: tuple[int, ...], seconds: float, as_json: bool) -> None:
    """Measure latency, size and peak memory of a .tflite file, for each number of threads."""
    with silenced():
        results = zoo.benchmark(file, threads, seconds)
    rows = [["THREADS", "MEDIAN", "90 %", "BYTES", "PEAK MEMORY OF A PROCESS"]]
    for r in results:
        memory = f"{r.peak_memory_kb:,} kB" if r.peak_memory_kb else "-"
        rows.append([str(r.threads), f"{r.median_us:.1f} us", f"{r.p90_us:.1f} us", f"{r.bytes:,}", memory])
    print_result(as_json, [vars(result) for result in results], rows)


@cli.command()
@click.argument("file", type=PATH)
@json_option
def targets(file: Path, as_json: bool) -> None:
    """List the runtimes and whether each runs a .tflite FILE: by running it if installed, else by its ops."""
    from zoo.runtime.compatibility import where

    with silenced():
        results = where(file)
    words = {True: "runs", False: "does not", None: "may run"}
    rows = [["TARGET", "", "WHY"], *([r.target, words[r.runs], r.detail] for r in results)]
    print_result(as_json, [vars(result) for result in results], rows)


@cli.command()
@click.argument("file", type=PATH)
@click.argument("input", type=PATH)
@json_option
def predict(file: Path, input: Path, as_json: bool) -> None:  # noqa: A002
    """Run a .tflite FILE on INPUT: arrays, rows of a table, an image, a WAV, texts. Needs no TensorFlow."""
    with silenced():
        prediction = zoo.predict(file, input)
    if as_json:
        print_json(prediction.as_rows())
        return
    for i, row in enumerate(prediction.rows()):
        if "label" in row:
            click.echo(f"{i}: {row['label']}  ({row['confidence']:.1%})")
        elif "labels" in row:
            click.echo(f"{i}: {', '.join(row['labels']) or 'none'}")
        else:
            click.echo(f"{i}: {'  '.join(f'{v:.6g}' for v in next(iter(row.values())))}")
