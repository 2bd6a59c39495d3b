"""Several processes at one search: each loads the recipe from its file and asks the database what to try next.

A worker may join late and die at will; its trial is then drawn again. None of them listens to anything: they meet in
the database. A worker ends with the process that started it, because that one's end closes its standard input.
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
Worker = tuple[subprocess.Popen, IO[bytes]]  # and what it writes to stderr
LOOK = 1.0  # seconds between two looks at the history, unless a worker ends
RESTARTS = 5  # of workers that came to nothing, in a row


def passed_on(recipe: Recipe) -> dict[str, Any]:
    """The fields in which a recipe is another than its file says. Raises ValueError where a file cannot tell them."""
    if not recipe.file:
        raise InvalidValue("workers load the recipe from its file, and this one has none; write it to one, `zoo new`")
    written, now = load_recipe(recipe.file).describe(), recipe.describe()
    fields = {name: value for name, value in now.items() if written[name] != value}
    if fields.get("limits"):
        fields["limits"] = dataclasses.asdict(recipe.limits)  # type: ignore[arg-type]
    for name, value in fields.items():
        if name != "limits" and not (value is None or isinstance(value, bool | int | float | str)):
            raise InvalidValue(f"workers load the recipe from {recipe.file}, where {name} is another; write it there")
    return fields


def search_with(recipe: Recipe, workers: int, folder: Path, storage: str | None, report: Report) -> None:
    """Runs trials in as many processes until the recipe's count is reached; shows them as they end.

    Raises CheckFailed where workers end without a trial, again and again, with the last words of one.
    """
    place = storage or str(folder / "search.db")
    history = History(place, recipe.name, recipe.objective)
    threads = max(1, (os.cpu_count() or 1) // workers)
    job = {
        "recipe": str(Path(recipe.file).resolve()) if recipe.file.endswith(".py") else recipe.file,
        "fields": passed_on(recipe),
        "folder": str(folder),
        "storage": place,
        "threads": threads,
    }
    running: list[Worker] = []
    told, in_vain, start = {t.number for t in history.trials()}, 0, time.monotonic()
    before = len(told)
    stage = Stage(report, "search", recipe.trials, "trials", seconds=0)
    try:
        while True:
            trials = history.trials()
            for trial in trials:
                if trial.number not in told:
                    told.add(trial.number)
                    in_vain = 0
                    left = (time.monotonic() - start) / (len(trials) - before) * (recipe.trials - len(trials))
                    line = progress(trial, trials, recipe.objective, f"{trial.number + 1:2d}/{recipe.trials}", left)
                    best = ranked(trials, recipe.objective)[0].metrics[recipe.objective]
                    stage.advance(len(told), f"best {recipe.objective} {best:.4g}", line)
            if len(trials) >= recipe.trials:
                return
            for worker in [w for w in running if w[0].poll() is not None]:
                running.remove(worker)
                process, words_file = worker
                history.fail_lost()
                if process.returncode:
                    in_vain += 1
                    words = _words(words_file)
                    report(f"a worker ended with code {process.returncode}: {words[-1]}")
                    if in_vain > RESTARTS * workers:
                        raise CheckFailed(f"{in_vain} workers came to nothing; the last one said: {words[-1]}")
            while len(running) < min(workers, recipe.trials - len(trials)):
                running.append(_started(job))
            with contextlib.suppress(subprocess.TimeoutExpired):  # a look costs what a worker could use
                running[0][0].wait(LOOK)
    finally:
        stage.close()
        for process, _ in running:
            process.kill()  # what it has finished is in the database
        for process, words_file in running:
            process.wait()
            words_file.close()
        history.fail_lost()
        history.close()


def _started(job: dict[str, Any]) -> Worker:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(job["threads"])}
    words = tempfile.TemporaryFile()  # noqa: SIM115  (a pipe that nobody reads would block it one day)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::RuntimeWarning:runpy", "-m", "zoo.tuning.worker", json.dumps(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=words,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the parent, which ends its workers
    )
    return process, words


def _words(file: IO[bytes]) -> list[str]:
    """The last ones of a worker that has ended."""
    with file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
        return file.read().decode(errors="replace").strip().splitlines() or ["no words"]
