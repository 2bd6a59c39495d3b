"""Verbs that run a recipe, or a part of it."""

import dataclasses
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.base.errors import CheckFailed, NotFound
from zoo.base.progress import console
from zoo.cli.command import (
    PATH,
    cli,
    fail_if_rejected,
    json_option,
    load_tensorflow,
    out_option,
    print_files,
    print_json,
    print_table,
    recipe_with,
)


@cli.command("find-lr")
@click.argument("recipe")
@out_option
@click.option("--seed", type=int, help="Seed of the initial weights and the order of samples.")
@json_option
def find_lr(recipe: str, out: Path | None, seed: int | None, as_json: bool) -> None:
    """Find a learning rate: raise it step by step, plot the loss, suggest the rate where the loss falls fastest."""
    chosen = recipe_with(recipe, seed=seed)  # first: zoo.find_learning_rate imports TensorFlow
    curve = zoo.find_learning_rate(chosen, out, report=console())
    if as_json:
        print_json(vars(curve))
    else:
        click.echo(f"{curve.suggestion:.2g}")


@cli.command()
@click.argument("model")
@click.option("--folder", type=PATH, help="Folder of the model's export, to show bytes and arena too.")
@click.option("--steps", type=int, help="Length of a sample, for a model that accepts any length.")
@json_option
def summary(model: str, folder: Path | None, steps: int | None, as_json: bool) -> None:
    """Show parameters and multiply-accumulates per layer, and the size of the exported files.

    MODEL is a recipe, the folder of a run or a .keras file.
    """
    if not Path(model).is_dir() and not model.endswith(".keras"):
        from zoo.recipe.collection import find

        find(model)  # an unknown name fails before the seconds that TensorFlow's import takes
    load_tensorflow()
    counts = zoo.summary(model, folder, steps=steps)
    if as_json:
        print_json(counts.as_dict())
    else:
        click.echo(str(counts))


@cli.command()
@click.argument("recipe")
@out_option
@click.option("--trials", type=int, help="Number of candidates to train.")
@click.option("--objective", help="Score to optimize: val_loss, val_accuracy, or int8_accuracy of the exported file.")
@click.option("--oracle", help="Search algorithm: asha, random, grid, bayesian or hyperband.")
@click.option("--seed", type=int, help="Seed of the candidates and their weights.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes on this machine.")
@click.option("--storage", help="URL of a database, for workers on several machines.")
@click.option("--max-bytes", type=int, help="Largest exported file; larger candidates are not trained.")
@click.option("--max-macs", type=int, help="Most multiply-accumulates per sample of a candidate.")
@click.option("--max-latency", type=float, help="Longest latency of a candidate on this machine, in microseconds.")
@click.option("--overwrite", is_flag=True, help="Discard an earlier search in the folder.")
@json_option
def tune(
    recipe: str, out: Path | None, max_bytes: int | None, max_macs: int | None, max_latency: float | None,
    workers: int, storage: str | None, overwrite: bool, as_json: bool, **fields: Any,
) -> None:  # fmt: skip
    """Search the recipe's space: learning rate, momentum, optimizer and whatever else it defines.

    Finished trials survive an interruption: the same command resumes the search.
    """
    chosen = recipe_with(recipe, **fields)
    given = {"bytes": max_bytes, "macs": max_macs, "latency_us": max_latency}
    given = {name: value for name, value in given.items() if value is not None}
    if given:
        chosen = chosen.replace(limits=dataclasses.replace(chosen.limits or zoo.Limits(), **given))
    search = zoo.tune(chosen, out, workers=workers, storage=storage, overwrite=overwrite, report=console())
    if as_json:
        trials = [vars(trial) for trial in search.trials]
        print_json({"objective": search.objective, "best": vars(search.best), "trials": trials})


@cli.command()
@click.argument("recipe")
@out_option
@click.option("--epochs", type=int, help="Number of epochs.")
@click.option("--seed", type=int, help="Seed of the initial weights and the order of samples.")
@click.option("--devices", default="1", show_default=True, help="GPUs that share each batch: a number, or all.")
@json_option
def train(recipe: str, out: Path | None, epochs: int | None, seed: int | None, devices: str, as_json: bool) -> None:
    """Train the recipe, with the best values of `zoo tune` if that ran before."""
    chosen = recipe_with(recipe, epochs=epochs, seed=seed)
    done = zoo.train(chosen, out, devices=int(devices) if devices.isdigit() else devices, report=console())
    if as_json:
        result = {"file": str(done.file), "final": done.final, "history": done.history, "seconds": done.seconds}
        print_json({**result, "fit": done.diagnosis.as_dict()})
    else:
        click.echo(f"{done.file}  " + "  ".join(f"{name} {value:.4f}" for name, value in done.final.items()))


