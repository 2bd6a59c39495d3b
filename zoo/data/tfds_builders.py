"""Data sets of TensorFlow Datasets, by any builder's name."""

import contextlib
import dataclasses
import difflib
import hashlib
import io
import json
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.base.errors import InvalidValue, NotFound
from zoo.base.files import writing
from zoo.base.native import silenced
from zoo.data.carriers import home
from zoo.data.dataset import Dataset, Part
from zoo.data.prepared import Prepared, check_network, data_dir
from zoo.data.sequences import pad
from zoo.data.sources import SOURCES
from zoo.data.vocabulary import from_texts


class Split(NamedTuple):
    """What is read of a split: arrays, and what the builder tells of them."""

    x: np.ndarray
    y: np.ndarray
    about: dict[str, Any]


def fashion_mnist(validation: float = 0.15) -> Dataset:
    """70,000 photographs of clothes, 28x28 grey values from 0 to 255, 10 classes.

    The test samples are the 10,000 of the authors; validation is a fraction of their 60,000 others, of which those that
    test holds too are left out.

    Source: H. Xiao, K. Rasul and R. Vollgraf (2017), from TensorFlow Datasets.
    """
    source = SOURCES["fashion_mnist"]
    assert isinstance(source.carrier, Prepared)
    return _dataset(
        source.carrier, "train", validation, "test", None, None, licence=source.licence, citation=source.citation
    )


def tfds(
    builder: str,
    *,
    train: str = "train",
    validation: str | float | None = None,
    test: str | float | None = None,
    inputs: str | None = None,
    targets: str | None = None,
    words: int = 5000,
    steps: int = 200,
) -> Dataset:
    """A data set of TensorFlow Datasets that `zoo data prepare tfds:BUILDER` has prepared.

    Images and tables come as float32 in their own units, sequences and sounds of different lengths are padded with
    zeros, texts become tokens, see `zoo.data.from_texts`.

    Args:
        builder: name, with configuration and version where wanted: "emnist/letters:3.1.0". Without a version, the
            newest that is prepared.
        train: split, in its own notation: "train[:10%]".
        validation, test: split, or which fraction of train to take instead, by content. By default the splits of these
            names; without them .15 and .2 of train.
        inputs, targets: features, by default those that the builder names for supervised learning.
        words, steps: of texts: size of the vocabulary, and tokens of an input.

    Raises:
        LookupError: it is not prepared: the message has the command; or it has no such split or feature.
        ValueError: damaged files, or inputs that are no numbers or images of different sizes.
    """
    return _dataset(Prepared(builder), train, validation, test, inputs, targets, words=words, steps=steps)


def prepare_builder(carrier: Prepared, *, wait: bool = False, report: Callable[[str], None] = print) -> None:
    """Runs the builder, with its checksums, on a package's files if they are here, else on what it downloads.

    Raises:
        LookupError: no such builder; or no host answers, within 2 s unless `wait`.
    """
    folder = carrier.folder
    if folder is not None:
        carrier.check_whole(folder)
        report(f"{carrier.known_as} is prepared in {folder}")
        return
    downloads, files = carrier.downloads(), carrier.files
    from_package = files is not None and files.here
    if not from_package and not wait:
        reason = check_network(list(downloads))
        if reason:
            raise NotFound(f"{carrier.known_as} cannot be downloaded ({reason}); {_without_network(carrier)}")
    builder = _builder(carrier)
    report(f"preparing {carrier.known_as} in {builder.data_path}")
    builder.data_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".zoo.", dir=data_dir()) as temporary:
        options: dict[str, Any] = {}
        if files is not None and from_package:
            files.restore(Path(temporary), {known["file"]: known["sha256"] for known in downloads.values()})
            options = {"manual_dir": temporary}
        _download_and_prepare(carrier, builder, temporary if from_package else None, options)


def _without_network(carrier: Prepared) -> str:
    if carrier.files is not None:
        return f"Debian has it, and then no network is needed: {carrier.command}"
    return (
        f"run `{carrier.command}` where there is a network and copy {data_dir() / carrier.name} here; "
        "--wait lets TensorFlow Datasets try for some minutes"
    )


