"""Files as people have them: each is read as its owner would want, and the notes tell it, or refused with the reason.

One row a mishap; those of a single sound, image or table that have tests of their own stand beside their readers.
"""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from test_own_files import hours, pictures, reviews, write_hours
from test_sounds import sounds

import zoo
from zoo.runs.kinds import look

ROWS = [f"{i / 7:.3f},{'rgb'[i % 3]},{i % 2}" for i in range(120)]


def lines(path, rows=ROWS, head="size,colour,label", encoding="utf-8"):
    (path / "a.csv").write_bytes("\n".join([head, *rows, ""]).encode(encoding))
    return path / "a.csv"


def changed(path, line, row, encoding="utf-8"):
    """The usual table with one line written over; `line` counts as editors do."""
    rows = list(ROWS)
    rows[line - 2] = row
    return lines(path, rows, encoding=encoding)


def mixed_encodings(path):
    file = lines(path, [row.replace("r", "röt") for row in ROWS])
    content = file.read_bytes().split(b"\n")
    content[7] = content[7].decode().encode("cp1252")
    file.write_bytes(b"\n".join(content))
    return file


def identifiers(path):
    """Numbers that were given class by class, as of patients of two wards."""
    random = np.random.default_rng(0)
    rows = [f"{(5000, 1000)[i % 2] + i},{random.normal():.3f},{random.normal():.3f},{i % 2}" for i in range(300)]
    return lines(path, rows, "patient,age,weight,label")


def with_image(content, name="odd.png"):
    def make(path):
        folder = pictures(path / "pictures")
        if callable(content):
            content(folder / "dark" / name)
        else:
            (folder / "dark" / name).write_bytes(content)
        return folder

    return make


def cut_jpeg(path):
    values = np.random.default_rng(0).integers(0, 255, (90, 90, 3)).astype("uint8")
    Image.fromarray(values).save(path)
    path.write_bytes(path.read_bytes()[:4000])


def bomb(side):
    """A PNG of a few bytes that claims to have so many pixels, squared."""

    def make(path):
        chunks = {
            b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0),
            b"IDAT": zlib.compress(b""),
            b"IEND": b"",
        }
        parts = [
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks.items()
        ]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))

    return make


def round_in_a_circle(path):
    folder = pictures(path / "pictures")
    (folder / "again").symlink_to(folder)
    (folder / "above").symlink_to(path)
    (folder / "dark" / "a.png").symlink_to(folder / "dark" / "b.png")
    (folder / "dark" / "b.png").symlink_to(folder / "dark" / "a.png")
    os.mkfifo(folder / "light" / "pipe.png")
    return folder


def classes_elsewhere(path):
    """Folders of classes that are links to where the pictures are."""
    pictures(path / "store")
    (path / "set").mkdir()
    for name in ("dark", "light"):
        (path / "set" / name).symlink_to(path / "store" / name)
    return path / "set"


def already_split(path):
    for side in ("train", "test"):
        pictures(path / "set" / side)
    return path / "set"


def one_class(path):
    folder = pictures(path / "pictures")
    for file in (folder / "light").iterdir():
        file.unlink()
    return folder


def no_images(path):
    for name in "ab":
        (path / "set" / name).mkdir(parents=True)
        for i in range(9):
            (path / "set" / name / f"{i}.png").write_text("no picture")
    return path / "set"


def one_bad_sound(path):
    folder = sounds(path / "tones")
    (folder / "low" / "silent.wav").write_bytes(b"")
    return folder


def moves(path, head="", stamp=False):
    random = np.random.default_rng(0)
    for i in range(60):
        place = path / "set" / "ab"[i % 2] / f"person {i // 6}"
        place.mkdir(parents=True, exist_ok=True)
        steps = [",".join(f"{v:.3f}" for v in random.normal(size=2)) for _ in range(8 + i % 5)]
        steps = [f"2026-01-01 00:{t:02d}:00,{row}" if stamp else row for t, row in enumerate(steps)]
        (place / f"{i}.csv").write_text("\n".join([*([head] if head else []), *steps, ""]))
    return path / "set"


def one_odd_series(path):
    folder = moves(path)
    (folder / "a" / "person 0" / "0.csv").write_text("1,2\n3,oops\n")
    return folder


