"""Diagnosis: verdicts on known fits, gradients against the formula, and where both are shown."""

import json
import math

import keras
import numpy as np
import pytest

import zoo
from zoo.base.files import read_json
from zoo.runs import cards, plots
from zoo.runs.record import write_training
from zoo.training.diagnosis import batch_of, diagnose
from zoo.training.loop import evaluate, fit

RNG = np.random.default_rng(0)
TRAIN, VALIDATION = 200, 200


def dataset(y, x=None):
    """Samples of four numbers, split by place, so that a target may depend on the part."""
    x = RNG.normal(size=(TRAIN + VALIDATION + 1, 4)).astype("float32") if x is None else x
    ends = ((0, TRAIN), (TRAIN, TRAIN + VALIDATION), (TRAIN + VALIDATION, len(x)))
    return zoo.data.Dataset("case", *(zoo.data.Part(x[a:b], y(x)[a:b]) for a, b in ends))


def recipe(task, data, **fields):
    fields = {"bounds": zoo.Bounds(), "arguments": {"units": (8,)}, **fields}
    return zoo.Recipe(data=lambda: data, builder=zoo.fnn, task=task, **fields)


class Answers(keras.layers.Layer):
    """A model whose answers are known: the first numbers of a sample are its logits."""

    def call(self, x):
        return x[:, :2]


def diagnosed(logits_are_right, bound=None, history=None, gradients=None, **fields):
    """The diagnosis of a model that is right on given fractions of train and of validation."""
    y = np.arange(TRAIN + VALIDATION + 1) % 2
    right = np.concatenate([np.arange(n) < round(fraction * n) for fraction, n in logits_are_right])
    decided = np.where(np.append(right, True), y, 1 - y)
    x = np.concatenate([np.eye(2)[decided] * 4, np.zeros((len(y), 2))], axis=1).astype("float32")
    data = dataset(lambda _: y, x)
    task = zoo.Multiclass(2)
    model = keras.Sequential([keras.Input((4,)), Answers()])
    model.compile(loss=task.loss() if hasattr(task, "loss") else task.loss_function())
    case = recipe(task, data, bounds=zoo.Bounds(score=bound), **fields)
    return diagnose(model, case, data, task, history or {"loss": [1.0]}, gradients or {})


@pytest.mark.parametrize(
    ("train", "validation", "bound", "verdict"),
    [
        (1.0, 1.0, None, "fine"),
        (0.97, 0.94, None, "fine"),  # a gap of .06 of the blind error .5; chance explains .08
        (1.0, 0.8, None, "overfitting"),
        (0.8, 0.8, None, "underfitting"),  # a fifth of the blind error is .1
        (0.8, 0.65, None, "underfitting"),  # the larger of .4 of the blind error on train, and .3 more on validation
        (0.85, 0.6, None, "overfitting"),  # .3, and .5 more
        (0.8, 0.8, 0.75, "fine"),
        (0.97, 0.97, 0.99, "underfitting"),
        (0.999, 0.975, 0.98, "overfitting"),  # a small gap, but validation misses the bound
    ],
)
def test_verdicts(train, validation, bound, verdict):
    result = diagnosed(((train, TRAIN), (validation, VALIDATION)), bound)
    assert result.verdict == verdict, result.why
    assert bool(result.knobs) == (verdict != "fine")
    assert result.train["accuracy"] == pytest.approx(train, abs=0.005)
    assert result.validation["accuracy"] == pytest.approx(validation, abs=0.005)
    wrong = (
        math.log1p(math.exp(4)) * (1 - result.train["accuracy"]) + math.log1p(math.exp(-4)) * result.train["accuracy"]
    )
    assert result.train["loss"] == pytest.approx(wrong, rel=1e-4)


def test_the_knob_fits_what_is_wrong():
    low, apart = ((0.7, TRAIN), (0.7, VALIDATION)), ((1.0, TRAIN), (0.7, VALIDATION))
    vanished = {"dense": 1e-9, "dense_1": 1e-4, "logits": 1e-2}
    assert "the gradient vanishes before it reaches dense" in diagnosed(low, gradients=vanished).knobs[0]
    assert diagnosed(low, history={"loss": [1.0, 0.9, 0.8, 0.7]}).knobs[0].startswith("`epochs=80`")
    flat = {"loss": [1.0, 0.7, 0.7, 0.699]}
    assert diagnosed(low, history=flat, arguments={"units": (4,), "dropout": 0.5}).knobs[0] == "less `dropout`"
    assert diagnosed(low, history=flat).knobs[0] == "wider or deeper: larger `units`, or more of them"
    assert diagnosed(apart).knobs[0] == "`dropout`, not used yet"
    with_both = {"arguments": {"dropout": 0.2}, "augmentation": [keras.layers.GaussianNoise(0.1)]}
    assert diagnosed(apart, **with_both).knobs[:3] == (
        "more dropout", "`regularizer`, not used yet", "more `augmentation`"
    )  # fmt: skip


