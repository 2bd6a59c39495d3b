"""Folders of images, texts and series: what is read, what is ignored and noted, what is an error."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.data.image_files import read_image
from zoo.runs.baselines import naive_forecasts
from zoo.runtime.prediction import read_texts


def pictures(folder, n=12, size=(10, 14)):
    random = np.random.default_rng(0)
    for name, light in (("dark", 60), ("light", 200)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            values = random.normal(light, 20, (*size, 3)).clip(0, 255).astype("uint8")
            Image.fromarray(values).save(folder / name / f"{i}.png")
    return folder


def test_images_are_read_and_other_files_are_noted(tmp_path):
    folder = pictures(tmp_path / "pictures")
    (folder / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "dark" / "notes.txt").write_text("not a picture")
    (folder / ".hidden").mkdir()
    (folder / "light" / ".DS_Store").write_text("")
    (folder / "light" / "loop").symlink_to(folder)
    dataset = zoo.data.images(folder)
    assert dataset.input_shape == (10, 14, 3) and dataset.labels == ("dark", "light")
    assert sum(len(part.x) for part in dataset.parts.values()) == 24
    told = "\n".join(dataset.notes)
    assert "1 of 25 images are left out" in told and "broken.png" in told and "notes.txt" in told
    assert dataset.train.x.mean(axis=(1, 2, 3))[dataset.train.y == 1].min() > 150


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "LA", "F"])
def test_any_mode_is_read(tmp_path, mode):
    grey = np.linspace(0, 255, 64).reshape(8, 8).astype("uint8")
    image = Image.fromarray(grey.astype("uint16") * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    image.save(tmp_path / f"a.{'tif' if mode in ('CMYK', 'I;16', 'F') else 'png'}")
    found = read_image(next(tmp_path.iterdir()), 8, 8, 1)
    if mode == "1":
        assert set(np.unique(found)) == {0, 255}
    else:
        np.testing.assert_allclose(found[..., 0], grey, atol=3)


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    image = Image.fromarray(np.repeat([[0], [255]], 8, axis=1).repeat(4, axis=0).astype("uint8"))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.png", exif=exif)
    assert read_image(tmp_path / "a.png", 8, 8, 1)[0, 0, 0] > 200


def test_transparency_is_white_and_a_bomb_is_refused(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 8, 8, 3).min() == 255
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match="9000 x 9000 pixels, more than"):
        read_image(tmp_path / "bomb.png", 8, 8, 3)


def test_folders_that_are_no_classes_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        zoo.data.images(tmp_path / "nowhere")
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match="has images in 0 folders; at least two classes"):
        zoo.data.images(tmp_path)
    folder = pictures(tmp_path / "few", n=3)
    with pytest.raises(ValueError, match="two classes with 8 samples each are needed; there are dark 3, light 3"):
        zoo.data.images(folder)


WORDS = ["friends", "music", "food", "rain", "wine", "cards", "songs", "dogs"]


def reviews(n=60):
    for i in range(n):
        words = [WORDS[(i // 8**j) % 8] for j in range(2)]
        yield f"it was a {('lovely', 'dreadful')[i % 2]} evening with {' and '.join(words)}", ("pos", "neg")[i % 2]


def test_texts_of_a_csv_and_of_folders_have_the_vocabulary_of_train(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("words,label\n" + "".join(f'"{text}",{label}\n' for text, label in reviews()))
    dataset = zoo.data.text(path)
    assert dataset.labels == ("neg", "pos") and "lovely" in dataset.vocabulary
    assert "text is 'words', the class 'label'; --target names another" in dataset.notes
    seen = set(np.unique(dataset.train.x)) | {0, 1}
    assert seen == set(range(len(dataset.vocabulary))), "no word of test alone has a number"
    for i, (text, label) in enumerate(reviews()):
        (tmp_path / "folders" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / label / f"{i}.txt").write_text(text)
    (tmp_path / "folders" / "pos" / "empty.txt").write_text("")
    dataset = zoo.data.text(tmp_path / "folders")
    assert any("empty.txt is empty" in note for note in dataset.notes)
    assert sum(len(part.x) for part in dataset.parts.values()) == 60


def test_series_of_npz_keep_groups_together_and_leave_out_what_is_not_finite(tmp_path):
    random = np.random.default_rng(0)
    x, people = random.normal(size=(80, 9, 2)), np.repeat(np.arange(20), 4)
    x[5, 3, 1] = np.nan
    np.savez(tmp_path / "moves.npz", x=x, y=np.where(np.arange(80) % 2, "up", "down"), groups=people)
    dataset = zoo.data.series(tmp_path / "moves.npz")
    assert dataset.labels == ("down", "up") and any("the first one 5" in note for note in dataset.notes)
    sides = [set(groups.tolist()) for groups in dataset.groups]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    np.savez(tmp_path / "bad.npz", x=x)
    with pytest.raises(ValueError, match="holds x; it needs the arrays x and y"):
        zoo.data.series(tmp_path / "bad.npz")
    np.savez(tmp_path / "pickled.npz", x=x, y=np.array([object()] * 80))
    with pytest.raises(ValueError, match="cannot be read as .npz"):
        zoo.data.series(tmp_path / "pickled.npz")


def hours(n=600, start="2026-01-01T00"):
    times = np.datetime64(start) + np.arange(n)
    return [[str(t).replace("T", " ") + ":00", i % 24 + i / 1024] for i, t in enumerate(times)]


def write_hours(path, lines):
    path.write_text("time,load\n" + "".join(f"{t},{v}\n" for t, v in lines))
    return path


def test_a_forecast_sees_the_past_alone(tmp_path):
    dataset = zoo.data.forecast(write_hours(tmp_path / "a.csv", hours()), window=24, horizon=6)
    assert dataset.input_shape == (24, 7) and dataset.train.y.shape[1] == 6
    x, y = dataset.test
    values = np.array([value for _, value in hours()], "float32")
    for inputs, ahead in zip(x, y, strict=True):  # the target goes on where the input ends
        start = np.flatnonzero(values == inputs[0, 0])[0]
        np.testing.assert_array_equal(values[start : start + 24], inputs[:, 0])
        np.testing.assert_array_equal(values[start + 24 : start + 30], ahead)
    by_day = naive_forecasts(dataset, zoo.Forecasting(6))
    assert set(by_day) == {"naive, the last value", "seasonal naive, 6 steps ago"}
    # Windows of train end before those of test begin, horizon included: no value stands on two sides.
    assert len(dataset.train.x) + len(dataset.validation.x) + len(dataset.test.x) <= 600 - 30 + 1 - 2 * 29


def test_times_out_of_order_doubled_and_gapped(tmp_path):
    lines = hours()
    lines[3], lines[4] = lines[4], lines[3]
    lines.insert(10, [lines[10][0], 999])
    del lines[50]
    dataset = zoo.data.forecast(write_hours(tmp_path / "a.csv", lines), window=24, horizon=6)
    told = "\n".join(dataset.notes)
    assert "out of order" in told and "1 rows have the time of another" in told and "1 rows are missing" in told
    assert max(part.x[:, :, 0].max() for part in dataset.parts.values()) < 100, "of doubled times the last row stands"


def test_columns_that_hardly_change_in_train_are_left_out(tmp_path):
    lines = hours(900)
    rain = [1.0 if i in (50, 60) or i > 800 else 0.0 for i in range(len(lines))]
    wind = [i % 7 for i in range(len(lines))]
    text = "".join(f"{t},{r},{w},{v}\n" for (t, v), r, w in zip(lines, rain, wind, strict=True))
    (tmp_path / "a.csv").write_text("time,rain,wind,load\n" + text)
    dataset = zoo.data.forecast(tmp_path / "a.csv", window=24, horizon=6)
    assert dataset.features[:2] == ("load", "wind") and len(dataset.features) == dataset.input_shape[1] == 8
    assert "column 'rain' is left out: it is nearly always the same in train" in dataset.notes


def test_what_is_no_series_to_forecast(tmp_path):
    with pytest.raises(ValueError, match="has no column of dates"):
        zoo.data.forecast(write_hours(tmp_path / "a.csv", [[i, i] for i in range(100)]))
    with pytest.raises(ValueError, match="windows of 168 with 24 to forecast need 1,536: give less"):
        zoo.data.forecast(write_hours(tmp_path / "b.csv", hours(500)), window=168, horizon=24)
    with pytest.raises(ValueError, match="1,800 rows of 600 different times: the file holds several series"):
        zoo.data.forecast(write_hours(tmp_path / "c.csv", hours() * 3))


@pytest.mark.parametrize(
    ("times", "window", "horizon", "told"),
    [
        (
            np.arange("2010-01", "2060-01", dtype="datetime64[M]"),
            24,
            12,
            "a row every month; 24 rows predict the next 12",
        ),
        (np.arange("2010-01", "2160-01", 3, dtype="datetime64[M]"), 28, 4, "a row every 3 months"),
        (np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]"), 49, 7, "a row every day"),
        (np.arange("2020-01-01T00", "2020-02-01T00", 15, dtype="datetime64[m]"), 93, 93, "a row every 15 minutes"),
        (np.arange("2010-01-04", "2020-01-01", 7, dtype="datetime64[D]"), 13, 13, "a row every week"),
    ],
    ids=["months", "quarters", "days", "quarters of an hour", "weeks"],
)
def test_a_forecast_goes_as_far_as_people_plan(tmp_path, times, window, horizon, told):
    lines = [[str(t).replace("T", " "), float(i)] for i, t in enumerate(times)]
    dataset = zoo.data.forecast(write_hours(tmp_path / "a.csv", lines))
    assert (dataset.input_shape[0], dataset.train.y.shape[1]) == (window, horizon), dataset.notes
    assert any(told in note for note in dataset.notes) and len(dataset.validation.x) > horizon
    assert not any("missing" in note for note in dataset.notes), "months are of no one length"


def test_texts_are_asked_by_the_vocabulary_of_the_file(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("words,label\n" + "".join(f'"{text}",{label}\n' for text, label in reviews()))
    dataset = zoo.data.text(path)
    texts = [text for text, _ in reviews()]
    (tmp_path / "ask.txt").write_text("\n\n".join(texts))
    x = read_texts(tmp_path / "ask.txt", "\n".join(dataset.vocabulary), dataset.input_shape[0])
    asked = {row.tobytes() for row in x}
    assert len(x) == len(texts) and all(row.tobytes() in asked for part in dataset.parts.values() for row in part.x)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="has no text; each line is one text"):
        read_texts(tmp_path / "empty.txt", "a", 3)
