"""The class at a glance: scores, hard questions, mistakes, and submissions that are alike.

The commonest mistakes are what the next lecture should begin with. Each is counted by its category
and shown with one sentence that a student got.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_utils.grading import charts
from course_utils.grading.cards import Card, Line, points
from course_utils.grading.likeness import find_alike
from course_utils.grading.pages import render
from course_utils.grading.questions import Question
from course_utils.grading.sandbox import WARNINGS


@dataclass(frozen=True)
class MistakeCount:
    """How often a mistake was made, and one of the sentences it got."""

    category: str
    count: int
    example: str


@dataclass(frozen=True)
class QuestionCount:
    """How a class did on one question.

    Attributes:
        number: Its place in the assignment.
        question: What was asked.
        mean: Mean share of its points, 0 to 1.
        counts: How many are right, partly, wrong and blank.
        mistakes: Commonest first; blanks are no mistakes.
    """

    number: int
    question: Question
    mean: float
    counts: dict[str, int]
    mistakes: tuple[MistakeCount, ...]


def summary_page(
    cards: Sequence[Card], seed: int, links: Mapping[str, str], paths: Mapping[str, Path]
) -> bytes:
    """The page for the instructor, in UTF-8.

    Args:
        cards: The results of one assignment; at least one.
        seed: With which they were graded.
        links: Address of each submission's page, by the submission's key.
        paths: Where the submissions lie, by key, as far as they are at hand.
    """
    graded = [card for card in cards if not card.ungraded]
    questions = _hardest_first(graded)
    labels = [f"{q.number}. {q.question.title}" for q in questions]
    first = cards[0]
    return render(
        "summary.html.j2",
        title=first.title,
        cards=sorted(cards, key=lambda card: card.name.casefold()),
        seed=seed,
        machine_points=first.machine_points,
        person_points=first.person_points,
        spread=_spread([card.score for card in graded], first.machine_points),
        ungraded=[card.name for card in cards if card.ungraded],
        isolation=Counter(card.isolation for card in graded),
        warnings=WARNINGS,
        histogram=charts.histogram([card.score for card in graded], first.machine_points),
        bars=charts.outcomes(labels, [q.counts for q in questions]) if questions else "",
        questions=questions,
        alike=find_alike(cards, paths),
        links=links,
    )


def _spread(scores: Sequence[float], most: float) -> str:
    if len(scores) < 2:
        return f"{points(scores[0])} points." if scores else "None could be graded."
    low, middle, high = statistics.quantiles(scores, n=4, method="inclusive")
    full, none = sum(s >= most for s in scores), sum(s <= 0 for s in scores)
    return (
        f"Mean {points(statistics.fmean(scores))}, median {points(middle)}; the middle half lies "
        f"between {points(low)} and {points(high)}. All points: {full}; no points: {none}."
    )


def _hardest_first(cards: Sequence[Card]) -> list[QuestionCount]:
    """Every question that a machine judges, with what the class made of it."""
    counted = []
    for position, line in enumerate(cards[0].lines if cards else ()):
        if line.question.kind != "explain":
            counted.append(_count([card.lines[position] for card in cards]))
    return sorted(counted, key=lambda q: (q.mean, q.number))


def _count(lines: Sequence[Line]) -> QuestionCount:
    question = lines[0].question
    statuses = Counter(line.status for line in lines)
    mistakes = Counter(x.mistake for x in lines if x.status in ("wrong", "partly"))
    examples = {line.mistake: line.message for line in reversed(lines)}
    return QuestionCount(
        lines[0].number,
        question,
        statistics.fmean(line.score / question.points for line in lines),
        {status: statuses[status] for status in ("right", "partly", "wrong", "blank")},
        tuple(MistakeCount(c, n, examples[c]) for c, n in mistakes.most_common()),
    )
