"""Data sets that a Python package carries: no download, the same bytes for everybody."""

import csv
import dataclasses
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.base.checks import check_size
from zoo.base.errors import InvalidValue
from zoo.data.carriers import Package, SourceArchive
from zoo.data.dataset import Dataset
from zoo.data.sequences import pad
from zoo.data.sources import SOURCES
from zoo.data.vocabulary import from_texts

# Grades of a diamond from the worst to the best, as the data's own page gives them.
CUTS = ("Fair", "Good", "Very Good", "Premium", "Ideal")
COLORS = ("J", "I", "H", "G", "F", "E", "D")
CLARITIES = ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF")


def digits(shape: tuple[int, ...] = (8, 8, 1)) -> Dataset:
    """1,797 scans of handwritten digits, 8x8 grey values from 0 to 16, 10 classes, from scikit-learn.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998).

    Args:
        shape: of one input; (8, 8, 1) is an image, (8, 8) is eight steps of one row each, (64,) is a vector.
    """
    _package("digits")
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    if int(np.prod(shape)) != x.shape[1]:
        raise InvalidValue(f"digits: shape={shape} does not hold the 64 grey values of a scan; (8, 8, 1) does")
    return Dataset.split(
        "digits",
        x.reshape(-1, *shape).astype("float32"),
        y.astype("int32"),
        labels=tuple("0123456789"),
        licence=SOURCES["digits"].licence,
        citation=SOURCES["digits"].citation,
    )


def breast_cancer() -> Dataset:
    """569 tumours, 30 figures of their cells' nuclei in an image each, 0 malignant and 1 benign, from scikit-learn.

    Source: W. Wolberg et al., Breast Cancer Wisconsin (Diagnostic) (UCI, 1993).
    """
    _package("breast_cancer")
    from sklearn.datasets import load_breast_cancer

    return _tabular("breast_cancer", load_breast_cancer(), "diagnosis")


def wine() -> Dataset:
    """178 wines, 13 chemical figures each, from three growers, from scikit-learn.

    Source: S. Aeberhard and M. Forina, Wine (UCI, 1992).
    """
    _package("wine")
    from sklearn.datasets import load_wine

    return _tabular("wine", load_wine(), "grower")


def iris() -> Dataset:
    """150 irises, 4 lengths in cm each, 3 species, from scikit-learn. Two of them are equal and count as one.

    Source: R. Fisher, The use of multiple measurements in taxonomic problems (1936).
    """
    _package("iris")
    from sklearn.datasets import load_iris

    dataset = _tabular("iris", load_iris(), "species")
    names = tuple(name.removesuffix(" (cm)") for name in dataset.features)
    return dataclasses.replace(dataset, features=names, units=("cm",) * 4)


def diabetes() -> Dataset:
    """442 patients, age, sex, body mass index, blood pressure and 6 blood values, and the course of a year.

    Source: B. Efron et al., Least Angle Regression (2004). From scikit-learn, unscaled: its scaled values are made with
    the mean of all samples, those of test too.
    """
    _package("diabetes")
    from sklearn.datasets import load_diabetes

    return _tabular("diabetes", load_diabetes(scaled=False), "progression after one year")


def diamonds() -> Dataset:
    """Prices of 53,772 cut diamonds by weight, grades and size, in US dollars.

    Inputs are six measures, then the grades one-hot, the worst first. Left out are 146 rows that occur before, and 22
    with a size that no diamond has: 0, or more than 20 mm. Stones with equal inputs and other prices are on one side.

    Source: H. Wickham, ggplot2 (2016), from the package plotnine.
    """
    content = _package("diamonds").read("data/diamonds.csv").decode()
    rows = list(dict.fromkeys(map(tuple, csv.reader(io.StringIO(content)))))
    column = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    measures = ("carat", "depth", "table", "x", "y", "z")
    grades = {"cut": CUTS, "color": COLORS, "clarity": CLARITIES}
    values = np.array([column[name] for name in measures], "float32").T
    one_hot = [_one_hot(column[name], names, f"diamonds, {name}") for name, names in grades.items()]
    size = values[:, 3:]
    real = ((size > 0) & (size <= 20)).all(axis=1)
    x, y = np.concatenate([values, *one_hot], axis=1)[real], np.array(column["price"], "float32")[real]
    return _described(
        Dataset.split("diamonds", x, y),
        features=(*measures, *(f"{name} {grade}" for name, names in grades.items() for grade in names)),
        units=("carat", "%", "%", "mm", "mm", "mm", *[""] * 20),
        target="price",
        target_unit="US dollar",
    )


