"""``check`` and ``given``: what a student calls in a notebook, in a script or in Colab."""

from dataclasses import dataclass
from typing import Any

from course_utils.arguments import ArgumentError, check_number
from course_utils.grading.answers import handed_in
from course_utils.grading.questions import Question, Verdict
from course_utils.grading.weeks import find_question, questions_of


@dataclass
class _Board:
    """Points of this session, by question id."""

    points: dict[str, float]

    def standing(self, week: str) -> str:
        by_machine = [q for q in questions_of(week) if q.kind != "explain"]
        by_reader = [q for q in questions_of(week) if q.kind == "explain"]
        return (
            f"So far {self._sum(by_machine)} points by check, "
            f"{self._sum(by_reader)} by your own mark."
        )

    def _sum(self, questions: list[Question]) -> str:
        earned = sum(self.points.get(q.id, 0.0) for q in questions)
        return f"{earned:g} of {sum(q.points for q in questions)}"


_board = _Board({})


def given(question_id: str) -> dict[str, Any]:
    """Return the data a question is about, by name, drawn anew by each call.

    Args:
        question_id: Such as ``"w01-entropy-rate"``.

    Raises:
        ArgumentError: There is no such question.
    """
    return find_question(question_id).data()


def check(question_id: str, answer: Any, *, marks: float | None = None) -> None:
    """Say whether an answer is right, what is wrong with it, and the points so far.

    Args:
        question_id: Such as ``"w01-log-prob"``.
        answer: What the question asks for: a function, a number, a file name or a text.
        marks: For a text only: the points you give yourself by its rubric.

    Raises:
        ArgumentError: There is no such question, or ``marks`` is out of range.
    """
    question = find_question(question_id)
    if marks is not None and question.kind != "explain":
        raise ArgumentError(f"marks: expected None for {question_id}, which is checked by machine")
    verdict = question.assess(handed_in(answer) if question.kind == "experiment" else answer)
    earned = verdict.fraction * question.points
    if marks is not None and verdict.status == "read":
        earned = check_number("marks", marks, low=0, high=question.points)
    _board.points[question_id] = earned
    print(_report(question, verdict, earned))
    print(_board.standing(question_id[:3]))


def _report(question: Question, verdict: Verdict, earned: float) -> str:
    opening = {"right": "right", "wrong": "not yet", "blank": "to do", "read": "written"}
    head = f"{question.id}: {opening[verdict.status]}. {_sentence(verdict.message)}"
    if verdict.status == "right" or earned > 0:
        head += f" ({earned:g} of {question.points} points)"
    rubric = [f"  {c.points} points: {c.text}" for c in question.rubric]
    return "\n".join([head, *(rubric if verdict.status == "read" else [])])


def _sentence(text: str) -> str:
    """Begin with a capital, unless the first word is somebody's identifier."""
    return text[:1].upper() + text[1:] if text.split()[0].isalpha() else text


def standing(week: str = "w01") -> str:
    """One line: the points of this session.

    Args:
        week: Such as ``"w01"``.
    """
    return _board.standing(week)
