"""A result made ready to be shown: the questions of its assignment in order, and no text unwashed.

Much of a result was written by a student: the name of the file, the text of an error, the name of
a variable. It may hold anything a Python text can. Three things are done to it here, once, so that
no page has to think of it: what cannot be encoded or printed is replaced, signs that turn the
direction of writing are dropped, and what is endless is cut. Whether it then stands for itself in
HTML is the business of the templates (``pages``), which escape every value.

A card has no seed. The inputs follow from the seed and the questions are public, so a page with
the seed on it would give the hidden inputs away; only ``hidden`` is told.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course_utils.grading.questions import PUBLIC_SEED, Question
from course_utils.grading.weeks import questions_of, week_key

WORDS = {
    "right": "Right",
    "partly": "Partly right",
    "wrong": "Not yet",
    "blank": "Not answered",
    "person": "Marked by a person",
    "ungraded": "Not graded",
}
"""What each status is called where people read it."""

_LONGEST = 4000
_MOST_NOTES = 40
_DIRECTIONS = {0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_REPLACEMENT = 0xFFFD


@dataclass(frozen=True)
class Line:
    """One question of a card.

    Attributes:
        number: Its place in the assignment, from 1.
        question: What was asked.
        status: A key of ``WORDS``.
        score: Points earned, 0 for a text that a person marks.
        message: One sentence for the student.
        mistake: Category of the mistake; empty if there is none.
    """

    number: int
    question: Question
    status: str
    score: float
    message: str
    mistake: str


@dataclass(frozen=True)
class Card:
    """The result of one submission, with all questions of its assignment.

    Attributes:
        title: Such as ``Week 1``.
        name: Of the submission, fit to be shown.
        key: Of the submission, as it stands in the result.
        sha256: Of the file that was graded; empty if it could not be read.
        score: Points given by machine.
        isolation: What it ran in.
        hidden: Whether the inputs were others than those of the notebook.
        seconds: How long it took.
        lines: One for each question, in order.
        notes: One sentence for each thing about the file as a whole.
        ungraded: Whether the grader failed, so that a person has to look.
    """

    title: str
    name: str
    key: str
    sha256: str
    score: float
    isolation: str
    hidden: bool
    seconds: float
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())
    ungraded: bool = False

    @property
    def machine_points(self) -> int:
        """The most a machine can give."""
        return sum(x.question.points for x in self.lines if x.question.kind != "explain")

    @property
    def person_points(self) -> int:
        """The most a person can give on top."""
        return sum(x.question.points for x in self.lines if x.question.kind == "explain")

    @property
    def points_to_come(self) -> int:
        """The most a person can still give for what was written."""
        return sum(x.question.points for x in self.lines if x.status == "person")


def read_card(result: Mapping[str, Any]) -> Card:
    """Make a card of a result.

    Args:
        result: As the engine returns it and ``results`` keeps it.

    Raises:
        ArgumentError: There is no such assignment.
    """
    week = week_key(str(result["assignment"]))
    marks = result["questions"]
    questions = enumerate(questions_of(week), start=1)
    notes = [clean(note) for note in result["notes"][:_MOST_NOTES]]
    if (more := len(result["notes"]) - _MOST_NOTES) > 0:
        notes.append(f"and {more} more notes.")
    return Card(
        title=f"Week {int(week[1:])}",
        name=clean(result["submission"]) or "submission",
        key=str(result["submission"]),
        sha256=clean(result["sha256"]),
        score=float(result["score"]),
        isolation=clean(result["isolation"]),
        hidden=result["seed"] != PUBLIC_SEED,
        seconds=float(result["seconds"]),
        lines=tuple(_line(number, q, marks.get(q.id, {})) for number, q in questions),
        notes=tuple(notes),
        ungraded=bool(result.get("ungraded")),
    )


def _line(number: int, question: Question, mark: Mapping[str, Any]) -> Line:
    score, mistake = float(mark.get("score", 0.0)), clean(mark.get("mistake", "ungraded"))
    message = clean(mark.get("message", ""))
    return Line(number, question, _status(question, score, mistake), score, message, mistake)


def _status(question: Question, score: float, mistake: str) -> str:
    if mistake in ("ungraded", "blank"):
        return mistake
    if question.kind == "explain":
        return "person"
    if score >= question.points:
        return "right"
    return "partly" if score > 0 else "wrong"


class _Fit(dict):
    """For each sign, by its number, what stands in its place; looked up once."""

    def __missing__(self, code: int) -> int | None:
        kind = unicodedata.category(chr(code))
        unfit = kind in ("Cc", "Cs", "Cn", "Co") and chr(code) not in "\n\t"
        self[code] = None if code in _DIRECTIONS else _REPLACEMENT if unfit else code
        return self[code]


_FIT = _Fit()


def clean(text: Any) -> str:
    """A text that can be encoded, printed and read in one direction, of bounded length."""
    text = str(text)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ... ({len(text)} characters)"
    return text.translate(_FIT).strip()


def brief(text: str, length: int) -> str:
    """At most ``length`` characters of a text."""
    return text if len(text) <= length else f"{text[: length - 4]} ..."


def sentence(text: str) -> str:
    """Begin with a capital, unless the first word is somebody's identifier."""
    first = text.split(maxsplit=1)[:1]
    return text[:1].upper() + text[1:] if first and first[0].strip(",:;.").isalpha() else text


def points(value: float) -> str:
    """A number of points, as short as it is exact to a hundredth."""
    return f"{round(value, 2):g}"
