"""Parameters and MACs: against Keras, against TensorFlow's own profiler, and against arithmetic by hand."""

import json
import sys

import keras
import pytest
import tensorflow as tf
from conftest import write_recipe
from keras import layers
from tensorflow.python.framework.func_graph import FuncGraph

import zoo
from zoo.cli import main
from zoo.models.cost import costs
from zoo.models.sequences import AttentionPooling, MaskedConv1D
from zoo.recipe.collection import folder, load_recipe

OTHERS = {"precision": "", "score": None, "difference": None}  # what else a record says of a file


def record_with(**fields):
    """A record of an export with these fields."""
    return json.loads((folder("tflite") / "digits_fnn" / "record.json").read_text()) | fields


# What the profiler counts two of for a MAC; all else that it counts goes by element.
PRODUCTS = ("MatMul", "BatchMatMulV2", "Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput")


def sequential(shape, *stack):
    return lambda: keras.Sequential([keras.Input(shape), *(make() for make in stack)])


def recurrent(kind, **more):
    return sequential((5, 3), lambda: kind(4, unroll=True, **more))


def shared():
    """One layer that is called twice: its weights are there once, its products twice."""
    inputs, dense = keras.Input((6,)), layers.Dense(6)
    return keras.Model(inputs, dense(dense(inputs)))


def nested():
    inner = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])
    inputs = keras.Input((6, 6, 2))
    return keras.Model(inputs, layers.Dense(2)(inner(inputs)))


def two_inputs():
    a, b = keras.Input((4,)), keras.Input((3,))
    return keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([layers.Dense(5)(a), b])))


