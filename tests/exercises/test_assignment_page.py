"""The page of an assignment agrees with its questions, and its solutions come from the master."""

import re
from pathlib import Path

import pytest

from course_utils.grading import check
from course_utils.grading.weeks import questions_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "week01" / "assignment.md").read_text(encoding="utf-8")
MASTER = (ROOT / "solutions" / "week01.py").read_text(encoding="utf-8").splitlines()


def test_the_table_lists_the_questions_as_declared():
    rows = re.findall(r"^\| \[\d+\. (.+?)\]\(#(.+?)\) \| (\w+) \| (\d+) \| \[`(.+?)`", PAGE, re.M)
    declared = [(q.title, q.id, q.kind, str(q.points), q.concept) for q in questions_of("w01")]
    assert rows == declared


@pytest.mark.parametrize("question", questions_of("w01"), ids=lambda q: q.id)
def test_each_question_has_a_section_with_its_points(question):
    section = PAGE.split(f"({question.id})=\n", 1)[1].split("\n(w01-", 1)[0]
    assert question.title in section.splitlines()[0]
    assert f"*{question.points} points.*" in section
    assert "include} ../../solutions/week01.py" in section


def test_every_solution_shown_is_found_in_the_master():
    starts = re.findall(r":start-after: (.+)", PAGE)
    ends = [end.strip("'") for end in re.findall(r":end-before: (.+)", PAGE)]
    assert len(starts) == len(ends) == len(questions_of("w01"))
    for start, end in zip(starts, ends, strict=True):
        first = next(i for i, line in enumerate(MASTER) if start in line)
        length = next(i for i, line in enumerate(MASTER[first + 1 :]) if end in line)
        assert length >= 3


def test_the_message_quoted_is_the_one_a_reader_gets(capsys):
    def log_prob(scores, x):
        rows = [table.log_softmax(-1) for table in scores]
        return sum(row[tuple(x[:, : i + 1].T)] for i, row in enumerate(rows) if i)

    check("w01-log-prob", log_prob)
    assert capsys.readouterr().out.splitlines()[0] in PAGE