def test_a_loss_of_nan():
    data = dataset(lambda x: (x[:, 0] > 0).astype(int))
    case = recipe(zoo.Multiclass(2), data)
    model = case.build(data)
    model.layers[-1].kernel.assign(model.layers[-1].kernel * np.nan)
    result = diagnose(model, case, data, case.task, {"loss": [math.nan]}, {})
    assert result.verdict == "diverged" and "learning_rate" in result.knobs[0]
    assert result.as_dict()["train"]["loss"] is None
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_training_that_diverges_after_its_best_epoch_is_recorded(tmp_path):
    data = dataset(lambda x: (x[:, 0] > 0).astype(int))
    (tmp_path / "model.keras").write_bytes(b"weights of the best epoch")
    history = {"loss": [1.0, math.nan], "val_loss": [0.5, math.nan]}
    write_training(tmp_path, recipe(zoo.Multiclass(2), data), None, history, 1.0, fit={}, gradients={})
    training = read_json(tmp_path / "training.json")
    assert training["history"]["loss"] == [1.0, None] and training["final"]["val_loss"] is None


@pytest.mark.parametrize("task", [zoo.Multiclass(2), zoo.Regression()], ids=["classes", "values"])
@pytest.mark.parametrize("verdict", ["overfitting", "fine"])
def test_noise_that_is_memorized_and_a_rule_that_is_learnt(task, verdict):
    """Targets that are noise can only be memorized; of a linear rule that a line has learnt, validation knows too."""

    def target(x):
        values = RNG.normal(size=len(x)) if verdict == "overfitting" else x[:, 0]
        return 50 + 9 * values if isinstance(task, zoo.Regression) else (values > 0).astype(int)

    data = dataset(target)
    units = (128, 128) if verdict == "overfitting" else ()
    case = recipe(task, data, arguments={"units": units}, learning_rate=0.01, schedule="constant")
    adapted = task.adapted(data.train.y)
    model = case.build(data)
    history = fit(model, (data.train.x, adapted.encode(data.train.y)), epochs=150, batch_size=50)
    result = diagnose(model, case, data, adapted, history, {})
    assert result.verdict == verdict, result.why


def test_train_is_measured_without_dropout_and_penalties():
    data = dataset(lambda x: (x[:, 0] > 0).astype(int))
    case = recipe(zoo.Multiclass(2), data, arguments={"units": (8,), "dropout": 0.9, "regularizer": "l2"})
    model = case.build(data)
    result = diagnose(model, case, data, case.task, {"loss": [1.0]}, {})
    penalties = float(sum(model.losses))
    assert penalties > 0.01
    assert result.train["loss"] == pytest.approx(evaluate(model, tuple(data.train))["loss"] - penalties, rel=1e-4)


def test_gradient_norms_are_the_formula():
    """Of the mean square of x W + b - y along W: 2 / n x^T (x W + b - y)."""
    x, y = RNG.normal(size=(50, 3)).astype("float32"), RNG.normal(size=(50, 2)).astype("float32")
    model = zoo.fnn((3,), 2, units=(), regularizer="l2")
    w, b = (value.astype("float64") for value in model.get_weights())
    gradient = 2 / y.size * x.T @ (x @ w + b - y)
    norms = zoo.gradient_norms(model, x, y, loss=keras.losses.MeanSquaredError())
    assert norms == {"logits": pytest.approx(np.sqrt((gradient**2).mean()), rel=1e-5)}
    model.compile(loss="mse")
    assert zoo.gradient_norms(model, x, y) == pytest.approx(norms), "the loss of a compiled model, penalties left out"


