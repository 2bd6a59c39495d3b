"""What a file tells of itself, read back by field numbers and by zipfile, not by the code that wrote it."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import number_types
from flatbuffers.table import Table

from zoo.exporting.metadata import seal, with_metadata

TEXTS = {
    "name": "digits",
    "description": "Reads a digit: «zéro» to nine",
    "version": "1",
    "author": "Keras Zoo",
    "licence": "Apache-2.0",
}
NAMES = {"input_names": ["input"], "output_names": ["probabilities"], "label_files": ["labels.txt"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A CNN as the converter writes it, without metadata, named by its signature."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(5, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    network, folder = keras.Sequential([*layers, keras.layers.Softmax()]), tmp_path_factory.mktemp("model")

    def call(input):  # noqa: A002  (the argument's name becomes the input's)
        return {"probabilities": network(input)}

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("edge", call, [tf.TensorSpec((1, 8, 8, 1), name="input")])
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["edge"]).convert()


@pytest.fixture(scope="module")
def two_inputs():
    """A streaming step whose arguments are not in the order of their names."""
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((1, 2), name="state_0"), tf.TensorSpec((1, 3), name="input")])
    def call(state_0, input):  # noqa: A002
        return {"value": tf.reduce_sum(input, axis=1, keepdims=True), "next_state_0": state_0 + 1.0}

    module.call = call
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], module)
    return converter.convert()


class Reader:
    """A table of a flatbuffer, whose fields are read by number."""

    def __init__(self, content, position):
        self.table = Table(content, position)

    @classmethod
    def root(cls, content):
        return cls(content, int.from_bytes(content[:4], "little"))

    def _at(self, field):
        return self.table.Offset(4 + 2 * field)

    def text(self, field):
        at = self._at(field)
        return self.table.String(at + self.table.Pos).decode() if at else None

    def byte(self, field):
        at = self._at(field)
        return self.table.Get(number_types.Int8Flags, at + self.table.Pos) if at else 0

    def tables(self, field):
        at = self._at(field)
        places = range(self.table.VectorLen(at)) if at else ()
        return [Reader(self.table.Bytes, self.table.Indirect(self.table.Vector(at) + 4 * i)) for i in places]


def metadata_of(content):
    file = schema.ModelT.InitFromPackedBuf(content)
    (entry,) = [entry for entry in file.metadata if entry.name == b"TFLITE_METADATA"]
    buffer = bytes(file.buffers[entry.buffer].data)
    assert buffer[4:8] == b"M001"
    return Reader.root(buffer)


def answers(content, x):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    outputs = []
    for sample in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(outputs)


def test_metadata_says_what_it_was_given(model):
    metadata = metadata_of(with_metadata(model, **TEXTS, **NAMES, vocabulary_files=["vocab.txt"]))
    assert [metadata.text(field) for field in (0, 1, 2, 4, 5)] == list(TEXTS.values())
    assert metadata.text(7) == "1.0.1", "the parser must know of vocabularies"
    (about,) = metadata.tables(6)
    assert (about.text(0), about.byte(2)) == ("zoo.json", 1)
    (subgraph,) = metadata.tables(3)
    (given,), (made,) = subgraph.tables(2), subgraph.tables(3)
    assert (given.text(0), made.text(0)) == ("input", "probabilities")
    (vocabulary,), (labels,) = given.tables(6), made.tables(6)
    assert (vocabulary.text(0), vocabulary.byte(2)) == ("vocab.txt", 5)
    assert (labels.text(0), labels.byte(2)) == ("labels.txt", 2)
    assert metadata_of(with_metadata(model, **TEXTS, **NAMES)).text(7) == "1.0.0"


def test_tensors_are_named_in_the_order_of_the_model(two_inputs):
    names = {"input_names": ["input", "state_0"], "output_names": ["value", "next_state_0"]}
    sealed = with_metadata(two_inputs, **TEXTS, **names, label_files=["labels.txt"])
    interpreter = Interpreter(model_content=sealed)
    signature = interpreter.get_signature_runner("serving_default")
    (subgraph,) = metadata_of(sealed).tables(3)
    for field, tensors, details in (
        (2, interpreter.get_input_details(), signature.get_input_details()),
        (3, interpreter.get_output_details(), signature.get_output_details()),
    ):
        by_tensor = {detail["index"]: name for name, detail in details.items()}
        assert [table.text(0) for table in subgraph.tables(field)] == [by_tensor[t["index"]] for t in tensors]
    labelled = [table.text(0) for table in subgraph.tables(3) if table.tables(6)]
    assert labelled == ["value"]


def test_the_model_computes_the_same(model):
    x = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype("float32")
    sealed = seal(with_metadata(model, **TEXTS, **NAMES), {"name": "digits"}, {"labels.txt": "a\nb\nc\n"})
    np.testing.assert_array_equal(answers(sealed, x), answers(model, x))
    before, after = (schema.ModelT.InitFromPackedBuf(content) for content in (model, sealed))
    for old, new in zip(before.buffers, after.buffers, strict=False):
        np.testing.assert_array_equal(old.data, new.data)
    assert (before.version, before.description) == (after.version, after.description)
    assert {entry.name for entry in after.metadata} - {entry.name for entry in before.metadata} == {b"TFLITE_METADATA"}


def test_data_lies_where_the_schema_wants_it(model):
    content = schema.Model.GetRootAs(with_metadata(model, **TEXTS, **NAMES))
    buffers = [content.Buffers(i) for i in range(content.BuffersLength())]
    places = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if buffer.DataLength()]
    assert len(places) > 3 and all(place % 16 == 0 for place in places)


def test_the_archive_is_a_zip_with_the_checksum_of_the_model(model, tmp_path):
    (tmp_path / "sealed.tflite").write_bytes(
        seal(model, {"name": "digits", "score": 0.5}, {"labels.txt": "ä\nb\n", "vocab.txt": b"the\n"})
    )
    with zipfile.ZipFile(tmp_path / "sealed.tflite") as archive:
        assert archive.namelist() == ["zoo.json", "labels.txt", "vocab.txt"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        assert archive.read("labels.txt").decode() == "ä\nb\n"
        about = json.loads(archive.read("zoo.json"))
        assert archive.testzip() is None
    assert about == {"sha256": hashlib.sha256(model).hexdigest(), "name": "digits", "score": 0.5}


def test_the_same_arguments_give_the_same_bytes(model, monkeypatch):
    def written():
        return seal(with_metadata(model, **TEXTS, **NAMES), {"name": "digits"}, {"labels.txt": "a\n"})

    once = written()
    monkeypatch.setattr("sys.platform", "win32")
    assert written() == once
    assert zipfile.ZipFile(io.BytesIO(once)).infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_bad_arguments(model):
    with pytest.raises(ValueError, match="the model has the 1 inputs input, not x"):
        with_metadata(model, **TEXTS, **{**NAMES, "input_names": ["x"]})
    with pytest.raises(ValueError, match="the model has the 1 outputs probabilities, not probabilities, value"):
        with_metadata(model, **TEXTS, **{**NAMES, "output_names": ["probabilities", "value"]})
    with pytest.raises(ValueError, match="has TFLITE_METADATA already"):
        with_metadata(with_metadata(model, **TEXTS, **NAMES), **TEXTS, **NAMES)
    for description, files in (({"sha256": ""}, {}), ({}, {"zoo.json": ""})):
        with pytest.raises(ValueError, match="written by `seal`"):
            seal(model, description, files)
    with pytest.raises(ValueError, match="JSON"):
        seal(model, {"score": float("nan")}, {})