CASES = {
    "fnn": lambda: zoo.fnn((6,), 3, units=(8, 4)),
    "fnn residual": lambda: zoo.fnn((6,), 3, units=(8, 8, 4), residual=True, normalization="batch"),
    "fnn categories": lambda: zoo.fnn((6,), 3, units=(8,), categories={2: 30}),
    "cnn": lambda: zoo.cnn((28, 28, 1), 10),
    "cnn stride": lambda: zoo.cnn((15, 10, 2), 3, downsampling="stride", head="flatten", units=(8,)),
    "cnn series": lambda: zoo.cnn((50, 3), 4, activation="prelu", normalization="layer"),
    "resnet": lambda: zoo.resnet((32, 32, 3), 10),
    "ds_cnn": lambda: zoo.ds_cnn((49, 10, 1), 12),
    "ds_cnn series": lambda: zoo.ds_cnn((50, 3), 4, width_multiplier=0.5),
    "fcn": lambda: zoo.fcn((50, 3), 4),
    "valid": sequential((9, 9, 2), lambda: layers.Conv2D(4, (3, 2), strides=2)),
    # of a size that TensorFlow, which dilates by taking every other pixel, need not pad
    "dilated": sequential((10, 10, 2), lambda: layers.Conv2D(4, 3, dilation_rate=2)),
    "causal": sequential((9, 2), lambda: layers.Conv1D(4, 3, padding="causal")),
    "depthwise": sequential((9, 8, 3), lambda: layers.DepthwiseConv2D((3, 2), depth_multiplier=2, strides=2)),
    "separable": sequential((9, 8, 3), lambda: layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same")),
    "separable series": sequential((9, 3), lambda: layers.SeparableConv1D(5, 3)),
    "transposed": sequential((5, 4, 3), lambda: layers.Conv2DTranspose(4, 3, strides=2, padding="same")),
    "dense at each step": sequential((5, 3), lambda: layers.Dense(4)),
    "simple rnn": recurrent(layers.SimpleRNN),
    "lstm": recurrent(layers.LSTM),
    "gru": recurrent(layers.GRU),
    "gru reset before": recurrent(layers.GRU, reset_after=False),
    "both ways": sequential((5, 3), lambda: layers.Bidirectional(layers.LSTM(4, unroll=True, return_sequences=True))),
    "time distributed": sequential((5, 7, 3), lambda: layers.TimeDistributed(layers.Conv1D(4, 3))),
    "shared": shared,
    "nested": nested,
    "two inputs": two_inputs,
}


def profiled(model):
    """MACs by TensorFlow's profiler, which reads the graph of one sample."""
    signature = [tf.TensorSpec((1, *t.shape[1:]), t.dtype) for t in model.inputs]
    function = tf.function(lambda *x: model(x if len(x) > 1 else x[0], training=False))
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    graph = function.get_concrete_function(*signature).graph
    root = tf.compat.v1.profiler.profile(graph, cmd="op", options=options.with_empty_output().build())
    found, nodes = 0, [root]
    while nodes:  # each kind of op is the child of the one before it
        node = nodes.pop()
        found += node.float_ops if node.name in PRODUCTS else 0
        nodes += node.children
    assert found % 2 == 0
    return found // 2


@pytest.mark.parametrize("case", CASES)
def test_macs_are_those_of_tensorflows_profiler(case):
    model = CASES[case]()
    counted = zoo.summary(model)
    assert counted.macs == profiled(model) > 0
    assert counted.parameters == model.count_params()


def test_published_figures():
    """MLPerf Tiny (C. Banbury et al., 2021) tells 12.5 M MACs of its ResNet-8; here is each convolution of both."""
    resnet = 32 * 32 * 9 * (3 * 16 + 2 * 16 * 16) + 640
    resnet += 16 * 16 * (9 * (16 * 32 + 32 * 32) + 16 * 32) + 8 * 8 * (9 * (32 * 64 + 64 * 64) + 32 * 64)
    assert zoo.summary(zoo.resnet((32, 32, 3), 10)).macs == resnet == 12_501_632
    ds_cnn = 25 * 5 * (10 * 4 * 64 + 4 * (9 * 64 + 64 * 64)) + 64 * 12
    assert zoo.summary(zoo.ds_cnn((49, 10, 1), 12)).macs == ds_cnn == 2_656_768


@pytest.mark.parametrize(
    ("model", "macs"),
    [
        (lambda: zoo.rnn((7, 3), 2, units=(4,)), 7 * 4 * (3 + 4) + 8),
        (lambda: zoo.lstm((7, 3), 2, units=(4, 5)), 7 * 4 * (4 * (3 + 4) + 5 * (4 + 5)) + 10),
        (lambda: zoo.gru((7, 3), 2, units=(4,), bidirectional=True, normalization="layer"), 7 * 2 * 3 * 4 * 7 + 16),
        # tokens become rows of a table, which is no product; W and v of the attention, and the steps by their weights
        (
            lambda: zoo.gru((7,), 2, vocabulary_size=50, embedding_dim=6, units=(4,), head="attention"),
            7 * 3 * 4 * (6 + 4) + 7 * (4 * 16 + 16 + 4) + 8,
        ),
        (lambda: zoo.fcn((7, 3), 2, filters=(4,), kernel_size=(5,), mask_value=0.0), 7 * 5 * 3 * 4 + 8),
        # 98 rows and 6 columns, twice halved
        (
            lambda: zoo.crnn((98, 6, 1), 2, filters=(4, 8), kernel_size=3, strides=2, units=(5,), cell="lstm"),
            49 * 3 * 9 * 4 + 25 * 2 * 9 * 4 * 8 + 25 * 4 * 5 * (16 + 5) + 10,
        ),
        # what the profiler does not see into: of 4 channels, each of 6 filters reads 2
        (sequential((9, 9, 4), lambda: layers.Conv2D(6, 3, groups=2)), 7 * 7 * 9 * 2 * 6),
        (sequential((9, 9, 2), lambda: layers.Conv2D(4, 3, dilation_rate=2, padding="same")), 9 * 9 * 9 * 2 * 4),
        # and where Keras calls the cells once more than there are steps, to see what they are
        (
            sequential((5, 3), lambda: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(6)]))),
            5 * (4 * 4 * (3 + 4) + 3 * 6 * (4 + 6)),
        ),
    ],
    ids=["rnn", "lstm", "gru", "attention", "masked convolution", "crnn", "groups", "dilated", "stacked cells"],
)
def test_macs_by_hand(model, macs):
    model = model()
    assert (zoo.summary(model).macs, zoo.summary(model).parameters) == (macs, model.count_params())


