r"""The logistic-normal law: p = sigmoid(z) of a normal number z ~ N(mu, sigma^2), inside (0, 1).

Its density at p with z = log(p / (1 - p)) is N(z; mu, sigma^2) / (p (1 - p)). Setting the
derivative of its logarithm to zero gives z = mu + sigma^2 (2p - 1) = mu + sigma^2 tanh(z / 2),
a straight line against a curve of slope sigma^2 / 2: they meet once if sigma^2 <= 2, and for
larger variances up to three times, in a mode, a valley and a mode.
"""

import math

import torch
from torch.distributions import Normal
from torch.distributions.transforms import SigmoidTransform

from course_utils.arguments import check_number
from course_utils.families.operations import Transformed


def logistic_normal(mean: float, std: float) -> Transformed:
    """Law of p = sigmoid(z), z ~ N(μ, σ²), on (0, 1).

    Args:
        mean: μ.
        std: σ > 0.

    Source:
        [aitchison1980logistic].
    """
    check_number("mean", mean)
    check_number("std", std, low=0, open_low=True)
    location, scale = torch.tensor([mean, std], dtype=torch.float64)
    return Transformed(Normal(location, scale), SigmoidTransform())


def logistic_normal_modes(mean: float, std: float) -> list[float]:
    """Find the modes of the logistic-normal law, one or two, by solving z = μ + σ² tanh(z/2).

    For σ² ≤ 2 the difference g(z) = z − μ − σ² tanh(z/2) increases, so it has one zero. For
    σ² > 2 it increases up to −c, falls to c and increases again, with cosh(c/2) = σ/√2; the
    density has its modes at the zeros outside of [−c, c] and a valley at the one inside.

    Args:
        mean: μ.
        std: σ > 0.

    Returns:
        Modes p in (0, 1), in increasing order.

    Accuracy:
        To rounding.
    """
    check_number("mean", mean)
    variance = check_number("std", std, low=0, open_low=True) ** 2

    def excess(z: float) -> float:
        return z - mean - variance * math.tanh(z / 2)

    turn = 2 * math.acosh(math.sqrt(variance / 2)) if variance > 2 else 0.0
    low, high = mean - variance - 1, mean + variance + 1
    pieces = [(low, -turn), (turn, high)] if turn else [(low, high)]
    roots = [_root(excess, *piece) for piece in pieces if excess(piece[0]) <= 0 <= excess(piece[1])]
    return [1 / (1 + math.exp(-z)) for z in roots]


def _root(increasing, low: float, high: float) -> float:
    """Zero of an increasing function by bisection."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if increasing(middle) > 0 else (middle, high)
    return (low + high) / 2
