"""Training from disk against training from memory: samples a second of both, and the memory that the disk's takes.

`python -m benchmarks.blocks [--gigabytes N] [--rounds N] [--folder DIR] [--json FILE]`: writes a set of images that is
sorted by class and trains a CNN on it where it lies, 13 blocks a round, until each sample has come once; in turn with
the same CNN on 20,000 of its samples, which stay in memory. Each is in a process of its own. Ratios are medians over
rounds, of one from disk and those from memory before and after it, because what else runs here slows both. What the
system keeps of the file in memory is dropped before each round, whose first block nothing reads ahead. The last line is
JSON.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from zoo.base.files import write_json
from zoo.base.tables import plain_table
from zoo.data import stored

SHAPE, CLASSES, BATCH = (64, 64, 3), 10, 32
SAMPLE_BYTES = 4 * 64 * 64 * 3
RESIDENT_SAMPLES = 20_000  # 1 GB
ROUND_BLOCKS, LEAST_ROUNDS = 13, 3  # 20 GB are 78 blocks
RATIO, GIGABYTES = 0.9, 2.0  # what is to be held


def write(file: Path, samples: int) -> None:
    """Noise, brighter by class, in pieces of 50 MB."""
    random = np.random.default_rng(0)
    noise = random.random((1024, *SHAPE), dtype="float32")
    with open(file, "wb") as opened:
        header = {"descr": "<f4", "fortran_order": False, "shape": (samples, *SHAPE)}
        np.lib.format.write_array_header_1_0(opened, header)
        for first in range(0, samples, len(noise)):
            classes = classes_of(samples)[first : first + len(noise)]
            values = np.roll(noise, int(random.integers(noise.size)))[: len(classes)]
            (values + 0.02 * classes[:, None, None, None].astype("float32")).tofile(opened)
        opened.flush()
        os.fsync(opened.fileno())  # what is not on disk yet could not be dropped from memory


def classes_of(samples: int) -> np.ndarray:
    return np.arange(samples) * CLASSES // samples


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def forget(file: Path) -> None:
    """Drops what the system keeps of the file in memory, where it can."""
    if hasattr(os, "posix_fadvise"):
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def train(file: Path, resident: bool, rounds: int | None, turns: Connection) -> None:
    """Trains a round for each message, and answers with samples a second, by the wall and on cores, memory and loss."""
    import keras

    import zoo
    from zoo.training.feed import block_of, shuffled_in_blocks
    from zoo.training.loop import fit

    x = stored(file)
    y = classes_of(len(x))
    block = block_of(x, BATCH)
    size = min(ROUND_BLOCKS * block, len(x))
    rounds = rounds or max(LEAST_ROUNDS, -(-len(x) // size))
    turns.send(rounds)
    if resident:
        chosen = np.linspace(0, len(x) - 1, min(RESIDENT_SAMPLES, len(x))).astype(int)
        x, y, order, size, rounds = x[chosen], y[chosen], None, len(chosen), rounds + 2
    else:
        shuffle = shuffled_in_blocks(0, block)
        each = np.concatenate([shuffle(epoch, len(x)) for epoch in range(-(-rounds * size // len(x)))])

        def order(turn: int, n: int) -> np.ndarray:
            return each[turn * size : (turn + 1) * size]

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            turns.recv()
            self.start = clocks()

        def on_epoch_end(self, epoch, logs=None):
            wall, cores = (now - then for now, then in zip(clocks(), self.start, strict=True))
            trained = size if order is None else len(order(epoch, len(x)))
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
            turns.send((trained / wall, trained / cores, memory, logs["loss"]))

    keras.utils.set_random_seed(1)
    model = zoo.cnn(SHAPE, CLASSES, filters=(8, 16, 32), convolutions=1)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit(model, (x, y), epochs=rounds, batch_size=BATCH, order=order, callbacks=[Turns()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1, help="of the set on disk")
    parser.add_argument("--rounds", type=int, help="by default until each sample has come")
    parser.add_argument("--folder", help="where to write the set, on a disk; the system's temporary one by default")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")
    options = parser.parse_args()
    samples = int(options.gigabytes * 1e9 / SAMPLE_BYTES)
    free = shutil.disk_usage(options.folder or tempfile.gettempdir()).free / 1e9
    if free < 1.05 * options.gigabytes:
        parser.error(f"{options.gigabytes:g} GB do not fit into the {free:.1f} GB that are free; give another --folder")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder) / "x.npy"
        write(file, samples)
        rounds, memory, losses = measured(file, options.rounds)

    disk, here = (statistics.median(both[i] for both in rounds) for i in (0, 1))
    ratio, on_cores = (statistics.median(both[i] for both in rounds) for i in (2, 3))
    result = {
        "gigabytes": samples * SAMPLE_BYTES / 1e9, "samples": samples, "sample_bytes": SAMPLE_BYTES, "batch": BATCH,
        "resident_samples": min(RESIDENT_SAMPLES, samples), "rounds": len(rounds), "disk_samples_per_s": disk,
        "resident_samples_per_s": here, "ratio": ratio, "ratio_on_cores": on_cores, "max_rss_gb": memory,
        "losses": losses, "bounds": {"ratio": RATIO, "max_rss_gb": GIGABYTES},
        "within": ratio >= RATIO and memory <= GIGABYTES,
    }  # fmt: skip
    print(
        plain_table(
            [
                ["ON DISK", "FROM DISK", "FROM MEMORY", "RATIO", "ON CORES", "BOUND", "MEMORY OF THE FIRST", "BOUND"],
                [
                    f"{result['gigabytes']:.1f} GB, {samples:,} samples", f"{disk:,.0f}/s", f"{here:,.0f}/s",
                    f"{ratio:.3f}", f"{on_cores:.3f}", f"{RATIO}", f"{memory:.2f} GB", f"{GIGABYTES} GB",
                ],
            ]
        )
    )  # fmt: skip
    if options.json:
        write_json(options.json, result)
    print(json.dumps(result))


def measured(file: Path, rounds: int | None) -> tuple[list[tuple[float, float, float, float]], float, list[float]]:
    """Of each round samples a second from disk and from memory and their ratios, by the wall and on cores.

    Also GB that the training from disk took, and its losses.
    """
    spawn, sides, processes = multiprocessing.get_context("spawn"), [], []
    for resident in (False, True):
        mine, theirs = spawn.Pipe()
        sides.append(mine)
        processes.append(spawn.Process(target=train, args=(file, resident, rounds, theirs), daemon=True))
        processes[-1].start()
        theirs.close()
    disk, memory = sides
    rounds = disk.recv()
    memory.recv()

    def turn(side: Connection) -> tuple[float, float, float, float]:
        forget(file)
        side.send("go")
        return side.recv()

    turn(memory)  # traces
    here, there = [turn(memory)], []
    for _ in range(rounds):
        there.append(turn(disk))
        here.append(turn(memory))
        print(
            f"round {len(there)}/{rounds}: {there[-1][0]:,.0f}/s from disk, {here[-1][0]:,.0f}/s from memory",
            flush=True,
        )
    for process in processes:
        process.join()
    found = []
    for before, one, after in zip(here[:-1], there, here[1:], strict=True):
        wall, cores = ((before[i] + after[i]) / 2 for i in (0, 1))
        found.append((one[0], wall, one[0] / wall, one[1] / cores))
    return found, max(one[2] for one in there), [one[3] for one in there]


if __name__ == "__main__":
    main()
