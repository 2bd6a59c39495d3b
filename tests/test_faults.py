"""Damaged files: each is refused in one clear line, or answers as the good one does. None kills this process."""

import io
import struct
import subprocess
import sys
import zipfile
from collections import Counter

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from zoo import deploy
from zoo.deploy import Runner, describe, read_archive
from zoo.exporting.metadata import seal, with_metadata

X = np.random.default_rng(0).uniform(-1, 1, size=(3, 6)).astype("float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(3, "softmax")]
    network, folder = keras.Sequential(layers), tmp_path_factory.mktemp("model")

    def call(input):  # noqa: A002  (the argument's name becomes the input's)
        return {"probabilities": network(input)}

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("edge", call, [tf.TensorSpec((1, 6), name="input")])
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["edge"]).convert()


@pytest.fixture(scope="module")
def sealed(model):
    described = with_metadata(
        model,
        name="small",
        description="",
        version="1",
        author="",
        licence="",
        input_names=["input"],
        output_names=["probabilities"],
        label_files=["labels.txt"],
    )
    return seal(described, {"name": "small"}, {"labels.txt": "a\nb\nc\n"})


def mutated(content, rng):
    """A copy with one byte or several changed, a range zeroed, or the end cut off."""
    copy = bytearray(content)
    kind = rng.choice(["one", "several", "zeros", "cut"], p=[0.5, 0.2, 0.15, 0.15])
    place = int(rng.integers(len(copy)))
    if kind == "cut":
        del copy[place:]
    elif kind == "zeros":
        length = min(int(rng.integers(1, 200)), len(copy) - place)
        copy[place : place + length] = bytes(length)
    else:
        for at in rng.integers(len(copy), size=1 if kind == "one" else int(rng.integers(2, 20))):
            copy[at] ^= int(rng.integers(1, 256))
    return str(kind), bytes(copy)


def test_a_damaged_file_is_refused_or_answers_the_same(sealed, tmp_path):
    """In this process: a mutated file that was run at all would show as another answer, or kill the tests."""
    path = tmp_path / "file.tflite"
    path.write_bytes(sealed)
    expected, labels = Runner(path).predict(X), Runner(path).labels
    assert labels == ("a", "b", "c")
    rng, outcomes = np.random.default_rng(0), Counter()
    for _ in range(300):
        kind, content = mutated(sealed, rng)
        path.write_bytes(content)
        try:
            runner = Runner(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 400, error
            outcomes[kind, "refused"] += 1
        else:
            np.testing.assert_array_equal(runner.predict(X), expected)
            assert runner.labels == labels
            outcomes[kind, "same"] += 1
    refused = sum(number for (_, outcome), number in outcomes.items() if outcome == "refused")
    assert refused > 250 and outcomes["cut", "same"] == 0, outcomes


def test_a_changed_answer_needs_a_changed_checksum(sealed, tmp_path):
    """Every single byte of the model part matters."""
    archive = read_archive(sealed)
    path = tmp_path / "file.tflite"
    for place in range(0, archive.model_bytes, 97):
        copy = bytearray(sealed)
        copy[place] ^= 0x10
        path.write_bytes(copy)
        with pytest.raises(ValueError, match="damaged"):
            Runner(path, trusted=True)


@pytest.mark.parametrize("content", [b"", b"x", bytes(100), b"\x1c\0\0\0TFL3", b"\x1c\0\0\0TFL3" + bytes(500)])
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "file.tflite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file.tflite (is not a TFLite file|cannot be run by LiteRT)"):
        Runner(path)


def test_random_bytes(tmp_path):
    path = tmp_path / "file.tflite"
    content = np.random.default_rng(1).bytes(3000)
    for start in (content[:4] + b"TFL3", content[:8]):
        path.write_bytes(start + content[8:])
        with pytest.raises(ValueError, match=r"file.tflite"):
            Runner(path)


def changed(model, change):
    """The model as `change` leaves it, a function of its ModelT."""
    content = schema.ModelT.InitFromPackedBuf(model)
    change(content)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def endless_shape(content):
    content.subgraphs[0].tensors[content.subgraphs[0].inputs[0]].shape = np.array([1, 2**31 - 1], "int32")


def no_output(content):
    content.subgraphs[0].outputs = np.array([9999], "int32")


def unknown_operator(content):
    content.operatorCodes[0].builtinCode = 126
    content.operatorCodes[0].deprecatedBuiltinCode = 126


def aborts(folder):
    """A file that the converter makes and that ends each interpreter: NOT_EQUAL in int8 refuses a scale of 1."""
    import tensorflow as tf

    class Differs(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 6), name="input")])
        def call(self, input):  # noqa: A002
            return {"value": tf.cast(input != 0.0, tf.float32) * input}

    module = Differs()
    tf.saved_model.save(module, str(folder), signatures={"edge": module.call})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=["edge"])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.experimental_new_quantizer = False
    converter.representative_dataset = lambda: ([np.full((1, 6), i / 9, "float32")] for i in range(10))
    return converter.convert()


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_kills_the_interpreter_kills_a_child(tmp_path):
    path = tmp_path / "killer.tflite"
    path.write_bytes(aborts(tmp_path / "saved"))
    bare = (
        "import sys; from ai_edge_litert.interpreter import Interpreter\n"
        "interpreter = Interpreter(sys.argv[1]); interpreter.allocate_tensors(); interpreter.invoke()"
    )
    assert subprocess.run([sys.executable, "-c", bare, str(path)], capture_output=True).returncode < 0
    with pytest.raises(ValueError, match=r"killer.tflite kills the interpreter \(SIG\w+\): damaged"):
        Runner(path)
    about = describe(path)
    assert "kills the interpreter" in about["damage"] and about["inputs"] == []


