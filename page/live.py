"""Chooses the released models that run in the page, and exports a GRU as a streaming file."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.base.files import read_json
from zoo.data.vocabulary import VOCABULARY
from zoo.deploy import read_archive
from zoo.recipe.collection import Entry, folder, load
from zoo.runtime.targets import TARGETS, incompatibility


@dataclass(frozen=True)
class Live:
    """A file that the page runs."""

    entry: Entry
    file: dict[str, Any]  # from the record

    @property
    def path(self) -> Path:
        return folder("tflite") / self.entry.name / self.file["file"]

    @property
    def url(self) -> str:
        """The file's path in the site."""
        return f"models/{self.entry.name}/{self.file['file']}"

    @property
    def golden(self) -> str:
        return self.url.removesuffix(".tflite") + ".golden.json"


def digit(entries: Sequence[Entry]) -> Live:
    return _best(entries, "digits as images", lambda record, path: _is_image(record, "digits"))


def garment(entries: Sequence[Entry]) -> Live:
    return _best(entries, "Fashion-MNIST as images", lambda record, path: _is_image(record, "fashion_mnist"))


def sentence(entries: Sequence[Entry]) -> Live:
    def reads_words(record: dict[str, Any], path: Path) -> bool:
        archive = read_archive(path.read_bytes())
        return record["task"] == "Binary" and archive is not None and VOCABULARY in archive.files

    return _best(entries, "sentences", reads_words)


def series(entries: Sequence[Entry]) -> Live:
    """The float32 file of the unidirectional GRU classifier with the longest series.

    The streaming file of `stream` must end with its golden outputs. A bidirectional layer cannot stream.
    """
    candidates = []
    for entry in entries:
        record = entry.record or {}
        recipe = record.get("recipe", {})
        streams = str(recipe.get("builder", "")).endswith("gru") and not recipe["arguments"].get("bidirectional")
        if streams and record["task"] == "Multiclass" and "float32" in record["files"]:
            candidates.append(Live(entry, record["files"]["float32"]))
    if not candidates:
        raise LookupError("the page needs a unidirectional GRU classifier in float32, and none is released")
    return max(candidates, key=lambda live: (live.entry.record or {})["data"]["input_shape"][0])


def stream(live: Live, into: Path) -> None:
    """Writes the streaming file of a released GRU, which reads one step per call and passes its state on."""
    import zoo

    record = live.entry.record or {}
    inputs = np.array(read_json(live.path.with_suffix(".golden.json"))["inputs"], "float32")
    with tempfile.TemporaryDirectory() as temporary:
        result = zoo.export(
            load(live.entry.name),
            Path(temporary),
            calibration=inputs,
            task=zoo.Multiclass(len(record["data"]["labels"])),
            name=live.entry.name,
            labels=record["data"]["labels"],
            precisions=("float32",),
            strategy="streaming",
            target="browser",
            report=lambda line: None,
        )
        (file,) = result.files
        if not file.verified:
            raise ValueError(f"the streaming file of {live.entry.name} was rejected: {file.refusal}")
        into.write_bytes((Path(temporary) / "tflite" / file.file).read_bytes())


def _is_image(record: dict[str, Any], data: str) -> bool:
    return record["data"]["name"] == data and record["task"] == "Multiclass" and len(record["data"]["input_shape"]) == 3


def _best(entries: Sequence[Entry], what: str, fits: Callable[[dict[str, Any], Path], bool]) -> Live:
    """The matching file with the best score that runs in a browser; of equal scores, the smallest file."""
    candidates = [
        live
        for entry in entries
        if entry.record
        for file in entry.record["files"].values()
        if fits(entry.record, (live := Live(entry, file)).path)
    ]
    for live in sorted(candidates, key=lambda live: (-live.file["score"], live.file["bytes"])):
        if incompatibility(live.path, TARGETS["browser"]) is None:
            return live
    raise LookupError(f"the page needs a model of {what} that runs in a browser, and none is released")
