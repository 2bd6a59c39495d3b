"""`zoo predict` as a whole process against loading the .keras file and calling `predict`, which gives the same answer.

`python -m benchmarks.predict`: alternating, medians over repetitions. The last line is JSON.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from zoo.recipe.collection import folder, load_recipe

REPETITIONS = 5
KERAS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
import zoo.models.augment  # registers the one layer of ours that a .keras file may hold
print(keras.saving.load_model(sys.argv[1]).predict(np.load(sys.argv[2]), verbose=0).argmax(axis=1))
"""


def main() -> None:
    recipe = load_recipe("digits_cnn")
    dataset = recipe.load_data()
    with tempfile.TemporaryDirectory() as place:
        model, x = Path(place) / "model.keras", Path(place) / "x.npy"
        recipe.build(dataset).save(model)  # untrained: the time does not depend on the weights
        np.save(x, dataset.test.x[:10])
        file = folder("tflite") / "digits_cnn" / "digits_cnn.int8.tflite"
        commands = {
            "keras": [sys.executable, "-c", KERAS, str(model), str(x)],
            "zoo": [sys.executable, "-m", "zoo", "predict", str(file), str(x)],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(REPETITIONS):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"load .keras and predict {median['keras']:.2f} s, zoo predict {median['zoo']:.2f} s")
    print(json.dumps({**median, "speedup": median["keras"] / median["zoo"]}))


if __name__ == "__main__":
    main()
