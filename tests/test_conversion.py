"""Every family becomes a builtin-only file that agrees with Keras; what acts in training stays behind."""

import hashlib

import keras
import numpy as np
import pytest
from conftest import converted_here
from families import families

import zoo
from zoo.deploy import Runner
from zoo.exporting.conversion import choose, convert, load_keras
from zoo.exporting.inference import inference_model
from zoo.exporting.precisions import PRECISIONS
from zoo.runs.verification import operators, real_parts

pytestmark = pytest.mark.usefixtures("converter_process")

MODELS = {name: model for family in families().values() for name, model in family.exports.items()}


def samples(name, model, n=200):
    """Of its kind: tokens, a table with codes, sequences of different lengths."""
    rng = np.random.default_rng(0)
    shape = model.input_shape[1:]
    lengths = np.arange(shape[0]) < rng.integers(1, shape[0] + 1, (n, 1))
    if name == "tokens":
        return np.where(lengths, rng.integers(1, 20, (n, *shape)), 0).astype("int32")
    x = rng.normal(size=(n, *shape)).astype("float32")
    if name == "table":
        x[:, 1], x[:, 3] = rng.integers(0, 4, n), rng.integers(0, 10, n)
    return x * lengths[..., None] if name == "fcn" else x


def moved(model, x):
    """The model with weights and statistics that are not those of a fresh one."""
    rng = np.random.default_rng(1)
    model.set_weights([w + rng.uniform(0, 0.2, w.shape).astype("float32") for w in model.get_weights()])
    return model, x


@pytest.fixture(scope="module", params=MODELS)
def converted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    keras.utils.set_random_seed(1)
    model = MODELS[request.param]()
    model, x = moved(model, samples(request.param, model))
    output = keras.layers.Softmax(name="probabilities")
    converted_here(model, folder, {p: choose(model, p) for p in ("float32", "int8")}, x, output)
    return model, x, folder


def test_the_float_file_is_the_keras_model(converted):
    model, x, folder = converted
    expected = keras.ops.softmax(model.predict(x, verbose=0)).numpy()
    runner = Runner(folder / "float32.tflite")
    np.testing.assert_allclose(runner.predict(x), expected, atol=1e-5)
    assert runner.output_name == "probabilities"


def test_the_int8_file_computes_in_integers_and_is_close(converted):
    model, x, folder = converted
    expected = keras.ops.softmax(model.predict(x, verbose=0)).numpy()
    outputs = Runner(folder / "int8.tflite").predict(x)
    assert np.abs(outputs - expected).mean() < 0.03  # untrained weights; recipes hold their own bounds
    _, real, _ = real_parts(folder / "int8.tflite", "int8", False)
    assert set(real) <= PRECISIONS["int8"].real_ops
    assert "DEQUANTIZE" in real, "the output is given back as float32"


def test_no_file_needs_an_op_that_is_not_builtin(converted):
    *_, folder = converted
    for precision in ("float32", "int8"):
        ops, _ = operators(folder / f"{precision}.tflite")
        assert not [op for op in ops if op.startswith(("Flex", "CUSTOM")) or op == "WHILE"], ops


def test_the_saved_model_has_two_named_signatures(converted):
    import tensorflow as tf

    model, x, folder = converted
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    expected = keras.ops.softmax(model.predict(x, verbose=0)).numpy()
    for signature, batch in (("serve", x), ("edge", x[:1])):
        call = loaded.signatures[signature]
        assert list(call.structured_input_signature[1]) == ["input"]
        np.testing.assert_allclose(call(input=tf.constant(batch))["probabilities"], expected[: len(batch)], atol=1e-5)


