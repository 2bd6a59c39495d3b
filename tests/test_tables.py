"""Any CSV: what is detected, what is left out and noted, and that nothing leaks from test."""

import codecs
import csv
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import zoo
from zoo.data import rows
from zoo.data.rows import Column, Csv
from zoo.models import TableFeatures

CITIES = {"Berlin": 300.0, "Bonn": 200.0, "Köln": 250.0}


def write(path, head, lines, delimiter=",", encoding="utf-8"):
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([head, *lines])
    return path


def flats(n=300, seed=0):
    random = np.random.default_rng(seed)
    for i in range(n):
        area, city = random.uniform(20, 150), str(random.choice(list(CITIES)))
        built = f"{random.integers(1950, 2020)}-{random.integers(1, 13):02d}-03"
        yield [i, "" if i % 20 == 0 else f"{area:.1f}", city, built, f"flat number {i} has a very fine view", "EUR",
               f"{CITIES[city] + 10 * area:.2f}"]  # fmt: skip


HEAD = ["id", "area", "city", "built", "note", "currency", "rent"]


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "flats.csv", HEAD, flats())


def test_columns_are_what_they_look_like_and_the_rest_is_told(file):
    dataset = zoo.data.table(file)
    told = "\n".join(dataset.notes)
    for note in (
        "target is 'rent', the last column", "task is Regression", "'id' is left out: it numbers the rows",
        "'note' is left out: it is text", "'currency' is left out: it is the same everywhere",
    ):  # fmt: skip
        assert note in told
    assert dataset.features[:3] == ("area", "area: missing", "city") and dataset.target == "rent"
    assert dataset.categories == (0, 0, 4, 0, 0, 0, 0)
    assert {name: len(part.x) for name, part in dataset.parts.items()} == {"train": 195, "validation": 45, "test": 60}


def test_raw_rows_are_read_by_the_archive_as_training_read_them(file):
    dataset = zoo.data.table(file)
    columns = rows.from_json(dataset.files[rows.TABLE_FILE])
    read = {row.tobytes() for row in rows.read_rows(file, columns)}
    assert all(row.tobytes() in read for part in dataset.parts.values() for row in part.x)


def test_medians_and_categories_are_those_of_train(tmp_path):
    lines = list(flats(400))
    before = zoo.data.table(write(tmp_path / "a.csv", HEAD, lines))
    tested = {row[0] for row in before.test.x[:, :1].tolist()}
    for line in lines:  # what only test has must change nothing that is learnt
        if line[1] and np.float32(line[1]) in tested:
            line[1] = f"{float(line[1]) + 1e6:.1f}"
    after = zoo.data.table(write(tmp_path / "b.csv", HEAD, lines))
    table = json.loads(after.files[rows.TABLE_FILE])["columns"]
    values = after.train.x[after.train.x[:, 1] == 0, 0]
    assert table[0]["fill"] == pytest.approx(np.median(values)), "of the rows that train has"
    counted = [after.train.x[:, 2].tolist().count(code) for code in (1, 2, 3)]
    assert counted == sorted(counted, reverse=True), "codes go by how frequent they are in train"


def test_an_unknown_category_and_a_gap_have_their_own_inputs():
    city = Column("city", "category", categories=("Bonn", "Köln"))
    area = Column("area", "number", fill=70.0, gaps=True)
    x = rows.vectors([area, city], {"city": ["Köln", "Rom", ""], "area": ["12.5", "n/a", "inf"]})
    np.testing.assert_array_equal(x, [[12.5, 0, 2], [70, 1, 0], [70, 1, 0]])


def test_features_are_normalized_numbers_and_one_hot_categories():
    x = np.array([[1, 0], [3, 2], [5, 1]], "float32")
    layer = TableFeatures((0, 3))
    layer.adapt(x)
    numbers = (x[:, 0] - 3) / np.std([1, 3, 5])
    np.testing.assert_allclose(layer(x), np.column_stack([numbers, np.eye(3)[[0, 2, 1]]]), atol=1e-6)
    with pytest.raises(ValueError, match="categories tells of 2 values, the input has 3"):
        TableFeatures((0, 3)).build((None, 3))


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("\t", "utf-8-sig"), ("|", "utf-16"), (",", "cp1252")]
)
def test_delimiter_and_encoding_are_detected(tmp_path, delimiter, encoding):
    dataset = zoo.data.table(write(tmp_path / "flats.csv", HEAD, flats(), delimiter, encoding))
    table = json.loads(dataset.files[rows.TABLE_FILE])["columns"]
    assert set(table[1]["categories"]) == set(CITIES)
    assert any("Windows-1252" in note for note in dataset.notes) == (encoding == "cp1252")


def test_decimal_commas(tmp_path):
    lines = [[f"{i / 7:.3f}".replace(".", ","), i % 5, f"{i / 3:.2f}".replace(".", ",")] for i in range(200)]
    dataset = zoo.data.table(write(tmp_path / "a.csv", ["a", "b", "c"], lines, ";"))
    y = np.concatenate([part.y for part in dataset.parts.values()])
    assert y.max() == pytest.approx(199 / 3, abs=0.01)


def test_dates_in_two_forms(tmp_path):
    lines = [[f"2026-01-{1 + i % 28:02d}" if i % 2 else f"{1 + i % 28}.1.2026", i, i % 3] for i in range(200)]
    dataset = zoo.data.table(write(tmp_path / "a.csv", ["day", "b", "label"], lines))
    assert dataset.features[:4] == tuple(f"day: {part}" for part in rows.DATE_PARTS)
    assert any("dates in several formats" in note for note in dataset.notes)
    assert set(np.unique(dataset.train.x[:, 1])) == {1.0}, "all are of January"


