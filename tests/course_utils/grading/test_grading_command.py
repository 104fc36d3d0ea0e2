"""The two commands as they are typed, with real files of the course; the engine is a stand-in."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import fake_engine
import pytest

from course_utils.grading import __main__ as command
from course_utils.grading import isolation
from course_utils.grading.batch import Plan

ROOT = Path(__file__).resolve().parents[3]
STUDENT = ROOT / "exercises" / "week01.ipynb"


@pytest.fixture
def grade(tmp_path, monkeypatch, capsys):
    """Run ``grade`` on some words and return its status, output and errors."""
    monkeypatch.setattr(command, "Plan", functools.partial(Plan, engine=fake_engine.grade))
    monkeypatch.setattr(isolation, "choose", lambda wanted: "bubblewrap")

    def run(*words) -> tuple[int, str, str]:
        status = command.main(["grade", *map(str, words)])
        return status, *capsys.readouterr()

    return run


def test_check_shows_what_the_notebook_shows(tmp_path):
    book = json.loads(STUDENT.read_text(encoding="utf-8"))
    extra = "%time\nentropy_rate = 3.3\ncheck('w01-entropy-rate', entropy_rate)\n1 / 0\n"
    for source in (extra, "print('the end')", "x = ("):
        book["cells"].append({"cell_type": "code", "source": source, "metadata": {}})
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(book), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "course_utils.grading", "check", "week01", path.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Lines for IPython (such as % or !) are ignored: 1."
    assert "w01-log-prob: to do. log_prob is not written yet." in lines
    assert "w01-entropy-rate: not yet. entropy_rate is not right" in done.stdout
    assert "code cell 14 failed: ZeroDivisionError: division by zero (line 4)" in lines
    assert "the end" in lines
    assert "code cell 16 failed: SyntaxError: '(' was never closed (line 1)" in (done.stdout)
    assert lines[-1] == "14 of 16 code cells ran to their end"


def test_a_student_needs_none_of_the_grader_s_libraries():
    libraries = ("jinja2", "psutil", "dask", "course_utils.grading.engine")
    program = (
        f"import sys, course_utils.grading.__main__; print(set(sys.modules) & {{*{libraries}}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_grade_writes_results_and_says_so(grade, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "ann.ipynb").write_bytes(STUDENT.read_bytes())
    (folder / "bob.py").write_bytes((ROOT / "solutions" / "week01.py").read_bytes())
    (folder / "eve.ipynb").write_text('{"cells": [')
    (folder / "notes.txt").write_text("x")
    status, said, errors = grade("week01", folder, "--out", out, "--seed", 5, "--jobs", 2)
    assert (status, errors) == (0, "")
    lines = said.splitlines()
    assert lines[0] == "isolation: bubblewrap"
    assert "notes.txt" in lines[1] and lines[2].startswith("3 graded, 3 of them now; on average ")
    assert lines[-1] == str(out / "grades.csv")
    assert sorted(p.name for p in (out / "results").iterdir()) == [
        "ann.json",
        "bob.json",
        "eve.json",
    ]
    assert "damaged" in (out / "grades.csv").read_text()
    assert (out / "summary.html").exists() and (out / "feedback" / "ann.html").exists()
    assert (out / "gradescope" / "eve" / "results.json").exists()
    status, said, _ = grade("week01", folder, "--out", out, "--seed", 5)
    assert status == 0 and "3 graded, 0 of them now" in said


def test_a_failure_of_the_grader_is_said_at_the_end(grade, tmp_path):
    (tmp_path / "ann.py").write_text("fake: raise")
    status, _, errors = grade("week01", tmp_path / "ann.py", "--out", tmp_path / "out")
    assert status == 1 and errors == "for a person to look at: ann\n"


def test_the_public_seed_and_a_weak_isolation_are_said(grade, tmp_path, monkeypatch):
    monkeypatch.setattr(isolation, "choose", lambda wanted: "plain")
    (tmp_path / "ann.py").write_text("x = 1")
    words = ("--out", tmp_path / "out", "--shard", "2/2")
    status, said, errors = grade("week01", tmp_path / "ann.py", *words)
    assert status == 0 and "seed 0 gives the public instances" in said
    assert "0 graded, 0 of them now\n1 left to other shards\n" in said
    assert errors.startswith("warning: NO ISOLATION")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["check", "week99", "a.py"],
            "week: expected one of week00, week01, week02, week03, week04, got 'week99'",
        ),
        (
            ["grade", "week99", ".", "--out", "o"],
            "week: expected one of week00, week01, week02, week03, week04, got 'week99'",
        ),
        (["check", "week01", "none.py"], "file: expected an .ipynb or .py file, got 'none.py'"),
        (["check", "week01", "cut.ipynb"], "cut.ipynb: The notebook is damaged: its text is not"),
        (["check", "week01", "r.ipynb"], "r.ipynb: It is a notebook in R, not in Python."),
        (["check", "week01", "empty.py"], "empty.py: It has no code in it."),
        (["grade", "week01", "void", "--out", "o"], "submissions: expected .ipynb or .py files, f"),
        (["grade", "week01", "none", "--out", "o"], "submissions: expected a file or folder, got"),
        (["grade", "week01", "a.py", "--out", "void/../full"], "--out: expected a new folder or"),
        (
            ["grade", "week01", "a.py", "--out", "old"],
            "--out: expected results of week01 with",
        ),
    ],
)
def test_bad_input_is_one_line(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(isolation, "choose", lambda wanted: "bubblewrap")
    for name, text in {
        "a.py": "x = 1",
        "empty.py": "# %%\n",
        "cut.ipynb": '{"cells',
        "r.ipynb": '{"cells": [], "metadata": {"language_info": {"name": "R"}}}',
        "full/thesis.tex": "x",
        "old/run.json": '{"assignment": "week01", "seed": 5}',
        "void/x.txt": "x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert command.main(words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"python -m course_utils.grading: {line}") and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--shard", "0/2"], "--shard: expected i/n with 1 <= i <= n, got '0/2'"),
        (["--shard", "3/2"], "--shard: expected i/n with 1 <= i <= n, got '3/2'"),
        (["--seed", "-1"], "--seed: expected a whole number from 0 to 4294967295, got '-1'"),
        (["--jobs", "0"], "--jobs: expected a whole number from 1 to 1024, got '0'"),
        (["--isolation", "lead"], "--isolation: isolation"),
    ],
)
def test_bad_options_are_named(words, line, tmp_path, capsys):
    (tmp_path / "a.py").write_text("x = 1")
    asked = ["grade", "week01", str(tmp_path / "a.py"), "--out", str(tmp_path / "out"), *words]
    try:
        status = command.main(asked)
    except SystemExit as end:
        status = end.code
    assert status == 2 and line in capsys.readouterr().err


@pytest.mark.parametrize(
    ("event", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on where it stopped\n"),
        (OSError(28, "No space left"), 2, "stopped: [Errno 28] No space left; the same command"),
    ],
)
def test_a_run_that_is_stopped_says_how_to_go_on(
    event, status, line, monkeypatch, capsys, tmp_path
):
    def stopped(*_):
        raise event

    monkeypatch.setattr(command, "grade_batch", stopped)
    monkeypatch.setattr(isolation, "choose", lambda wanted: "bubblewrap")
    assert command.main(["grade", "week01", ".", "--out", str(tmp_path / "out")]) == status
    errors = capsys.readouterr().err
    assert line in errors and errors.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["check"], ["grade"]])
def test_help_names_every_option(words, capsys):
    with pytest.raises(SystemExit) as end:
        command.main([*words, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    expected = {"check": ["file"], "grade": ["--out", "--seed", "--jobs", "--isolation", "--shard"]}
    for option in expected.get("".join(words), ["check week01 my_week01.ipynb", "--seed 20261"]):
        assert option in said
