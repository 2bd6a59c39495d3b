"""`zoo predict` as a whole process against a program that loads the .keras file and calls `predict`.

`python -m benchmarks.predict`: alternating, medians over repetitions. The last line is JSON. Exit code 1 where the two
name other classes.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.equality import require_equal
from zoo.recipe.collection import folder, load_recipe

REPETITIONS = 5
KERAS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
import zoo.models.augment  # registers the one layer of ours that a .keras file may hold
print(keras.saving.load_model(sys.argv[1]).predict(np.load(sys.argv[2]), verbose=0).argmax(axis=1).tolist())
"""


def main() -> None:
    dataset = load_recipe("digits_cnn").load_data()
    with tempfile.TemporaryDirectory() as place:
        model, x = folder("saved_models") / "digits_cnn" / "model.keras", Path(place) / "x.npy"
        np.save(x, dataset.test.x[:10])
        file = folder("tflite") / "digits_cnn" / "digits_cnn.int8.tflite"
        commands = {
            "keras": [sys.executable, "-c", KERAS, str(model), str(x)],
            "zoo": [sys.executable, "-m", "zoo", "predict", str(file), str(x), "--json"],
        }
        classes: dict[str, list[int]] = {}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(REPETITIONS):
            for name, command in commands.items():
                start = time.perf_counter()
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                seconds[name].append(time.perf_counter() - start)
                classes[name] = classes_of(done.stdout)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"load .keras and predict {median['keras']:.2f} s, zoo predict {median['zoo']:.2f} s")
    print(json.dumps({**median, "speedup": median["keras"] / median["zoo"]}))
    require_equal({"classes": float(np.abs(np.subtract(classes["keras"], classes["zoo"])).max())}, 0)


def classes_of(output: str) -> list[int]:
    """The predicted digits, from the JSON of either program."""
    return [row["class"] if isinstance(row, dict) else row for row in json.loads(output)]


if __name__ == "__main__":
    main()
