"""Sounds of one's own: WAV files of every kind, the log-mel picture by NumPy's transform, a file that hears them."""

import io
import json
import struct
import wave

import keras
import numpy as np
import pytest
from scipy.io import wavfile
from test_own_files import pictures

import zoo
from zoo.data.sound_files import FILE, rate_of, read_sound
from zoo.models import LogMel
from zoo.runs.baselines import baselines
from zoo.runs.kinds import kind_of, look
from zoo.runtime.prediction import predict as ask

RATE = 8000


def tone(hertz, seconds=0.5, rate=RATE, loud=0.5):
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def sounds(folder, n=12):
    random = np.random.default_rng(0)
    for name, hertz in (("high", 2000), ("low", 300)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            values = tone(hertz * random.uniform(0.9, 1.1), 0.3 + 0.01 * i) + random.normal(0, 0.02, 2400 + 80 * i)
            wavfile.write(folder / name / f"{i}.wav", RATE, (values * 32767).astype("int16"))
    return folder


def in_bytes(values, width):
    """A WAV by Python's own writer, which knows whole numbers of one to four bytes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1 if values.ndim == 1 else values.shape[1])
        out.setsampwidth(width)
        out.setframerate(RATE)
        if width == 1:
            out.writeframes((values * 127 + 128).round().astype("uint8").tobytes())
        else:
            whole = (values * (2 ** (8 * width - 1) - 1)).round().astype("int64").reshape(-1)
            out.writeframes(b"".join(int(v).to_bytes(width, "little", signed=True) for v in whole))
    return file.getvalue()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_is_the_same_sound(tmp_path, width):
    (tmp_path / "a.wav").write_bytes(in_bytes(tone(300), width))
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav", RATE), tone(300), atol=0.01 if width == 1 else 1e-4)


def test_stereo_is_the_mean_and_real_numbers_are_read_and_clipped(tmp_path):
    both = np.stack([tone(300), tone(700)], axis=1)
    (tmp_path / "a.wav").write_bytes(in_bytes(both, 2))
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav", RATE), both.mean(axis=1), atol=1e-4)
    wavfile.write(tmp_path / "b.wav", RATE, (3 * tone(300)).astype("float32"))
    np.testing.assert_allclose(read_sound(tmp_path / "b.wav", RATE), np.clip(3 * tone(300), -1, 1), atol=1e-6)


@pytest.mark.parametrize("rate", [4000, 11025, 44100])
def test_another_rate_is_the_same_tone(tmp_path, rate):
    wavfile.write(tmp_path / "a.wav", rate, (tone(300, rate=rate) * 32767).astype("int16"))
    found = read_sound(tmp_path / "a.wav", RATE)
    assert abs(len(found) - RATE // 2) <= 1
    inner = slice(200, 3800)  # the filter rings at both ends
    np.testing.assert_allclose(found[inner], tone(300)[inner], atol=0.01)


def test_a_long_file_is_read_to_where_it_is_cut(tmp_path):
    wavfile.write(tmp_path / "a.wav", 44100, (tone(300, 3, 44100) * 32767).astype("int16"))
    whole = read_sound(tmp_path / "a.wav", RATE)
    np.testing.assert_allclose(read_sound(tmp_path / "a.wav", RATE, 1000), whole[:1000], atol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"\x89PNG\r\n\x1a\n" * 9,
        b"ID3\x03" + bytes(200),
        in_bytes(tone(300), 2)[:30],
        in_bytes(np.zeros(0), 2),
        in_bytes(tone(300), 2)[:24] + struct.pack("<I", 0) + in_bytes(tone(300), 2)[28:],
        in_bytes(tone(300), 2)[:22] + b"\0\0" + in_bytes(tone(300), 2)[24:],
        in_bytes(tone(300), 2)[:20] + b"\x55\0" + in_bytes(tone(300), 2)[22:],
    ],
    ids=["empty", "four bytes", "png", "mp3", "cut in its head", "no samples", "rate 0", "no channels", "mp3 inside"],
)
def test_what_is_no_sound_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.wav (is no WAV that can be read|has 0 samples|has \d+ samples at 0 Hz)"):
        read_sound(tmp_path / "a.wav", RATE)


def test_damage_of_any_kind_is_an_error_or_a_sound(tmp_path):
    whole, random = in_bytes(tone(300, 0.05), 2), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, min(len(damaged), 48), 3):
            damaged[place] = random.integers(256)
        (tmp_path / "a.wav").write_bytes(bytes(damaged))
        try:
            found = read_sound(tmp_path / "a.wav", RATE, 4 * RATE)
        except ValueError:
            continue
        assert np.isfinite(found).all() and np.abs(found).max(initial=0) <= 1 and len(found) <= 4 * RATE


def test_numbers_that_are_none_are_refused(tmp_path):
    wavfile.write(tmp_path / "a.wav", RATE, np.array([0, np.nan, 1], "float32"))
    with pytest.raises(ValueError, match="NaN or infinite"):
        read_sound(tmp_path / "a.wav", RATE)


def test_a_folder_of_sounds_is_read_and_what_is_none_is_told(tmp_path):
    folder = sounds(tmp_path / "tones")
    (folder / "low" / "broken.wav").write_bytes(b"RIFF")
    (folder / "low" / "notes.txt").write_text("taken at noon")
    dataset = zoo.data.sounds(folder)
    assert dataset.labels == ("high", "low") and dataset.input_shape[1:] == (1,)
    assert 0.3 * RATE < dataset.input_shape[0] <= 0.42 * RATE
    told = "\n".join(dataset.notes)
    assert "1 of 25 WAV files are left out; the first one" in told and "broken.wav" in told and "notes.txt" in told
    assert rate_of(dataset.files[FILE]) == RATE, "as most files have it"
    longer = zoo.data.sounds(folder, RATE, 0.5)
    assert longer.input_shape == (4000, 1) and not longer.train.x[:, 3400:].any()
    assert "0 are cut, 24 padded" in "\n".join(longer.notes)


def test_a_csv_may_name_the_files(tmp_path):
    folder = sounds(tmp_path / "tones")
    lines = [f"{p.relative_to(tmp_path)},{p.parent.name},{i}" for i, p in enumerate(sorted(folder.rglob("*.wav")))]
    (tmp_path / "list.csv").write_text("file,label,order\n" + "\n".join([*lines, "tones/gone.wav,low,99"]) + "\n")
    dataset = zoo.data.sounds(tmp_path / "list.csv", RATE)
    assert dataset.labels == ("high", "low") and "gone.wav" in "\n".join(dataset.notes)
    np.testing.assert_array_equal(dataset.train.x, zoo.data.sounds(folder, RATE).train.x)
    assert kind_of(tmp_path / "list.csv", None) == "sounds"
    pictures(tmp_path / "pictures")
    lines = [f"{p.relative_to(tmp_path)};{p.parent.name}" for p in sorted((tmp_path / "pictures").rglob("*.png"))]
    (tmp_path / "pictures.csv").write_text("path;light\n" + "\n".join(lines) + "\n")
    assert kind_of(tmp_path / "pictures.csv", None) == "images"
    plan = look(tmp_path / "pictures.csv", "light", None, None)
    assert plan.dataset.labels == ("dark", "light") and "target='light'" in plan.data
    with pytest.raises(ValueError, match="has no column of paths of images beside a class"):
        zoo.data.images(tmp_path / "list.csv")


def test_log_mel_is_what_numpy_gives():
    """The textbook's way: Hann window, NumPy's Fourier transform, Keras' own matrix of triangles, logarithm."""
    sound = tone(440, 0.2, 16000) + np.random.default_rng(0).normal(0, 0.1, 3200)
    layer = LogMel(16000, 40)
    found = np.asarray(layer(sound[None, :, None].astype("float32")))[0, :, :, 0]
    frame, hop = 480, 320
    window = np.hanning(frame + 1)[:-1]
    frames = np.stack([sound[i : i + frame] * window for i in range(0, len(sound) - frame + 1, hop)])
    magnitude = np.abs(np.fft.rfft(frames)) / (window.sum() / 2)
    triangles = keras.layers.MelSpectrogram().linear_to_mel_weight_matrix(40, frame // 2 + 1, 16000, 20.0, 8000.0)
    expected = np.log(magnitude @ np.asarray(triangles) + 3e-3)
    assert found.shape == expected.shape == layer.compute_output_shape((1, 3200, 1))[1:3]
    np.testing.assert_allclose(found, expected, atol=0.042)  # the magnitude is off by 4 % at most
    assert np.abs(found - expected).mean() < 0.02


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({"num_mel_bins": 200}, None, "num_mel_bins=200: bin 2 lies between two frequencies"),
        ({"max_freq": 9000}, None, "max_freq"),
        ({}, (None, 100, 1), "100 samples is shorter than a window of 30.0 ms at 16000 Hz, 480 samples"),
        ({}, (None, 1000, 2), "sounds of a fixed length"),
        ({}, (None, None, 1), "sounds of a fixed length"),
    ],
)
def test_pictures_of_sound_that_cannot_be(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        LogMel(16000, **arguments).build(shape)


def test_a_file_hears_what_it_was_trained_on(tmp_path, converter_here):
    sounds(tmp_path / "tones", n=40)
    plan = look(tmp_path / "tones", None, None, None)
    assert plan.kind == "sounds" and plan.builder == "zoo.ds_cnn"
    recipe = zoo.Recipe(
        data=lambda: plan.dataset,
        builder=zoo.ds_cnn,
        arguments={"filters": (16, 16, 16), "strides": (2, 1, 1)},
        task=zoo.Multiclass(2),
        preprocessing=[LogMel(RATE), keras.layers.Normalization(axis=None)],
        batch_size=8,
        epochs=25,
        trials=0,
        precisions=("float32", "dynamic", "int8"),
        bounds=zoo.Bounds(),
    )
    done = zoo.run(recipe, tmp_path / "out", report=lambda line: None)
    assert {file.precision: file.score for file in done.files} == {"float32": 1, "dynamic": 1, "int8": 1}
    (file,) = (tmp_path / "out" / "tflite").glob("*.dynamic.tflite")
    hiss = np.random.default_rng(9).normal(0, 0.02, 44100)
    wavfile.write(tmp_path / "new.wav", 44100, ((tone(1900, 0.6, 44100) + hiss[:26460]) * 32767).astype("int16"))
    assert ask(file, tmp_path / "new.wav").as_rows()[0]["label"] == "high"
    wavfile.write(tmp_path / "short.wav", RATE, ((tone(310, 0.2) + hiss[:1600]) * 127 + 128).astype("uint8"))
    assert ask(file, tmp_path / "short.wav").as_rows()[0]["label"] == "low"


def test_simple_methods_hear_spectra(tmp_path):
    dataset = zoo.data.sounds(sounds(tmp_path / "tones", n=40))
    scores, _ = baselines(dataset, zoo.Multiclass(2))
    assert scores["logistic regression on spectra"] > 0.9, "two tones are two lines"
    assert scores["gradient boosting on spectra"] > 0.9


def test_a_damaged_description_is_refused():
    assert rate_of(json.dumps({"version": 1, "sampling_rate": 8000})) == 8000
    for text in ("{", "[]", '{"version": 2}', '{"version": 1, "sampling_rate": "fast"}'):
        with pytest.raises(ValueError, match=r"sound\.json is damaged"):
            rate_of(text)
