"""`make trust` finds whatever was changed: a byte, a figure, a word; also where the hashes were made to fit again."""

import re
import shutil
import sys
import types

import numpy as np
import pytest
from conftest import ROOT

import zoo
from tools import trust
from tools.release import SUMS, TABLE, released_cards, seal, with_results
from zoo.base.files import read_json, write_json, write_text

NAME = "digits_fnn"  # whose data are everywhere
FILE, KERAS = f"tflite/{NAME}/{NAME}.int8.tflite", f"saved_models/{NAME}/model.keras"
GOLDEN = f"tflite/{NAME}/{NAME}.int8.golden.json"
RECORDS = (f"tflite/{NAME}/record.json", f"saved_models/{NAME}/1/record.json")
VARIABLES = f"saved_models/{NAME}/1/variables/variables.data-00000-of-00001"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A collection of one released recipe, with its README and hashes."""
    for name in ("tflite", "saved_models"):
        shutil.copytree(ROOT / name / NAME, tmp_path / name / NAME)
    (tmp_path / "recipes").mkdir()
    shutil.copy(ROOT / "recipes" / f"{NAME}.py", tmp_path / "recipes")
    monkeypatch.setattr("zoo.recipe.collection.__file__", str(tmp_path / "zoo" / "collection.py"))
    write_text(tmp_path / "README.md", with_results("<!-- results -->\n<!-- end of results -->\n"))
    seal(NAME)
    return tmp_path


@pytest.fixture
def no_data(monkeypatch):
    def load_data(recipe):
        raise LookupError("digits is not on this machine; this brings it: make data")

    monkeypatch.setattr("zoo.recipe.recipe.Recipe.load_data", load_data)


def told(place):
    """The faults as (file, line)."""
    return [(str(fault.file.relative_to(place)), str(fault)) for fault in trust.faults(lambda line: None)]


def change_byte(path, share=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x40
    path.write_bytes(content)


def change_golden(place):
    golden = read_json(place / GOLDEN)
    golden["outputs"][0][3] += 0.01
    write_json(place / GOLDEN, golden, compact=True)


def change_score(place):
    for name in RECORDS:
        record = read_json(place / name)
        record["files"]["int8"]["score"] += 1 / 364
        write_json(place / name, record)


def change_variables(place):
    """Doubles a kernel in the SavedModel; the checkpoint's own checksums hold."""
    import tensorflow as tf

    prefix = str(place / VARIABLES).removesuffix(".data-00000-of-00001")
    stored = tf.train.load_checkpoint(prefix)
    tensors = {name: stored.get_tensor(name) for name in stored.get_variable_to_shape_map()}
    kernel = max(tensors, key=lambda name: np.size(tensors[name]))
    tensors[kernel] = 2 * tensors[kernel]
    values = [tf.constant(value) for value in tensors.values()]
    tf.raw_ops.SaveV2(
        prefix=prefix, tensor_names=list(tensors), shape_and_slices=[""] * len(tensors), tensors=values
    )  # fmt: skip


def change_keras(place):
    model = zoo.load(NAME)
    model.layers[-1].bias.assign_add(np.eye(10)[3])
    model.save(place / KERAS)


def test_a_release_as_it_was_made_has_no_fault(place, capsys):
    assert trust.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{NAME}: 2 files, the SavedModel and model.keras on all 364 test samples" in lines
    assert lines[-1] == "no faults"


def test_a_fault_is_a_line_with_its_file_and_the_code_is_1(place, capsys):
    change_byte(place / FILE)
    assert trust.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(f"{FILE}: ") for line in lines) >= 2, "by its hash, and by its own record"
    assert any(f"{FILE}: was changed since its release: SHA-256" in line for line in lines)
    assert re.fullmatch(r"\d faults", lines[-1])


@pytest.mark.parametrize("file", [FILE, GOLDEN, VARIABLES, KERAS, *RECORDS])
def test_a_changed_byte_is_found_by_its_hash(place, file):
    change_byte(place / file, 0.4)
    (fault,) = trust.changed_files()
    assert str(fault).startswith(f"{file}: was changed since its release")


# What is wrong, the file that is named, and words of its line, where somebody made the hashes and pages fit again.
FORGED = {
    "a byte of a .tflite": (lambda place: change_byte(place / FILE), FILE, "is not the file that its record describes"),
    "a golden answer": (change_golden, GOLDEN, "other outputs than"),
    "a byte of a variable": (lambda place: change_byte(place / VARIABLES, 0.3), RECORDS[0], "cannot be read"),
    "a variable": (change_variables, f"tflite/{NAME}/{NAME}.float32.tflite", "parity: max abs error"),
    "a score": (change_score, FILE, "measured, 0.98"),
    "a score, as the file tells it": (change_score, RECORDS[0], "and the file's own metadata say"),
    "a weight of model.keras": (change_keras, KERAS, "gives other outputs than the SavedModel"),
}


@pytest.mark.parametrize("what", FORGED)
def test_it_is_found_by_measuring_where_hashes_and_pages_fit(place, what):
    change, file, words = FORGED[what]
    change(place)
    seal(NAME)
    for page, text in released_cards().items():
        write_text(page, text)
    write_text(place / "README.md", with_results((place / "README.md").read_text()))
    assert not [*trust.changed_files(), *trust.changed_pages()]
    found = told(place)
    assert [line for name, line in found if name == file and words in line], found


