"""Writes the metadata of a .tflite file: TFLite's own, and behind the model a zip that seals it.

`with_metadata` adds a TFLITE_METADATA buffer, which Android's code generator and MediaPipe read. `seal` appends the
files that the metadata names, and zoo.json with the SHA-256 of the model. zoo/deploy.py reads both.

Source: metadata_schema.fbs 1.1.0 of tensorflow/tflite-support, and schema.fbs 3 of TensorFlow Lite.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from zoo.base.errors import InvalidValue

# The fields of each table of metadata_schema.fbs; a field's index is its id.
ASSOCIATED_FILE = ("name", "description", "type", "locale")
TENSOR = ("name", "description", "dimension_names", "content", "process_units", "stats", "associated_files")
SUBGRAPH = ("name", "description", "input_tensor_metadata", "output_tensor_metadata", "associated_files")
MODEL = (
    "name", "description", "version", "subgraph_metadata", "author", "license", "associated_files",
    "min_parser_version",
)  # fmt: skip
DESCRIPTIONS, TENSOR_AXIS_LABELS, VOCABULARY_FILE = 1, 2, 5  # of AssociatedFileType

ALIGNMENT = 16  # of the data of a buffer: `force_align: 16` in schema.fbs


def with_metadata(
    model: bytes,
    *,
    name: str,
    description: str,
    version: str,
    author: str,
    licence: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    label_files: Sequence[str] = (),
    vocabulary_files: Sequence[str] = (),
) -> bytes:
    """The model with a TFLITE_METADATA buffer. The same arguments give the same bytes.

    Buffers are aligned as the schema requires, unlike in the converter's files. Inner tensors lose their names and the
    calibrated ranges.

    Args:
        model: a .tflite file as the converter wrote it.
        input_names, output_names: of all inputs and outputs, as in the model's signature if it has one.
        label_files: in the archive of `seal`, the files with labels of the first of `output_names`.
        vocabulary_files: the same for the vocabulary of the first of `input_names`.

    Raises ValueError: the model has other names, or metadata already.
    """
    inputs, outputs = _in_order(model, input_names, output_names)
    vocabularies = {input_names[0]: _files(vocabulary_files, VOCABULARY_FILE)}
    labels = {output_names[0]: _files(label_files, TENSOR_AXIS_LABELS)}
    subgraph = {
        f"{kind}_tensor_metadata": [(TENSOR, {"name": each, "associated_files": files.get(each)}) for each in names]
        for kind, names, files in (("input", inputs, vocabularies), ("output", outputs, labels))
    }
    values = {
        "name": name,
        "description": description,
        "version": version,
        "subgraph_metadata": [(SUBGRAPH, subgraph)],
        "author": author,
        "license": licence,
        "associated_files": _files(["zoo.json"], DESCRIPTIONS),  # so that a reader notices if the archive was cut off
        "min_parser_version": "1.0.1" if vocabulary_files else "1.0.0",
    }
    builder = flatbuffers.Builder()
    builder.Finish(_table(builder, MODEL, values), file_identifier=b"M001")
    return _with_buffer(model, b"TFLITE_METADATA", bytes(builder.Output()))


def seal(model: bytes, description: Mapping[str, Any], files: Mapping[str, str | bytes]) -> bytes:
    """The model followed by a zip of `files` and zoo.json: {"sha256": of the model, **description}.

    Nothing is compressed and dates are fixed: the same arguments give the same bytes.

    Raises ValueError: the description has a checksum or is no JSON, or `files` has a zoo.json.
    """
    if "sha256" in description or "zoo.json" in files:
        raise InvalidValue("the checksum and zoo.json are written by `seal`")
    about = {"sha256": hashlib.sha256(model).hexdigest(), **description}
    content = io.BytesIO(model)
    with zipfile.ZipFile(content, "a") as archive:
        for name, data in {"zoo.json": json.dumps(about, indent=1, allow_nan=False) + "\n", **files}.items():
            entry = zipfile.ZipInfo(name)  # dated 1980-01-01
            entry.create_system = 3  # Unix, on every system
            archive.writestr(entry, data)
    return content.getvalue()


def _in_order(model: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> list[list[str]]:
    """The names in the order of the model's tensors, as metadata requires."""
    content = schema.ModelT.InitFromPackedBuf(model)
    subgraph, signatures = content.subgraphs[0], content.signatureDefs or []
    result = []
    for kind, given in (("inputs", list(inputs)), ("outputs", list(outputs))):
        tensors = list(getattr(subgraph, kind))
        names = given
        if len(signatures) == 1:
            by_tensor = {entry.tensorIndex: entry.name.decode() for entry in getattr(signatures[0], kind)}
            names = [by_tensor[tensor] for tensor in tensors]
        if len(names) != len(tensors) or sorted(names) != sorted(given):
            raise InvalidValue(f"the model has the {len(tensors)} {kind} {', '.join(names)}, not {', '.join(given)}")
        result.append(names)
    return result


def _files(names: Sequence[str], kind: int) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    return [(ASSOCIATED_FILE, {"name": name, "type": kind}) for name in names]


def _table(builder: flatbuffers.Builder, fields: tuple[str, ...], values: dict[str, Any]) -> int:
    """Writes a table: str as a string, a list of (fields, values) as a vector of tables, int as a byte."""
    offsets = {}
    for name, value in values.items():
        if isinstance(value, str):
            offsets[name] = builder.CreateString(value)
        elif isinstance(value, list) and value:
            tables = [_table(builder, *table) for table in value]
            builder.StartVector(4, len(tables), 4)
            for offset in reversed(tables):
                builder.PrependUOffsetTRelative(offset)
            offsets[name] = builder.EndVector()
    builder.StartObject(len(fields))
    for name, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(fields.index(name), offset, 0)
    for name, value in values.items():
        if isinstance(value, int):
            builder.PrependInt8Slot(fields.index(name), value, 0)
    return builder.EndObject()


def _with_buffer(model: bytes, name: bytes, data: bytes) -> bytes:
    """The model with an additional metadata buffer, and without names and ranges of inner tensors."""
    content = schema.ModelT.InitFromPackedBuf(model)
    content.metadata = content.metadata or []
    if any(entry.name == name for entry in content.metadata):
        raise InvalidValue(f"the model has {name.decode()} already")
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = name, len(content.buffers)
    buffer.data = np.frombuffer(data, "uint8")
    content.metadata.append(entry)
    edges = {*content.subgraphs[0].inputs, *content.subgraphs[0].outputs}
    for number, graph in enumerate(content.subgraphs):
        for i, tensor in enumerate(graph.tensors):
            if number or i not in edges:
                tensor.name = None  # unused; in an unrolled model a quarter of the file
            if tensor.quantization is not None:  # calibrated ranges: in small files a tenth
                tensor.quantization.min = tensor.quantization.max = None
    content.buffers.append(buffer)
    return packed(content, len(model))


def packed(content: schema.ModelT, size: int = 0) -> bytes:
    """The file of a `ModelT`; `size` is an estimate. The same content gives the same bytes."""
    content.buffers = [_Aligned(buffer) for buffer in content.buffers]
    builder = flatbuffers.Builder(size)
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Aligned:
    """A buffer with data aligned as in schema.fbs; BufferT.Pack, which the converter uses too, does not align it."""

    def __init__(self, buffer: schema.BufferT):
        self.data = buffer.data

    def Pack(self, builder: flatbuffers.Builder) -> int:  # ModelT.Pack calls it
        vector = None
        if self.data is not None and len(self.data):
            vector = builder.StartVector(1, len(self.data), ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data.tobytes()
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)