def japanese_vowels(validation: float = 0.15) -> Dataset:
    """640 utterances of two vowels by nine men: 7 to 29 steps of 12 coefficients, padded with zeros. Who speaks?

    The test samples are the 370 that the authors chose; validation is a fraction of their 270 others.
    `zoo.data.lengths` tells how long each was.

    Source: M. Kudo et al. (1999), from the package aeon or sktime.
    """
    series, y = [], []
    for part in ("TRAIN", "TEST"):
        content = _package("japanese_vowels").read(f"datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts").decode()
        lines = content.partition("@data")[2].split()
        samples = [line.split(":") for line in lines]  # 12 channels, then the speaker
        series += [np.array([c.split(",") for c in channels], "float32").T for *channels, _ in samples]  # (T, 12)
        y.append(np.array([speaker for *_, speaker in samples], "int32") - 1)
    x, trains = pad(series), len(y[0])
    dataset = Dataset.with_test(
        "japanese_vowels",
        (x[:trains], y[0]),
        (x[trains:], y[1]),
        validation=validation,
        labels=tuple(f"speaker {i}" for i in range(1, 10)),
    )
    return _described(dataset, features=tuple(f"cepstrum {i}" for i in range(1, 13)), target="speaker")


def watch_activity(window: int = 100, validation: float = 0.15, *, stride: int | None = None) -> Dataset:
    """Shoulder exercises of ten people, seven kinds, as a watch sees them: accelerations and turning rates at 50 Hz.

    Each of 140 records is cut into windows. All of a person stand on one side, so test asks about people whom training
    has not seen.

    Source: D. Burns et al. (2018), from the package seglearn.

    Args:
        window: steps of 20 ms.
        validation: fraction of the windows; at least one person.
        stride: steps from one window to the next; by default they lie one behind the other.
    """
    check_size("window", window)
    stride = check_size("stride", window if stride is None else stride)
    content = _package("watch_activity").read("data/watch_dataset.npy")
    data = np.load(io.BytesIO(content), allow_pickle=True).item()  # a pickle may run code; this one's hash is known
    shortest = min(map(len, data["X"]))
    if window > shortest:
        raise InvalidValue(f"window={window} is longer than the shortest record, which has {shortest} steps")
    windows = [np.lib.stride_tricks.sliding_window_view(r, window, axis=0)[::stride] for r in data["X"]]
    counts = [len(of_record) for of_record in windows]
    x = np.concatenate(windows).transpose(0, 2, 1).astype("float32")  # (windows, steps, 6)
    y, people = (np.repeat(np.asarray(data[name]), counts).astype("int32") for name in ("y", "subject"))
    labels = tuple(data["y_labels"])
    dataset = Dataset.split("watch_activity", x, y, groups=people, labels=labels, validation=validation)
    names = tuple(f"{what} {axis}" for what in ("acceleration", "turning rate") for axis in "xyz")
    return _described(dataset, features=names, units=("g",) * 3 + ("rad/s",) * 3, target="exercise")


