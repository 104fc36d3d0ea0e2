"""Results on disk: whole or absent, found again by their key, and a table that is safe to open."""

import csv
import json
import os

import pytest

from course_utils.arguments import ArgumentError
from course_utils.grading.results import ResultStore, result_key, write_atomically


def result(name: str, **more) -> dict:
    basis = {"submission": name, "file": f"{name}.py", "score": 1.5, "max_score": 100, "notes": []}
    basis |= {"isolation": "none", "seed": 3, "sha256": "ab", "questions": {}, "key": "k"}
    return basis | more


@pytest.fixture
def store(tmp_path):
    return ResultStore.open(tmp_path / "deep" / "out", "w01", 3)


def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def full(descriptor):
        assert path.read_bytes() == b"old"
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_key_depends_on_all_it_should():
    keys = [result_key("aa", "w01", 0), result_key("ab", "w01", 0)]
    keys += [result_key("aa", "w02", 0), result_key("aa", "w01", 1)]
    assert len(set(keys)) == 4 and keys[0] == result_key("aa", "w01", 0)


def test_a_result_is_found_only_under_its_key(store):
    store.save("ann", result("ann"))
    assert store.load("ann", "k") == result("ann")
    assert store.load("ann", "other") is None and store.load("bob", "k") is None


@pytest.mark.parametrize("part", ["results", "records"])
@pytest.mark.parametrize("content", [b"", b'{"key": "k"', b"[1]", b"\xff", b"[" * 10**5, b"null"])
def test_a_damaged_result_counts_as_none(store, part, content):
    store.save("ann", result("ann"))
    (store.folder / part / "ann.json").write_bytes(content)
    assert store.load("ann", "k") is None


def test_a_result_that_was_changed_by_hand_counts_as_none(store):
    store.save("ann", result("ann"))
    path = store.path("ann")
    path.write_text(path.read_text().replace("1.5", "100"))
    assert store.load("ann", "k") is None


def test_a_result_on_disk_holds_what_everybody_may_rely_on_and_no_more(store):
    mark = {"score": 1.5, "max_score": 10, "message": "right.", "kind": "compute", "mistake": ""}
    whole = result("ann", questions={"w01-nade": mark}, assignment="week01", seconds=2.0)
    store.save("ann", whole)
    on_disk = json.loads(store.path("ann").read_text())
    names = {"assignment", "submission", "sha256", "score", "max_score", "isolation", "seed"}
    assert set(on_disk) == names | {"seconds", "questions", "notes"}
    assert on_disk["questions"] == {
        "w01-nade": {"score": 1.5, "max_score": 10, "message": "right."}
    }
    assert store.load("ann", "k") == whole


def test_attempts_are_counted_until_there_is_a_grade(store):
    assert [store.begin("ann", "k") for _ in range(3)] == [1, 2, 3]
    store.save("ann", result("ann", ungraded="died"))
    assert store.attempts("ann", "k") == 3
    assert store.attempts("ann", "new") == 0 and store.attempts("bob", "k") == 0
    store.save("ann", result("ann"))
    assert store.attempts("ann", "k") == 0


def test_a_folder_is_opened_again_for_the_same_work_only(tmp_path):
    ResultStore.open(tmp_path / "a", "w01", 3)
    ResultStore.open(tmp_path / "a", "w01", 3)
    words = "--out: expected results of week01 with seed 4, got '.*' of week01 with seed 3"
    with pytest.raises(ArgumentError, match=rf"^{words}$"):
        ResultStore.open(tmp_path / "a", "w01", 4)
    with pytest.raises(ArgumentError, match=r"^--out: expected results of week02 [^\n]*$"):
        ResultStore.open(tmp_path / "a", "w02", 3)


def test_a_place_for_something_else_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file"):
        with pytest.raises(ArgumentError, match=r"^--out: expected a new folder[^\n]*$"):
            ResultStore.open(tmp_path / name, "w01", 3)
    with pytest.raises(ArgumentError, match=r"^--out: cannot write to [^\n]*$"):
        ResultStore.open(tmp_path / "file" / "below", "w01", 3)
    (tmp_path / "full" / "run.json").write_text("nonsense")
    with pytest.raises(ArgumentError, match=r"of \? with seed \?$"):
        ResultStore.open(tmp_path / "full", "w01", 3)


def test_the_table_is_sorted_complete_and_no_formula(store):
    rows = {"w01-nade": {"score": 7.5}, "w01-orderings": {"score": 0.0}}
    results = [result("zoe", questions=rows), result("=ann", notes=["@a\nb", "c"], sha256="")]
    path = store.write_table(results, "w01")
    with path.open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["submission"], second["submission"]) == ("'=ann", "zoe")
    assert first["notes"] == "'@a b | c" and first["w01-nade"] == "0"
    assert second["w01-nade"] == "7.5" and second["w01-orderings"] == ""
    assert second["score"] == "1.5"
    before = path.read_bytes()
    store.write_table(results[::-1], "w01")
    assert path.read_bytes() == before


def test_the_folder_says_what_it_is(store):
    label = json.loads((store.folder / "run.json").read_text())
    assert label == {"assignment": "week01", "seed": 3}
