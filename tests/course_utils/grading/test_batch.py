"""Grading many: every submission once, none lost or changed, whoever dies in between.

The engine is a stand-in (``fake_engine``), so that only the driver is under test.
"""

import contextlib
import csv
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import fake_engine
import pytest

from course_utils.arguments import ArgumentError
from course_utils.grading import batch
from course_utils.grading.batch import MOST_ATTEMPTS, Plan, grade_batch
from course_utils.grading.results import ResultStore

PLAN = Plan("w01", seed=7, isolation="none", num_workers=2, engine=fake_engine.grade)


@pytest.fixture
def submissions(tmp_path):
    """Write a folder of submissions and return it."""

    def write(**texts: str) -> Path:
        folder = tmp_path / "submissions"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)
        return folder

    return write


def log_of(folder: Path) -> list[str]:
    path = folder / "log.txt"
    return path.read_text().splitlines() if path.exists() else []


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "grades.csv").open(encoding="utf-8") as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def test_each_submission_gets_its_file_and_its_row(submissions, tmp_path):
    folder = submissions(ann="x = 1", bob="x = 2", eve="%magic\n")
    out = tmp_path / "out"
    report = grade_batch([folder], out, PLAN)
    assert report.fresh == 3 and not report.missing and not report.ungraded
    direct = fake_engine.grade(folder / "eve.py", "w01", seed=7, isolation="none")
    known = report.results["eve"]
    assert {key: known[key] for key in direct} == {**direct, "submission": "eve"}
    assert known["file"] == "eve.py" and len(known["key"]) == 64
    stored = json.loads((out / "results" / "eve.json").read_text())
    assert stored["score"] == known["score"] and stored["sha256"] == known["sha256"]
    assert set(known) - set(stored) == {"file", "key"}
    rows = rows_of(out)
    assert list(rows) == ["ann", "bob", "eve"]
    assert float(rows["eve"]["score"]) == direct["score"]
    assert float(rows["eve"]["w01-nade"]) == direct["questions"]["w01-nade"]["score"]
    assert rows["eve"]["w01-orderings"] == ""
    assert "IPython" in rows["eve"]["notes"]


def test_what_is_known_is_not_graded_again(submissions, tmp_path):
    folder, out = submissions(ann="x = 1", bob="x = 2"), tmp_path / "out"
    grade_batch([folder], out, PLAN)
    submissions(bob="x = 3", eve="x = 4")
    (out / "results" / "ann.json").touch()
    before = len(log_of(folder))
    report = grade_batch([folder], out, PLAN)
    assert sorted(log_of(folder)[before:]) == ["bob.py", "eve.py"]
    assert report.fresh == 2 and set(report.results) == {"ann", "bob", "eve"}
    (out / "results" / "ann.json").write_text('{"key": "')
    assert grade_batch([folder], out, PLAN).fresh == 1
    assert log_of(folder)[-1] == "ann.py"


def test_progress_counts_what_is_left_to_do(submissions, tmp_path, monkeypatch):
    shown = []

    @contextlib.contextmanager
    def bar(total, desc, **_):
        yield SimpleNamespace(update=lambda: shown.append((desc, total)))

    monkeypatch.setattr(batch, "tqdm", bar)
    folder, out = submissions(ann="x = 1"), tmp_path / "out"
    grade_batch([folder], out, PLAN)
    grade_batch([submissions(bob="fake: die once", eve="fake: raise")], out, PLAN)
    assert shown == [("week01", 1)] + 2 * [("week01", 2)]


def test_shards_share_the_work_and_end_complete(submissions, tmp_path):
    folder = submissions(**{f"s{i}": f"x = {i}" for i in range(5)})
    whole = grade_batch([folder], tmp_path / "whole", PLAN)
    out = tmp_path / "out"
    parts = [grade_batch([folder], out, replace(PLAN, shard=(i, 3))) for i in (1, 2, 3)]
    assert [p.fresh for p in parts] == [2, 2, 1]
    assert [len(p.missing) for p in parts] == [3, 1, 0]
    assert (out / "grades.csv").read_bytes() == whole.table.read_bytes()
    assert len(log_of(folder)) == 10


def test_what_another_shard_finds_meanwhile_is_in_the_table(submissions, tmp_path, monkeypatch):
    folder, out = submissions(ann="x = 1", bob="x = 2"), tmp_path / "out"
    save = ResultStore.save

    def save_while_another_works(store, name, result):
        save(store, name, result)
        monkeypatch.undo()
        grade_batch([folder], out, replace(PLAN, shard=(2, 2)))

    monkeypatch.setattr(ResultStore, "save", save_while_another_works)
    report = grade_batch([folder], out, replace(PLAN, shard=(1, 2)))
    assert report.fresh == 1 and report.missing == []
    assert list(rows_of(out)) == ["ann", "bob"]


