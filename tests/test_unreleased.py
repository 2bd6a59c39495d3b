"""Recipes whose data sets were not available here run on small generated data sets of the same form."""

import contextlib

import numpy as np
import pytest
from test_tfds import written_builder

from zoo.recipe.collection import folder, load_recipe
from zoo.training.loop import fit

RNG = np.random.default_rng(0)
SECOND = np.arange(16_000)
WORDS = ["good", "bad", "film", "the", "was", "a", "plot"]


def _sounds():
    return [(8000 * np.sin(SECOND / (3 + i % 12) + i)).astype("int64")[: 16_000 - i % 3] for i in range(80)]


# The feature of the real TensorFlow Datasets builder, and 80 samples of that form.
FORMS = {
    "cifar10_resnet8": (
        lambda features: features.Image(shape=(32, 32, 3)),
        lambda: RNG.integers(0, 255, (80, 32, 32, 3), dtype="uint8"),
    ),
    "imdb_lstm": (lambda features: features.Text(), lambda: [" ".join(RNG.choice(WORDS, 9)) for _ in range(80)]),
    "speech_commands_ds_cnn": (lambda features: features.Audio(shape=(None,)), _sounds),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in (folder("recipes") / "unreleased").glob("*.py")))
def test_an_unreleased_recipe_loads_builds_and_trains(name, tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    recipe = load_recipe(folder("recipes") / "unreleased" / f"{name}.py")
    feature, samples = FORMS[name]
    with contextlib.redirect_stdout(None):
        written_builder(tfds, recipe.data.args[0], "1.0.0", feature(tfds.features), samples())(
            data_dir=tmp_path / "tfds"
        ).download_and_prepare()
    dataset = recipe.load_data()
    assert len(dataset.test.x) == 20
    task = recipe.task.adapted(dataset.train.y)
    model = recipe.replace(epochs=1).build(dataset)
    history = fit(model, (dataset.train.x, task.encode(dataset.train.y)), epochs=1, batch_size=20)
    assert np.isfinite(history["loss"]).all() and model.output_shape == (None, task.num_outputs)
