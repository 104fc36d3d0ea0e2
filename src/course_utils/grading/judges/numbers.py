"""What judges of a single number share: known wrong numbers, told apart and named.

A mistake in a computation gives a number of its own. Data are drawn until the truth and all those
numbers lie apart, so that a hidden instance names a mistake as surely as the public one.
"""

import itertools
from typing import Any

import torch

from course_utils.grading import answers
from course_utils.grading.questions import Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

Wrong = list[tuple[str, str, float]]
"""Known mistakes: category, message and the number they give."""

TOLERANCE = 1e-3
"""Relative tolerance of a number that is computed."""

EXACT = 1e-9
"""Relative tolerance of a number that is counted."""


def judge_number(
    name: str,
    answer: Any,
    truth: float,
    wrong: Wrong,
    *,
    tip: str,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """Compare a number with the truth, then with the known mistakes.

    Args:
        name: What it is called.
        answer: What came.
        truth: What is right; not zero.
        wrong: Known mistakes; the first that matches is named.
        tip: What to say if none does.
        tolerance: Relative tolerance: ``TOLERANCE``, or ``EXACT`` for whole numbers.

    Raises:
        Mistake: It is no number, or not the right one.
    """
    value = answers.expect_number(name, answer)
    exact = tolerance == EXACT
    if abs(value - truth) < 0.02 * abs(truth):
        rounded = "not to 0.1 %: is something rounded on the way?"
        tip = f"{name} is close, but {'a part is missing or too much.' if exact else rounded}"
    suspects = [Suspect(category, text, _relative(v, truth)) for category, text, v in wrong]
    ratio, one = _relative(value, truth), _relative(truth, truth)
    line_up(ratio, one, suspects, tolerance=tolerance / 2, otherwise=tip, plain=tip)
    return right(f"{name} is right." if exact else f"{name} agrees to 0.1 %.")


def entry(answer: Any, name: str, names: tuple[str, ...]) -> Any:
    """One entry of a dict of answers.

    Raises:
        Mistake: It is no dict, or the entry is not filled in.
    """
    if not isinstance(answer, dict):
        kind = type(answer).__name__
        raise Mistake("type", f"expected a dict with {', '.join(names)}, got a {kind}.")
    if answer.get(name) is None:
        message = f"the entry {name!r} is still to be filled in."
        raise Mistake("blank", message, message)
    return answer[name]


def lie_apart(values: list[float], gap: float = 0.03) -> bool:
    """Whether no two of the values could be taken for each other.

    Args:
        values: The truth and the known mistakes.
        gap: Smallest difference, relative to the larger one or to one half.
    """
    pairs = itertools.combinations(values, 2)
    return all(abs(a - b) > gap * max(abs(a), abs(b), 0.5) for a, b in pairs)


def written_down(name: str, public: float, truth: float) -> Wrong:
    """The suspect who copied the number that is right for the public data."""
    text = f"{name} is right for the public data only: compute it from what given() returns."
    return [] if public == truth else [("public-data", text, public)]


def _relative(value: float, truth: float) -> torch.Tensor:
    """A number in units of the true one, so that absolute and relative tolerance add up to one."""
    return torch.tensor(value / truth, dtype=torch.float64)
