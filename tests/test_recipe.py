"""Recipes: what is rejected, what distinguishes two of them, and errors inside the user's own code."""

import dataclasses
import json
from functools import partial

import keras
import keras_tuner
import numpy as np
import pytest
from conftest import write_recipe
from keras.optimizers import SGD

import zoo
from zoo.base.errors import NotFound, UserError
from zoo.recipe.collection import load_recipe
from zoo.recipe.recipe import EXPORT_ONLY, NOT_TRAINED
from zoo.training.loop import fit

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
            r"zoo.models.fnn.fnn: argument='unts' is not known; did you mean 'un",
        ),
        ({"arguments": {"augmentation": []}}, ValueError, "as a field of the recipe"),
        ({"builder": "fnn"}, TypeError, "builder='fnn' must be a function"),
        ({"task": "multiclass"}, TypeError, "task='multiclass'"),
        ({"objective": "val_acuracy"}, ValueError, "objective='val_acuracy' is not known; did you mean 'val_accuracy'"),
        ({"optimizer": "adm"}, ValueError, "optimizer='adm'"),
        ({"optimizer": "adam", "momentum": 0.9}, ValueError, "momentum=0.9"),
        ({"optimizer": SGD(0.1), "momentum": 0.9}, ValueError, r"momentum=0.9 with optimizer=SGD"),
        ({"optimizer": SGD(0.1), "learning_rate": 3e-3}, ValueError, "learning_rate=0.003 with optimizer=SGD"),
        ({"nesterov": True}, ValueError, "nesterov=True with optimizer='adam'"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, ValueError, "clipnorm=1.0 and clipvalue=1.0"),
        ({"schedule": "cosin"}, ValueError, "schedule='cosin' is not known; did you mean 'cosine'"),
        ({"batch_size": "al"}, ValueError, "batch_size='al' must be a whole number of at least 1, or 'all'"),
        ({"class_weight": {10: 1.0}}, ValueError, "has the class 10; classes are whole numbers, 0 to 9"),
        ({"class_weight": "balanced", "task": zoo.Regression()}, ValueError, "with Regression, which has no classes"),
        ({"epochs": 0}, ValueError, "epochs=0"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"precisions": ("int4",)}, ValueError, "precision='int4' is not known"),
        ({"precisions": ()}, ValueError, "empty"),
    ],
)
def test_bad_fields_are_rejected_before_anything_runs(fields, error, message):
    with pytest.raises(error, match=message):
        zoo.Recipe(**{**FIELDS, **fields})


def test_replace_merges_arguments_and_names_unknown_fields():
    recipe = zoo.Recipe(**FIELDS, arguments={"units": (8,), "dropout": 0.1})
    assert recipe.replace(arguments={"dropout": 0.3}).arguments == {"units": (8,), "dropout": 0.3}
    with pytest.raises(ValueError, match="Recipe: field='epoch' is not known; did you mean 'epochs'"):
        recipe.replace(epoch=3)


def test_the_fingerprint_depends_on_what_matters():
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


def test_each_field_declares_its_phase():
    phases = {}
    for declared in dataclasses.fields(zoo.Recipe):
        phases.setdefault(declared.metadata["phase"], set()).add(declared.name)
    assert set(phases) == {"data", "train", "search", "export", "name", "loaded"}
    assert set(EXPORT_ONLY) == phases["export"] == {"precisions", "strategy", "target", "folds", "bounds"}
    assert set(NOT_TRAINED) == phases["search"] | phases["export"] | {"name"}
    assert {"space", "objective", "oracle", "trials", "limits"} < phases["search"]
    least = {f.name: f.metadata["least"] for f in dataclasses.fields(zoo.Recipe) if "least" in f.metadata}
    for name, value in least.items():
        with pytest.raises(ValueError, match=f"{name}={value - 1} must be a whole number of at least {value}"):
            zoo.Recipe(**FIELDS, **{name: value - 1})
        zoo.Recipe(**FIELDS, **{name: value})


