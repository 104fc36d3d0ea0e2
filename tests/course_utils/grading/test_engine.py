"""One submission graded through a sandbox: right, blank, and broken in every harmless way."""

import json
from pathlib import Path

import jupytext
import pytest

from course_utils.arguments import ArgumentError
from course_utils.grading.engine import grade_submission
from course_utils.grading.limits import Limits
from course_utils.grading.weeks import questions_of

ROOT = Path(__file__).resolve().parents[3]
MASTER = ROOT / "solutions" / "week01.py"
BLANK = ROOT / "exercises" / "week01.ipynb"
KEYS = {"assignment", "submission", "sha256", "score", "max_score", "isolation", "seed", "seconds"}


def cells_of(path: Path) -> list[str]:
    notebook = jupytext.read(path)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def written(path: Path, cells: list[str]) -> Path:
    path.write_text("\n\n".join(f"# %%\n{cell}\n" for cell in cells), encoding="utf-8")
    return path


def test_the_master_as_a_notebook_earns_every_point_a_machine_can_give(tmp_path):
    path = tmp_path / "ada.ipynb"
    jupytext.write(jupytext.read(MASTER), path)
    result = grade_submission(path, "week01")
    assert json.loads(json.dumps(result)) == result
    assert set(result) == KEYS | {"questions", "notes"}
    assert (result["assignment"], result["submission"], result["seed"]) == ("week01", "ada", 0)
    assert (result["score"], result["max_score"], result["notes"]) == (90, 100, [])
    for question in questions_of("w01"):
        mark = result["questions"][question.id]
        by_machine = 0 if question.kind == "explain" else question.points
        assert (mark["score"], mark["max_score"]) == (by_machine, question.points)
        assert (mark["kind"], mark["mistake"]) == (question.kind, "")
        assert mark["message"]


def test_nothing_done_earns_nothing():
    result = grade_submission(BLANK, "w01", seed=11)
    assert result["score"] == 0 and result["notes"] == []
    assert {mark["mistake"] for mark in result["questions"].values()} == {"blank"}


WRITES_RUBBISH = """
from course_utils.grading import check
def ngram_table(x, num_symbols, context, smoothing):
    import os
    for descriptor in range(3, 12):
        try:
            os.write(descriptor, b"this is no frame")
        except OSError:
            pass
check("w01-ngram", ngram_table)
"""

ENDS_THE_PROCESS = """
def nade_log_prob(x, W, V, b, c):
    import os
    os._exit(41)
"""

TELLS_WHAT_IT_SEES = """
def made_masks(order, degrees):
    raise type(f"Seen{order.tolist()[0]}", (Exception,), {})(str(order))
"""

LOOKS_FOR_JUDGES = """
def found(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True
names = ["course_utils.grading." + name for name in ("judges", "weeks", "questions", "engine")]
names += ["course_utils.models", "course_utils.worlds"]
explanation = [name for name in names if found(name)] or "none " * 50
"""

BROKEN = {
    "a cell that raises": 'raise type("Seen", (Exception,), {})("the text is not shown")',
    "a cell that leaves": "import sys\nsys.exit(0)",
    "a cell that asks": "input()",
    "a cell that prints": "for _ in range(1000):\n    print('x' * 10_000)",
    "a cell of no Python": "if:",
    "a cell that hangs": 'import time\ntime.sleep(600)\nunits = {}\ncheck("w01-units", units)',
    "a call that writes to every pipe": WRITES_RUBBISH,
    "a call that ends the process": ENDS_THE_PROCESS,
    "a call that tells": TELLS_WHAT_IT_SEES,
    "no file": 'weights_file = "nothing.safetensors"',
    "a look for the judges": LOOKS_FOR_JUDGES,
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A submission with two right answers among everything that can go wrong."""
    cells = cells_of(MASTER)
    right = next(cell for cell in cells if "def log_prob" in cell)
    rate = next(cell for cell in cells if "entropy_rate = " in cell)
    unchecked = rate.replace('check("w01-entropy-rate", entropy_rate)', "")
    path = tmp_path_factory.mktemp("broken") / "broken.py"
    written(path, [cells[0], right, *BROKEN.values(), unchecked])
    limits = Limits(wall_seconds=16, cpu_seconds=40)
    return grade_submission(path, "week01", seed=5, limits=limits)


@pytest.mark.parametrize(
    ("question", "score", "mistake", "words"),
    [
        ("w01-log-prob", 10, "", "right"),
        ("w01-ngram", 0, "left-out", "it interfered with the grader."),
        ("w01-entropy-rate", 10, "", "right"),
        ("w01-units", 0, "left-out", "code cell 8 was left out: it ran past its time limit."),
        ("w01-made-masks", 0, "exception", "raises an error"),
        ("w01-nade", 0, "left-out", "when the answer was used, it ended the process."),
        ("w01-markov", 0, "missing-file", ""),
        ("w01-orderings", 0, "", "written; a person marks it"),
    ],
)
def test_what_is_broken_costs_its_own_points_only(broken, question, score, mistake, words):
    mark = broken["questions"][question]
    assert (mark["score"], mark["mistake"]) == (score, mistake)
    assert words in mark["message"]
    assert "Seen" not in mark["message"] and "tensor(" not in mark["message"]


def test_each_thing_that_went_wrong_has_one_note(broken):
    assert broken["score"] == 20
    assert broken["notes"] == [
        "code cell 3 stopped: an error of its own in line 1.",
        "code cell 4 stopped: SystemExit in line 2.",
        "code cell 5 stopped: EOFError in line 1.",
        "code cell 7 stopped: SyntaxError in line 1.",
        "code cell 8 was left out: it ran past its time limit.",
        "w01-ngram was left out: it interfered with the grader.",
        "w01-nade was left out: it ended the process.",
    ]


def test_many_slow_cells_together_end_at_the_deadline(tmp_path):
    cells = ["import time\ntime.sleep(1)"] * 40
    path = written(tmp_path / "slow.py", [*cells, *cells_of(MASTER)])
    result = grade_submission(path, "week01", limits=Limits(wall_seconds=8))
    assert 16 <= result["seconds"] < 30
    marks = result["questions"].values()
    assert {mark["message"] for mark in marks} == {
        "not graded: the time for this submission was used up."
    }
    assert {mark["score"] for mark in marks} == {0}


def test_what_is_unreadable_is_graded_with_a_note(tmp_path):
    path = tmp_path / "torn.ipynb"
    path.write_text('{"cells": [', encoding="utf-8")
    result = grade_submission(path, "week01")
    assert result["score"] == 0 and "damaged" in result["notes"][0]


@pytest.mark.parametrize("week", ["week99", "w1", "week01/..", ""])
def test_an_unknown_week_is_one_clear_line(week):
    with pytest.raises(ArgumentError, match=r"^week: expected .*, got '") as caught:
        grade_submission(BLANK, week)
    assert "\n" not in str(caught.value)
