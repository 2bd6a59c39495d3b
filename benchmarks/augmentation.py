"""What the strong preset for images costs: seconds of an epoch with it, against the same epoch without.

`python -m benchmarks.augmentation [--samples N] [--filters 32,64,128] [--json FILE]`: images of Fashion-MNIST's shape,
batches of 128, a CNN of 8 layers with weights; both sides in one run, an epoch each in turn, tracing left out. Ratios
are medians over rounds, of neighbours in time, because what else runs here slows both: of seconds, and of seconds on
all cores, which other processes disturb less. The last line is JSON.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.base.files import write_json
from zoo.base.tables import plain_table
from zoo.training.epoch import compile_epoch, create_variables

BATCH, ROUNDS, BOUND = 128, 11, 1.15
EPOCH = 60_000


def epoch_of(filters: tuple[int, ...], augmentation: list[keras.layers.Layer], data: tuple[np.ndarray, np.ndarray]):
    """A function that trains for an epoch and gives its seconds by the wall and on cores; the number of parameters."""
    keras.utils.set_random_seed(1)
    model = zoo.cnn((28, 28, 1), 10, filters=filters, convolutions=2, units=(128,), augmentation=augmentation)
    model.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    create_variables(model, *data)
    train_epoch, _ = compile_epoch(model, BATCH)
    x, y, order = *map(tf.constant, data), tf.range(len(data[0]), dtype="int64")

    def seconds() -> tuple[float, float]:
        start = time.perf_counter(), time.process_time()
        train_epoch((x, y), order, tf.constant(True))
        model.optimizer.iterations.numpy()  # waits for the last step
        return time.perf_counter() - start[0], time.process_time() - start[1]

    seconds()  # traces
    return seconds, model.count_params()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=4 * BATCH, help="of an epoch; what a batch costs is what counts")
    parser.add_argument("--filters", default="32,64,128", help="of the three stages")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")
    options = parser.parse_args()

    random = np.random.default_rng(0)
    data = random.random((options.samples, 28, 28, 1), dtype="float32"), random.integers(0, 10, options.samples)
    filters = tuple(map(int, options.filters.split(",")))
    plain, parameters = epoch_of(filters, [], data)
    augmented, _ = epoch_of(filters, zoo.augment.for_images("strong"), data)
    rounds = [(plain(), augmented()) for _ in range(ROUNDS)]
    without, strong = (statistics.median(wall for wall, _ in side) for side in zip(*rounds, strict=True))
    ratio, on_cores = (statistics.median(b[i] / a[i] for a, b in rounds) for i in (0, 1))
    result = {
        "parameters": parameters, "samples": options.samples, "batch": BATCH, "without_s": without, "strong_s": strong,
        "ratio": ratio, "ratio_on_cores": on_cores, "bound": BOUND, "within": ratio <= BOUND,
    }  # fmt: skip
    scale = EPOCH / options.samples
    print(
        plain_table(
            [
                ["PARAMETERS", "SAMPLES", "WITHOUT", "STRONG", f"OF {EPOCH:,} SAMPLES", "RATIO", "ON CORES", "BOUND"],
                [
                    f"{parameters:,}", f"{options.samples:,}", f"{without:.2f} s", f"{strong:.2f} s",
                    f"{without * scale:.0f} s and {strong * scale:.0f} s", f"{ratio:.3f}", f"{on_cores:.3f}",
                    f"{BOUND}",
                ],
            ]
        )
    )  # fmt: skip
    if options.json:
        write_json(options.json, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
