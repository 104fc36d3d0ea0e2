"""What a student sees: one report per check, and the points so far."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.grading import check, find_question, given, notebook, standing
from course_utils.grading.weeks import questions_of

TEXT = "word " * 60


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(notebook, "_board", notebook._Board({}))


def test_a_hundred_points_in_four_kinds():
    questions = questions_of("w01")
    assert sum(q.points for q in questions) == 100
    assert 6 <= len(questions) <= 10
    assert {q.kind for q in questions} == {"implement", "compute", "experiment", "explain"}
    assert len({q.id for q in questions}) == len(questions)
    for question in questions:
        assert sum(i.weight for i in question.instances()) == pytest.approx(1)
        rubric = sum(c.points for c in question.rubric)
        assert rubric == (question.points if question.kind == "explain" else 0)


def test_instances_follow_the_seed():
    for question in questions_of("w01"):
        one, two = question.instances(5), question.instances(5)
        assert [i.name for i in one] == [i.name for i in two]
        for a, b in zip(one, two, strict=True):
            for key, value in a.args.items():
                if isinstance(value, torch.Tensor):
                    assert torch.equal(value, b.args[key])
    first = [find_question("w01-nade").instances(s)[0].args["W"] for s in (0, 1)]
    assert not torch.equal(*first)


def test_points_add_up_and_follow_the_last_answer(capsys):
    check("w01-units", {"bits_per_dim": 97.5 / 64 / math.log(2)})
    assert "to do." in (out := capsys.readouterr().out) and "(4 of 10 points)" in out
    check("w01-entropy-rate", 3.3)
    out = capsys.readouterr().out
    assert out.startswith("w01-entropy-rate: not yet. entropy_rate is not right")
    assert "So far 4 of 90 points by check, 0 of 10 by your own mark." in out
    check("w01-orderings", TEXT, marks=7)
    assert "7 of 10 by your own mark" in capsys.readouterr().out
    check("w01-units", 1.0)
    assert standing() == "So far 0 of 90 points by check, 7 of 10 by your own mark."


def test_a_text_earns_no_points_by_itself_and_shows_its_rubric(capsys):
    check("w01-orderings", TEXT)
    out = capsys.readouterr().out
    assert "w01-orderings: written." in out and "3 points:" in out
    assert "0 of 10 by your own mark" in out


def test_a_short_text_is_told_so(fails):
    fails("w01-orderings", "Because.", "short", "1 words are too few")
    fails("w01-orderings", 7, "type", "expected a text")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check("w01-logprob", 1), "such as 'w01-log-prob', got 'w01-logprob'"),
        (lambda: check("w01-log-prob", 1, marks=3), "marks: expected None"),
        (lambda: check("w01-orderings", TEXT, marks=11), "marks: expected a number"),
        (lambda: given("w99"), "question_id: expected"),
        (lambda: questions_of("w99"), "week: expected one of week00"),
    ],
)
def test_wrong_arguments_are_named(call, words, as_user):
    with pytest.raises(ArgumentError, match=r"^[^\n]*$") as caught:
        call()
    assert words in str(caught.value)


def test_given_is_drawn_anew():
    given("w01-entropy-rate")["transition"].zero_()
    assert given("w01-entropy-rate")["transition"].sum() == pytest.approx(3)
