"""The `zoo` command: parses, calls a verb, prints. Nothing heavy is imported before it is needed."""

import contextlib
import dataclasses
import difflib
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.base.errors import CheckFailed, MissingPackage
from zoo.base.native import silenced

DONE, CHECK_FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
STOPPED = "interrupted; what was finished is kept, and the same command goes on from there"
PATIENCE = 1.0  # seconds that an interrupted command has to end by itself


class Verbs(click.Group):
    """A group that lists its commands in the order of use and names the nearest one for an unknown one."""

    def list_commands(self, ctx):
        return list(self.commands)

    def resolve_command(self, ctx, args):
        if args and args[0] not in self.commands:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(self.commands)}"
            raise click.UsageError(f"there is no verb {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli() -> None:
    """Small neural networks, from data to a .tflite file that is proven to run.

    RECIPE is a name of the collection (see `zoo list`) or the path of a recipe file of your own.
    """


def main() -> None:
    """Runs the command. Exit codes: 0 done, 1 a check did not hold, 2 wrong use, 130 interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets with several lines otherwise
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    debug = bool(os.environ.get("ZOO_DEBUG"))
    try:
        with _ends_in_time():
            sys.exit(cli.main(standalone_mode=False) or DONE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail(STOPPED, INTERRUPTED)
    except click.ClickException as error:
        _fail(error.format_message(), WRONG_USE)
    except CheckFailed as error:
        _fail(error, CHECK_FAILED)
    except BrokenPipeError:  # `zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except (ValueError, TypeError, LookupError, OSError, ImportError, MemoryError) as error:
        if debug:
            raise
        _fail(error, WRONG_USE)


@contextlib.contextmanager
def _ends_in_time() -> Iterator[None]:
    """Ctrl-C reaches Python when TensorFlow returns, which in a long epoch takes minutes: then a thread ends it all.

    All that is finished is on disk already, because any moment may be that of a kill.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end, start = os.pipe()
    os.set_blocking(start, False)
    before = signal.set_wakeup_fd(start, warn_on_full_buffer=False)

    def watch() -> None:
        while signals := os.read(end, 64):
            if signal.SIGINT in signals:
                time.sleep(PATIENCE)
                os.write(2, f"zoo: {STOPPED}\n".encode())
                os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(start)


def _fail(message: object, code: int) -> None:
    text = str(message.args[0]) if isinstance(message, KeyError) and message.args else str(message)
    if isinstance(message, OSError) and message.filename:
        text = f"{message.filename}: {message.strerror}"
    line = " ".join(text.split()) or type(message).__name__
    click.echo(f"zoo: {line}", err=True)
    sys.exit(code)


def _progress(line: str) -> None:
    """Progress goes to stderr, so that stdout holds the result alone."""
    click.echo(line, err=True)


def _out_option(command: Callable) -> Callable:
    return click.option("--out", type=click.Path(path_type=Path), help="Folder of the run [default: runs/RECIPE].")(
        command
    )


def _json_option(command: Callable) -> Callable:
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def _load_tensorflow() -> None:
    try:
        with silenced():
            importlib.import_module("tensorflow").get_logger().setLevel("ERROR")  # its advice is not for users of ours
    except ModuleNotFoundError as error:
        raise MissingPackage(f"this verb needs {error.name}: pip install 'keras-zoo[train]'") from None


def _overridden(recipe: str, **fields: Any) -> Any:
    """The recipe with the fields that were given on the command line."""
    from zoo.recipe.collection import find, load_recipe

    find(recipe)  # a name that does not exist is told before the seconds that TensorFlow takes
    _load_tensorflow()
    given = {name: value for name, value in fields.items() if value is not None}
    return load_recipe(recipe).replace(**given)


@cli.command("list")
@click.argument("pattern", default="*")
@click.option("--task", help="Binary, Multiclass, Multilabel, Regression or Forecasting.")
@click.option("--max-bytes", type=int, help="Only those that are released in a file of at most so many bytes.")
@click.option(
    "--sort", default="name", show_default=True,
    help="name, task, accuracy, auc, mae, bytes, latency or parameters; the best or the least first.",
)  # fmt: skip
@_json_option
def list_command(pattern: str, task: str | None, max_bytes: int | None, sort: str, as_json: bool) -> None:
    """List the recipes of the collection, with what their released int8 files reach, or else the smallest ones.

    PATTERN may have * and ? in it: zoo list "digits*" --sort accuracy
    """
    entries = zoo.list(pattern, task=task, max_bytes=max_bytes, sort=sort)
    if as_json:
        _print_json([{"name": e.name, "summary": e.summary, "path": str(e.path), "record": e.record} for e in entries])
        return
    from zoo.base.tables import figure, plain_table

    rows = [["RECIPE", "TASK", "FILE", "BYTES", "SCORE", "SUMMARY"]]
    for entry in entries:
        told = ["-"] * 3
        if entry.record and (file := entry.file):
            score = f"{entry.record['score_name']} {figure(file['score'])}"
            told = [file["precision"], f"{file['bytes']:,}", score]
        rows.append([entry.name, entry.task, *told, entry.summary])
    click.echo(plain_table(rows, right=(3,)))
    if not entries:
        _progress("no recipe is like that; `zoo list` shows all")


@cli.command()
@click.argument("recipe")
@_json_option
def show(recipe: str, as_json: bool) -> None:
    """Show what a recipe is and what its released files reach, or what a .tflite file tells of itself."""
    if recipe.endswith(".tflite"):
        with silenced():
            told = zoo.describe(recipe)
        if as_json:
            _print_json(told)
        else:
            _print_description(told)
        if told["damage"]:
            raise CheckFailed(f"{recipe} {told['damage']}")
        return
    entry = zoo.show(recipe)
    if as_json:
        _print_json({"name": entry.name, "doc": entry.doc, "path": str(entry.path), "record": entry.record})
        return
    click.echo(f"{entry.name}  ({entry.path})\n\n{entry.doc}\n")
    if entry.record:
        from zoo.base.tables import plain_table
        from zoo.runs.report import files_table, spread

        click.echo(plain_table(files_table(entry.record)))
        for precision in entry.record["files"]:
            click.echo(f"{precision}: {spread(entry.record, precision)}")
        click.echo("\n".join(str(file) for file in entry.files))
    else:
        click.echo(f"Not released. Make it: zoo run {recipe}")


def _print_description(told: dict[str, Any]) -> None:
    for name, value in told.items():
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
@click.option("--into", type=click.Path(path_type=Path), default=Path(), help="Folder to write it to.")
def new(name: str, into: Path) -> None:
    """Write NAME.py, a recipe to start from, that runs as it is."""
    path = zoo.new(name, into)
    click.echo(f"{path} is written; put your data in, then: zoo run {path}")


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--target", help="Column to predict [default: one called target, label or the like, or the last].")
@click.option("--task", help="Binary, Multiclass, Regression or Forecasting, where the data do not tell rightly.")
@click.option("--kind", help="What the data are: table, images, sounds, series, forecast or text [default: found out].")
@click.option("--known", multiple=True, help="Column that is known ahead, of a series to forecast; may be repeated.")
@click.option("--minutes", type=float, default=10.0, show_default=True, help="For all of it.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the result [default: runs/NAME OF THE DATA].")
@click.option("--objective", default="val_loss", show_default=True, help="Of the search, such as int8_accuracy.")
@click.option("--max-bytes", type=int, help="Of the int8 file; larger candidates are not trained.")
@click.option("--overwrite", is_flag=True, help="Forget a search that was cut short, and changes of the recipe.")
@_json_option
def fit(path: Path, as_json: bool, **options: Any) -> None:
    """Make a model for your own data: look, tune, train, export, prove. Writes the recipe to go on from.

    PATH is a CSV or Parquet file, a .npz with x and y, or a folder with a folder of images, WAV, texts or CSV a class.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    _load_tensorflow()
    done = zoo.fit(path, report=_progress, **options)
    if as_json:
        told = {"kind": done.kind, "notes": done.notes, "folder": str(done.folder), "recipe": str(done.recipe)}
        _print_json({**told, "beats_baselines": done.beaten, "seconds": done.seconds, "record": done.export.record})
    else:
        from zoo.base.tables import plain_table
        from zoo.runs.report import files_table

        click.echo(plain_table(files_table(done.export.record)))
        click.echo(f"To hand over: {done.folder / 'deploy'}\nTo go on from: {done.recipe}\n{done}")
    if not any(file.verified for file in done.export.files):
        _raise_if_refused(done.export)


@cli.command("find-lr")
@click.argument("recipe")
@_out_option
@click.option("--seed", type=int, help="Draws weights and the order of samples.")
@_json_option
def find_lr(recipe: str, out: Path | None, seed: int | None, as_json: bool) -> None:
    """Find a learning rate: raise it step by step, draw the loss, and name the rate where that falls fastest."""
    found = zoo.find_learning_rate(_overridden(recipe, seed=seed), out, report=_progress)
    if as_json:
        _print_json(vars(found))
    else:
        click.echo(f"{found.suggestion:.2g}")


@cli.command()
@click.argument("model")
@click.option("--folder", type=click.Path(path_type=Path), help="Of the model's export, to show bytes and arena.")
@click.option("--steps", type=int, help="Length of a sample, for a model that leaves it open.")
@_json_option
def summary(model: str, folder: Path | None, steps: int | None, as_json: bool) -> None:
    """Show parameters and multiply-accumulates by layer, and what was measured on the exported files.

    MODEL is a recipe, the folder of a run or a .keras file.
    """
    if not Path(model).is_dir() and not model.endswith(".keras"):
        from zoo.recipe.collection import find

        find(model)  # a name that does not exist is told before the seconds that TensorFlow takes
    _load_tensorflow()
    counted = zoo.summary(model, folder, steps=steps)
    if as_json:
        _print_json(counted.as_dict())
    else:
        click.echo(str(counted))


@cli.command()
@click.argument("recipe")
@_out_option
@click.option("--trials", type=int, help="How many candidates to train.")
@click.option("--objective", help="What to look at: val_loss, val_accuracy, or int8_accuracy, of the exported file.")
@click.option("--oracle", help="How to choose: asha, random, grid, bayesian or hyperband.")
@click.option("--seed", type=int, help="Draws the candidates and their weights.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes on this machine.")
@click.option("--storage", help="URL of a database, for workers on several machines.")
@click.option("--max-bytes", type=int, help="Of the exported file; larger candidates are not trained.")
@click.option("--max-macs", type=int, help="Multiply-accumulates of a sample, likewise.")
@click.option("--max-latency", type=float, help="Microseconds of a sample on this machine, likewise.")
@click.option("--overwrite", is_flag=True, help="Forget what was searched in the folder before.")
@_json_option
def tune(
    recipe: str,
    out: Path | None,
    workers: int,
    storage: str | None,
    max_bytes: int | None,
    max_macs: int | None,
    max_latency: float | None,
    overwrite: bool,
    as_json: bool,
    **fields: Any,
) -> None:
    """Search learning rate, momentum, optimizer and whatever else the recipe's space holds.

    What was found so far survives a kill: the same command goes on.
    """
    chosen = _overridden(recipe, **fields)
    if (max_bytes, max_macs, max_latency) != (None, None, None):
        given = {"bytes": max_bytes, "macs": max_macs, "latency_us": max_latency}
        limits = chosen.limits or zoo.Limits()
        chosen = chosen.replace(limits=dataclasses.replace(limits, **{k: v for k, v in given.items() if v is not None}))
    found = zoo.tune(chosen, out, workers=workers, storage=storage, overwrite=overwrite, report=_progress)
    if as_json:
        _print_json({"objective": found.objective, "best": vars(found.best), "trials": [vars(t) for t in found.trials]})


@cli.command()
@click.argument("recipe")
@_out_option
@click.option("--epochs", type=int, help="How long to train.")
@click.option("--seed", type=int, help="Draws weights and the order of samples.")
@click.option("--devices", default="1", show_default=True, help="GPUs that share each batch, a number or all.")
@_json_option
def train(recipe: str, out: Path | None, epochs: int | None, seed: int | None, devices: str, as_json: bool) -> None:
    """Train the recipe, with the best values of `zoo tune` if it ran before."""
    chosen = _overridden(recipe, epochs=epochs, seed=seed)
    done = zoo.train(chosen, out, devices=int(devices) if devices.isdigit() else devices, report=_progress)
    if as_json:
        told = {"file": str(done.file), "final": done.final, "history": done.history, "seconds": done.seconds}
        _print_json({**told, "fit": done.diagnosis.as_dict()})
    else:
        click.echo(f"{done.file}  " + "  ".join(f"{name} {value:.4f}" for name, value in done.final.items()))


@cli.command()
@click.argument("model")
@_out_option
@click.option(
    "--data", type=click.Path(path_type=Path), help="With MODEL.keras: .npz of x (and y), or x_train, x_test."
)
@click.option("--precision", "precisions", multiple=True, help="May be given repeatedly [default: float32, int8].")
@click.option("--strategy", help="For recurrent layers: auto, unrolled, fused, while or streaming.")
@click.option("--target", help="Where the files must run: litert, browser or micro.")
@click.option("--labels", type=click.Path(path_type=Path), help="Text file with a label a line, to put into the files.")
@click.option("--c-array", is_flag=True, help="Also write each file as a C array, for microcontrollers.")
@_json_option
def export(
    model: str,
    out: Path | None,
    data: Path | None,
    precisions: tuple[str, ...],
    strategy: str | None,
    target: str | None,
    labels: Path | None,
    c_array: bool,
    as_json: bool,
) -> None:
    """Export a model, measure each file, and keep those that pass every check.

    MODEL is a recipe that `zoo train` ran, or a .keras file of your own, with --data to calibrate and measure on.
    """
    given: dict[str, Any] = {"precisions": precisions or None, "strategy": strategy, "target": target}
    chosen: Any = model
    if model.endswith(".keras"):
        if data is None:
            raise click.UsageError(f"give --data: samples for {model}, as .npz with x (and y), or x_train, x_test")
        if not Path(model).is_file():
            raise FileNotFoundError(f"there is no model {model}")
        given["labels"] = labels.read_text(encoding="utf-8").splitlines() if labels else ()
        _load_tensorflow()
        from zoo.data.arrays import read_arrays

        given["calibration"], given["test"] = read_arrays(data)
    elif data or labels:
        raise click.UsageError("--data and --labels go with a .keras file; a recipe brings its own")
    else:
        chosen = _overridden(model)
    result = zoo.export(chosen, out, report=_progress, **given)
    if c_array:
        from zoo.runtime.micro import write_c_array

        for file in result.files:
            if file.verified:
                source = result.folder / "tflite" / file.file
                for path in write_c_array(source, result.folder / "c", arena=file.arena_bytes):
                    _progress(f"{path} is written")
    _print_export(result, as_json)


@cli.command()
@click.argument("target")
@click.option("--recipe", help="Recipe of the files, where it is not the one that their record names.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Of files without a recipe: the data of their export. A CSV or Parquet of new rows: do they look like train?",
)
@click.option("--layers", is_flag=True, help="Name the layers that lose most to quantization.")
@_json_option
def verify(target: str, recipe: str | None, data: Path | None, layers: bool, as_json: bool) -> None:
    """Measure exported files again. TARGET is a recipe, a folder or a .tflite file.

    With --data new.csv and the file of a table nothing is measured: it says which columns no longer look like those
    that the file was trained on, and whether any does not.
    """
    from zoo.data.rows import TABLES

    if data is not None and data.suffix in TABLES:
        _verify_rows(target, data, as_json)
        return
    _load_tensorflow()
    test = None
    if data is not None:
        from zoo.data.arrays import read_arrays

        test = read_arrays(data)[1]
    if layers:
        _print_layers(zoo.layer_losses(target, recipe), as_json)
        return
    result = zoo.verify(target, recipe, test=test, report=_progress)
    if as_json:
        _print_json([file.as_dict() for file in result.files])
    else:
        for file in result.files:
            for check in file.checks:
                click.echo(f"{file.file}  {'ok' if check.held else 'NO':3} {check.name}: {check.detail}")
    _raise_if_refused(result)


def _verify_rows(file: str, data: Path, as_json: bool) -> None:
    """Exit code 1 where a column moved."""
    from zoo.data.drift import drift

    with silenced():
        shifts = drift(file, data)
    moved = [shift for shift in shifts if shift.moved]
    if as_json:
        _print_json([{**vars(shift), "moved": shift.moved} for shift in shifts])
    else:
        click.echo("\n".join(map(str, moved)) or f"all {len(shifts)} columns look like those of train")
    if moved:
        raise CheckFailed(f"{data} drifted: {len(moved)} of {len(shifts)} columns moved")


def _print_layers(losses: list[Any], as_json: bool) -> None:
    if as_json:
        _print_json([vars(loss) for loss in losses])
        return
    from zoo.base.tables import plain_table

    rows = [["LAYER", "OPS", "ERROR OF ITS WORST OP, IN STEPS OF INT8 (ROUNDING: 0.29)"]]
    click.echo(plain_table(rows + [[x.layer, ", ".join(x.ops), f"{x.error:.2f}"] for x in losses]))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--threads", type=int, multiple=True, default=(1, 2), show_default=True, help="May be given repeatedly.")
@click.option("--seconds", type=float, default=0.5, show_default=True, help="How long to measure each.")
@_json_option
def benchmark(file: Path, threads: tuple[int, ...], seconds: float, as_json: bool) -> None:
    """Latency, bytes and peak memory of a .tflite file, by threads."""
    with silenced():
        results = zoo.benchmark(file, threads, seconds)
    if as_json:
        _print_json([vars(result) for result in results])
        return
    from zoo.base.tables import plain_table

    rows = [["THREADS", "MEDIAN", "90 %", "BYTES", "PEAK MEMORY OF A PROCESS"]]
    for r in results:
        memory = f"{r.peak_memory_kb:,} kB" if r.peak_memory_kb else "-"
        rows.append([str(r.threads), f"{r.median_us:.1f} us", f"{r.p90_us:.1f} us", f"{r.bytes:,}", memory])
    click.echo(plain_table(rows))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_json_option
def targets(file: Path, as_json: bool) -> None:
    """Say which targets run a .tflite FILE, measured where one is installed, and why not where not."""
    from zoo.base.tables import plain_table
    from zoo.runtime.compatibility import where

    with silenced():
        answers = where(file)
    if as_json:
        _print_json([vars(answer) for answer in answers])
        return
    words = {True: "runs", False: "does not", None: "may run"}
    rows = [[a.target, words[a.runs], a.detail] for a in answers]
    click.echo(plain_table([["TARGET", "", "WHY"], *rows]))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("input", type=click.Path(path_type=Path))
@_json_option
def predict(file: Path, input: Path, as_json: bool) -> None:  # noqa: A002
    """Ask a .tflite FILE about INPUT: arrays, rows of a table, an image, a WAV, texts. Needs no TensorFlow."""
    with silenced():
        prediction = zoo.predict(file, input)
    if as_json:
        _print_json(prediction.as_rows())
        return
    for i, row in enumerate(prediction.rows()):
        if "label" in row:
            click.echo(f"{i}: {row['label']}  ({row['confidence']:.1%})")
        elif "labels" in row:
            click.echo(f"{i}: {', '.join(row['labels']) or 'none'}")
        else:
            click.echo(f"{i}: {'  '.join(f'{v:.6g}' for v in next(iter(row.values())))}")


@cli.command()
@click.argument("recipe")
@_out_option
@click.option("--seed", type=int, help="Draws everything that is random.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Train the winner this often, for a spread.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that search.")
@click.option("--overwrite", is_flag=True, help="Forget what was searched in the folder before.")
@_json_option
def run(
    recipe: str, out: Path | None, seed: int | None, seeds: int, workers: int, overwrite: bool, as_json: bool
) -> None:
    """Do it all: data, search, training, export and proof. Ends with the files and how to try them."""
    chosen = _overridden(recipe, seed=seed)
    _print_export(zoo.run(chosen, out, seeds=seeds, workers=workers, overwrite=overwrite, report=_progress), as_json)


@cli.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Folder, a run a seed [default: runs/NAME/reproduced].")
@click.option("--seeds", type=int, default=1, show_default=True, help="How many trainings to compare by their mean.")
@click.option("--seed", type=int, help="Of the first one [default: one past all that are on record].")
@_json_option
def reproduce(name: str, out: Path | None, seeds: int, seed: int | None, as_json: bool) -> None:
    """Train a released recipe again, export and measure it, and say whether the recorded result comes again.

    It does where the mean score of k new trainings lies in the 95 % prediction interval of the n recorded ones: mean ±
    t sd sqrt(1/n + 1/k), by Student's t with n - 1 degrees of freedom, in each file, at a level such that all of them
    hold together in 95 of 100 cases. Else the exit code is 1. The search is not run again: its winner stands in the
    record.
    """
    from zoo.recipe.collection import released

    released(name)  # before the seconds that TensorFlow takes
    _load_tensorflow()
    found = zoo.reproduce(name, out, seeds=seeds, seed=seed, report=_progress)
    if as_json:
        files = [{**vars(file), "mean": file.mean, "holds": file.holds} for file in found.files]
        _print_json({"name": name, "seeds": found.seeds, "holds": found.holds, "files": files})
    else:
        from zoo.base.tables import figure, plain_table

        rows = [["FILE", "RECORDED", "EXPECTED", f"MEASURED {found.score_name.upper()}", ""]]
        for file in found.files:
            recorded = " ".join(map(figure, file.recorded))
            measured = " ".join(map(figure, file.measured))
            within = "within" if file.holds else "OUTSIDE"
            rows.append([file.precision, recorded, f"{figure(file.low)} to {figure(file.high)}", measured, within])
        click.echo(plain_table(rows))
    if not found.holds:
        raise CheckFailed(str(found))
    if not as_json:
        click.echo(str(found))


def _print_export(result: Any, as_json: bool) -> None:
    if as_json:
        _print_json(result.record)
    else:
        from zoo.base.tables import plain_table
        from zoo.runs.report import files_table

        click.echo(plain_table(files_table(result.record)))
        good = [file for file in result.files if file.verified]
        if good:
            click.echo(
                f"Try it: zoo predict {result.folder / 'tflite' / good[-1].file} {result.folder / 'example.npy'}"
            )
    _raise_if_refused(result)


def _raise_if_refused(result: Any) -> None:
    refused = [f"{file.file}: {file.refusal}" for file in result.files if not file.verified]
    if refused:
        raise CheckFailed(f"refused: {' | '.join(refused)}")


@cli.group(cls=Verbs)
def data() -> None:
    """Data sets: which there are, and how they come."""


@data.command("list")
@_json_option
def list_data(as_json: bool) -> None:
    """List the known data sets: what each is for, whether it is here, and the command that brings it."""
    from zoo.data.sources import SOURCES

    rows = [["DATA SET", "TASK", "SAMPLES", "INPUT", "LICENCE", "HERE", "COMMAND"]]
    told = []
    for s in SOURCES.values():
        here, command = s.here, s.command
        shape = " x ".join(map(str, s.shape))
        rows.append(
            [s.name, s.task, f"{s.samples:,}", shape, s.licence, "yes" if here else "no", "" if here else command]
        )
        told.append(
            {"name": s.name, "task": s.task, "samples": s.samples, "shape": list(s.shape), "licence": s.licence,
             "citation": s.citation, "here": here, "command": command}
        )  # fmt: skip
    if as_json:
        _print_json(told)
        return
    from zoo.base.tables import plain_table

    click.echo(plain_table(rows))


@data.command("prepare")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Let TensorFlow Datasets try for minutes where no host answers at once.")
@_json_option
def prepare_data(name: str, wait: bool, as_json: bool) -> None:
    """Download and prepare a data set, and check it.

    NAME is one of `zoo data list`, or tfds: and any builder of TensorFlow Datasets, such as tfds:cifar10.
    """
    from zoo.data.loading import prepare

    dataset = prepare(name, wait=wait, report=_progress)
    samples = {part: len(x) for part, (x, _) in dataset.parts.items()}
    shape = list(dataset.input_shape)
    if as_json:
        _print_json({"name": dataset.name, "samples": samples, "shape": shape, "sha256": dataset.sha256})
    else:
        counts = ", ".join(f"{count:,} {part}" for part, count in samples.items())
        click.echo(f"{dataset.name}: {counts}; an input is {' x '.join(map(str, shape))}; sha256 {dataset.sha256}")
