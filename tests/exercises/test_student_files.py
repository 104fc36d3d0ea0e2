"""The master passes its own checks; the student files come from it and hold no answer."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import make_exercises
from course_utils.grading.weeks import questions_of

ROOT = Path(__file__).resolve().parents[2]
MASTERS = sorted((ROOT / "solutions").glob("week*.py"))
WEEK = {master.stem: f"w{master.stem[-2:]}" for master in MASTERS}


def answers_of(master: Path) -> dict[str, list[str]]:
    """Lines of each answer, read without the generator."""
    text = master.read_text(encoding="utf-8")
    pattern = r"# begin answer ([\w-]+):.*?\n(.*?)# end answer \1"
    return {m[1]: m[2].splitlines() for m in re.finditer(pattern, text, re.S)}


def run(script: Path, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout


def test_the_student_files_are_what_the_masters_give(capsys):
    assert make_exercises.main(["--check"]) == 0, capsys.readouterr().out


def test_generating_twice_gives_the_same_bytes():
    assert make_exercises.generate() == make_exercises.generate()


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_every_question_has_an_answer_and_a_check(master):
    asked = [q.id for q in questions_of(WEEK[master.stem])]
    assert list(answers_of(master)) == asked
    text = master.read_text(encoding="utf-8")
    assert re.findall(r'^check\("([\w-]+)"', text, re.M) == asked
    for question in questions_of(WEEK[master.stem]):
        label = f"*{question.kind}, {question.points} points, concept* `{question.concept}`"
        assert label in text
        assert f". {question.title}\n" in text


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_no_line_of_an_answer_leaks(master):
    text = master.read_text(encoding="utf-8")
    lines = {line.strip() for answer in answers_of(master).values() for line in answer}
    lines = {line for line in lines if len(line) > 3 and not line.endswith('= """')}
    script = ROOT / "exercises" / master.name
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    shown = [script.read_text(encoding="utf-8"), *(cell.source for cell in notebook.cells)]
    stripped = {line.strip() for part in shown for line in part.splitlines()}
    assert len(lines) > 50
    assert lines & stripped == set()
    assert not re.search(r"(begin|end) answer", "".join(shown))
    assert len(text) > len(shown[0])


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_the_notebook_is_valid_and_has_no_outputs(master):
    path = ROOT / "exercises" / f"{master.stem}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert str(ROOT) not in json.dumps(notebook)


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_the_master_earns_every_point_a_machine_can_give(master, tmp_path):
    out = run(master, tmp_path)
    by_machine = sum(q.points for q in questions_of(WEEK[master.stem]) if q.kind != "explain")
    assert f"So far {by_machine} of {by_machine} points by check" in out
    assert "not yet" not in out and "to do" not in out


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_the_student_file_runs_to_its_end_with_nothing_done(master, tmp_path):
    out = run(ROOT / "exercises" / master.name, tmp_path)
    assert out.count("to do.") == len(questions_of(WEEK[master.stem]))
    assert "So far 0 of" in out.splitlines()[-1]
