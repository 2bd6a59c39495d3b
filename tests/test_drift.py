"""Drift of new rows: the index against its formula, chance against draws, the command."""

import json
import math

import numpy as np
import pytest
from test_tables import HEAD, flats, write

import zoo
from zoo.data import drift
from zoo.data.drift import _shift
from zoo.data.rows import Column

CITY = Column("city", "category", categories=("Bonn", "Rom"))
AREA = Column("area", "number", gaps=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory, converter_here):
    """A file of flats whose model is hardly trained: what it keeps of train is what counts."""
    folder = tmp_path_factory.mktemp("drift")
    path = write(folder / "flats.csv", HEAD, flats(1000))
    dataset = zoo.data.table(path)
    recipe = zoo.Recipe(
        name="flats", data=lambda: dataset, builder=zoo.fnn, arguments={"units": (4,)}, task=zoo.Regression(),
        preprocessing=[zoo.TableFeatures(dataset.categories)], epochs=1, trials=0, precisions=("float32",),
        bounds=zoo.Bounds(),
    )  # fmt: skip
    zoo.run(recipe, folder / "out", report=lambda line: None)
    return next((folder / "out" / "tflite").glob("*.tflite"))


def test_the_index_is_its_formula():
    before, now = np.array([20, 50, 30]), np.array([40, 40, 20])
    p, q = (before + 0.5) / 101.5, (now + 0.5) / 101.5
    shift = _shift(CITY, [], before, now, 0.01)
    assert shift.psi == pytest.approx(sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True)))
    assert shift.bin == "rare, new and missing categories" and (shift.before, shift.now) == (0.2, 0.4)


@pytest.mark.parametrize("count", [20, 200, 5000])
def test_rows_like_those_of_train_seldom_move(count):
    """By draws, of ten bins: not more often than is said, however few they are, and one in five too many is seen."""
    random, edges = np.random.default_rng(0), list(range(9))
    before = random.multinomial(3000, [0.1] * 10 + [0])
    said = [_shift(AREA, edges, before, random.multinomial(count, [0.1] * 10 + [0]), 0.01).moved for _ in range(500)]
    assert np.mean(said) < 0.02
    other = [0.35, 0.15, 0.15, *[0.05] * 7, 0]
    seen = [_shift(AREA, edges, before, random.multinomial(count, other), 0.01).moved for _ in range(100)]
    assert count < 200 or np.mean(seen) > 0.9


def test_what_is_missing_has_a_bin_of_its_own():
    x = np.array([[1, 0], [2, 0], [7, 1], [3, 0]], "float32")
    profile = json.loads(drift.profile([AREA], x))["columns"][0]
    assert sum(profile["counts"]) == 4 and profile["counts"][-1] == 1


def test_a_shift_is_reported_and_the_exit_code_is_1(file, tmp_path, zoo_command):
    same = write(tmp_path / "same.csv", HEAD, flats(400, seed=1))
    done = zoo_command("verify", file, "--data", same)
    assert done.returncode == 0 and done.stdout == "all 3 columns look like those of train\n", done.stderr
    lines = [
        [i, area and str(float(area) + 60), city if i % 3 else "", *rest] for i, area, city, *rest in flats(400, seed=1)
    ]
    other = write(tmp_path / "other.csv", HEAD, lines)
    done = zoo_command("verify", file, "--data", other)
    assert done.returncode == 1 and "drifted: 2 of 3 columns moved" in done.stderr
    assert done.stdout.startswith("area moved much: stability index") and "values from" in done.stdout
    assert "city moved" in done.stdout and "rare, new and missing categories were 0.0% of train" in done.stdout
    shifts = json.loads(zoo_command("verify", file, "--data", other, "--json").stdout)
    assert [shift["moved"] for shift in shifts] == [True, True, False]


def test_gaps_where_train_had_none_are_seen(file, tmp_path):
    lines = [[*row[:3], "" if i % 3 else row[3], *row[4:]] for i, row in enumerate(flats(400, seed=1))]
    shifts = drift.drift(file, write(tmp_path / "gaps.csv", HEAD, lines))
    assert [(shift.column, shift.bin) for shift in shifts if shift.moved] == [("built", "missing values")]


def test_mistakes_are_errors(file, tmp_path):
    with pytest.raises(ValueError, match=r"has no profile\.json of its training data: it is not of a table"):
        drift.drift("tflite/digits_cnn/digits_cnn.int8.tflite", tmp_path / "a.csv")
    with pytest.raises(ValueError, match="there is no column 'built'"):
        drift.drift(file, write(tmp_path / "short.csv", HEAD[:3], [row[:3] for row in flats(20)]))
    for text in (b"{", b"[]", b'{"version": 2}', b'{"version": 1, "columns": [{"edges": 1}]}'):
        with pytest.raises(ValueError, match=r"profile\.json is damaged"):
            drift._read(text)