def test_the_gradient_of_each_layer_with_a_kernel_is_given():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((6, 4)), keras.layers.Conv1D(3, 2, name="inside")], name="inner")
    inputs = keras.Input((6,))
    x = inner(keras.layers.Embedding(9, 4, name="rows")(inputs))
    x = keras.layers.PReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Bidirectional(keras.layers.LSTM(3), name="ways")(x)
    frozen = keras.layers.Dense(4, trainable=False)
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(frozen(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    norms = zoo.gradient_norms(model, RNG.integers(0, 9, (8, 6)), RNG.integers(0, 2, 8), loss=loss)
    assert list(norms) == ["rows", "inner/inside", "ways", "logits"]
    assert all(0 < norm < 1 for norm in norms.values())
    with pytest.raises(ValueError, match="is not compiled: compile it, or give loss="):
        zoo.gradient_norms(model, x, x)


@pytest.mark.parametrize(
    ("builder", "shape", "arguments"),
    [
        (zoo.fnn, (64,), {"units": (8,), "dropout": 0.5, "normalization": "batch"}),
        (zoo.gru, (8, 8), {"units": (4,), "dropout": 0.3, "recurrent_dropout": 0.3}),
    ],
    ids=["fnn", "gru"],
)
def test_the_model_is_left_as_it_was(builder, shape, arguments):
    """A training from which gradients were taken is the same to the last bit."""
    digits = zoo.data.digits(shape=shape)
    case = zoo.Recipe(
        data=lambda: digits, builder=builder, task=zoo.Multiclass(10), arguments=arguments, bounds=zoo.Bounds(),
        augmentation=[keras.layers.GaussianNoise(0.1)],
    )  # fmt: skip
    weights, train = [], tuple(part[:128] for part in digits.train)
    for looked_at in (False, True):
        model = case.build(digits)
        before = [variable.numpy() for variable in model.variables]
        if looked_at:
            norms = zoo.gradient_norms(model, *batch_of(digits, case.task, 1))
            assert norms == zoo.gradient_norms(model, *batch_of(digits, case.task, 1))
            for variable, value in zip(model.variables, before, strict=True):
                np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)
        fit(model, train, epochs=1)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_gradient_of_zero_can_be_drawn_and_written(tmp_path):
    model = zoo.fnn((4,), 2, units=(3, 3), activation="relu")
    for weight in model.weights:
        weight.assign(-np.ones(weight.shape))  # relu is off everywhere
    loss = keras.losses.MeanSquaredError()
    norms = zoo.gradient_norms(model, np.ones((5, 4), "float32"), np.ones((5, 2), "float32"), loss=loss)
    first, second, last = norms
    assert norms[first] == norms[second] == norms[last] == 0
    for i, (before, after) in enumerate(
        [
            (norms, norms),
            (norms, {first: 1e-3, second: None, last: 2.0}),
            (norms, dict.fromkeys(norms)),
        ]
    ):
        plots.plot_gradients({"before": before, "after": after}, tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_records_and_shows_it(quick_run):
    run = quick_run / "run"
    record, training = read_json(run / "record.json"), read_json(run / "training.json")
    assert record["fit"] == training["fit"] and record["gradients"] == training["gradients"]
    assert record["fit"]["verdict"] in ("fine", "underfitting", "overfitting")
    digits = zoo.data.digits(shape=(64,))
    model = keras.saving.load_model(run / "model.keras")
    for name in ("train", "validation"):
        part = getattr(digits, name)
        decided = model.predict(part.x, verbose=0).argmax(axis=1)
        assert record["fit"][name]["accuracy"] == pytest.approx(np.mean(decided == part.y))
    layers = ["dense", "logits"]
    for norms in record["gradients"].values():
        assert list(norms) == layers and all(norm > 0 for norm in norms.values())
    card = (run / "card.md").read_text()
    fit_, gap = record["fit"], record["fit"]["validation"]["accuracy"] - record["fit"]["train"]["accuracy"]
    assert f"**{fit_['verdict'].capitalize()}**: {fit_['why']}." in card
    row = [fit_["train"]["accuracy"], fit_["validation"]["accuracy"], gap]
    assert f"| accuracy | {' | '.join(f'{value:.4f}' for value in row)} |" in card
    assert f"| logits | {record['gradients']['before']['logits']:.1e} |" in card
    assert (run / "plots" / "gradients.png").stat().st_size > 0
    result = cards.card({**record, "fit": {**fit_, "knobs": ["this", "that"]}})
    assert "Change next: this. After that: that." in result
    older = {key: value for key, value in record.items() if key not in ("fit", "gradients")}
    assert "kept weights" not in cards.card(older), "records of earlier versions make the cards that they made"