OWN_CODE = """
import keras
import zoo

def data():
    return {}["x"] if FAILS == "data" else zoo.data.diamonds(FAILS) if FAILS == "zoo" else zoo.data.digits()

def builder(input_shape, num_outputs, *, preprocessing=(), augmentation=()):
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense("many" if FAILS == "builder" else 3)(inputs)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(keras.layers.Flatten()(x)))

def space(hp):
    return {"momentum": unknown}

FAILS = "%s"
RECIPE = zoo.Recipe(data=data, builder=builder, space=space, task=zoo.Multiclass(10), bounds=zoo.Bounds())
"""


@pytest.mark.parametrize(
    ("part", "first", "line"),
    [
        ("data", "data of recipe own: KeyError: 'x'", '6: return {}["x"] if FAILS'),
        ("builder", "builder of recipe own: ValueError: ", '10: x = keras.layers.Dense("many" if'),
        ("space", "space of recipe own: NameError: name 'unknown' is not defined", '14: return {"momentum": unknown}'),
    ],
)
def test_an_error_in_the_users_code_shows_the_users_lines_alone(tmp_path, part, first, line):
    (tmp_path / "own.py").write_text(OWN_CODE % part)
    recipe = load_recipe(tmp_path / "own.py")
    calls = {
        "data": recipe.load_data,
        "builder": lambda: recipe.build(recipe.load_data()),
        "space": lambda: recipe.draw(keras_tuner.HyperParameters()),
    }
    with pytest.raises(UserError) as raised:
        calls[part]()
    message, *lines = str(raised.value).splitlines()
    assert message.startswith(first)
    assert len(lines) == 1 and lines[0].startswith(f"  {tmp_path / 'own.py'}:{line}")


def test_our_checks_keep_their_message_and_name_the_users_line(tmp_path):
    (tmp_path / "own.py").write_text(OWN_CODE.replace("zoo.data.diamonds(FAILS)", 'zoo.data.load("digit")') % "zoo")
    with pytest.raises(NotFound) as plain:
        zoo.data.load("digit")
    with pytest.raises(NotFound) as raised:
        load_recipe(tmp_path / "own.py").load_data()
    message, line = str(raised.value).splitlines()
    assert message == str(plain.value)
    assert line.startswith(f"  {tmp_path / 'own.py'}:6: return")


def test_an_error_without_a_line_of_the_users_passes_unchanged():
    recipe = zoo.Recipe(**{**FIELDS, "data": partial(json.loads, "{")})
    with pytest.raises(json.JSONDecodeError):
        recipe.load_data()


def test_an_optimizer_object_is_copied_and_recorded():
    recipe = zoo.Recipe(**FIELDS, optimizer=keras.optimizers.Lion(1e-3, beta_1=0.8))
    dataset = recipe.load_data()
    one, other = recipe.build(dataset).optimizer, recipe.build(dataset).optimizer
    assert type(one) is keras.optimizers.Lion and len({id(o) for o in (one, other, recipe.optimizer)}) == 3
    assert float(one.learning_rate) == pytest.approx(1e-3), "no schedule but its own"
    assert recipe.describe()["optimizer"]["Lion"]["beta_1"] == 0.8
    assert recipe.describe()["learning_rate"] is None
    json.dumps(recipe.describe())
    same = recipe.replace(optimizer=keras.optimizers.Lion(1e-3, beta_1=0.8))
    assert same.fingerprint(without=()) == recipe.fingerprint(without=())
    for fields in ({"optimizer": keras.optimizers.Lion(1e-3)}, {"schedule": "plateau"}):
        assert recipe.replace(**fields).fingerprint(without=()) != recipe.fingerprint(without=())


def test_defaults_of_the_optimizer_are_recorded():
    described = zoo.Recipe(**FIELDS).describe()
    assert (described["optimizer"], described["learning_rate"], described["schedule"]) == ("adam", 3e-3, "cosine")
    step = zoo.Recipe(**FIELDS, schedule=zoo.schedules.Step(every=5))
    assert step.describe()["schedule"] == {"Step": {"factor": 0.5, "every": 5}}


