"""Latency, size and memory of a .tflite file, by number of threads."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.base.errors import InvalidValue
from zoo.deploy import Runner

OPEN_STEPS = 8  # steps of a sample, if a file accepts any number


@dataclass(frozen=True)
class Benchmark:
    """One file at one number of threads. Times are per invoke, with one sample."""

    file: str
    bytes: int
    threads: int
    median_us: float
    p90_us: float
    invokes: int
    peak_memory_kb: int | None  # of a process that loads and runs the file; None if unknown


def benchmark(file: str | Path, threads: Sequence[int] = (1, 2), seconds: float = 0.5) -> list[Benchmark]:
    """Measures a file for `seconds` at each number of threads.

    The peak memory is measured in a fresh process, because the peak of a process never decreases.
    """
    if not threads or any(n < 1 for n in threads):
        raise InvalidValue(f"threads={list(threads)} must be integers of at least 1")
    if not seconds > 0:
        raise InvalidValue(f"seconds={seconds} must be more than 0")
    return [_measure(Path(file), n, seconds) for n in threads]


def latency(runner: Runner, seconds: float) -> np.ndarray:
    """Seconds of each invoke, measured for about `seconds` after a warm-up of a tenth of that."""
    shape = tuple(n or OPEN_STEPS for n in runner.input_shape)
    sample = np.zeros(shape, "int32")  # 0 is always a valid token
    if np.issubdtype(runner.input_dtype, np.floating):
        sample = np.random.default_rng(0).random(shape, dtype="float32")
    sample = runner.check(sample)[0]
    times: list[float] = []
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds * 1.1 or len(times) < 10:
        runner.predict_one(sample)
        if now - start > seconds * 0.1:
            times.append(time.perf_counter() - now)
    return np.array(times)


def _measure(file: Path, threads: int, seconds: float) -> Benchmark:
    times = latency(Runner(file, threads), seconds) * 1e6
    median, p90 = (round(float(np.quantile(times, share)), 2) for share in (0.5, 0.9))
    memory = _peak_memory(file, threads)
    return Benchmark(file.name, file.stat().st_size, threads, median, p90, len(times), memory)


def _peak_memory(file: Path, threads: int) -> int | None:
    # Not by getrusage, whose peak includes the memory of the parent process.
    program = (
        "import sys, numpy as np\n"
        "from zoo.deploy import Runner\n"
        "runner = Runner(sys.argv[1], int(sys.argv[2]))\n"
        "runner.predict(np.zeros([n or 8 for n in runner.input_shape], 'float32'))\n"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(file), str(threads)], capture_output=True, text=True)
    return int(child.stdout) if child.returncode == 0 else None  # only Linux has /proc
