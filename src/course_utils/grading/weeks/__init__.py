"""The questions of all weeks."""

import difflib
import re

from course_utils.arguments import ArgumentError
from course_utils.grading.questions import Question
from course_utils.grading.weeks import week00, week01, week02, week03, week04

_ASSIGNMENTS: dict[str, tuple[Question, ...]] = {
    "w00": week00.QUESTIONS,
    "w01": week01.QUESTIONS,
    "w02": week02.QUESTIONS,
    "w03": week03.QUESTIONS,
    "w04": week04.QUESTIONS,
}
_PROVIDED: dict[str, tuple[str, ...]] = {
    "w00": week00.PROVIDED,
    "w01": week01.PROVIDED,
    "w02": week02.PROVIDED,
    "w03": week03.PROVIDED,
    "w04": week04.PROVIDED,
}


def questions_of(week: str) -> tuple[Question, ...]:
    """The questions of an assignment, in order.

    Args:
        week: Such as ``"week01"`` or ``"w01"``.

    Raises:
        ArgumentError: There is no such assignment.
    """
    return _ASSIGNMENTS[week_key(week)]


def provided_in(week: str) -> tuple[str, ...]:
    """The modules of the course that submissions to an assignment may import, by dotted name.

    Raises:
        ArgumentError: There is no such assignment.
    """
    return _PROVIDED.get(week_key(week), ())


def week_key(week: str) -> str:
    """The name questions go by, ``w01``, of what people write, ``week01``.

    Raises:
        ArgumentError: There is no such assignment.
    """
    key = re.sub(r"^week(?=\d)", "w", str(week))
    if key not in _ASSIGNMENTS:
        known = ", ".join(f"week{k[1:]}" for k in _ASSIGNMENTS)
        raise ArgumentError(f"week: expected one of {known}, got {week!r}")
    return key


def find_question(question_id: str) -> Question:
    """The question with this id.

    Raises:
        ArgumentError: There is none; the line names the nearest id.
    """
    known = {q.id: q for questions in _ASSIGNMENTS.values() for q in questions}
    if question_id not in known:
        near = difflib.get_close_matches(str(question_id), known, n=1, cutoff=0)[0]
        raise ArgumentError(
            f"question_id: expected a question's id such as {near!r}, got {question_id!r}"
        )
    return known[question_id]
