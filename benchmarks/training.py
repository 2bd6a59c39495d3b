"""Our training loop against `keras.Model.fit`: seconds for the same epochs, and the largest difference of a weight.

`python -m benchmarks.training`: both sides in one run, alternating, medians over repetitions; tracing is included on
both sides. The last line is JSON. Exit code 1 where a weight differs by more than TOLERANCE.
"""

import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.equality import require_equal
from zoo.base.tables import plain_table
from zoo.recipe.collection import load_recipe
from zoo.training.loop import fit

RECIPES = ("digits_fnn", "digits_cnn", "digits_lstm", "digits_gru")
EPOCHS, REPETITIONS = 20, 3
TOLERANCE = 1e-4  # of a weight after all epochs: the two sides add in another order


def main() -> None:
    rows, results = [["RECIPE", "FIT", "OURS", "RATIO", "LARGEST DIFFERENCE OF A WEIGHT"]], {}
    for name in RECIPES:
        recipe = load_recipe(name)
        dataset = recipe.load_data()
        theirs, ours, difference = [], [], 0.0
        for _ in range(REPETITIONS):
            model = recipe.build(dataset)
            start = time.perf_counter()
            model.fit(
                *dataset.train, validation_data=dataset.validation, epochs=EPOCHS, batch_size=recipe.batch_size,
                shuffle=False, verbose=0,
            )  # fmt: skip
            theirs.append(time.perf_counter() - start)
            again = recipe.build(dataset)
            start = time.perf_counter()
            fit(
                again, dataset.train, dataset.validation, epochs=EPOCHS, batch_size=recipe.batch_size,
                order=lambda epoch, n: np.arange(n),
            )  # fmt: skip
            ours.append(time.perf_counter() - start)
            pairs = zip(model.get_weights(), again.get_weights(), strict=True)
            difference = max(difference, *(float(np.abs(a - b).max()) for a, b in pairs))
        seconds = statistics.median(theirs), statistics.median(ours)
        results[name] = {
            "fit_s": seconds[0],
            "ours_s": seconds[1],
            "speedup": seconds[0] / seconds[1],
            "max_abs_error": difference,
        }
        ratio = f"{results[name]['speedup']:.1f}"
        rows.append([name, f"{seconds[0]:.2f} s", f"{seconds[1]:.2f} s", ratio, f"{difference:g}"])
    print(plain_table(rows))
    print(json.dumps(results))
    require_equal({name: result["max_abs_error"] for name, result in results.items()}, TOLERANCE)


if __name__ == "__main__":
    main()
