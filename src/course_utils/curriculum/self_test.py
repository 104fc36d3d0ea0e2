"""Ten numbers a reader should be able to find before week 1, each computed here in a few lines.

The page on prerequisites asks for them and knows the answers; a test compares the two. A reader
who misses one is told where to begin.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch


class Item(NamedTuple):
    """One question of the self-test.

    Attributes:
        name: By which the page knows it.
        topic: What it is about.
        begin_at: Page of week 0 that a reader who missed it reads first.
        answer: Computes the number asked for.
    """

    name: str
    topic: str
    begin_at: str
    answer: Callable[[], float]


def largest_eigenvalue() -> float:
    """Largest eigenvalue of ((3, 1), (1, 3))."""
    return float(torch.linalg.eigvalsh(torch.tensor([[3.0, 1.0], [1.0, 3.0]]).double())[-1])


def stretched_area() -> float:
    """Area of the unit square after the map ((2, 1), (0, 3))."""
    return float(torch.linalg.det(torch.tensor([[2.0, 1.0], [0.0, 3.0]]).double()))


def bell_slope() -> float:
    """Derivative of exp(-x^2 / 2) at x = 1."""
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    torch.exp(-x.square() / 2).backward()
    return float(x.grad)


def unit_slope() -> float:
    """Derivative of 1 / (1 + exp(-w x)) by w at w = 0.5 and x = 2."""
    w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    torch.sigmoid(2 * w).backward()
    return float(w.grad)


def positive_test() -> float:
    """Probability of illness after a positive test: prior 1 %, 99 % of the ill, 5 % of the well."""
    joint = {(ill, hit): (0.01 if ill else 0.99) * rate
             for ill, rates in ((True, (0.99, 0.01)), (False, (0.05, 0.95)))
             for hit, rate in zip((True, False), rates, strict=True)}  # fmt: skip
    return joint[True, True] / (joint[True, True] + joint[False, True])


def heads_variance() -> float:
    """Variance of the number of heads in ten tosses of a coin with probability 0.3."""
    law = {}
    for tosses in itertools.product((0, 1), repeat=10):
        law[tosses] = math.prod(0.3 if toss else 0.7 for toss in tosses)
    mean = sum(p * sum(tosses) for tosses, p in law.items())
    return sum(p * (sum(tosses) - mean) ** 2 for tosses, p in law.items())


def one_sigma() -> float:
    """Probability that a normal variable lies within one standard deviation of its mean."""
    x = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    return float(torch.trapezoid(torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi), x))


def four_symbols() -> float:
    """Entropy in bits of the law (1/2, 1/4, 1/8, 1/8)."""
    return -sum(p * math.log2(p) for p in (1 / 2, 1 / 4, 1 / 8, 1 / 8))


def mean_error() -> float:
    """Standard error of the mean of 400 independent draws with standard deviation 2."""
    return math.sqrt(sum((2 / 400) ** 2 for _ in range(400)))


def column_sum() -> float:
    """Second entry of ``torch.arange(6).reshape(2, 3).sum(0)``."""
    return float(torch.arange(6).reshape(2, 3).sum(0)[1])


ITEMS = (
    Item("self-test-eigenvalue", "linear algebra", "networks", largest_eigenvalue),
    Item("self-test-determinant", "linear algebra", "prerequisites", stretched_area),
    Item("self-test-derivative", "calculus", "networks", bell_slope),
    Item("self-test-chain-rule", "calculus", "networks", unit_slope),
    Item("self-test-bayes", "probability", "why_generate", positive_test),
    Item("self-test-variance", "probability", "family_tree", heads_variance),
    Item("self-test-normal", "probability", "family_tree", one_sigma),
    Item("self-test-entropy", "information", "learning", four_symbols),
    Item("self-test-standard-error", "statistics", "sampling", mean_error),
    Item("self-test-tensors", "programming", "prerequisites", column_sum),
)
"""The ten questions, in the order of the page."""
