"""How a search grows: trials a minute with one worker and with two, and memory after many trials.

`python -m benchmarks.tuning_scale [--trials 60] [--repetitions 3] [--memory-trials 500] [--json]`: searches of digits
by `zoo tune`, a thread a worker, with 1 and 2 workers in turn, as many trials each. Two rates of trials a minute:
"steady" from the moment at which all workers are at work, with the traces of their first trials, until the last trial
that begins while all have one; "whole" of the command, with loading TensorFlow (which with two workers the parent does,
and then each of them), the end, and the winner's report. Epochs a minute tell whether one side had the longer trials,
as two workers draw others than one. Medians over repetitions. Memory is what one process holds
(its resident set) after 50 trials and at the end of a search that goes on; 0 trials leave that out. `--record` keeps
the figures for docs/tuning.md. The last line is JSON:
{"workers": {"steady": {"speedup": ..., "one": ..., "two": ...}, "whole": {...}, "epochs": {...}},
"memory": {"ratio": ..., "mb_after_50": ..., "mb_at_end": ...}}.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.tuning_table import record

RECIPE = """
from functools import partial

import keras

import zoo

RECIPE = zoo.Recipe(
    data=partial(zoo.data.digits, shape=(8, 8, 1)),
    builder=zoo.cnn,
    arguments={"filters": (16, 32)},
    task=zoo.Multiclass(10),
    preprocessing=[keras.layers.Rescaling(1 / 16)],
    trial_epochs=12,
    finalists=1,
    bounds=zoo.Bounds(),
)
"""
AFTER = 50  # trials, to compare later memory with


def search(workers: int, trials: int) -> dict[str, float]:
    """Trials a minute, while all workers are at work, and of the whole command; epochs a minute of the former."""
    import optuna

    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "grows.py"
        recipe.write_text(RECIPE)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
        }
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "zoo", "tune", recipe, "--out", folder, "--trials", str(trials), "--workers",
             str(workers)],
            check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        study = optuna.load_study(study_name="grows", storage=f"sqlite:///{folder}/search.db")
        done = [t for t in study.get_trials() if t.datetime_complete]
    starts = sorted(t.datetime_start for t in done)
    ends = sorted(t.datetime_complete for t in done)
    first, last = starts[workers - 1], ends[-workers]
    steady = [t for t in done if first < t.datetime_complete <= last]
    epochs = sum(t.user_attrs["trial"]["epochs"] for t in steady)
    minutes = (last - first).total_seconds() / 60
    return {"steady": len(steady) / minutes, "whole": len(done) / seconds * 60, "epochs": epochs / minutes}


def memory(trials: int) -> tuple[float, float]:
    """Megabytes after 50 trials, and after all of them, of a process that searches alone."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "benchmarks.tuning_scale", "--child", folder, "--memory-trials", str(trials)]
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    sizes = [float(line) for line in out.splitlines()]
    return sizes[AFTER - 1], sizes[-1]


def child(folder: str, trials: int) -> None:
    from benchmarks import tuning
    from zoo import Tuner

    (x, y), held_out = tuning.data("cnn")

    def resident(line: str) -> None:
        if line.startswith("trial"):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1), flush=True)

    tuner = Tuner(tuning.builder("cnn"), max_trials=trials, directory=folder, report=resident)
    tuner.search(x=x[:256], y=y[:256], validation_data=held_out, epochs=3, batch_size=32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--memory-trials", type=int, default=500)
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--record", action="store_true", help="write the figures to docs/tuning.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.memory_trials)
        return
    measured: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(given.repetitions):
        for workers, rates in measured.items():
            rates.append(search(workers, given.trials))
            if not given.json:
                told = ", ".join(f"{name} {rate:.1f}" for name, rate in rates[-1].items())
                print(f"{workers} worker{'s' * (workers > 1)}, a minute: {told}", flush=True)
    results: dict[str, dict] = {"workers": {}}
    for name in measured[1][0]:
        one, two = ([rates[name] for rates in measured[workers]] for workers in measured)
        speedup = statistics.median(b / a for a, b in zip(one, two, strict=True))
        results["workers"][name] = {
            "speedup": round(speedup, 2),
            "one": round(statistics.median(one), 1),
            "two": round(statistics.median(two), 1),
        }
        if not given.json:
            print(f"{name}: two workers do {speedup:.2f} times what one does", flush=True)
    if given.record:
        measured_with = {"trials": given.trials, "repetitions": given.repetitions}
        record("scale", "workers", {**measured_with, **results["workers"]})
    if given.memory_trials:
        before, after = memory(given.memory_trials)
        results["memory"] = {"ratio": round(after / before, 3), "mb_after_50": before, "mb_at_end": after}
        if not given.json:
            print(f"{before:.0f} MB after {AFTER} trials, {after:.0f} MB after {given.memory_trials}")
        if given.record:
            record("scale", "memory", {"trials": given.memory_trials, **results["memory"]})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
