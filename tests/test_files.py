"""Writes are whole or absent."""

import pytest

from zoo.base.files import read_json, write_json, write_text, writing, writing_folder


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), writing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for content in ("old", "new"):
        with writing_folder(tmp_path / "f") as temporary:
            (temporary / content).write_text(content)
    assert [p.name for p in (tmp_path / "f").iterdir()] == ["new"]
    with pytest.raises(RuntimeError), writing_folder(tmp_path / "f") as temporary:
        raise RuntimeError
    assert [p.name for p in (tmp_path / "f").iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_json_round_trip_and_damage(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, "ä"]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, "ä"]}
    (tmp_path / "a.json").write_text('{"x": [1')
    with pytest.raises(ValueError, match=r"a.json is not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", {"x": float("nan")})
