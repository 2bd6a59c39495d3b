"""One contract for every builder over a drawn grid of its knobs, golden shapes, and counts worked out by hand."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT, converted_here
from families import families
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import zoo
from zoo.exporting.conversion import choose
from zoo.exporting.inference import inference_model
from zoo.runs.verification import operators as counted

GOLDEN = ROOT / "tests" / "golden"
REGENERATE = "ZOO_REGENERATE=1 python -m pytest tests/test_models.py -k golden"
EXAMPLES = int(os.environ.get("ZOO_EXAMPLES", "6"))  # drawn models a family
EXPORTED = int(os.environ.get("ZOO_EXPORTED", "1"))  # and how many of them become a file: seconds each


FAMILIES = families()
GRIDS = {name: grid for family in FAMILIES.values() for name, grid in family.grids.items()}
SHARED = {
    "kernel_initializer": ("auto", "he_normal", "glorot_uniform"),
    "regularizer": (None, "l1", "l2", "l1_l2"),
    "bias_regularizer": (None, "l2"),
    "activity_regularizer": (None, "l1"),
    "max_norm": (None, 2.0),
    "dropout": (0.0, 0.3),
    "noise": (0.0, 0.1),
}


@st.composite
def drawn(draw, grid):
    """A call of a builder: input shape and arguments."""
    shape = draw(st.sampled_from(grid.shapes))
    knobs = {**SHARED, **grid.knobs}
    arguments = {name: draw(st.sampled_from(values)) for name, values in knobs.items()}
    arguments["activation"] = draw(st.sampled_from(grid.activations))
    if arguments["activation"] == "leaky_relu" and "prelu" in grid.activations:
        arguments["negative_slope"] = draw(st.sampled_from((None, 0.01)))
    return shape, {**grid.arguments, **arguments, **grid.conditions.get(shape, {})}


def sample(model, n=5):
    shape = [n or 7 for n in model.input_shape[1:]]
    rng = np.random.default_rng(0)
    if "int" in model.inputs[0].dtype:
        return rng.integers(1, 9, (n, *shape))
    return rng.normal(size=(n, *shape)).astype("float32")


@pytest.mark.parametrize("name", GRIDS)
def test_the_contract(name, tmp_path_factory):
    grid = GRIDS[name]
    build = getattr(zoo, grid.builder)
    exported = []

    # Drawn from a fixed seed: the same models each time, so that a failure is nobody's bad luck.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn(grid))
    def holds(call):
        shape, arguments = call
        keras.backend.clear_session()
        keras.utils.set_random_seed(5)
        model = build(shape, 3, **arguments)
        weights = model.get_weights()
        has_the_right_ends(model, shape)
        x = sample(model)
        has_finite_gradients(model, x, arguments)
        acts_in_training_only(model, x, arguments)
        has_its_penalties(model, arguments)
        survives_a_file(model, x, tmp_path_factory.mktemp("keras") / "model.keras")
        without = inference_model(model)
        np.testing.assert_allclose(without(x), model(x, training=False), atol=1e-5)
        if len(exported) < EXPORTED:
            exported.append(shape)
            agrees_as_a_file(model, x, tmp_path_factory.mktemp("file"))
        keras.utils.set_random_seed(5)
        again = build(shape, 3, **arguments)
        assert all(np.array_equal(a, b) for a, b in zip(weights, again.get_weights(), strict=True))

    holds()


def agrees_as_a_file(model, x, folder):
    runner = converted_here(model, folder, {"float32": choose(model, "float32")}, x)["float32"]
    np.testing.assert_allclose(runner.predict(x), model(x), atol=1e-4)
    operators, _ = counted(folder / "float32.tflite")
    assert not [name for name in operators if name.startswith(("Flex", "CUSTOM"))]


def has_the_right_ends(model, shape):
    assert model.input_shape == (None, *shape) and model.output_shape == (None, 3)
    assert model.layers[-1].name == "logits" and model.layers[-1].activation is keras.activations.linear
    assert not model.compiled


def has_finite_gradients(model, x, arguments):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = tf.reduce_sum(outputs**2) + sum(model.losses)
    assert np.isfinite(outputs.numpy()).all()
    for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None, weight.path
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(values).all(), weight.path


def acts_in_training_only(model, x, arguments):
    assert np.array_equal(model(x, training=False), model(x))
    assert np.array_equal(model(x), model(x)), "what is random acts in training alone"
    if arguments["dropout"] and arguments.get("units", True):
        assert not np.array_equal(model(x, training=True), model(x, training=True))


def has_its_penalties(model, arguments):
    wanted = [
        name
        for name in ("regularizer", "bias_regularizer", "activity_regularizer", "recurrent_regularizer")
        if arguments.get(name)
    ]
    if not wanted:
        assert not model.losses
    elif "regularizer" in wanted:
        assert float(sum(model.losses)) > 0


def survives_a_file(model, x, path):
    model.save(path)
    again = keras.saving.load_model(path)
    np.testing.assert_array_equal(again(x), model(x))
    assert len(again.losses) == len(model.losses)


@pytest.mark.parametrize("name", GRIDS)
def test_every_weight_has_a_gradient_that_is_not_zero(name):
    import tensorflow as tf

    grid = GRIDS[name]
    for shape in grid.shapes:
        keras.utils.set_random_seed(1)
        more = grid.conditions.get(shape, {})
        model = getattr(zoo, grid.builder)(shape, 3, activation="tanh", **{**grid.arguments, **more})
        x = np.random.default_rng(1).integers(1, 3, sample(model).shape) if name == "fnn_categories" else sample(model)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True) ** 3)
        for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
            assert weight.name in grid.zero_gradients or np.abs(tf.convert_to_tensor(gradient).numpy()).max() > 0, (
                weight.path
            )


GOLDEN_CALLS = {name: calls for family in FAMILIES.values() for name, calls in family.golden.items()}


@pytest.mark.parametrize("name", GOLDEN_CALLS)
def test_golden_counts_and_shapes(name):
    found = []
    for shape, arguments in GOLDEN_CALLS[name]:
        keras.backend.clear_session()
        model = getattr(zoo, name)(shape, 10, **arguments)
        weights = {weight.path: list(weight.shape) for weight in model.weights}
        call = {"input_shape": list(shape), "arguments": json.loads(json.dumps(arguments))}
        found.append({**call, "parameters": model.count_params(), "weights": weights})
    path = GOLDEN / f"{name}.json"
    if os.environ.get("ZOO_REGENERATE"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    assert json.loads(path.read_text()) == found, f"if that is what you wanted: {REGENERATE}"


@pytest.mark.parametrize(("call", "parameters"), [pair for family in FAMILIES.values() for pair in family.parameters])
def test_parameter_counts(call, parameters):
    assert eval(call, {"zoo": zoo}).count_params() == parameters


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.formula])
def test_the_model_is_its_formula(name):
    model = eval(FAMILIES[name].formula_call, {"zoo": zoo})
    model.set_weights([w + np.random.default_rng(1).uniform(0, 0.2, w.shape) for w in model.get_weights()])
    x = sample(model)
    np.testing.assert_allclose(model(x), FAMILIES[name].formula(model.get_weights(), x), atol=1e-4)


def test_every_builder_belongs_to_a_family():
    assert {name for family in FAMILIES.values() for name in family.golden} == set(zoo.models.__all__)


@pytest.mark.parametrize(
    "builder",
    [
        lambda **more: zoo.fcn((None, 3), 2, filters=(4, 4), kernel_size=(5, 3), mask_value=0.0, **more),
        lambda **more: zoo.lstm((None, 3), 2, units=(4, 3), mask_value=0.0, head="attention", **more),
        lambda **more: zoo.gru((None, 3), 2, units=(4,), mask_value=0.0, head="pool", bidirectional=True, **more),
        lambda **more: zoo.gru((None, 3), 2, units=(4,), mask_value=0.0, normalization="layer", **more),
        lambda **more: zoo.crnn((None, 3), 2, filters=(4,), units=(4,), strides=1, mask_value=0.0, **more),
    ],
    ids=["fcn", "lstm attention", "gru pool both ways", "gru normalized", "crnn"],
)
def test_padding_changes_nothing(builder):
    preprocessing = [keras.layers.Normalization(mean=[0.5] * 3, variance=[2.0] * 3)]  # moves zeros elsewhere
    model = builder(preprocessing=preprocessing)
    x = np.random.default_rng(0).normal(size=(3, 6, 3)).astype("float32")
    expected = model(x).numpy()
    assert np.abs(expected).max() > 0
    padded = np.concatenate([x, np.zeros((3, 5, 3), "float32")], axis=1)
    np.testing.assert_allclose(model(padded), expected, atol=1e-5)


def test_each_step_answers_for_itself():
    model = zoo.gru((6, 3), 12, units=(4,), head="each")
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    states = keras.Model(model.inputs[0], model.layers[1].output)(x).numpy()  # (2, 6, 4)
    kernel, bias = (weight.numpy() for weight in model.get_layer("logits_of_views").weights)
    np.testing.assert_allclose(model(x), (states @ kernel + bias).reshape(2, 12), atol=1e-6)
    changed = x.copy()
    changed[:, 4:] = 9  # what comes later is nothing to the answers of earlier steps
    np.testing.assert_allclose(model(changed)[:, :8], model(x)[:, :8], atol=1e-6)


def test_tokens_of_zero_are_padding():
    model = zoo.lstm((None,), 2, vocabulary_size=9, units=(4,))
    tokens = np.array([[3, 4, 5]])
    np.testing.assert_allclose(model(tokens), model(np.array([[3, 4, 5, 0, 0]])), atol=1e-6)


def test_attention_is_the_formula():
    """Yang et al., 2016: u = tanh(W h + b), a = softmax(u . v), the sum of a h."""
    from zoo.models.sequences import AttentionPooling

    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = AttentionPooling(4)
    pooled = layer(x).numpy()
    w, b, v = (weight.numpy() for weight in layer.weights)
    scores = np.tanh(x @ w + b) @ v  # (B, T, 1)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, (x * weights).sum(axis=1), atol=1e-6)
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    np.testing.assert_allclose(layer(x, mask=mask)[0], pooled[0], atol=1e-6)
    np.testing.assert_allclose(layer(x, mask=mask)[1], layer(x[1:, :3])[0], atol=1e-6)


def test_a_residual_block_adds_its_input():
    model = zoo.fnn((4,), 2, units=(4,), residual=True, activation="relu")
    w1, b1, w2, b2 = model.get_weights()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_allclose(model(x), (np.maximum(x @ w1 + b1, 0) + x) @ w2 + b2, atol=1e-5)


def test_categories_become_their_embeddings():
    model = zoo.fnn((3,), 2, units=(), categories={1: 4})
    table, w, b = model.get_weights()
    x = np.array([[0.5, 2, -1.0], [1.5, 0, 3.0], [0, 9, 0]], "float32")
    rows = [np.concatenate([row[[0, 2]], table[min(int(row[1]), 3)]]) for row in x]
    np.testing.assert_allclose(model(x), np.asarray(rows) @ w + b, atol=1e-5)


def test_initializers_fit_the_activation():
    """He: variance 2/fan_in for rectifiers; Glorot: 2/(fan_in + fan_out) for the rest; LeCun: 1/fan_in for selu."""
    fan_in, fan_out = 400, 300
    for activation, variance in (
        ("relu", 2 / fan_in), ("prelu", 2 / fan_in), ("leaky_relu", 2 / fan_in), ("silu", 2 / fan_in),
        (keras.layers.LeakyReLU(0.1), 2 / fan_in), (keras.activations.elu, 2 / fan_in), ("selu", 1 / fan_in),
        ("tanh", 2 / (fan_in + fan_out)), ("sigmoid", 2 / (fan_in + fan_out)), ("softmax", 2 / (fan_in + fan_out)),
    ):  # fmt: skip
        kernel = zoo.fnn((fan_in,), 1, units=(fan_out,), activation=activation).get_weights()[0]
        assert kernel.var() == pytest.approx(variance, rel=0.05), activation


@pytest.mark.parametrize("name", ["fnn", "cnn", "ds_cnn", "lstm"])
def test_max_norm_holds_each_unit(name):
    grid = GRIDS[name if name != "lstm" else "rnn"]
    model = getattr(zoo, name)(grid.shapes[0], 3, max_norm=0.5, **grid.arguments)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(10 * sample(model), np.ones((5, 3)), epochs=1, verbose=0)
    kernels = [w for w in model.weights if w.name in ("kernel", "recurrent_kernel") and "logits" not in w.path]
    assert kernels
    for kernel in kernels:
        depthwise = "depthwise" in kernel.path
        norms = np.sqrt((kernel.numpy() ** 2).sum(axis=tuple(range(len(kernel.shape) - (2 if depthwise else 1)))))
        assert norms.max() <= 0.5 + 1e-3, kernel.path


def test_penalties_are_the_formulas():
    model = zoo.lstm(
        (5, 3), 2, units=(4,), regularizer=keras.regularizers.L2(0.5), recurrent_regularizer=keras.regularizers.L1(0.1),
        bias_regularizer=keras.regularizers.L1L2(0.2, 0.3),
    )  # fmt: skip
    w, u, b, wo, bo = model.get_weights()
    expected = 0.5 * ((w**2).sum() + (wo**2).sum()) + 0.1 * np.abs(u).sum()
    expected += sum(0.2 * np.abs(bias).sum() + 0.3 * (bias**2).sum() for bias in (b, bo))
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


ORTHOGONAL = keras.regularizers.OrthogonalRegularizer()
BAD = [
    (lambda: zoo.fnn((), 3), ValueError, r"input_shape=\(\)"),
    (lambda: zoo.fnn(64, 3), TypeError, "input_shape=64 must be a tuple"),
    (lambda: zoo.fnn((None,), 3), ValueError, r"input_shape=\(None,\) does not fit"),
    (lambda: zoo.fnn((True,), 3), ValueError, r"input_shape=\(True,\) does not fit"),
    (lambda: zoo.fnn((4,), 0), ValueError, "num_outputs=0 must be at least 1"),
    (lambda: zoo.fnn((4,), 2.5), TypeError, "num_outputs=2.5 must be a whole number"),
    (lambda: zoo.fnn((4,), 3, units=64), TypeError, "units=64 must be a tuple"),
    (lambda: zoo.fnn((4,), 3, units=(8, -1)), ValueError, r"units\[1\]=-1"),
    (lambda: zoo.fnn((4,), 3, units=(8.5,)), TypeError, r"units\[0\]=8.5"),
    (lambda: zoo.fnn((4,), 3, residual="yes"), TypeError, "residual='yes' must be True or False"),
    (lambda: zoo.fnn((4,), 3, categories=[3]), TypeError, r"categories=\[3\] must map a column"),
    (lambda: zoo.fnn((4,), 3, categories={4: 3}), ValueError, r"names column 4, but input_shape=\(4,\) has 4"),
    (lambda: zoo.fnn((4,), 3, categories={1: 1}), ValueError, r"categories\[1\]=1 must be at least 2"),
    (lambda: zoo.fnn((4, 2), 3, categories={1: 3}), ValueError, "goes with a table"),
    (lambda: zoo.fnn((4,), 3, dropout=1.0), ValueError, r"dropout=1.0 must lie in \[0, 1\)"),
    (lambda: zoo.fnn((4,), 3, dropout=float("nan")), ValueError, "dropout=nan must lie"),
    (lambda: zoo.fnn((4,), 3, dropout="much"), TypeError, "dropout='much'"),
    (lambda: zoo.fnn((4,), 3, noise=-1), ValueError, r"noise=-1 must lie in \[0, 1\]"),
    (lambda: zoo.fnn((4,), 3, max_norm=0), ValueError, "max_norm=0 must be a number above 0"),
    (lambda: zoo.fnn((4,), 3, max_norm=float("inf")), ValueError, "max_norm=inf"),
    (lambda: zoo.fnn((4,), 3, activation="rellu"), ValueError, "did you mean 'relu'"),
    (lambda: zoo.fnn((4,), 3, activation=3), TypeError, "activation=3"),
    (lambda: zoo.fnn((4,), 3, activation="glu"), ValueError, "activation='glu' is not known; did you mean"),
    (lambda: zoo.fnn((4,), 3, activation="threshold"), ValueError, "activation='threshold' is not known"),
    (lambda: zoo.fnn((4,), 3, activation="ReLU"), ValueError, "did you mean 'relu'"),
    (lambda: zoo.fnn((4,), 3, activation=np.tanh), TypeError, "must be a name such as 'relu', a function of Keras"),
    (lambda: zoo.fnn((4,), 3, activation=keras.layers.ReLU), TypeError, "must be a name such as 'relu'"),
    (lambda: zoo.fnn((4,), 3, activation=lambda x: x), ValueError, "cannot be saved: a file runs no code"),
    (lambda: zoo.fnn((4,), 3, units=b"44"), TypeError, "units=b'44' must be a tuple"),
    (lambda: zoo.fnn((4,), 3, kernel_initializer="constant"), ValueError, "kernel_initializer='constant' is not known"),
    (lambda: zoo.fnn((4,), 3, negative_slope=0.1), ValueError, "negative_slope=0.1 goes with activation='leaky_relu'"),
    (
        lambda: zoo.fnn((4,), 3, kernel_initializer="he"),
        ValueError,
        "kernel_initializer='he' is not known; it is one of 'auto'",
    ),
    (lambda: zoo.fnn((4,), 3, kernel_initializer=3), TypeError, "kernel_initializer=3 must be 'auto'"),
    (lambda: zoo.fnn((4,), 3, regularizer="l3"), ValueError, "regularizer='l3' is not known; it is one of 'l1'"),
    (lambda: zoo.fnn((4,), 3, regularizer=0.1), TypeError, "regularizer=0.1"),
    (lambda: zoo.fnn((4,), 3, bias_regularizer=1), TypeError, "bias_regularizer=1"),
    (
        lambda: zoo.fnn((4,), 3, activity_regularizer=keras.regularizers.OrthogonalRegularizer()),
        TypeError,
        "must be one of L1, L2",
    ),
    (lambda: zoo.fnn((4,), 3, normalization="bacth"), ValueError, "did you mean 'batch'"),
    (lambda: zoo.fnn((4,), 3, augmentation="flip"), TypeError, "augmentation='flip' must be a tuple"),
    (lambda: zoo.fnn((4,), 3, preprocessing=[1]), TypeError, r"preprocessing=\[1\] must be a tuple"),
    (lambda: zoo.cnn((4,), 3), ValueError, r"input_shape=\(4,\) does not fit.*height, width"),
    (lambda: zoo.cnn((4, 4, 1), 3, filters=(4, 8, 16, 32)), ValueError, "use at most 3 stages"),
    (lambda: zoo.cnn((4, 4, 1), 3, filters=()), ValueError, r"filters=\(\) is empty"),
    (lambda: zoo.cnn((4, 4, 1), 3, head="pol"), ValueError, "did you mean 'pool'"),
    (lambda: zoo.cnn((4, 4, 1), 3, kernel_size=(3, 3, 3)), ValueError, r"kernel_size=\(3, 3, 3\) must be one number"),
    (lambda: zoo.cnn((4, 4, 1), 3, kernel_size=0), ValueError, "kernel_size=0 must be at least 1"),
    (lambda: zoo.cnn((4, 4, 1), 3, downsampling="stride2"), ValueError, "did you mean 'stride'"),
    (lambda: zoo.cnn((4, 4, 1), 3, spatial_dropout=1), ValueError, "spatial_dropout=1 must lie"),
    (lambda: zoo.resnet((4, 4, 1), 3, filters=(4, 8, 16, 32)), ValueError, "use at most 3 stages"),
    (lambda: zoo.resnet((8, 8, 1), 3, blocks=0), ValueError, "blocks=0 must be at least 1"),
    (lambda: zoo.ds_cnn((8, 8, 1), 3, strides=(2, 1)), ValueError, r"strides=\(2, 1\) has 2 numbers and filters="),
    (lambda: zoo.ds_cnn((8, 8, 1), 3, width_multiplier=0), ValueError, "width_multiplier=0 must be a number above 0"),
    (
        lambda: zoo.fcn((8, 3), 3, kernel_size=(8, 5)),
        ValueError,
        "must be one number, or 3: one for each convolution",
    ),
    (lambda: zoo.fcn((8, 8, 3), 3), ValueError, r"\(steps, channels\)"),
    (lambda: zoo.fcn((8, None), 3), ValueError, r"input_shape=\(8, None\) does not fit"),
    (lambda: zoo.rnn((4,), 3), ValueError, "tokens, which need vocabulary_size"),
    (lambda: zoo.rnn((4, 2), 3, vocabulary_size=9), ValueError, r"goes with input_shape=\(steps,\)"),
    (lambda: zoo.rnn((4,), 3, vocabulary_size=9, mask_value=0.0), ValueError, "of tokens, 0 pads"),
    (lambda: zoo.rnn((4, 2), 3, mask_value="0"), TypeError, "mask_value='0' must be a number"),
    (lambda: zoo.rnn((4, 2), 3, cell="ltsm"), ValueError, "did you mean 'lstm'"),
    (lambda: zoo.rnn((4, 2), 3, head="each"), ValueError, "shares num_outputs=3 among 4 steps"),
    (lambda: zoo.rnn((None, 2), 3, head="each"), ValueError, "among any number of steps"),
    (lambda: zoo.rnn((4, 2), 3, head="atention"), ValueError, "did you mean 'attention'"),
    (lambda: zoo.rnn((4, 2), 3, activation="prelu"), ValueError, "activation='prelu' is a layer"),
    (lambda: zoo.rnn((4, 2), 3, recurrent_dropout=-0.1), ValueError, "recurrent_dropout=-0.1 must lie"),
    (lambda: zoo.rnn((4, 2), 3, bidirectional=1), TypeError, "bidirectional=1 must be True or False"),
    (lambda: zoo.lstm((4, 2), 3, cell="gru"), TypeError, "zoo.lstm has no argument 'cell'; it has"),
    (lambda: zoo.gru((4, 2), 3, unit=(3,)), TypeError, "zoo.gru has no argument 'unit'; did you mean 'units'"),
    (lambda: zoo.cnn((8, 8, 1), 3, filter=(3,)), TypeError, "zoo.cnn has no argument 'filter'; did you mean 'filters'"),
    (lambda: zoo.rnn((4, 2), 3, negative_slope=0.1), TypeError, "zoo.rnn has no argument 'negative_slope'"),
    (lambda: zoo.crnn((None, 8, 1), 3), ValueError, "lengths may differ in a series alone"),
    (lambda: zoo.crnn((8, 3), 3, strides=0), ValueError, "strides=0 must be at least 1"),
    (lambda: zoo.crnn((8, 3), 3, units=()), ValueError, r"units=\(\) is empty"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_arguments_are_named_with_their_value(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_numbers_of_numpy_are_numbers():
    size, rate = np.int64(4), np.float32(0.2)
    assert zoo.fnn((size,), size, units=[size], dropout=rate, residual=np.bool_(True)).output_shape == (None, 4)
    assert zoo.lstm((None,), 2, vocabulary_size=np.int64(9), embedding_dim=size).input_shape == (None, None)


def test_elu_holds_in_int8(tmp_path):
    """TFLite's own op would be left in float, and a layer with another alpha stops the converter."""
    x = np.random.default_rng(0).normal(size=(100, 6)).astype("float32")
    for i, activation in enumerate(("elu", keras.layers.ELU(0.5))):
        keras.utils.set_random_seed(1)
        model = zoo.fnn((6,), 3, units=(8,), activation=activation)
        (folder := tmp_path / str(i)).mkdir()
        runner = converted_here(model, folder, {"int8": None}, x)["int8"]
        assert np.abs(runner.predict(x) - model.predict(x, verbose=0)).mean() < 0.03
        assert counted(folder / "int8.tflite")[1] <= {"QUANTIZE", "DEQUANTIZE"}


def test_a_layer_as_activation_is_built_for_each_place():
    model = zoo.fnn((4,), 2, units=(3, 3), activation=keras.layers.PReLU())
    assert sum("alpha" in weight.path for weight in model.weights) == 2


def test_a_model_file_is_read_by_a_process_that_built_none(tmp_path):
    sequences = zoo.fcn((None, 3), 2, mask_value=0.0, max_norm=2.0, augmentation=zoo.augment.for_sequences("strong"))
    sequences.save(tmp_path / "sequences.keras")
    zoo.rnn((None, 3), 2, mask_value=0.0, head="attention").save(tmp_path / "attention.keras")
    zoo.fnn((5,), 2, categories={1: 4}).save(tmp_path / "table.keras")
    program = (
        "import sys, pathlib; from zoo.exporting.conversion import load_keras\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.keras'): print(load_keras(path).name)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=100)
    assert sorted(done.stdout.split()) == ["fcn", "fnn", "rnn"], done.stderr
