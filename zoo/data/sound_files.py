"""WAV files, in one folder a class or named in a CSV, as a data set; and one sound as an input of a model."""

import json
import math
import warnings
from pathlib import Path

import numpy as np

from zoo.base.checks import check_number, check_size
from zoo.base.errors import InvalidValue, MissingPackage
from zoo.data.dataset import Dataset
from zoo.data.folders import enough, files_of, left_out, noted

SOUNDS = frozenset({".wav", ".wave"})
FILE = "sound.json"  # in the archive of a file: at how many samples a second it listens
RATE = 16_000
SHORTEST, LONGEST = 0.25, 4.0  # seconds of an input, where none are given
MOST_BYTES = 200_000_000  # of a file


def sounds(
    path: str | Path,
    sampling_rate: int | None = None,
    seconds: float | None = None,
    *,
    target: str | None = None,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """WAV files in one folder a class: `zoo.data.sounds("birds/")`; or a CSV of paths and classes.

    Of any sampling rate, 8 to 64 bits, one channel or more, of which the mean is taken. Each is resampled, and cut at
    its end or padded with silence. Files that are no sound are left out and told in the data set's notes.

    Args:
        sampling_rate: of an input, in Hz: twice the highest pitch that tells classes apart. By default 16,000, or what
            most files have where that is less.
        seconds: of an input; by default as long as nineteen of twenty files are, between 0.25 and 4.
        target: the column of classes, of a CSV; by default one that is called so, or the last one. Its paths begin
            where the CSV is.
        test, validation: fractions, split by content and stratified by class; equal sounds stay together.

    Returns:
        inputs (n, samples, 1) between -1 and 1.

    Raises:
        FileNotFoundError, ValueError: no such folder, fewer than two classes, or no sound that can be read.
    """
    path = Path(path)
    files, labels, notes = files_of(path, SOUNDS, "WAV files", target)
    if sampling_rate is None:
        rates = [rate for file, _ in files[:: max(1, len(files) // 200)] if (rate := _rate(file)) is not None]
        sampling_rate = int(min([RATE, *np.median(rates, keepdims=True)])) if rates else RATE
    check_size("sampling_rate", sampling_rate)
    found, ys, bad = [], [], []
    if seconds is not None:
        check_number("seconds", seconds, 0.05, 60)
    longest = math.ceil((seconds or LONGEST) * sampling_rate) + 1  # one more, which tells that it is cut
    for file, label in files:
        try:
            found.append(read_sound(file, sampling_rate, longest))
            ys.append(label)
        except (ValueError, OSError) as error:
            bad.append(str(error))
    notes += left_out(bad, len(files), "WAV files")
    if seconds is None:
        usual = float(np.quantile([len(sound) for sound in found], 0.95)) / sampling_rate
        seconds = round(min(max(usual, SHORTEST), LONGEST), 2)
    samples = round(seconds * sampling_rate)
    x = np.stack([_fitted(sound, samples) for sound in found]) if found else np.zeros((0, samples, 1), "float32")
    cut, short = sum(len(s) > samples for s in found), sum(len(s) < samples for s in found)
    notes.append(f"sounds of {seconds:g} s at {sampling_rate:,} Hz: {cut:,} are cut, {short:,} padded with silence")
    x, y, labels, notes = enough(x, np.array(ys, "int32"), labels, notes, path)
    dataset = Dataset.split(path.resolve().stem, x, y, labels=labels, test=test, validation=validation)
    return noted(dataset, notes, files={FILE: json.dumps({"version": 1, "sampling_rate": sampling_rate})})


def read_wave(path: str | Path, sampling_rate: int, samples: int) -> np.ndarray:
    """(1, samples, 1): a WAV file as an input. Raises as `read_sound` does."""
    return _fitted(read_sound(path, sampling_rate, samples), samples)[np.newaxis]


def read_sound(path: str | Path, sampling_rate: int, longest: int | None = None) -> np.ndarray:
    """(samples,) between -1 and 1, float32, resampled; at most `longest` of them.

    Raises FileNotFoundError, or ValueError where the file is no WAV, damaged, empty or of more than 200 MB.
    """
    try:
        from scipy.io import wavfile
        from scipy.signal import resample_poly
    except ModuleNotFoundError:
        raise MissingPackage("reading sounds needs SciPy: pip install scipy") from None

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.stat().st_size > MOST_BYTES:
        raise InvalidValue(f"{path} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}; cut it into pieces")
    try:
        with warnings.catch_warnings():  # of chunks that are no sound, such as a title
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, values = wavfile.read(path)
    except Exception as error:  # struct, ValueError, EOFError, IndexError, ZeroDivisionError: by what is damaged
        raise InvalidValue(
            f"{path} is no WAV that can be read: {(str(error).splitlines() or ['damaged'])[0]}"
        ) from None
    if not values.size or not 100 <= rate <= 1_000_000:
        raise InvalidValue(f"{path} has {values.size} samples at {rate} Hz")
    if longest is not None:
        values = values[: math.ceil((longest + 64) * rate / sampling_rate)]
    if values.dtype == np.uint8:
        values = (values.astype("float32") - 128) / 128
    elif np.issubdtype(values.dtype, np.integer):
        values = values.astype("float32") / -float(np.iinfo(values.dtype).min)
    values = values.astype("float32")
    if not np.isfinite(values).all():
        raise InvalidValue(f"{path} has NaN or infinite samples")
    if values.ndim > 1:
        values = values.mean(axis=1)
    if rate != sampling_rate:
        shared = math.gcd(rate, sampling_rate)
        values = resample_poly(values, sampling_rate // shared, rate // shared).astype("float32")
    return np.clip(values, -1, 1)[:longest]


def _rate(file: Path) -> int | None:
    """What the head of a WAV file says, where it stands as it does in nearly all of them."""
    try:
        with open(file, "rb") as opened:
            head = opened.read(28)
    except OSError:
        return None
    rate = int.from_bytes(head[24:28], "little")
    return rate if head[:4] == b"RIFF" and head[12:16] == b"fmt " and rate >= 4000 else None


def _fitted(sound: np.ndarray, samples: int) -> np.ndarray:
    """(samples, 1), cut at its end or padded with silence."""
    return np.pad(sound[:samples], (0, max(0, samples - len(sound))))[:, np.newaxis]


def rate_of(text: str | bytes) -> int:
    """From `sound.json`. Raises ValueError where it is none."""
    try:
        told = json.loads(text)
        if told["version"] != 1:
            raise InvalidValue(f"version {told['version']} is not known")
        return check_size("sampling_rate", told["sampling_rate"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"{FILE} is damaged: {error}") from None