def test_the_same_weights_give_the_same_bytes_whatever_was_built_before(tmp_path):
    hashes = set()
    for name in ("one", "two"):  # Keras counts its names on, so that the second model's are others
        model = MODELS["bidirectional"]()
        model.set_weights([np.full(w.shape, 0.1, "float32") for w in model.get_weights()])
        x = np.linspace(-1, 1, 90, dtype="float32").reshape(10, 3, 3)
        (tmp_path / name).mkdir()
        convert(
            model, tmp_path / name, output=None, output_name="value", calibration=x, values=True,
            strategies={"int8": "unrolled", "int8_io": "unrolled"},  # in parts, and in one
        )  # fmt: skip
        assert not (tmp_path / name / "strategies").exists()
        hashes.update(hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / name).glob("*.tflite"))
    assert len(hashes) == 2


def test_inference_model_keeps_what_preprocessing_learnt():
    normalization = keras.layers.Normalization()
    x = np.random.default_rng(0).normal(100, 20, size=(50, 6)).astype("float32")
    normalization.adapt(x)
    model = zoo.fnn((6,), 3, preprocessing=[normalization])
    np.testing.assert_allclose(inference_model(model)(x), model(x), atol=1e-5)


def test_inference_model_drops_what_acts_in_training():
    model = MODELS["cnn"]()
    copy = inference_model(model)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(copy(x, training=False), model(x, training=False), atol=1e-6)
    kinds = {type(layer).__name__ for layer in copy.layers}
    assert not kinds & {"Augmentation", "Dropout", "SpatialDropout2D", "GaussianNoise"}


class Determinant(keras.layers.Layer):
    def call(self, x):
        import tensorflow as tf

        return tf.linalg.det(x[:, :, None] * x[:, None, :])[:, None]


def test_an_op_that_no_builtin_does_is_named_with_its_layer(tmp_path):
    inputs = keras.Input((4,), name="input")
    model = keras.Model(inputs, Determinant()(inputs), name="strange")
    with pytest.raises(zoo.CheckFailed, match="strange failed while converting .* no builtin op for MatrixDeterminant"):
        convert(
            model, tmp_path, output=None, output_name="v", strategies={"float32": None},
            calibration=np.zeros((1, 4), "float32"),
        )  # fmt: skip


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense, self.drop = keras.layers.Dense(3), keras.layers.Dropout(0.5)

    def call(self, x, training=False):
        return self.drop(self.dense(keras.ops.tanh(x)), training=training)


def test_models_of_the_callers_own_classes_are_exported_as_they_are(tmp_path):
    inputs = keras.Input((4,))
    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    for i, model in enumerate((Subclassed(), keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)))):
        expected = model.predict(x, verbose=0)
        (tmp_path / str(i)).mkdir()
        convert(model, tmp_path / str(i), output=None, output_name="v", strategies={"float32": None}, calibration=x)
        np.testing.assert_allclose(Runner(tmp_path / str(i) / "float32.tflite").predict(x), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["Lambda", "class"])
def test_a_file_with_code_or_a_foreign_class_is_refused_and_not_run(tmp_path, kind):
    inputs = keras.Input((4,))
    marker = tmp_path / "executed"
    code = keras.layers.Lambda(lambda x, path=str(marker): (open(path, "w").close(), x)[1])
    model = keras.Model(inputs, code(inputs) if kind == "Lambda" else Determinant()(inputs))
    model.save(tmp_path / "model.keras")
    marker.unlink(missing_ok=True)  # building the model ran it
    with pytest.raises(ValueError, match="model.keras"):
        load_keras(tmp_path / "model.keras")
    assert not marker.exists()


