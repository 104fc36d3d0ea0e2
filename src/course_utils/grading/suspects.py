"""A line-up: what would the answer be if the student had made this mistake?

An answer that is wrong in a known way equals what that way gives, to rounding. So every question
lists its suspects, and the one that matches names the mistake. An answer that matches nobody gets
the question's general sentence. A suspect's own sentence holds for every instance, so it can be
shown for hidden ones; what was seen on the instance at hand opens it where that may be shown.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils.grading.questions import Mistake


@dataclass(frozen=True)
class Suspect:
    """A known mistake.

    Attributes:
        category: Its short name.
        message: What to tell a student who made it, whatever the instance.
        value: What it gives on the instance at hand.
        opening: What to say first, where the instance may be seen.
    """

    category: str
    message: str
    value: Tensor
    opening: str = ""


def close(left: Tensor, right: Tensor, tolerance: float) -> bool:
    """Whether two tensors agree to ``tolerance``, relative to 1 or to their size, NaN with NaN."""
    return left.shape == right.shape and torch.allclose(
        left.double(), right.double(), rtol=tolerance, atol=tolerance, equal_nan=True
    )


def told_apart(truth: Tensor, suspects: Iterable[Suspect], tolerance: float = 1e-3) -> bool:
    """Whether no two of the truth and the suspects' values could be taken for each other."""
    values = [truth, *(suspect.value for suspect in suspects)]
    return not any(close(a, b, tolerance) for a, b in itertools.combinations(values, 2))


def line_up(
    value: Tensor,
    truth: Tensor,
    suspects: Iterable[Suspect],
    *,
    tolerance: float,
    otherwise: str,
    plain: str = "",
) -> None:
    """Compare an answer with the truth, then with the suspects.

    Args:
        value: The answer.
        truth: What is right.
        suspects: Known mistakes; the first that matches is named.
        tolerance: Absolute and relative tolerance. From 1e-6 on it forgives a rounding to single
            precision on the way, such as that of a buffer from ``torch.zeros``.
        otherwise: What to say if nobody matches.
        plain: The same without anything that depends on the instance.

    Raises:
        Mistake: The answer is not the truth.
    """
    if close(value, truth, tolerance):
        return
    for suspect in suspects:
        if close(value, suspect.value, tolerance):
            opening = f"{suspect.opening}: " if suspect.opening else ""
            raise Mistake(suspect.category, opening + suspect.message, suspect.message)
    raise Mistake("other", otherwise, plain)
