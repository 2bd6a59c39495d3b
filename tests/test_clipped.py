"""Normalization that is cut off: by the formula, through a saved model, and in an int8 file beside a shower of rain."""

import keras
import numpy as np
import pytest

import zoo


def weather(n=400):
    """Two columns, the second nearly always zero; and what they tell."""
    random = np.random.default_rng(0)
    x = np.stack([random.normal(0, 1, n), np.where(random.random(n) < 0.01, 1.0, 0.0)], axis=1).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def test_it_is_the_normalized_value_within_its_limit(tmp_path):
    x, _ = weather()
    layer = zoo.ClippedNormalization(2.0)
    layer.adapt(x)
    inputs = keras.Input((2,))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "a.keras")
    asked = np.array([[0.5, 0], [99, 1000], [-99, -1000]], "float32")
    expected = np.clip((asked - x.mean(axis=0)) / x.std(axis=0), -2, 2)
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "a.keras")(asked), expected, rtol=1e-4)
    with pytest.raises(ValueError, match="limit"):
        zoo.ClippedNormalization(0)


def test_a_shower_takes_nothing_from_the_other_column(tmp_path, converter_here):
    x, y = weather()
    x[:40, 1] *= 10_000  # in test too, as samples are dealt by their content
    recipe = zoo.Recipe(
        data=lambda: zoo.data.Dataset.split("weather", x, y, labels=("cold", "warm")),
        builder=zoo.fnn,
        arguments={"units": (8,)},
        task=zoo.Binary(),
        preprocessing=[zoo.ClippedNormalization()],
        epochs=30,
        trials=0,
        bounds=zoo.Bounds(),
    )
    result = zoo.run(recipe, tmp_path, report=lambda line: None)
    assert [file.verified for file in result.files] == [True, True]
    assert min(file.score for file in result.files) > 0.9