def hourly_traffic(window: int = 168, horizon: int = 24) -> Dataset:
    """Cars an hour on a road to Minneapolis over two years, with weather and time of day: the next hours from the last.

    The last eighth, three months, is test, the eighth before that validation; no hour stands on two sides. Of 104
    hours nothing is known: in inputs the last known hour stands for them, and windows that would have to forecast one
    are left out. Rain and snow are left out, too: the file has none before its last summer, and what train does not
    have cannot be learnt.

    Source: J. Hogue, Metro Interstate Traffic Volume (UCI, 2019), from the package autots.

    Args:
        window, horizon: hours that an input and a target hold.
    """
    check_size("window", window)
    check_size("horizon", horizon)
    with zipfile.ZipFile(io.BytesIO(_package("hourly_traffic").read("datasets/data/traffic_hourly.zip"))) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("traffic_hourly.zip").decode())))
    columns = ("traffic_volume", "temp", "clouds_all")
    known = np.array([[row[name] or "nan" for name in columns] for row in rows], "float32")  # (hours, 3)
    start = np.array([row["datetime"] for row in rows], "datetime64[h]")
    hours = (start - start[0]).astype(int)
    if not (np.diff(hours) == 1).all():
        raise InvalidValue("hourly_traffic: the hours are not one behind the other")
    if window + horizon > len(hours) // 8:
        raise InvalidValue(f"window={window} and horizon={horizon} do not fit into the {len(hours) // 8} hours of test")
    last_known = np.maximum.accumulate(np.where(np.isnan(known).any(axis=1), 0, hours))
    filled = known[last_known]
    day, week = start.astype("datetime64[D]"), (start.astype("datetime64[D]").astype(int) + 3) % 7  # 0 is a Monday
    angles = 2 * np.pi * np.stack([(start - day).astype(int) / 24, week / 7], axis=1)
    series = np.concatenate([filled, np.sin(angles), np.cos(angles)], axis=1).astype("float32")  # (hours, 7)
    first = np.arange(len(hours) - window - horizon + 1)
    ahead = np.lib.stride_tricks.sliding_window_view(known[:, 0], horizon)[window:]  # (windows, horizon)
    first = first[~np.isnan(ahead).any(axis=1)]
    x = np.lib.stride_tricks.sliding_window_view(series, window, axis=0).transpose(0, 2, 1)[first]
    dataset = Dataset.by_time(
        "hourly_traffic", x, ahead[first], first, span=window + horizon, test=1 / 8, validation=1 / 8
    )
    names = ("traffic volume", "temperature", "clouds", "hour sin", "weekday sin", "hour cos")
    return _described(
        dataset,
        features=(*names, "weekday cos"),
        units=("cars/h", "K", "%", "", "", "", ""),
        target=f"traffic volume of the next {horizon} hours",
        target_unit="cars/h",
    )


def movie_sentences(words: int = 5000, steps: int = 48) -> Dataset:
    """10,568 sentences from film reviews as tokens, 0 disliked and 1 liked, by the mean rating of twenty people.

    Sentences that are rated 0 are left out. The vocabulary is that of train. They are the sentences of rt-polarity and
    SST: neither is a test set for a model that was trained on these.

    Source: C. Hutto and E. Gilbert (2014), from the source archive of the package vaderSentiment.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        steps: tokens of an input; what is longer is cut.
    """
    carrier = SOURCES["movie_sentences"].carrier
    assert isinstance(carrier, SourceArchive)
    carrier.require("movie_sentences")
    content = carrier.read(
        "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
        "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
    ).decode()
    rows = [line.split("\t") for line in content.splitlines()]
    rated = [(text, float(rating) > 0) for _, rating, text in rows if float(rating) != 0]
    y = np.array([liked for _, liked in rated], "int32")
    dataset = from_texts(
        "movie_sentences", [text for text, _ in rated], y, words=words, steps=steps, labels=("disliked", "liked")
    )
    return _described(dataset, target="rating above 0")


def _package(name: str) -> Package:
    carrier = SOURCES[name].carrier
    assert isinstance(carrier, Package)
    carrier.require(name)
    return carrier


def _tabular(name: str, bunch: Any, target: str) -> Dataset:
    """A table of scikit-learn: integer targets are classes."""
    classes = tuple(str(label) for label in bunch.get("target_names", ()))
    y = bunch.target.astype("int32" if classes else "float32")
    dataset = Dataset.split(name, bunch.data.astype("float32"), y, labels=classes)
    return _described(dataset, features=tuple(map(str, bunch.feature_names)), target=target)


def _one_hot(values: Sequence[str], names: tuple[str, ...], where: str) -> np.ndarray:
    """(n, len(names)). Raises ValueError for a value that is none of the names."""
    unknown = set(values) - set(names)
    if unknown:
        raise InvalidValue(f"{where}: {sorted(unknown)[0]!r} is none of {', '.join(names)}")
    number = {name: i for i, name in enumerate(names)}
    return np.eye(len(names), dtype="float32")[[number[value] for value in values]]


def _described(dataset: Dataset, **fields: Any) -> Dataset:
    source = SOURCES[dataset.name]
    return dataclasses.replace(dataset, licence=source.licence, citation=source.citation, **fields)