@pytest.mark.parametrize(("batch_size", "steps_in_an_epoch"), [("all", 1), (1, 1164), (100, 12)])
def test_the_schedule_counts_the_steps_of_a_batch_size(batch_size, steps_in_an_epoch):
    recipe = zoo.Recipe(
        **FIELDS, batch_size=batch_size, epochs=4, learning_rate=0.5, schedule=zoo.schedules.Step(factor=0.1, every=2)
    )
    dataset = recipe.load_data()
    assert len(dataset.train.x) == 1164
    rate = recipe.build(dataset).optimizer._learning_rate
    assert float(rate(2 * steps_in_an_epoch - 1)) == pytest.approx(0.5)
    assert float(rate(2 * steps_in_an_epoch)) == pytest.approx(0.05)


def test_the_usual_space_searches_what_the_recipe_leaves_open():
    def drawn(recipe):
        hp = keras_tuner.HyperParameters()
        recipe.replace(**recipe.draw(hp))
        return {p.name: (p.min_value, p.max_value) if hasattr(p, "min_value") else tuple(p.values) for p in hp.space}

    recipe = zoo.Recipe(**FIELDS)
    assert drawn(recipe) == {
        "optimizer": ("sgd", "adam", "adamw", "rmsprop"),
        "learning_rate": (1e-4, 1e-1),
        "momentum": (0.9, 0.99),
        "dropout": (0.2, 0.5),
        "batch_size": (32, 64, 128, 256),
    }
    assert drawn(recipe.replace(optimizer=SGD(0.1), batch_size="all")) == {"dropout": (0.2, 0.5)}

    def bare(input_shape, num_outputs, *, preprocessing=(), augmentation=()):
        return zoo.fnn(input_shape, num_outputs)

    assert "dropout" not in drawn(recipe.replace(builder=bare))
    assert drawn(recipe.replace(space=lambda hp: {"momentum": hp.Float("m", 0, 1)}, optimizer="sgd")) == {"m": (0, 1)}
    nesterov = recipe.replace(optimizer="sgd", momentum=0.9, nesterov=True)
    for optimizer in ("sgd", "adam"):
        hp = keras_tuner.HyperParameters()
        hp.values = {"optimizer": optimizer}
        assert nesterov.replace(**nesterov.draw(hp)).nesterov is (True if optimizer == "sgd" else None)


def test_class_weights_weigh_the_training_samples():
    recipe = zoo.Recipe(**FIELDS, class_weight={3: 2.5})
    dataset = recipe.load_data()
    weights = recipe.sample_weights(dataset)
    np.testing.assert_array_equal(weights, np.where(dataset.train.y == 3, 2.5, 1.0))
    assert recipe.replace(class_weight=None).sample_weights(dataset) is None


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
        (
            "import zoo\nRECIPE = zoo.Recip()",
            r"recipe .*bad.py: AttributeError: .*\n  .*bad.py:2: RECIPE = zoo.Recip\(\)$",
        ),
        ("def f(:\n", r"recipe .*bad.py: SyntaxError: .*\n  .*bad.py:1: def f\(:$"),
        ("x = 1", "must define RECIPE"),
        ("1 / 0", r"recipe .*bad.py: ZeroDivisionError: division by zero\n  .*bad.py:1: 1 / 0$"),
    ],
)
def test_an_error_in_a_recipe_file_shows_its_line(tmp_path, text, message):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / "bad.py")


def test_an_unknown_recipe_names_the_nearest():
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
    try:
        dataset = recipe.load_data()
    except LookupError as error:
        pytest.skip(str(error))  # it names the command that brings the data
    assert recipe.build(dataset).output_shape == (None, recipe.task.num_outputs)


def test_new_rejects_bad_names_and_existing_files(tmp_path):
    zoo.new("mine", tmp_path)
    with pytest.raises(FileExistsError, match="exists already"):
        zoo.new("mine", tmp_path)
    with pytest.raises(ValueError, match="name='my-data'"):
        zoo.new("my-data", tmp_path)


