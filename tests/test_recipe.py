"""Recipes: what is refused when they are made, and what tells two of them apart."""

from functools import partial

import keras
import numpy as np
import pytest
from conftest import write_recipe

import zoo
from zoo.collection import load_recipe

FIELDS = {
    "data": partial(zoo.data.digits, shape=(64,)),
    "builder": zoo.fnn,
    "task": zoo.Multiclass(10),
    "bounds": zoo.Bounds(score=0.9),
}


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"arguments": {"unts": (3,)}},
            ValueError,
            r"argument of zoo.models.fnn.fnn='unts' is not known; did you mean 'un",
        ),
        ({"arguments": {"augmentation": []}}, ValueError, "as a field of the recipe"),
        ({"builder": "fnn"}, TypeError, "builder='fnn' must be a function"),
        ({"task": "multiclass"}, TypeError, "task='multiclass'"),
        ({"objective": "val_acuracy"}, ValueError, "objective='val_acuracy' is not known; did you mean 'val_accuracy'"),
        ({"optimizer": "adm"}, ValueError, "optimizer='adm'"),
        ({"optimizer": "adam", "momentum": 0.9}, ValueError, "momentum=0.9"),
        ({"epochs": 0}, ValueError, "epochs=0"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"precisions": ("int4",)}, ValueError, "precision='int4' is not known"),
        ({"precisions": ()}, ValueError, "empty"),
    ],
)
def test_bad_fields_are_refused_before_anything_runs(fields, error, message):
    with pytest.raises(error, match=message):
        zoo.Recipe(**{**FIELDS, **fields})


def test_replace_merges_arguments_and_names_unknown_fields():
    recipe = zoo.Recipe(**FIELDS, arguments={"units": (8,), "dropout": 0.1})
    assert recipe.replace(arguments={"dropout": 0.3}).arguments == {"units": (8,), "dropout": 0.3}
    with pytest.raises(ValueError, match="field of Recipe='epoch' is not known; did you mean 'epochs'"):
        recipe.replace(epoch=3)


def test_the_fingerprint_tells_what_matters():
    recipe = zoo.Recipe(**FIELDS, augmentation=[keras.layers.GaussianNoise(0.1)])
    same = zoo.Recipe(**FIELDS, augmentation=[keras.layers.GaussianNoise(0.1)])
    assert recipe.fingerprint("data", without=()) == same.fingerprint("data", without=())
    for other in (
        recipe.replace(seed=2),
        recipe.replace(arguments={"dropout": 0.1}),
        recipe.replace(augmentation=[keras.layers.GaussianNoise(0.2)]),
        recipe.replace(builder=partial(zoo.fnn, activation="tanh")),
    ):
        assert other.fingerprint("data", without=()) != recipe.fingerprint("data", without=())
    assert recipe.fingerprint("other data", without=()) != recipe.fingerprint("data", without=())
    assert recipe.replace(seed=2).fingerprint(without=("seed",)) == recipe.fingerprint(without=("seed",))


def test_build_is_repeatable_and_leaves_the_recipes_layers_alone():
    recipe = zoo.Recipe(
        **FIELDS, preprocessing=[keras.layers.Normalization()], augmentation=[keras.layers.GaussianNoise(0.1)]
    )
    dataset = recipe.load_data()
    one, other = recipe.build(dataset), recipe.build(dataset)
    assert not recipe.preprocessing[0].built
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    normalized = one.layers[1](dataset.train.x).numpy()
    np.testing.assert_allclose(normalized.mean(axis=0), 0, atol=1e-4)  # adapted to train


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import zoo\nRECIPE = zoo.Recip()", r"bad.py, line 2: AttributeError"),
        ("def f(:\n", r"bad.py, line 1: SyntaxError"),
        ("x = 1", "must define RECIPE"),
        ("1 / 0", r"bad.py, line 1: ZeroDivisionError"),
    ],
)
def test_a_bad_recipe_file_is_told_with_its_line(tmp_path, text, message):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / "bad.py")


def test_unknown_recipes_are_answered_with_the_nearest():
    with pytest.raises(LookupError, match="did you mean digits_gru"):
        load_recipe("digit_gru")
    with pytest.raises(LookupError, match="zoo new mine"):
        load_recipe("mine.py")


def test_data_that_does_not_fit_the_task(tmp_path):
    recipe = load_recipe(write_recipe(tmp_path / "few.py")).replace(task=zoo.Multiclass(5))
    with pytest.raises(ValueError, match="num_classes=5 allows 0 to 4"):
        recipe.load_data()
    with pytest.raises(TypeError, match="returned int, but a recipe's data is a Dataset"):
        recipe.replace(data=lambda: 3).load_data()


@pytest.mark.parametrize("name", [entry.name for entry in zoo.list()])
def test_every_recipe_of_the_collection_builds_and_says_what_it_is(name):
    entry = zoo.show(name)
    assert entry.summary.endswith(".")
    recipe = load_recipe(name)
    dataset = recipe.load_data()
    assert recipe.build(dataset).output_shape == (None, recipe.task.num_outputs)


def test_new_refuses_what_cannot_be_a_name_or_is_there_already(tmp_path):
    zoo.new("mine", tmp_path)
    with pytest.raises(FileExistsError, match="exists already"):
        zoo.new("mine", tmp_path)
    with pytest.raises(ValueError, match="name='my-data'"):
        zoo.new("my-data", tmp_path)
