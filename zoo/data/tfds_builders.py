"""Data sets of TensorFlow Datasets, by the name of their builder."""

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
from zoo.data.vocabulary import from_texts


class Split(NamedTuple):
    """Arrays of a split, and what the builder says about them."""

    x: np.ndarray
    y: np.ndarray
    about: dict[str, Any]


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

    Images and tables become float32 in their own units. Sequences and sounds of different lengths are padded with
    zeros. Texts become tokens, see `zoo.data.from_texts`.

    Args:
        builder: name, with configuration and version where wanted: "emnist/letters:3.1.0". Without a version, the
            newest one that is prepared.
        train: split, in the notation of TensorFlow Datasets: "train[:10%]".
        validation, test: split, or a fraction of train, taken by content. By default the splits of these names, else
            .15 and .2 of train.
        inputs, targets: features, by default those that the builder names for supervised learning.
        words, steps: for texts, size of the vocabulary and tokens of an input.

    Raises:
        LookupError: it is not prepared, and the message has the command; or it has no such split or feature.
        ValueError: damaged files, inputs that are not numbers, or images of different sizes.
    """
    return read_prepared(Prepared(builder), train, validation, test, inputs, targets, words=words, steps=steps)


def prepare_builder(carrier: Prepared, *, wait: bool = False, report: Callable[[str], None] = print) -> None:
    """Runs the builder on a package's files if they are here, else on its downloads; both are checked.

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

    shown = sys.stderr.isatty()  # progress bars are for terminals; stdout is the caller's
    if not shown:
        tensorflow_datasets.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(sys.stderr if shown else io.StringIO()), _quiet(native=not shown):
            builder.download_and_prepare(
                download_dir=download_dir, download_config=tensorflow_datasets.download.DownloadConfig(**options)
            )
    except OSError:
        raise
    except Exception as error:  # wrong checksum, manual download, bad archive: each has a type of its own
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


def read_prepared(
    carrier: Prepared,
    train: str,
    validation: str | float | None,
    test: str | float | None,
    inputs: str | None = None,
    targets: str | None = None,
    *,
    words: int = 0,
    steps: int = 0,
) -> Dataset:
    """A prepared data set; arguments and errors as of `tfds`."""
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
    known = {"labels": tuple(about["labels"]), "licence": about["licence"], "citation": about["citation"]}
    if about["texts"]:
        texts = {split: (part.x.tobytes().decode().split("\0")[: len(part.y)], part.y) for split, part in read.items()}
        return from_texts(
            carrier.known_as, *texts[train],
            test=texts[test] if isinstance(test, str) else test,
            validation=texts[validation] if isinstance(validation, str) else validation,
            words=words, steps=steps, **known,
        )  # fmt: skip
    longest = max(part.x.shape[1] for part in read.values()) if about["padded"] else None
    pairs = {split: (_padded_to(part.x, longest), part.y) for split, part in read.items()}
    if isinstance(test, str):
        held = pairs[validation] if isinstance(validation, str) else validation
        dataset = Dataset.with_test(carrier.known_as, pairs[train], pairs[test], validation=held)
    elif isinstance(validation, str):
        raise InvalidValue(
            f"validation={validation!r} is a split but test={test} a fraction: name a split for test, too"
        )
    else:
        dataset = Dataset.split(carrier.known_as, *pairs[train], test=test, validation=validation)
    trains, held_out, tests = (Part(_as_float(np.asarray(x)), y) for x, y in dataset.parts.values())
    return dataclasses.replace(dataset, train=trains, validation=held_out, test=tests, **known)


def _padded_to(x: np.ndarray, steps: int | None) -> np.ndarray:
    return x if steps is None else np.pad(x, [(0, 0), (0, steps - x.shape[1])] + [(0, 0)] * (x.ndim - 2))


def _as_float(x: np.ndarray) -> np.ndarray:
    """uint8 images as float32, which models, mixing and export expect."""
    return x.astype("float32") if x.dtype == np.uint8 else x


def _arrays(carrier: Prepared, folder: Path, split: str, inputs: str | None, targets: str | None) -> Split:
    """A split as arrays, cached in `home()`: decoding 60,000 images takes seconds, reading the cache a tenth of one."""
    digest = hashlib.sha256(json.dumps(["2", split, inputs, targets]).encode())
    for path in sorted(folder.iterdir()):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
        if path.suffix == ".json":
            digest.update(path.read_bytes())
    cache = home() / "tfds" / f"{carrier.name}-{folder.name}-{digest.hexdigest()[:16]}.npz"
    damaged = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
    with contextlib.suppress(*damaged), open(cache, "rb") as opened, np.load(opened, allow_pickle=False) as file:
        return Split(file["x"], file["y"], json.loads(str(file["about"])))  # the archive has a checksum for each array
    read = _read(carrier, folder, split, inputs, targets)
    # Without space or permission to write, the next call decodes again.
    with contextlib.suppress(OSError), writing(cache) as temporary:
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
    if of_texts:  # as one array of bytes: in an array of strings each takes as many bytes as the longest
        x = np.frombuffer(b"".join(text.replace(b"\0", b" ") + b"\0" for text in x), "uint8")
    if x.dtype != np.uint8:
        x = x.astype("float32")
    return Split(x, y.astype("int32" if classes else "float32"), about)


def _check_feature(carrier: Prepared, feature: Any, name: str, kinds: Any) -> bool:
    """Whether samples differ in length. Raises ValueError where they are not numbers or differ in another axis."""
    where = f"{carrier.known_as}, {name}"
    if feature.shape is None or not np.issubdtype(feature.np_dtype, np.number):
        raise InvalidValue(f"{where} holds {type(feature).__name__}, not numbers; write a function of your own for it")
    if None in feature.shape[1:]:
        raise InvalidValue(
            f"{where} is of shape {feature.shape}: samples of different sizes; resize them in a function of your own"
        )
    return feature.shape[:1] == (None,)


def _padded(samples: list[np.ndarray]) -> np.ndarray:
    """(n, steps, channels). Only sounds of one channel may hold zeros: a step of several zeros looks like padding."""
    if samples[0].ndim > 1:
        return pad(samples)
    steps = max(map(len, samples))
    return np.stack([np.pad(sample, (0, steps - len(sample))) for sample in samples])[..., None]


@contextlib.contextmanager
def _quiet(native: bool = True) -> Iterator[None]:
    """Silences warnings, and what C++ code prints, while TensorFlow Datasets is imported and used."""
    with warnings.catch_warnings(), silenced() if native else contextlib.nullcontext():
        warnings.simplefilter("ignore")
        yield
