"""The page of an assignment agrees with its questions, and its solutions come from the master."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from course_utils.grading import check
from course_utils.grading.weeks import questions_of

ROOT = Path(__file__).resolve().parents[2]
WEEKS = sorted(path.stem for path in (ROOT / "solutions").glob("week*.py"))
QUESTIONS = [(week, question) for week in WEEKS for question in questions_of(week)]


def page_of(week: str) -> str:
    return (ROOT / "book" / week / "assignment.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("week", WEEKS)
def test_the_table_lists_the_questions_as_declared(week):
    row = r"^\| \[\d+\. (.+?)\]\(#(.+?)\) \| (\w+) \| (\d+) \| \[`(.+?)`"
    rows = re.findall(row, page_of(week), re.M)
    declared = [(q.title, q.id, q.kind, str(q.points), q.concept) for q in questions_of(week)]
    assert rows == declared


@pytest.mark.parametrize(("week", "question"), QUESTIONS, ids=lambda x: getattr(x, "id", x))
def test_each_question_has_a_section_with_its_points(week, question):
    prefix = f"\n({question.id[:3]}-"
    section = page_of(week).split(f"({question.id})=\n", 1)[1].split(prefix, 1)[0]
    assert question.title in section.splitlines()[0]
    assert f"*{question.points} points.*" in section
    assert f"include}} ../../solutions/{week}.py" in section


@pytest.mark.parametrize("week", WEEKS)
def test_every_solution_shown_is_found_in_the_master(week):
    page = page_of(week)
    master = (ROOT / "solutions" / f"{week}.py").read_text(encoding="utf-8").splitlines()
    starts = re.findall(r":start-after: (.+)", page)
    ends = [end.strip("'") for end in re.findall(r":end-before: (.+)", page)]
    assert len(starts) == len(ends) == len(questions_of(week))
    for start, end in zip(starts, ends, strict=True):
        first = next(i for i, line in enumerate(master) if start in line)
        length = next(i for i, line in enumerate(master[first + 1 :]) if end in line)
        assert length >= 3


def without_the_first_factor(scores, x):
    rows = [table.log_softmax(-1) for table in scores]
    return sum(row[tuple(x[:, : i + 1].T)] for i, row in enumerate(rows) if i)


def without_the_diagonal(q, k, v):
    seen = q.new_ones(q.shape[-2], q.shape[-2]).tril(-1).bool()
    out = scaled_dot_product_attention(q, k, v, attn_mask=seen)
    out[..., 0, :] = float("nan")
    return out


def with_its_own_value(logits, values, draws):
    drawn = values[draws]
    scores = torch.eye(len(logits))[draws] - logits.softmax(-1)
    return ((drawn - drawn.mean(1, keepdim=True))[..., None] * scores).mean(1)


def weighed_by_variances(a, u, b, v):
    total = u.exp() + v.exp()
    return (u.exp() * a + v.exp() * b) / total, u + v - total.log()


@pytest.mark.parametrize(
    ("week", "question", "answer"),
    [
        ("week01", "w01-log-prob", without_the_first_factor),
        ("week02", "w02-attention", without_the_diagonal),
        ("week03", "w03-score", with_its_own_value),
        ("week04", "w04-merge", weighed_by_variances),
    ],
)
def test_the_message_quoted_is_the_one_a_reader_gets(week, question, answer, capsys):
    answer.__name__ = "answer"
    check(question, answer)
    assert capsys.readouterr().out.splitlines()[0] in page_of(week)