def test_ragged_lines_odd_cells_and_rows_without_target(tmp_path):
    lines = [[i, "oops" if i == 7 else i * 2, "" if i == 9 else "ab"[i % 2]] for i in range(100)]
    lines[20] = [1, 2]
    dataset = zoo.data.table(write(tmp_path / "a.csv", ["x", "z", "label"], lines))
    told = "\n".join(dataset.notes)
    assert "1 lines are left out, the first one line 22: 2 cells, the other lines have 3" in told
    assert "'z': 1 cells are not finite numbers and count as missing, the first one 'oops' in line 9" in told
    assert "1 rows are left out: their target is missing" in told
    assert sum(len(part.x) for part in dataset.parts.values()) == 98


def test_a_column_that_gives_the_target_away_is_named(tmp_path):
    random = np.random.default_rng(0)
    lines = [
        [random.normal(), random.normal(), 100 + 7 * (i % 2) + random.normal() / 9, "ab"[i % 2]] for i in range(400)
    ]
    dataset = zoo.data.table(write(tmp_path / "a.csv", ["u", "v", "invoice", "label"], lines))
    assert next(note for note in dataset.notes if "alone predicts the target" in note).startswith("column 'invoice'")


def test_without_a_header_columns_are_numbered(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{i / 3},{i % 7},{'ab'[i % 2]}\n" for i in range(100)))
    assert Csv(path).names == ["column 1", "column 2", "column 3"]
    assert zoo.data.table(path).labels == ("a", "b")


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", {}, "is empty"),
        ("a,b\n", {}, "has no rows"),
        ("only\n1\n2\n", {}, "has one column only, 'only'"),
        ("a,b\n" + "1,5\n" * 50, {}, "the target 'b' is '5' in every row; there is nothing to learn"),
        ("a,b\n" + "1,\n2,\n" * 50, {}, "the target 'b' is empty in every row"),
        ("a,b\n" + "".join(f"1,{i}\n" for i in range(50)), {"task": "Regression"}, "no column is left to predict 'b'"),
        ("a,b\n" + "".join(f"{i},w{i}x\n" for i in range(300)), {}, "300 different values; at most 100 classes"),
        ("a,b\n" + "".join(f"{i},{'uv'[i % 2]}\n" for i in range(50)), {"task": "Regression"}, "line 2: .* is 'u'"),
        ("a,b\n1,2\n", {"target": "c"}, "target='c' is not known; .*'a', 'b'"),
        ("a,b\n1,\x002\n", {}, "it has zero bytes in it"),
        (",".join(f"c{i}" for i in range(10_000)) + "\n" + ",".join("1" * 10_000), {}, "has 10,000 columns"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_words(tmp_path, content, options, words):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=words):
        zoo.data.table(path, **options)


def test_parquet_reads_like_csv(file, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    from pyarrow import parquet

    lines = list(flats())
    columns = dict(zip(HEAD, map(list, zip(*lines, strict=True)), strict=True))
    parquet.write_table(pyarrow.table(columns), tmp_path / "flats.parquet")
    one, other = zoo.data.table(file), zoo.data.table(tmp_path / "flats.parquet")
    assert one.sha256 == other.sha256
    columns = rows.from_json(one.files[rows.TABLE_FILE])
    np.testing.assert_array_equal(rows.read_rows(tmp_path / "flats.parquet", columns), rows.read_rows(file, columns))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        zoo.data.table(tmp_path / "broken.parquet")


def test_a_damaged_description_is_refused():
    for text in ("{", '{"version": 2}', '{"version": 1, "columns": [{"name": "a", "kind": "code"}]}', "[]"):
        with pytest.raises(ValueError, match=r"table\.json is damaged"):
            rows.from_json(text)


def old_lines(path):
    """Lines and the count of foreign bytes, read by a codec error handler; one reader at a time."""
    foreign = 0

    def as_windows(error):
        nonlocal foreign
        foreign += 1
        return error.object[error.start : error.start + 1].decode("cp1252", "replace"), error.start + 1

    codecs.register_error("test-windows", as_windows)
    with open(path, encoding="utf-8-sig", errors="test-windows", newline="") as file:
        return list(file), foreign


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_bytes_that_are_not_utf_8_are_read_as_windows_1252(tmp_path, monkeypatch, size):
    """In chunks of any size, with any line end, as Python's own decoder with an error handler reads them."""
    monkeypatch.setattr(rows, "CHUNK_BYTES", size)
    random = np.random.default_rng(0)
    parts = [*map(str.encode, 'aö€𝄞,"\r\n'), b"\xf6", b"\xe2\x82", b"\xff", b"\r\n"]
    for case in range(40):
        content = b"".join(parts[i] for i in random.integers(0, len(parts), 60))
        (tmp_path / "a.csv").write_bytes((codecs.BOM_UTF8 if case % 2 else b"") + b"x,y\n" + content)
        table = Csv(tmp_path / "a.csv")
        assert (list(table._lines()), table.foreign) == old_lines(tmp_path / "a.csv")


def test_two_readers_at_once_share_nothing(tmp_path):
    """Each counts its own bytes, and the process keeps its codec error handlers."""
    count = 5000
    for name in "ab":
        (tmp_path / f"{name}.csv").write_bytes(b"x,y\n" + b"\xf6,1\n" * count)
    tables = [Csv(tmp_path / f"{name}.csv") for name in "ab"]
    together = threading.Barrier(2)

    def read(table):
        together.wait()
        return sum(row == ["ö", "1"] for _, row in table.rows())

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, tables)) == [count] * 2
    assert [table.foreign for table in tables] == [count] * 2
    with pytest.raises(LookupError):
        codecs.lookup_error("zoo-windows")