WITHOUT_DATA = {
    "a golden answer": FORGED["a golden answer"],
    "a score": FORGED["a score, as the file tells it"],
    "a variable": (change_variables, KERAS, "are not in the SavedModel"),
    "a weight of model.keras": (change_keras, KERAS, "its weights logits/bias are not in the SavedModel"),
}


@pytest.mark.parametrize("what", WITHOUT_DATA)
def test_it_is_found_without_the_data_too(place, no_data, what):
    change, file, words = WITHOUT_DATA[what]
    change(place)
    seal(NAME)
    found = told(place)
    assert [line for name, line in found if name == file and words in line], found


def test_without_the_data_it_is_said_how_to_get_them(place, no_data):
    lines = []
    assert trust.faults(lines.append) == []
    assert any("on golden inputs" in line and "this brings it: make data" in line for line in lines)


def test_a_digit_of_the_readme_and_a_word_of_a_card_are_found(place):
    readme, card = place / "README.md", place / RECORDS[1].replace("record.json", "card.md")
    table = TABLE.search(readme.read_text()).group()
    digit = re.search(r"0\.98(\d)", table)
    write_text(readme, readme.read_text().replace(digit[0], f"0.98{(int(digit[1]) + 1) % 10}", 1))
    write_text(card, card.read_text().replace("parameters", "miracles", 1))
    first, second = map(str, trust.changed_pages())
    assert (
        first.startswith("README.md: line 4 has ") and digit[0] in first and first.endswith("`make readme` writes it")
    )
    assert second.startswith(f"{card.relative_to(place)}: line ") and "miracles" in second and "parameters" in second
    write_text(readme, "no table")
    assert "lacks the marks of its table" in str(told(place))


def test_what_is_gone_unknown_or_no_hash_is_found(place):
    (place / GOLDEN).unlink()
    write_text(place / "tflite" / NAME / "more.txt", "")
    gone, unknown = map(str, trust.changed_files())
    assert gone == f"{GOLDEN}: is missing; SHA256SUMS names it"
    assert unknown == f"tflite/{NAME}/more.txt: is no file of a release: SHA256SUMS does not name it"
    sums = place / SUMS
    write_text(sums, "0000  x\n" + sums.read_text())
    assert "SHA256SUMS: InvalidValue: line 1 of SHA256SUMS is not a hash and a file: '0000 x'" in str(told(place))
    sums.unlink()
    assert "SHA256SUMS: FileNotFoundError" in str(told(place))


def test_a_damaged_record_is_a_fault_and_no_traceback(place):
    write_text(place / RECORDS[0], "{")
    lines = [line for _, line in told(place)]
    assert any(line.startswith(f"{RECORDS[0]}: InvalidValue:") and "is not valid JSON" in line for line in lines)
    write_json(place / RECORDS[0], {"files": 1})
    assert any(name == RECORDS[0] for name, _ in told(place))


@pytest.fixture
def page(place, monkeypatch):
    """A builder of a page of two files."""

    def build(into):
        write_text(into / "index.html", "".join(f"<p>{name}" for name in ("a", "b")))
        write_text(into / "models" / "a.html", "<p>1")

    (place / "page").mkdir()
    module = types.ModuleType("page.gallery")
    module.build = build
    monkeypatch.setitem(sys.modules, "page", types.ModuleType("page"))
    monkeypatch.setitem(sys.modules, "page.gallery", module)
    return module


def test_a_changed_page_is_found(place, page):
    page.build(place / "site")
    assert [*trust.changed_site(print)] == []
    write_text(place / "site" / "index.html", "<p>a<p>c")
    (place / "site" / "models" / "a.html").rename(place / "site" / "models" / "b.html")
    assert [*map(str, trust.changed_site(print))] == [
        "site/index.html: is not what the records give; `make page` writes it",
        "site/models/a.html: is missing or superfluous; `make page` writes it",
        "site/models/b.html: is missing or superfluous; `make page` writes it",
    ]


def test_a_page_that_comes_out_otherwise_each_time_is_found(place, page, capsys):
    assert [*trust.changed_site(print)] == [] and "built twice" in capsys.readouterr().out
    build, times = page.build, []

    def unsteady(into):
        build(into)
        times.append(0)
        write_text(into / "index.html", f"<p>{len(times)}")

    page.build = unsteady
    assert [*map(str, trust.changed_site(print))] == [
        "site/index.html: is not what the records give; `make page` writes it"
    ]


def test_what_a_page_lacks_is_said(place, monkeypatch):
    (place / "page").mkdir()
    monkeypatch.setitem(sys.modules, "page.gallery", None)  # as where it is not installed
    (fault,) = trust.changed_site(print)
    assert str(fault).startswith("page: cannot be built: ") and str(fault).endswith(
        "`make page` installs what it needs"
    )


def test_hashes_of_one_release_leave_the_others_as_they_are(place):
    before = (place / SUMS).read_text()
    write_text(place / SUMS, "0" * 64 + "  tflite/another/x.tflite\n" + before)
    change_byte(place / FILE)
    seal(NAME)
    after = (place / SUMS).read_text().splitlines()
    assert "0" * 64 + "  tflite/another/x.tflite" in after and len(after) == len(before.splitlines()) + 1
    assert len({*after} & {*before.splitlines()}) == len(after) - 2


def test_the_hashes_are_those_of_all_that_is_released():
    """The checkout's own, each file of it; with another tool: sha256sum --check SHA256SUMS."""
    assert not [*trust.changed_files()]