@pytest.mark.parametrize(
    ("builder", "shape"),
    [
        (lambda shape: zoo.lstm(shape, 2, units=(4, 3), mask_value=0.0, head="attention", bidirectional=True), (3,)),
        (lambda shape: zoo.fcn(shape, 2, filters=(4, 4), kernel_size=(5, 3), mask_value=0.0), (3,)),
        (lambda shape: zoo.crnn(shape, 2, filters=(4, 4), units=(4,), strides=2, mask_value=0.0), (3,)),
        (lambda shape: zoo.gru(shape, 2, vocabulary_size=9, units=(4,)), ()),
    ],
    ids=["lstm", "fcn", "crnn", "tokens"],
)
def test_an_open_length_counts_like_that_length(builder, shape):
    opened, fixed = builder((None, *shape)), builder((11, *shape))
    wanted = [(x.kind, x.output_shape, x.parameters, x.macs) for x in costs(fixed).layers]
    counted = costs(opened, steps=11)
    assert [(x.kind, x.output_shape, x.parameters, x.macs) for x in counted.layers] == wanted
    without = costs(opened)
    assert without.macs is None and without.parameters == fixed.count_params()
    assert without.layers[-1].macs == wanted[-1][-1], "the logits do not hang on it"
    assert "any" in str(without) and "depend on the length of a sample, which is open: give steps" in str(without)
    with pytest.raises(ValueError, match="steps=11 goes with samples of any length"):
        costs(fixed, steps=11)
    with pytest.raises(ValueError, match="steps=0 must be at least 1"):
        costs(opened, steps=0)


def test_a_nested_model_of_any_length():
    inner = keras.Sequential(
        [keras.Input((None, 3)), MaskedConv1D(4, 3, name="a"), AttentionPooling(2, name="b")], name="inner"
    )
    inputs = keras.Input((7, 3), name="input")
    counted = costs(keras.Model(inputs, layers.Dense(2, name="logits")(inner(inputs))))
    assert [x.name for x in counted.layers] == ["input", "inner/a", "inner/b", "logits"]
    assert [x.macs for x in counted.layers] == [0, 7 * 3 * 3 * 4, 7 * (4 * 2 + 2 + 4), 8]


class Own(layers.Layer):
    def __init__(self):
        super().__init__(name="own")
        self.inner = layers.Dense(4)

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    "layer",
    [
        Own,
        lambda: layers.Lambda(lambda x: keras.ops.matmul(x, x), output_shape=(4, 4), name="own"),
        lambda: layers.EinsumDense("abc,cd->abd", (4, 4), name="own"),
    ],
    ids=["of one's own", "function", "without formula"],
)
def test_what_is_not_known_is_said(layer):
    model = keras.Sequential([keras.Input((4, 4)), layers.Dense(4), layer()])
    counted = costs(model)
    assert counted.layers[-1].macs is None and counted.macs is None and counted.layers[1].macs == 64
    assert counted.parameters == model.count_params()
    assert "MACs of own are not known" in str(counted)


def test_operations_count_where_they_may_multiply():
    inputs = keras.Input((4, 4), name="input")
    counted = costs(keras.Model(inputs, keras.ops.matmul(inputs, inputs + 1)))
    assert [(x.kind, x.macs) for x in counted.layers] == [("InputLayer", 0), ("Matmul", None)]


def test_a_model_without_graph_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    for model in (Subclassed(), keras.Sequential([layers.Dense(3)])):
        with pytest.raises(ValueError, match="has no graph of layers to count"):
            costs(model)


def test_counting_is_quick_and_traces_nothing(monkeypatch):
    models = [zoo.resnet((32, 32, 3), 10, blocks=3), zoo.lstm((None, 3), 2, mask_value=0.0, head="attention")]

    def refuse(*arguments, **more):
        raise AssertionError("a graph is traced")

    monkeypatch.setattr(FuncGraph, "__init__", refuse)
    for model, steps in zip(models, (None, 100), strict=True):
        costs(model, steps=steps)


def test_the_table():
    model = keras.Sequential(
        [keras.Input((2,), name="input"), layers.Dense(1000, name="hidden"), layers.Dense(1, name="logits")],
        name="tiny",
    )
    assert str(costs(model)).splitlines() == [
        "tiny",
        "LAYER   KIND        OUTPUT  PARAMETERS   MACS",
        "input   InputLayer  (2)              0      0",
        "hidden  Dense       (1000)       3,000  2,000",
        "logits  Dense       (1)          1,001  1,000",
        "total                            4,001  3,000",
    ]


