"""A search in several processes: each loads the recipe from its file and draws trials from the shared database.

Workers communicate through the database only, so they may join late or be killed; a lost trial is drawn again. A worker
ends with the process that started it, because that closes the worker's standard input.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from zoo.base.errors import CheckFailed, InvalidValue
from zoo.base.progress import Stage
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import Recipe
from zoo.tuning.history import History
from zoo.tuning.trials import progress, ranked

Report = Callable[[str], None]
Worker = tuple[subprocess.Popen, IO[bytes]]  # the process, and a file with its stderr
POLL = 1.0  # seconds between two reads of the history, unless a worker ends
RESTARTS = 5  # per worker, in a row without a finished trial


def changed_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields that differ from the recipe's file. Raises ValueError where a worker could not receive them."""
    if not recipe.file:
        raise InvalidValue("workers load the recipe from its file, and this recipe has none; write one with `zoo new`")
    written, now = load_recipe(recipe.file).describe(), recipe.describe()
    fields = {name: value for name, value in now.items() if written[name] != value}
    if fields.get("limits"):
        fields["limits"] = dataclasses.asdict(recipe.limits)  # type: ignore[arg-type]
    for name, value in fields.items():
        if name != "limits" and not (value is None or isinstance(value, bool | int | float | str)):
            raise InvalidValue(f"workers load the recipe from {recipe.file}, where {name} differs; change it there")
    return fields


def search_with(recipe: Recipe, workers: int, folder: Path, storage: str | None, report: Report) -> None:
    """Runs trials in several processes until there are `recipe.trials`, and reports each one.

    Raises CheckFailed where workers fail repeatedly without a finished trial, with the last message of one.
    """
    storage = storage or str(folder / "search.db")
    history = History(storage, recipe.name, recipe.objective)
    threads = max(1, (os.cpu_count() or 1) // workers)
    job = {
        "recipe": str(Path(recipe.file).resolve()) if recipe.file.endswith(".py") else recipe.file,
        "fields": changed_fields(recipe),
        "folder": str(folder),
        "storage": storage,
        "threads": threads,
    }
    running: list[Worker] = []
    reported, failures, start = {t.number for t in history.trials()}, 0, time.monotonic()
    before = len(reported)
    stage = Stage(report, "search", recipe.trials, "trials", seconds=0)
    try:
        while True:
            trials = history.trials()
            for trial in trials:
                if trial.number not in reported:
                    reported.add(trial.number)
                    failures = 0
                    left = (time.monotonic() - start) / (len(trials) - before) * (recipe.trials - len(trials))
                    line = progress(trial, trials, recipe.objective, f"{trial.number + 1:2d}/{recipe.trials}", left)
                    best = ranked(trials, recipe.objective)[0].metrics[recipe.objective]
                    stage.advance(len(reported), f"best {recipe.objective} {best:.4g}", line)
            if len(trials) >= recipe.trials:
                return
            for worker in [w for w in running if w[0].poll() is not None]:
                running.remove(worker)
                process, stderr = worker
                history.fail_lost()
                if process.returncode:
                    failures += 1
                    message = _last_line(stderr)
                    report(f"a worker ended with code {process.returncode}: {message}")
                    if failures > RESTARTS * workers:
                        raise CheckFailed(f"{failures} workers failed without a finished trial; the last: {message}")
            while len(running) < min(workers, recipe.trials - len(trials)):
                running.append(_start(job))
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[0][0].wait(POLL)
    finally:
        stage.close()
        for process, _ in running:
            process.kill()  # its finished trials are in the database
        for process, stderr in running:
            process.wait()
            stderr.close()
        history.fail_lost()
        history.close()


def _start(job: dict[str, Any]) -> Worker:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(job["threads"])}
    stderr = tempfile.TemporaryFile()  # noqa: SIM115  (a full pipe would block the worker)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::RuntimeWarning:runpy", "-m", "zoo.tuning.worker", json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its workers
    )
    return process, stderr


def _last_line(file: IO[bytes]) -> str:
    with file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
        return (file.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