READ = {
    "a byte-order mark": (lambda p: lines(p, encoding="utf-8-sig"), ["target is 'label', by its name"]),
    "mixed encodings": (mixed_encodings, ["1 characters are not UTF-8 and were read as Windows-1252"]),
    "a ragged row": (lambda p: changed(p, 9, "1,r"), ["1 lines are left out, the first one line 9: 2 cells"]),
    "infinities": (lambda p: changed(p, 9, "inf,r,1"), ["'size': 1 cells are no finite number and count as missing"]),
    "a target that is missing": (lambda p: changed(p, 9, "1.5,r,"), ["1 rows are left out: their target is missing"]),
    "names that are doubled": (lambda p: lines(p, head="size,size,label"), ["target is 'label'"]),
    "identifiers that leak": (identifiers, ["column 'patient' alone tells the target (1.000 on validation)"]),
    "a truncated image": (with_image(cut_jpeg, "cut.jpg"), ["1 of 25 images are left out", "cut.jpg", "truncated"]),
    "an empty image": (with_image(b""), ["1 of 25 images are left out", "odd.png"]),
    "a bomb": (with_image(bomb(60_000)), ["1 of 25 images are left out", "odd.png", "3600000000 pixels"]),
    "a small bomb": (with_image(bomb(10_000)), ["1 of 25 images are left out", "10000 x 10000 pixels, more than"]),
    "links in a circle, a pipe": (round_in_a_circle, ["2 of 26 images are left out", "pipe.png: they are no images"]),
    "classes that are links": (classes_elsewhere, []),
    "an empty sound": (one_bad_sound, ["1 of 25 WAV files are left out", "silent.wav"]),
    "one odd series": (one_odd_series, ["1 of 60 CSV files are left out", "0.csv, line 2: 'oops' is no finite number"]),
    "series with a clock": (lambda p: moves(p, "time,x,y", stamp=True), ["10 groups by the folders", "'person 0'"]),
}
REFUSED = {
    "a delimiter that is none": (lambda p: lines(p, [r.replace(",", ":") for r in ROWS], "size:colour:label"),
                                 r"a\.csv has one column only, 'size:colour:label'; .* one of , ; tab \| between them"),
    "a quote left open": (lambda p: changed(p, 9, '"1.5,r,1'), r"a\.csv, line 9: a quote opens there"),
    "classes that are sides": (already_split, "has the folders test, train, which are no classes"),
    "one class": (one_class, "has images in 1 folder; two classes at least are needed"),
    "no images at all": (no_images, r"none of the first 18 files can be read as an image, .*0\.png for one"),
}  # fmt: skip


@pytest.mark.parametrize("mishap", READ)
def test_it_is_read_as_its_owner_would_want_and_told(tmp_path, mishap, recwarn):
    make, told = READ[mishap]
    dataset = look(make(tmp_path), None, None, None).dataset
    for words in told:
        assert words in "\n".join(dataset.notes)
    assert len(dataset.labels) == 2 and all(np.isfinite(part.x).all() for part in dataset.parts.values())
    assert not [w for w in recwarn if "Bomb" in w.category.__name__], "told once, in our words"


@pytest.mark.parametrize("mishap", REFUSED)
def test_it_is_refused_with_file_and_reason(tmp_path, mishap):
    make, words = REFUSED[mishap]
    with pytest.raises(ValueError, match=words):
        look(make(tmp_path), None, None, None)


def test_one_bad_file_among_thousands_is_counted_and_named(tmp_path):
    for i in range(2000):
        place = tmp_path / "set" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.pgm").write_bytes(b"P5 8 8 255\n" + i.to_bytes(4, "little") * 16)
    (tmp_path / "set" / "a" / "1000.pgm").write_bytes(b"P5 8 8 255\n")
    dataset = zoo.data.images(tmp_path / "set")
    (note,) = dataset.notes
    assert note.startswith("1 of 2,000 images are left out; the first one: ") and "1000.pgm" in note
    assert sum(len(part.x) for part in dataset.parts.values()) == 1999


def test_series_of_one_person_stay_on_one_side_and_their_clock_is_no_channel(tmp_path):
    dataset = zoo.data.series(moves(tmp_path, "time,x,y", stamp=True))
    assert dataset.input_shape == (12, 2)
    sides = [set(groups.tolist()) for groups in dataset.groups]
    assert len(set.union(*sides)) == 10 == sum(map(len, sides))


def test_what_is_known_ahead_is_seen_ahead(tmp_path):
    table = [[t, f"{i % 5},{v}"] for i, (t, v) in enumerate(hours())]
    file = write_hours(tmp_path / "a.csv", table)
    file.write_text(file.read_text().replace("time,load", "time,holiday,load", 1))
    dataset = zoo.data.forecast(file, window=24, horizon=6, known=["holiday"])
    assert dataset.features[:3] == ("load", "holiday", "holiday, 6 rows on")
    x, y = dataset.test
    np.testing.assert_array_equal(x[:, 6:, 1], x[:, :-6, 2])
    rows = {np.float32(v): i % 5 for i, (_, v) in enumerate(hours())}
    ahead = [[rows[value] for value in sample] for sample in y]
    np.testing.assert_array_equal(x[:, -6:, 2], ahead, "the last rows tell of those to forecast")
    with pytest.raises(ValueError, match="known='holidy' is not known; did you mean 'holiday'"):
        zoo.data.forecast(file, known=["holidy"])
    (tmp_path / "reviews.csv").write_text("words,label\n" + "".join(f'"{t}",{label}\n' for t, label in reviews()))
    with pytest.raises(ValueError, match="known ahead go with task='Forecasting'"):
        look(tmp_path / "reviews.csv", None, None, None, ["words"])