def test_a_converter_that_dies_is_told(tmp_path, monkeypatch):
    import signal
    import subprocess

    dead = subprocess.CompletedProcess([], -signal.SIGSEGV, stdout="converting to int8\n", stderr="")
    monkeypatch.setattr("subprocess.run", lambda *a, **k: dead)
    model = MODELS["fnn"]()
    with pytest.raises(zoo.CheckFailed, match="export of fnn failed while converting to int8: .* ended by SIGSEGV"):
        convert(model, tmp_path, output=None, output_name="v", strategies={"int8": None}, calibration=np.zeros((1, 6)))


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_truncated_keras_file_is_told(tmp_path, keep):
    MODELS["fnn"]().save(tmp_path / "model.keras")
    content = (tmp_path / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(content[:keep])
    with pytest.raises(ValueError, match=r"model.keras is not a whole .keras file"):
        load_keras(tmp_path / "model.keras")
    with pytest.raises(FileNotFoundError, match="there is no model"):
        load_keras(tmp_path / "other.keras")


def masked(layer, mask_value=0.0):
    inputs = keras.Input((4, 3))
    return keras.Model(inputs, keras.layers.Dense(3)(layer(keras.layers.Masking(mask_value)(inputs))), name="masked")


def open_steps(layer):
    return keras.Sequential([keras.Input((None, 3)), layer, keras.layers.Dense(3)], name="open_steps")


L = keras.layers
RECURRENT = {
    "SimpleRNN": lambda: zoo.rnn((4, 3), 3, units=(5,)),
    "LSTM stacked": lambda: zoo.lstm((4, 3), 3, units=(5, 4)),
    "GRU stacked": lambda: zoo.gru((4, 3), 3, units=(5, 4)),
    "GRU, reset before": lambda: keras.Sequential([keras.Input((4, 3)), L.GRU(4, reset_after=False), L.Dense(3)]),
    "LSTM bidirectional": lambda: zoo.lstm((4, 3), 3, units=(4,), bidirectional=True),
    "LSTM masked": lambda: masked(L.LSTM(5)),
    "LSTM bidirectional masked": lambda: masked(L.Bidirectional(L.LSTM(5))),
    "LSTM bidirectional masked pooled": lambda: zoo.lstm(
        (4, 3), 3, units=(5,), bidirectional=True, head="pool", mask_value=0.0
    ),
    "GRU masked": lambda: masked(L.GRU(5)),
    "LSTM open": lambda: open_steps(L.LSTM(5)),
    "GRU open": lambda: open_steps(L.GRU(5)),
}
# What each strategy is there for; all else is refused in words.
POSSIBLE = {
    "unrolled": {name for name in RECURRENT if "open" not in name},
    "fused": {name for name in RECURRENT if name.startswith("LSTM") and "open" not in name},
    "while": set(RECURRENT),
    "streaming": {name for name in RECURRENT if "bidirectional" not in name},
}  # fmt: skip


def sequences(name, count=24):
    x = np.random.default_rng(0).normal(size=(count, 4, 3)).astype("float32")
    if "masked" in name:
        for i in range(count):
            x[i, 1 + i % 4 :] = 0  # of every length
    return x


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("strategy", POSSIBLE)
def test_every_strategy_gives_what_keras_gives(tmp_path, name, strategy):
    keras.utils.set_random_seed(1)
    x = sequences(name)
    model, x = moved(RECURRENT[name](), x)
    if name not in POSSIBLE[strategy]:
        with pytest.raises(ValueError, match=f"strategy='{strategy}' is impossible in float32: "):
            choose(model, "float32", strategy)
        return
    precisions = ["float32"] if strategy == "while" else ["float32", "int8"]
    expected = model.predict(x, verbose=0)
    runners = converted_here(model, tmp_path, dict.fromkeys(precisions, strategy), x)
    np.testing.assert_allclose(runners["float32"].predict(x), expected, atol=2e-6)
    ops, _ = operators(tmp_path / "float32.tflite")
    assert ("WHILE" in ops) == (strategy == "while")
    assert ("UNIDIRECTIONAL_SEQUENCE_LSTM" in ops) == (strategy == "fused")
    if "int8" in precisions:
        difference, bound = np.abs(runners["int8"].predict(x) - expected), 0.06 if "al masked" in name else 0.04
        assert difference.mean() < bound * np.abs(expected).max(), difference.mean()
        _, real = operators(tmp_path / "int8.tflite")
        assert real <= set(PRECISIONS["int8"].real_ops)


def test_a_streaming_file_takes_any_number_of_steps(tmp_path):
    model = RECURRENT["GRU open"]()
    x = np.random.default_rng(0).normal(size=(3, 50, 3)).astype("float32")
    runner = converted_here(model, tmp_path, {"float32": "streaming"}, x)["float32"]
    np.testing.assert_allclose(runner.predict(x), model.predict(x, verbose=0), atol=1e-5)
    runner.reset()
    for step in x[0]:
        answer = runner.step(step)
    np.testing.assert_allclose(answer, runner.predict(x[:1]), atol=1e-6)


def test_a_while_file_takes_any_number_of_steps(tmp_path):
    model = RECURRENT["LSTM open"]()
    runner = converted_here(model, tmp_path, {"dynamic": "while"}, sequences(""))["dynamic"]
    for steps in (1, 4, 30):
        x = np.random.default_rng(steps).normal(size=(2, steps, 3)).astype("float32")
        np.testing.assert_allclose(runner.predict(x), model.predict(x, verbose=0), atol=0.02)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", ["fnn", "cnn", "gru"])
def test_every_precision_converts_every_family(tmp_path, family, precision):
    keras.utils.set_random_seed(1)
    model = MODELS[family]()
    x = np.random.default_rng(0).normal(size=(24, *model.input_shape[1:])).astype("float32")
    model, x = moved(model, x)
    expected = model.predict(x, verbose=0)
    runner = converted_here(model, tmp_path, {precision: choose(model, precision)}, x)[precision]
    bound = PRECISIONS[precision].mean_difference * max(1.0, float(np.abs(expected).max()))
    assert np.abs(runner.predict(x) - expected).mean() < bound * 4  # untrained logits, not probabilities
    _, real = operators(tmp_path / f"{precision}.tflite")
    assert PRECISIONS[precision].real_ops is None or real <= set(PRECISIONS[precision].real_ops)


def test_the_choice_is_right_by_itself():
    def choice(model, precision, target="litert"):
        return choose(model, precision, target=target)

    short, long = zoo.lstm((8, 3), 2), zoo.lstm((300, 3), 2)
    assert choice(short, "int8") == "unrolled" and choice(short, "int8", "micro") == "fused"
    assert choice(long, "float32") == "while" and choice(long, "int8") == "fused"
    assert choice(long, "int8", "browser") == "unrolled"
    assert choice(zoo.gru((300, 3), 2), "int8") == "unrolled"
    assert choice(RECURRENT["GRU open"](), "dynamic") == "while"
    assert choice(MODELS["cnn"](), "int8") is None
    with pytest.raises(ValueError, match="cannot become int8 for litert: .*crashes.*strategy='streaming' can"):
        choice(RECURRENT["GRU open"](), "int8")
    with pytest.raises(ValueError, match="strategy='fused': cnn has no recurrent layer"):
        choose(MODELS["cnn"](), "int8", "fused")
    with pytest.raises(ValueError, match="strategy='unroled' is not known; did you mean 'unrolled'"):
        choose(short, "int8", "unroled")


def test_a_stacked_gru_in_int8_is_close(tmp_path):
    """With Keras' own cells, whose biases the steps share, this was .12 on average; see zoo/conversion/steps.py."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(60, 5, 3)).astype("float32")
    model, x = moved(zoo.gru((5, 3), 3, units=(8, 6)), x)
    runner = converted_here(model, tmp_path, {"int8": "unrolled"}, x)["int8"]
    assert np.abs(runner.predict(x) - model.predict(x, verbose=0)).mean() < 0.02


def test_mixed_precision_models_are_exported_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = zoo.lstm((4, 3), 3, units=(4,))
    finally:
        keras.config.set_dtype_policy("float32")
    x = sequences("")
    runner = converted_here(model, tmp_path, {"float32": "unrolled"}, x)["float32"]
    np.testing.assert_allclose(runner.predict(x), model.predict(x, verbose=0), atol=5e-3)


def test_a_strategy_may_be_given_by_precision():
    model = zoo.lstm((5, 3), 2)
    assert choose(model, "int8", {"int8": "fused"}) == "fused"
    assert choose(model, "float32", {"int8": "fused"}) == choose(model, "float32", "auto")