def test_a_dying_worker_costs_nobody_else(submissions, tmp_path):
    texts = {f"s{i}": f"x = {i}" for i in range(6)}
    quiet = grade_batch([submissions(**texts)], tmp_path / "quiet", PLAN)
    folder = submissions(a1="fake: die always", a2="fake: die once")
    report = grade_batch([folder], tmp_path / "out", PLAN)
    assert report.ungraded == ["a1"]
    note = report.results["a1"]["notes"][0]
    assert note.startswith("Not graded: the grader died with exit code 9.")
    assert report.results["a1"]["score"] == 0
    assert set(report.results["a1"]["questions"]) == set(report.results["s0"]["questions"])
    assert {name: report.results[name] for name in texts} == quiet.results
    log = log_of(folder)
    assert log.count("a1.py") == MOST_ATTEMPTS and log.count("a2.py") == 2
    again = grade_batch([folder], tmp_path / "out", PLAN)
    assert again.fresh == 0 and again.ungraded == ["a1"]
    submissions(a1="x = 1")
    assert not grade_batch([folder], tmp_path / "out", PLAN).ungraded


def test_a_hanging_or_failing_grader_is_named_and_left(submissions, tmp_path):
    folder = submissions(a="fake: hang", b="fake: raise", c="x = 1", d="x = 2")
    start = time.monotonic()
    report = grade_batch([folder], tmp_path / "out", replace(PLAN, patience=3.0))
    assert time.monotonic() - start < 30
    assert sorted(report.ungraded) == ["a", "b"]
    assert "the grader hung and was stopped." in report.results["a"]["notes"][0]
    assert "raised ValueError: the grader stumbled." in report.results["b"]["notes"][0]
    assert report.results["c"]["score"] > 0 or report.results["d"]["score"] > 0
    again = grade_batch([submissions(a="x = 5")], tmp_path / "out", PLAN)
    assert again.fresh == 2 and again.ungraded == ["b"]


def test_what_was_interrupted_often_comes_last_and_then_no_more(submissions, tmp_path):
    folder, out = submissions(a="x = 1", b="x = 2", c="x = 3"), tmp_path / "out"
    store = ResultStore.open(out, "w01", 7)
    keys = {name: batch._task(name, folder / f"{name}.py", PLAN).key for name in "abc"}
    for name, times in {"a": 2, "b": MOST_ATTEMPTS}.items():
        for _ in range(times):
            store.begin(name, keys[name])
    report = grade_batch([folder], out, replace(PLAN, num_workers=1))
    assert log_of(folder) == ["c.py", "a.py"]
    assert report.ungraded == ["b"]
    assert f"interrupted {MOST_ATTEMPTS} times" in rows_of(out)["b"]["notes"]


def test_dask_that_is_not_installed_is_one_line(submissions, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(ArgumentError, match=r"^--dask: dask is not installed [^\n]*$"):
        grade_batch([submissions(a="x")], tmp_path / "out", replace(PLAN, dask="tcp://a:1"))


@pytest.mark.parametrize(
    ("seed", "week", "words"),
    [
        (8, "w01", "expected results of week01 with seed 8"),
        (7, "w99", "week: expected one of"),
    ],
)
def test_another_seed_or_week_is_one_line(submissions, tmp_path, seed, week, words):
    folder, out = submissions(a="x"), tmp_path / "out"
    grade_batch([folder], out, PLAN)
    table = (out / "grades.csv").read_bytes()
    with pytest.raises(ArgumentError, match=rf"^[^\n]*{words}[^\n]*$"):
        grade_batch([folder], out, replace(PLAN, seed=seed, week=week))
    assert (out / "grades.csv").read_bytes() == table


class Future(SimpleNamespace):
    """A finished piece of work, as Dask shows it."""

    __hash__ = object.__hash__

    def result(self):
        return self.value

    def exception(self):
        return self.error


class Client:
    """Does at once what a Dask client sends away."""

    def __init__(self, address: str, timeout: int):
        if address != "tcp://here:1":
            raise OSError("timed out")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, work, task, *, pure):
        try:
            return Future(value=work(task), error=None)
        except ValueError as error:
            return Future(value=None, error=error)


@pytest.fixture
def stand_in_dask(monkeypatch):
    module = ModuleType("dask.distributed")
    module.Client, module.as_completed = Client, list
    monkeypatch.setitem(sys.modules, "dask", ModuleType("dask"))
    monkeypatch.setitem(sys.modules, "dask.distributed", module)


def test_dask_gives_the_same_grades(submissions, tmp_path, stand_in_dask):
    folder = submissions(a="x = 1", b="fake: raise", c="x = 3")
    here = grade_batch([folder], tmp_path / "here", PLAN)
    there = grade_batch([folder], tmp_path / "there", replace(PLAN, dask="tcp://here:1"))
    assert there.ungraded == ["b"] and here.results["a"] == there.results["a"]
    assert "raised ValueError" in there.results["b"]["notes"][0]


def test_a_scheduler_that_does_not_answer_is_one_line(submissions, tmp_path, stand_in_dask):
    with pytest.raises(ArgumentError, match=r"^--dask: no scheduler answers at 'tcp://b:1'[^\n]*$"):
        grade_batch([submissions(a="x")], tmp_path / "out", replace(PLAN, dask="tcp://b:1"))