def test_normalization_is_adapted_to_its_inputs():
    """Numbers of a table without its codes, steps of a sequence without its padding; and of train alone."""
    rng = np.random.default_rng(0)
    table = rng.normal(50, 7, size=(60, 3))
    table[:, 1] = rng.integers(0, 4, 60)
    series = rng.normal(5, 2, size=(60, 6, 2)) * (np.arange(6) < rng.integers(2, 7, (60, 1)))[..., None]
    for x, builder, arguments, seen in (
        (table, zoo.fnn, {"categories": {1: 4}}, lambda x: x[:, [0, 2]]),
        (series, zoo.gru, {"units": (3,), "mask_value": 0.0}, lambda x: x[(x != 0).any(axis=-1)]),
    ):
        dataset = zoo.data.Dataset.split("drawn", x.astype("float32"), np.arange(60) % 2)
        recipe = zoo.Recipe(
            data=lambda dataset=dataset: dataset, builder=builder, arguments=arguments, task=zoo.Binary(),
            preprocessing=[keras.layers.Normalization()], bounds=zoo.Bounds(),
        )  # fmt: skip
        (layer,) = (x for x in recipe.build(dataset).layers if isinstance(x, keras.layers.Normalization))
        expected = seen(dataset.train.x)
        np.testing.assert_allclose(np.ravel(layer.mean), expected.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(np.ravel(layer.variance), expected.var(axis=0), rtol=1e-3)


def test_class_weights_are_rejected_with_mixing():
    with pytest.raises(ValueError, match="a mixed sample has no class"):
        zoo.Recipe(
            data=zoo.data.digits, builder=zoo.cnn, task=zoo.Multiclass(10), mixing=zoo.augment.MixUp(),
            class_weight="balanced", bounds=zoo.Bounds(),
        )  # fmt: skip


@pytest.mark.parametrize("strategy", ["unroled", {"int8": "unroled"}, {"int7": "fused"}])
def test_an_unknown_strategy_is_rejected(strategy):
    with pytest.raises(ValueError, match=r"un?roled|int7"):
        zoo.Recipe(**FIELDS, strategy=strategy)


@pytest.mark.parametrize(
    "fields", [{"limits": {"bytes": 3}}, {"limits": zoo.Limits}, {"finalists": 0}, {"objective": "int8_loss"}]
)
def test_bad_fields_of_the_search_are_rejected(fields):
    with pytest.raises((ValueError, TypeError), match=next(iter(fields))):
        zoo.Recipe(**FIELDS, **fields)


def test_limits_are_numbers_of_at_least_zero():
    with pytest.raises(ValueError, match="limits: macs"):
        zoo.Limits(macs=-1)


def test_moving_averages_of_a_short_training_are_those_of_the_data():
    """After 100 steps Keras' own momentum keeps a third of the initial statistics: wrong in inference."""
    dataset = zoo.data.digits().subsampled(200)
    recipe = zoo.Recipe(
        data=lambda: dataset, builder=zoo.fnn, arguments={"units": (16,), "normalization": "batch"},
        task=zoo.Multiclass(10), epochs=20, batch_size=40, bounds=zoo.Bounds(), learning_rate=1e-4,
    )  # fmt: skip
    model = recipe.build(dataset)
    fit(model, (dataset.train.x, dataset.train.y), epochs=20, batch_size=40)
    (layer,) = (layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    reaches = keras.Model(model.inputs[0], layer.input)(dataset.train.x).numpy()
    np.testing.assert_allclose(layer.moving_mean.numpy(), reaches.mean(axis=0), rtol=0.1, atol=0.5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), reaches.var(axis=0), rtol=0.2)
    long = recipe.replace(epochs=400).build(dataset)
    assert [b.momentum for b in long.layers if isinstance(b, keras.layers.BatchNormalization)] == [0.99]