def _download_and_prepare(carrier: Prepared, builder: Any, download_dir: str | None, options: dict[str, Any]) -> None:
    import tensorflow_datasets

    shown = sys.stderr.isatty()  # a progress bar is for a person; stdout is the caller's
    if not shown:
        tensorflow_datasets.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(sys.stderr if shown else io.StringIO()), _quiet(native=not shown):
            builder.download_and_prepare(
                download_dir=download_dir, download_config=tensorflow_datasets.download.DownloadConfig(**options)
            )
    except OSError:
        raise
    except Exception as error:  # a wrong checksum, files to be put there by hand, a bad archive: each has its own type
        raise OSError(f"{carrier.known_as} was not prepared: {' '.join(str(error).split())}") from error


def _builder(carrier: Prepared) -> Any:
    with _quiet():
        import tensorflow_datasets

        try:
            return tensorflow_datasets.builder(carrier.builder, data_dir=data_dir())
        except tensorflow_datasets.core.DatasetNotFoundError:
            near = difflib.get_close_matches(carrier.name, tensorflow_datasets.list_builders(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise NotFound(f"TensorFlow Datasets has no builder {carrier.name!r}{hint}") from None


def _dataset(
    carrier: Prepared,
    train: str,
    validation: str | float | None,
    test: str | float | None,
    inputs: str | None,
    targets: str | None,
    licence: str | None = None,
    citation: str | None = None,
    words: int = 0,
    steps: int = 0,
) -> Dataset:
    carrier.require(carrier.known_as)
    folder = carrier.folder
    assert folder is not None
    carrier.check_whole(folder)
    info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    present = [split["name"] for split in info["splits"]]
    if test is None:
        test = next((name for name in ("test", "validation") if name in present and name != validation), 0.2)
    if validation is None:
        validation = "validation" if "validation" in present and test != "validation" else 0.15
    named = [split for split in (train, validation, test) if isinstance(split, str)]
    for split in named:
        if split.split("[")[0] not in present:
            raise NotFound(f"{carrier.known_as} has no split {split!r}; it has {', '.join(present)}")
    read = {split: _arrays(carrier, folder, split, inputs, targets) for split in named}
    about = read[train].about
    if about["texts"]:
        given = {split: (_texts(part), part.y) for split, part in read.items()}
        return from_texts(
            carrier.known_as, *given[train],
            test=given[test] if isinstance(test, str) else test,
            validation=given[validation] if isinstance(validation, str) else validation,
            words=words, steps=steps, labels=tuple(about["labels"]),
            licence=licence or about["licence"], citation=citation or about["citation"],
        )  # fmt: skip
    longest = max(part.x.shape[1] for part in read.values()) if about["padded"] else None
    pairs = {split: _as_long(part.x, longest, part.y) for split, part in read.items()}
    if isinstance(test, str):
        held = pairs[validation] if isinstance(validation, str) else validation
        dataset = Dataset.with_test(carrier.known_as, pairs[train], pairs[test], validation=held)
    elif isinstance(validation, str):
        raise InvalidValue(
            f"test={test} of train with validation={validation!r}: name the split that is to be test, too"
        )
    else:
        dataset = Dataset.split(carrier.known_as, *pairs[train], test=test, validation=validation)
    trains, held_out, tested = (Part(_in_full(np.asarray(x)), y) for x, y in dataset.parts.values())
    return dataclasses.replace(
        dataset, train=trains, validation=held_out, test=tested,
        labels=tuple(about["labels"]), licence=licence or about["licence"],
        citation=citation or about["citation"],
    )  # fmt: skip


def _texts(split: Split) -> list[str]:
    return split.x.tobytes().decode().split("\0")[: len(split.y)]


def _as_long(x: np.ndarray, steps: int | None, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if steps is not None:
        x = np.pad(x, [(0, 0), (0, steps - x.shape[1])] + [(0, 0)] * (x.ndim - 2))
    return x, y


def _in_full(x: np.ndarray) -> np.ndarray:
    """Bytes of images as the float32 that models, mixing and export compute in."""
    return x.astype("float32") if x.dtype == np.uint8 else x


def _arrays(carrier: Prepared, folder: Path, split: str, inputs: str | None, targets: str | None) -> Split:
    """A split as arrays, kept in `home()`: decoding 60,000 images takes seconds, reading them again a tenth of one."""
    digest = hashlib.sha256(json.dumps(["2", split, inputs, targets]).encode())
    for path in sorted(folder.iterdir()):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
        if path.suffix == ".json":
            digest.update(path.read_bytes())
    kept = home() / "tfds" / f"{carrier.name}-{folder.name}-{digest.hexdigest()[:16]}.npz"
    damaged = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
    with contextlib.suppress(*damaged), open(kept, "rb") as opened, np.load(opened, allow_pickle=False) as file:
        return Split(file["x"], file["y"], json.loads(str(file["about"])))  # each array with a checksum of its own
    read = _read(carrier, folder, split, inputs, targets)
    # Where there is no room or no right to write, it is only read anew next time.
    with contextlib.suppress(OSError), writing(kept) as temporary:
        np.savez(temporary, x=read.x, y=read.y, about=json.dumps(read.about))
    return read


def _read(carrier: Prepared, folder: Path, split: str, inputs: str | None, targets: str | None) -> Split:
    with _quiet():
        import tensorflow as tf
        import tensorflow_datasets

        builder = tensorflow_datasets.builder_from_directory(folder)
        features = builder.info.features
        keys = builder.info.supervised_keys or (None, None)
        x_name, y_name = str(inputs or keys[0]), str(targets or keys[1])
        for argument, name in (("inputs", x_name), ("targets", y_name)):
            if name not in features:
                raise NotFound(
                    f"{carrier.known_as}: {argument}={name} is not one of its features, {', '.join(sorted(features))}"
                )
        x_feature, y_feature = features[x_name], features[y_name]
        of_texts = isinstance(x_feature, tensorflow_datasets.features.Text)
        padded = not of_texts and _check_feature(carrier, x_feature, x_name, tensorflow_datasets.features)
        try:
            data = builder.as_dataset(split=split, batch_size=None if padded else -1)
            if padded:
                rows = [(row[x_name], row[y_name]) for row in tensorflow_datasets.as_numpy(data)]
                x, y = _padded([row[0] for row in rows]), np.array([row[1] for row in rows])
            else:
                arrays = tensorflow_datasets.as_numpy(data)
                x, y = arrays[x_name], arrays[y_name]
        except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.OutOfRangeError) as error:
            raise InvalidValue(
                f"{carrier.known_as} in {folder} is damaged ({str(error).splitlines()[0]}); "
                f"this brings it anew: rm -r {folder} && zoo data prepare {carrier.known_as}"
            ) from None
    classes = isinstance(y_feature, tensorflow_datasets.features.ClassLabel)
    licence = builder.info.redistribution_info.license if builder.info.redistribution_info else ""
    about = {
        "labels": y_feature.names if classes else [],
        "licence": " ".join((licence or "").split()),
        "citation": " ".join((builder.info.citation or "").split()),
        "padded": padded,
        "texts": of_texts,
    }
    if of_texts:  # one run of bytes: as an array of strings, each would take as much room as the longest
        x = np.frombuffer(b"".join(text.replace(b"\0", b" ") + b"\0" for text in x), "uint8")
    if x.dtype != np.uint8:
        x = x.astype("float32")
    return Split(x, y.astype("int32" if classes else "float32"), about)


def _check_feature(carrier: Prepared, feature: Any, name: str, kinds: Any) -> bool:
    """Whether samples differ in length. Raises ValueError where they are no numbers or differ otherwise."""
    where = f"{carrier.known_as}, {name}"
    if feature.shape is None or not np.issubdtype(feature.np_dtype, np.number):
        raise InvalidValue(f"{where} holds {type(feature).__name__}, not numbers; make a function of your own for it")
    if None in feature.shape[1:]:
        raise InvalidValue(
            f"{where} is of shape {feature.shape}: samples of different sizes; resize them in a function of your own"
        )
    return feature.shape[:1] == (None,)


def _padded(samples: list[np.ndarray]) -> np.ndarray:
    """(n, steps, channels). A sound of one channel may be silent; a step of several zeros would look like padding."""
    if samples[0].ndim > 1:
        return pad(samples)
    steps = max(map(len, samples))
    return np.stack([np.pad(sample, (0, steps - len(sample))) for sample in samples])[..., None]


@contextlib.contextmanager
def _quiet(native: bool = True) -> Iterator[None]:
    """Without the warnings, and what C++ writes, that importing and using TensorFlow Datasets bring along."""
    with warnings.catch_warnings(), silenced() if native else contextlib.nullcontext():
        warnings.simplefilter("ignore")
        yield