@cli.command()
@click.argument("model")
@out_option
@click.option("--data", type=PATH, help="With MODEL.keras: a .npz with x (and y), or x_train and x_test.")
@click.option(
    "--precision", "precisions", multiple=True, help="float32, float16, dynamic, int8, int8_io or int16x8; repeatable."
)
@click.option("--strategy", help="For recurrent layers: auto, unrolled, fused, while or streaming.")
@click.option("--target", help="Runtime that the files must support: litert, browser or micro.")
@click.option("--labels", type=PATH, help="Text file with one label per line, to store in the files.")
@click.option("--c-array", is_flag=True, help="Also write each file as a C array, for microcontrollers.")
@json_option
def export(
    model: str, out: Path | None, data: Path | None, labels: Path | None, c_array: bool, as_json: bool, **options: Any
) -> None:
    """Export a model, measure each file, and keep the files that pass every check.

    MODEL is a recipe that `zoo train` ran, or your own .keras file, with --data to calibrate and measure on.
    """
    options["precisions"] = options["precisions"] or None
    chosen: Any = model
    if model.endswith(".keras"):
        if data is None:
            raise click.UsageError(f"give --data: samples for {model}, as .npz with x (and y), or x_train, x_test")
        if not Path(model).is_file():
            raise NotFound(f"there is no model {model}")
        options["labels"] = labels.read_text(encoding="utf-8").splitlines() if labels else ()
        load_tensorflow()
        from zoo.data.arrays import read_arrays

        options["calibration"], options["test"] = read_arrays(data)
    elif data or labels:
        raise click.UsageError("--data and --labels are for a .keras file; a recipe has its own")
    else:
        chosen = recipe_with(model)
    report = console()
    result = zoo.export(chosen, out, report=report, **options)
    if c_array:
        from zoo.runtime.micro import write_c_array

        for file in result.files:
            if file.verified:
                source = result.folder / "tflite" / file.file
                for path in write_c_array(source, result.folder / "c", arena=file.arena_bytes):
                    report(f"{path} is written")
    _print_export(result, as_json)


@cli.command()
@click.argument("recipe")
@out_option
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Trainings of the winner, for mean and spread.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that search.")
@click.option("--overwrite", is_flag=True, help="Discard an earlier search in the folder.")
@json_option
def run(recipe: str, out: Path | None, seed: int | None, as_json: bool, **options: Any) -> None:
    """Do everything: data, search, training, export and tests. Prints the files and how to try them."""
    chosen = recipe_with(recipe, seed=seed)
    _print_export(zoo.run(chosen, out, report=console(), **options), as_json)


@cli.command()
@click.argument("name")
@click.option("--out", type=PATH, help="Folder with one run per seed [default: runs/NAME/reproduced].")
@click.option("--seeds", type=int, default=1, show_default=True, help="Trainings whose mean score is compared.")
@click.option("--seed", type=int, help="Seed of the first training [default: largest recorded seed + 1].")
@json_option
def reproduce(name: str, out: Path | None, seeds: int, seed: int | None, as_json: bool) -> None:
    """Train a released recipe again, export and measure it, and compare with the recorded scores.

    It is reproduced if, for each file, the mean score of k new trainings lies in the 95 % prediction interval of the n
    recorded ones: mean ± t sd sqrt(1/n + 1/k), with Student's t and n - 1 degrees of freedom, Bonferroni-corrected for
    the number of files. Otherwise the exit code is 1. The search is not repeated: the record has its result.
    """
    from zoo.recipe.collection import released

    released(name)  # an unknown name fails before the seconds that TensorFlow's import takes
    load_tensorflow()
    result = zoo.reproduce(name, out, seeds=seeds, seed=seed, report=console())
    if as_json:
        files = [{**vars(file), "mean": file.mean, "holds": file.holds} for file in result.files]
        print_json({"name": name, "seeds": result.seeds, "holds": result.holds, "files": files})
    else:
        from zoo.base.tables import figure

        rows = [["FILE", "RECORDED", "EXPECTED", f"MEASURED {result.score_name.upper()}", ""]]
        for file in result.files:
            recorded, measured = (" ".join(map(figure, scores)) for scores in (file.recorded, file.measured))
            within = "within" if file.holds else "OUTSIDE"
            rows.append([file.precision, recorded, f"{figure(file.low)} to {figure(file.high)}", measured, within])
        print_table(rows)
    if not result.holds:
        raise CheckFailed(str(result))
    if not as_json:
        click.echo(str(result))


def _print_export(result: Any, as_json: bool) -> None:
    if as_json:
        print_json(result.record)
    else:
        print_files(result.record)
        good = [file for file in result.files if file.verified]
        if good:
            file = result.folder / "tflite" / good[-1].file
            click.echo(f"Try it: zoo predict {file} {result.folder / 'example.npy'}")
    fail_if_rejected(result)