def test_files_are_shown_as_measured(tmp_path):
    model = zoo.fnn((4,), 2, units=(3,))
    files = {"int8": {"file": "a.int8.tflite", "bytes": 12345, "arena_bytes": 2048, **OTHERS}}
    record = record_with(parameters=model.count_params(), files=files)
    (tmp_path / "record.json").write_text(json.dumps(record))
    model.save(tmp_path / "model.keras")
    for target, place in ((model, tmp_path), (tmp_path / "model.keras", tmp_path), (tmp_path, None)):
        counted = zoo.summary(target, place)
        assert counted.macs == 18
        assert [(f.precision, f.bytes, f.arena_bytes) for f in counted.files] == [("int8", 12345, 2048)]
        assert str(counted).splitlines()[-1] == "a.int8.tflite  int8       12,345  2,048"
        assert counted.as_dict()["files"][0]["bytes"] == 12345
    with pytest.raises(FileNotFoundError, match="nowhere"):
        zoo.summary(model, tmp_path / "nowhere")
    other = zoo.fnn((4,), 2, units=(5,))
    with pytest.raises(ValueError, match="of a model with 23 parameters, and fnn has 37; export it again"):
        zoo.summary(other, tmp_path)
    other.save(tmp_path / "model.keras")
    assert not zoo.summary(tmp_path).files, "trained anew, not exported yet"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A recipe, and a folder that looks like a run of it."""
    place = tmp_path_factory.mktemp("place")
    recipe = load_recipe(write_recipe(place / "mine.py"))
    model = recipe.build(recipe.load_data())
    model.optimizer.build(model.trainable_variables)  # as training does; Keras does not load the file otherwise
    run = place / "runs" / "mine"
    run.mkdir(parents=True)
    model.save(run / "model.keras")
    files = {"float32": {"file": "mine.float32.tflite", "bytes": 7000, "arena_bytes": None, **OTHERS}}
    record = record_with(parameters=model.count_params(), files=files, recipe=recipe.describe())
    (run / "record.json").write_text(json.dumps(record))
    return place


def test_a_recipe_is_built_and_its_files_are_found(place, monkeypatch):
    monkeypatch.chdir(place)
    for target in ("mine.py", place / "mine.py", "runs/mine", load_recipe("mine.py")):
        counted = zoo.summary(target)
        assert counted.macs == 64 * 16 + 16 * 10 and counted.parameters == 65 * 16 + 17 * 10
        assert [(f.file, f.bytes, f.arena_bytes) for f in counted.files] == [("mine.float32.tflite", 7000, None)]
    wider = load_recipe("mine.py").replace(arguments={"units": (17,)})
    assert not zoo.summary(wider).files, "these are of another model"
    with pytest.raises(LookupError, match="no recipe 'digits_cn'; did you mean digits_cnn"):
        zoo.summary("digits_cn")
    with pytest.raises(FileNotFoundError, match="no model runs/model.keras"):
        zoo.summary("runs")


def test_released_files_are_those_of_the_recipe(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where there are no runs
    counted, record = zoo.summary("digits_gru"), zoo.show("digits_gru").record
    assert counted.parameters == record["parameters"]
    assert counted.macs == 8 * 3 * 64 * (8 + 64) + 640
    assert {f.precision: f.bytes for f in counted.files} == {p: f["bytes"] for p, f in record["files"].items()}


def test_the_command(place, monkeypatch, capsys):
    monkeypatch.chdir(place)

    def said(*arguments):
        monkeypatch.setattr(sys, "argv", ["zoo", "summary", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
        return capsys.readouterr().out

    assert said("runs/mine") == f"{zoo.summary('runs/mine')}\n"
    told = json.loads(said("runs/mine/model.keras", "--folder", "runs/mine", "--json"))
    assert told == json.loads(json.dumps(zoo.summary("runs/mine").as_dict()))
    assert told["macs"] == 1184 and told["parameters"] == 1210 and told["files"][0]["bytes"] == 7000
    assert "mine.float32.tflite" in said("mine.py")
    zoo.lstm((None, 3), 2, units=(4,)).save("open.keras")
    assert "give steps" in said("open.keras") and "1,128" in said("open.keras", "--steps", "10")