@pytest.mark.parametrize("change", [endless_shape, no_output, unknown_operator])
def test_files_that_cannot_be_loaded(model, tmp_path, change):
    path = tmp_path / "file.tflite"
    path.write_bytes(changed(model, change))
    with pytest.raises(ValueError, match=r"file.tflite (cannot be run by LiteRT|kills the interpreter)") as caught:
        Runner(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_finish(model, tmp_path, monkeypatch):
    path = tmp_path / "slow.tflite"
    path.write_bytes(model)
    monkeypatch.setattr(deploy, "CHILD", "import time; time.sleep(600)")
    monkeypatch.setattr(deploy, "CHILD_SECONDS", 0.2)
    with pytest.raises(ValueError, match=r"slow.tflite does not finish within 0.2 s: damaged"):
        Runner(path)
    assert Runner(path, trusted=True).predict(X).shape == (3, 3)


def archive_of(model, entries, change=lambda content: content):
    """The model with a zip behind it whose entries are [(name, data, compression)], changed byte by byte."""
    content = io.BytesIO(model)
    with zipfile.ZipFile(content, "a") as archive:
        for name, data, compression in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return change(content.getvalue())


def directory_changed(offset, form, value):
    """A change of one field of the first entry of the zip's directory."""

    def change(content):
        at = content.index(b"PK\x01\x02") + offset
        return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]

    return change


STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("entries", "change", "message"),
    [
        ([("../evil", "x", STORED)], None, "points outside of it"),
        ([("a/../../evil", "x", STORED)], None, "points outside of it"),
        ([("/etc/passwd", "x", STORED)], None, "points outside of it"),
        ([("a\\b", "x", STORED)], None, "points outside of it"),
        ([("C:evil", "x", STORED)], None, "points outside of it"),
        ([("bomb", bytes(1_000_000), DEFLATED)], None, "claims to hold more than the whole file"),
        ([("small", bytes(100), DEFLATED)], None, "is compressed"),
        ([("labels.txt", "a\n", STORED)], directory_changed(24, "<I", 1 << 31), "claims to hold more"),
        ([("labels.txt", "a\n", STORED)], directory_changed(24, "<I", 1), "is compressed"),
        ([("labels.txt", "a\n", STORED)], directory_changed(8, "<H", 1), "is encrypted"),
        ([("labels.txt", "a\n", STORED)], directory_changed(16, "<I", 0), "Bad CRC-32"),
        ([("labels.txt", "a\n", STORED)], directory_changed(46, "<B", 0), "points outside of it"),
        ([(str(n), "x", STORED) for n in range(65)], None, "65 files, more than 64"),
    ],
)
def test_archives_that_are_not_read(model, tmp_path, entries, change, message):
    path = tmp_path / "file.tflite"
    path.write_bytes(archive_of(model, entries, change or (lambda content: content)))
    with pytest.raises(ValueError, match=message) as caught:
        Runner(path)
    assert "damaged, or was changed after the export" in str(caught.value) and "\n" not in str(caught.value)
    assert message in describe(path)["damage"]
    assert not (tmp_path / "evil").exists() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name(model):
    with pytest.raises(ValueError, match="two of its files have the same name"):
        read_archive(archive_of(model, [("labels.txt", "a\n", STORED), ("labels.txt", "b\n", STORED)]))


@pytest.mark.parametrize(
    ("zoo_json", "message"),
    [
        ("{", "it has no zoo.json with a checksum"),
        ("[]", "it has no zoo.json with a checksum"),
        ("[" * 100_000, "it has no zoo.json with a checksum"),
        ('{"name": "small"}', "it has no zoo.json with a checksum"),
        ('{"sha256": "0"}', "its checksum does not match"),
        ('{"sha256": null}', "its checksum does not match"),
    ],
)
def test_seals_that_do_not_hold(model, tmp_path, zoo_json, message):
    path = tmp_path / "file.tflite"
    path.write_bytes(archive_of(model, [("zoo.json", zoo_json, STORED)]))
    with pytest.raises(ValueError, match=f"is damaged, or was changed after the export: {message}"):
        Runner(path, trusted=True)


def test_a_seal_that_was_cut_off(sealed, tmp_path):
    path = tmp_path / "file.tflite"
    for content in (sealed[:-1], sealed[: read_archive(sealed).model_bytes]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="its archive"):
            Runner(path, trusted=True)


def test_a_foreign_archive_gives_labels(model, tmp_path):
    path = tmp_path / "file.tflite"
    path.write_bytes(archive_of(model, [("labels.txt", "a\r\nb\r\nc", STORED)]))
    runner = Runner(path)
    assert runner.labels == ("a", "b", "c") and runner.description == {}
