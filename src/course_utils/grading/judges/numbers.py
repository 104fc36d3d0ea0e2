"""Comparing one number with the truth and with what known mistakes give.

The data of such a question follow the seed: other data are drawn until the truth and all suspects
lie apart from each other, so that a hidden instance names a mistake as surely as the public one. A
number that is right for the public data only was written down instead of computed, and is told so.
"""

import itertools
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_TOLERANCE = 1e-3

Wrong = list[tuple[str, str, float]]
"""Known mistakes: category, message and the number they give."""


def judge_number(name: str, answer: Any, truth: float, wrong: Wrong, *, tip: str) -> Verdict:
    """Accept a number within 0.1 % of the truth, and otherwise say which mistake gives it.

    Args:
        name: What it is, as the student knows it.
        answer: What came.
        truth: What is right, not zero.
        wrong: Known mistakes.
        tip: What to say if none of them matches.

    Raises:
        Mistake: It is no finite number, or not the truth.
    """
    value = answers.expect_number(name, answer)
    if abs(value - truth) < 0.02 * abs(truth):
        tip = f"{name} is close, but not to 0.1 %: is something rounded on the way?"
    suspects = [Suspect(category, text, _relative(v, truth)) for category, text, v in wrong]
    ratio, one = _relative(value, truth), _relative(truth, truth)
    line_up(ratio, one, suspects, tolerance=_TOLERANCE / 2, otherwise=tip, plain=tip)
    return right(f"{name} agrees to 0.1 %.")


def _relative(value: float, truth: float) -> Tensor:
    """A number in units of the true one, so that absolute and relative tolerance add up to one."""
    return torch.tensor(value / truth, dtype=torch.float64)


def lie_apart(values: list[float]) -> bool:
    """Say whether no two of the values could be taken for each other."""
    pairs = itertools.combinations(values, 2)
    return all(abs(a - b) > 0.03 * max(abs(a), abs(b), 0.5) for a, b in pairs)


def written_down(name: str, public: float, truth: float) -> Wrong:
    """Return the suspect who copied the number that is right for the public data."""
    text = f"{name} is right for the public data only: compute it from what given() returns."
    return [] if public == truth else [("public-data", text, public)]
