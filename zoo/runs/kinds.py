"""Which kind of data a path holds, and the model that suits it, as the text of a recipe's fields."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from zoo.base.errors import InvalidValue, NotFound
from zoo.data import Dataset, image_files, series_files, sound_files, tables, text_files
from zoo.data.folders import path_column
from zoo.data.rows import PARQUET, TABLES, Csv

KINDS = ("table", "images", "sounds", "series", "forecast", "text")


@dataclass(frozen=True)
class Plan:
    """The kind of the data, and the model that suits it, as the text of a recipe's fields.

    `steps` are those that its recurrent layers take, in both directions, and that the converter unrolls one by one.
    """

    kind: str
    dataset: Dataset
    data: str
    builder: str
    arguments: str
    task: str
    space: str = '"dropout": hp.Choice("dropout", [0.1, 0.2, 0.4])'
    preprocessing: str = ""
    augmentation: str = "()"
    batch_size: int = 64
    strategy: str = '"auto"'
    steps: int = 0

    @property
    def precisions(self) -> tuple[str, ...]:
        """float32 and int8, and a third one where int8 may lose too much: for sounds, texts and values."""
        if self.kind in ("sounds", "texts"):
            return "float32", "dynamic", "int8"
        return ("float32", "int8") if self.dataset.labels else ("float32", "int16x8", "int8")


def look(path: Path, target: str | None, task: str | None, kind: str | None, known: Sequence[str] = ()) -> Plan:
    """Reads the data and plans the recipe; see `zoo.fit` for the arguments and errors."""
    if not path.exists():
        raise NotFound(f"there is no file or folder {path}")
    kind = kind or kind_of(path, task)
    if known and kind != "forecast":
        raise InvalidValue(f"known={', '.join(known)}: columns with known future values need task='Forecasting'")
    plans: dict[str, Callable[..., Plan]] = {
        "table": _table, "images": _images, "sounds": _sounds, "series": _series, "text": _text,
        "forecast": partial(_forecast, known=tuple(known)),
    }  # fmt: skip
    return plans[kind](path, target, task)


def kind_of(path: Path, task: str | None) -> str:
    """The kind of the data, by file names; of a CSV, by its columns."""
    if path.is_dir():
        suffixes = {
            "images": image_files.IMAGES, "sounds": sound_files.SOUNDS, "text": text_files.SUFFIXES,
            "series": series_files.SUFFIXES,
        }  # fmt: skip
        files = [p for depth in ("*/*", "*/*/*") for p in path.glob(depth) if not p.name.startswith(".")]
        counts = {kind: sum(p.suffix.lower() in those for p in files) for kind, those in suffixes.items()}
        best = max(counts, key=counts.__getitem__)
        if not counts[best]:
            raise InvalidValue(
                f"{path} has no subfolder with images, WAV, text or CSV files; each subfolder must be one class"
            )
        return best
    if path.suffix == ".npz":
        return "series"
    if path.suffix not in TABLES:
        raise InvalidValue(f"{path} is not a CSV, Parquet or .npz file, nor a folder with one subfolder per class")
    if task == "Forecasting":
        return "forecast"
    rows = [] if path.suffix in PARQUET else Csv(path).first(200)
    for kind, those in (("images", image_files.IMAGES), ("sounds", sound_files.SOUNDS)):
        if path_column(rows, those) is not None:
            return kind
    return text_files.kind_of(path)


def _table(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = tables.table(path, target, task)
    classes = len(dataset.labels)
    chosen = "zoo.Regression()" if not classes else "zoo.Binary()" if classes == 2 else f"zoo.Multiclass({classes})"
    name = chosen.partition("(")[0].removeprefix("zoo.")
    width = 64 if len(dataset.train.x) > 2000 else 32
    return Plan(
        "a table", dataset,
        f"partial(zoo.data.table, {str(path.resolve())!r}, {dataset.target!r}, {name!r})",
        "zoo.fnn", f'{{"units": ({width}, {width // 2}), "dropout": 0.0}}', chosen,
        space='"units": (hp.Choice("units", [32, 64, 128]),) * 2, "dropout": hp.Choice("dropout", [0.0, 0.1, 0.3])',
        preprocessing=f"zoo.TableFeatures({dataset.categories})",
        batch_size=_batch(dataset),
    )  # fmt: skip


def _images(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = image_files.images(path, target=target)
    stages = int(np.clip(math.log2(min(dataset.input_shape[:2]) / 6), 1, 4))
    filters = tuple(16 * 2**i for i in range(stages))
    return Plan(
        "images", dataset,
        f"partial(zoo.data.images, {str(path.resolve())!r}, {dataset.input_shape[:2]}, {dataset.input_shape[2]}"
        + (f", target={target!r})" if target else ")"),
        "zoo.cnn", f'{{"filters": {filters}, "dropout": 0.2}}', f"zoo.Multiclass({len(dataset.labels)})",
        preprocessing="keras.layers.Rescaling(1 / 255)",
        augmentation='zoo.augment.for_images("light", flip=False)',
        batch_size=min(64, _batch(dataset)),
    )  # fmt: skip


def _sounds(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = sound_files.sounds(path, target=target)
    rate = sound_files.rate_of(dataset.files[sound_files.FILE])
    return Plan(
        "sounds", dataset,
        f"partial(zoo.data.sounds, {str(path.resolve())!r}, {rate}, {dataset.input_shape[0] / rate}"
        + (f", target={target!r})" if target else ")"),
        "zoo.ds_cnn", '{"filters": (32, 32, 32, 32), "strides": (2, 1, 1, 1), "dropout": 0.2}',
        f"zoo.Multiclass({len(dataset.labels)})",
        preprocessing=f"zoo.LogMel({rate}), keras.layers.Normalization(axis=None)",
        batch_size=min(64, _batch(dataset)),
    )  # fmt: skip


def _text(path: Path, target: str | None, task: str | None) -> Plan:
    dataset = text_files.text(path, target)
    words, steps = len(dataset.vocabulary), dataset.input_shape[0]
    return Plan(
        "texts", dataset,
        f"partial(zoo.data.text, {str(path.resolve())!r}, {target!r}, steps={steps})",
        "zoo.lstm",
        f'{{"units": (32,), "bidirectional": True, "head": "last", "vocabulary_size": {words}, "embedding_dim": 32, '
        '"dropout": 0.4}', f"zoo.Multiclass({len(dataset.labels)})",
        augmentation='zoo.augment.for_text("light", unknown=1)',
        batch_size=min(64, _batch(dataset)),
        strategy='{"float32": "fused", "int8": "unrolled"}',  # unrolling both takes a minute
        steps=2 * steps,
    )  # fmt: skip


def _series(path: Path, target: str | None, task: str | None) -> Plan:
    if target is not None:
        raise InvalidValue(f"target={target!r} is a column, but the classes of series are y of the .npz, or folders")
    dataset = series_files.series(path)
    return Plan(
        "series", dataset, f"partial(zoo.data.series, {str(path.resolve())!r})", "zoo.gru",
        '{"units": (48,), "mask_value": 0.0, "dropout": 0.2}',
        f"zoo.Multiclass({len(dataset.labels)})" if dataset.labels else "zoo.Regression()",
        preprocessing="keras.layers.Normalization()",
        augmentation='zoo.augment.for_sequences("light")',
        batch_size=min(64, _batch(dataset)),
        steps=dataset.input_shape[0],
    )  # fmt: skip


def _forecast(path: Path, target: str | None, task: str | None, known: tuple[str, ...] = ()) -> Plan:
    dataset = series_files.forecast(path, target, known=known)
    (window, features), horizon = dataset.input_shape, dataset.train.y.shape[1]
    seasons = window // horizon
    # Each step predicts one row ahead from the rows at the same position of the earlier seasons, with shared weights.
    # A feature that is nearly always zero, such as rain, would lie hundreds of standard deviations away: it is clipped.
    folded = (
        f", keras.layers.Reshape(({seasons}, {horizon}, {features})), keras.layers.Permute((2, 1, 3)), "
        f"keras.layers.Reshape(({horizon}, {seasons * features}))"
    )
    return Plan(
        "a series to forecast", dataset,
        f"partial(zoo.data.forecast, {str(path.resolve())!r}, {target!r}, window={window}, horizon={horizon}"
        + (f", known={known!r})" if known else ")"),
        "zoo.gru", '{"units": (48,), "bidirectional": True, "head": "each"}', f'zoo.Forecasting({horizon}, loss="mae")',
        preprocessing="zoo.ClippedNormalization()" + folded,
        batch_size=_batch(dataset),
        steps=2 * horizon,
    )  # fmt: skip


def _batch(dataset: Dataset) -> int:
    """About a hundred steps an epoch, between 8 and 512 samples each."""
    return int(2 ** np.clip(round(math.log2(max(1, len(dataset.train.x) / 100))), 3, 9))
