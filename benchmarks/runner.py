"""`Runner.predict` against the bare interpreter's loop on the same file and inputs: seconds and peak memory.

`python -m benchmarks.runner [FILE ...]`: 100,000 inputs, one thread, both sides in one run, alternating, medians over
rounds. The memory is that of a process for each number of inputs, without inputs and outputs. The last line is JSON.
Exit code 1 where the outputs of the two differ.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from benchmarks.equality import require_equal
from zoo.base.tables import plain_table
from zoo.deploy import Runner
from zoo.recipe.collection import folder

INPUTS, FEWER, ROUNDS = 100_000, 10_000, 9
FILES = (
    "digits_cnn/digits_cnn.int8.tflite",
    "digits_fnn/digits_fnn.float32.tflite",
    "digits_fnn/digits_fnn.int8.tflite",
)
MEMORY = """
import sys
import numpy as np
from zoo.deploy import Runner
runner = Runner(sys.argv[1])
x = np.broadcast_to(np.float32(0.5), (int(sys.argv[2]), *runner.input_shape))  # one value in memory
outputs = runner.predict(x)
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak) - outputs.nbytes / 1024)
"""


def bare_loop(file: Path, x: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of set_tensor, invoke and get_tensor for each sample, and the last output; the others are not kept."""
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    (read,), (written,) = interpreter.get_input_details(), interpreter.get_output_details()
    index, output = read["index"], written["index"]
    start = time.perf_counter()
    for i in range(len(x)):
        interpreter.set_tensor(index, x[i : i + 1])
        interpreter.invoke()
        last = interpreter.get_tensor(output)
    return time.perf_counter() - start, last


def ours(file: Path, x: np.ndarray) -> tuple[float, np.ndarray]:
    runner = Runner(file)
    start = time.perf_counter()
    outputs = runner.predict(x)
    return time.perf_counter() - start, outputs[-1:]


def peak_memory(file: Path, inputs: int) -> float:
    """Peak resident kB of a process that predicts so many inputs; on Linux.

    Not by getrusage: its peak begins with the memory of the process that started this one.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(file), str(inputs)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main(files: list[Path]) -> None:
    rows, results = [["FILE", "BARE LOOP", "RUNNER", "RATIO", "GROWTH OF PEAK MEMORY"]], {}
    for file in files:
        x = np.random.default_rng(0).random((INPUTS, *Runner(file).input_shape), dtype="float32")
        rounds = [(bare_loop(file, x), ours(file, x)) for _ in range(ROUNDS)]
        seconds = [(bare[0], runner[0]) for bare, runner in rounds]
        error = max(float(np.abs(bare[1] - runner[1]).max()) for bare, runner in rounds)
        bare, runner = (statistics.median(side) for side in zip(*seconds, strict=True))
        ratio = statistics.median(b / a for a, b in seconds)  # of neighbours in time: what else runs here slows both
        growth = peak_memory(file, INPUTS) - peak_memory(file, FEWER)
        results[file.name] = {
            "bare_s": bare,
            "runner_s": runner,
            "ratio": ratio,
            "growth_kb": growth,
            "max_abs_error": error,
        }
        rows.append([file.name, f"{bare:.3f} s", f"{runner:.3f} s", f"{ratio:.2f}", f"{growth:.0f} kB"])
    print(plain_table(rows))
    print(json.dumps(results))
    require_equal({name: result["max_abs_error"] for name, result in results.items()}, 0)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [folder("tflite") / name for name in FILES])
