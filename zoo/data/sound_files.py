"""WAV files of one folder per class, or named in a CSV, as a data set; one sound as an input of a model."""

import json
import math
import warnings
from pathlib import Path

import numpy as np

from zoo.base.checks import check_number, check_size
from zoo.base.errors import InvalidValue, MissingPackage
from zoo.data.dataset import Dataset
from zoo.data.folders import labelled_files
from zoo.data.rows import parsed

SOUNDS = frozenset({".wav", ".wave"})
SOUND_FILE = "sound.json"  # in the archive of an exported file: the sampling rate
RATE = 16_000
SHORTEST, LONGEST = 0.25, 4.0  # seconds of an input, where none are given
MAX_BYTES = 200_000_000  # of a file


def sounds(
    path: str | Path,
    sampling_rate: int | None = None,
    seconds: float | None = None,
    *,
    target: str | None = None,
    test: float = 0.2,
    validation: float = 0.15,
) -> Dataset:
    """WAV files in one folder per class: `zoo.data.sounds("birds/")`; or a CSV of paths and classes.

    Files may have any sampling rate and 8 to 64 bits; channels are averaged. Each sound is resampled, then cut or
    padded with silence at its end. Unreadable files are left out and noted.

    Args:
        sampling_rate: of an input, in Hz: at least twice the highest frequency that distinguishes classes. By default
            16,000, or the median of the files where that is less.
        seconds: of an input; by default the 95th percentile of the files, between 0.25 and 4.
        target: the column of classes of a CSV; by default detected by its name, or the last. Paths are relative to the
            CSV.
        test, validation: fractions, split by content and stratified by class; equal sounds stay in one part.

    Returns:
        inputs (n, samples, 1) between -1 and 1.

    Raises:
        FileNotFoundError, ValueError: no such folder, fewer than two classes, or no sound that can be read.
    """
    path = Path(path)
    files = labelled_files(path, SOUNDS, "WAV files", target)
    if sampling_rate is None:
        rates = [rate for file in files.items[:: max(1, len(files.items) // 200)] if (rate := _rate(file)) is not None]
        sampling_rate = int(min([RATE, *np.median(rates, keepdims=True)])) if rates else RATE
    rate = check_size("sampling_rate", sampling_rate)
    if seconds is not None:
        check_number("seconds", seconds, 0.05, 60)
    longest = math.ceil((seconds or LONGEST) * rate) + 1  # one more, to detect that a sound is cut
    files.read(lambda file: read_sound(file, rate, longest), "WAV files")
    lengths = [len(sound) for sound in files.items]
    if seconds is None:
        seconds = round(min(max(float(np.quantile(lengths, 0.95)) / rate, SHORTEST), LONGEST), 2)
    samples = round(seconds * rate)
    cut, short = sum(length > samples for length in lengths), sum(length < samples for length in lengths)
    files.notes.append(f"sounds of {seconds:g} s at {rate:,} Hz: {cut:,} are cut, {short:,} padded with silence")
    x = np.stack([_fitted(sound, samples) for sound in files.items])
    description = json.dumps({"version": 1, "sampling_rate": rate})
    return files.split(x, path, test, validation, files={SOUND_FILE: description})


def read_wave(path: str | Path, sampling_rate: int, samples: int) -> np.ndarray:
    """(1, samples, 1): a WAV file as an input. Errors as of `read_sound`."""
    return _fitted(read_sound(path, sampling_rate, samples), samples)[np.newaxis]


def read_sound(path: str | Path, sampling_rate: int, longest: int | None = None) -> np.ndarray:
    """(samples,) between -1 and 1, float32, resampled; at most `longest` of them.

    Raises FileNotFoundError, or ValueError where the file is not a WAV, damaged, empty or of more than 200 MB.
    """
    try:
        from scipy.io import wavfile
        from scipy.signal import resample_poly
    except ModuleNotFoundError:
        raise MissingPackage("reading sounds needs SciPy: pip install scipy") from None

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidValue(f"{path} has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}; cut it into pieces")
    try:
        with warnings.catch_warnings():  # about chunks other than sound, such as a title
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, values = wavfile.read(path)
    except Exception as error:  # struct, EOFError, IndexError, ZeroDivisionError
        raise InvalidValue(f"{path} is not a readable WAV: {(str(error).splitlines() or ['damaged'])[0]}") from None
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
    """The sampling rate in a WAV header of the usual layout, else None."""
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
    """The sampling rate in `sound.json`. Raises ValueError where it is damaged."""
    return parsed(text, SOUND_FILE, lambda description: check_size("sampling_rate", description["sampling_rate"]))
