"""The shape of a law on the line: its mass, mean and variance, and where its modes are."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number

Law = Any
"""A law on the line: it has ``log_prob(x)``; a leaf also ``icdf``, ``mean`` and ``variance``."""


def line_grid(
    low: float, high: float, num_points: int, device: torch.device | str = "cpu"
) -> Float[Tensor, " points"]:
    """Return equally spaced points from ``low`` to ``high``, float64.

    Raises:
        ArgumentError: The interval is empty, or fewer than three points.
    """
    check_number("high", high, low=check_number("low", low), open_low=True)
    check_int("num_points", num_points, low=3)
    return torch.linspace(low, high, num_points, dtype=torch.float64, device=device)


def moments(
    law: Law,
    low: float,
    high: float,
    *,
    num_points: int = 20_001,
    device: torch.device | str = "cpu",
) -> tuple[float, float, float]:
    """Total mass, mean and variance of any law on the line, by the trapezoidal rule.

    Args:
        law: Has ``log_prob``.
        low: Left end; what lies beyond the ends must not matter.
        high: Right end.
        num_points: Points of the grid.
        device: Where the law is.

    Returns:
        ∫p, which should be 1, then mean and variance.
    """
    x = line_grid(low, high, num_points, device)
    density = law.log_prob(x).exp()
    mass = torch.trapezoid(density, x)
    mean = torch.trapezoid(density * x, x) / mass
    variance = torch.trapezoid(density * (x - mean).square(), x) / mass
    return float(mass), float(mean), float(variance)


def modes(
    law: Law,
    low: float,
    high: float,
    *,
    num_points: int = 4_000,
    device: torch.device | str = "cpu",
) -> list[float]:
    """Find the local maxima of a density between two points.

    The sign of d/dx log p(x), by automatic differentiation, is read on a grid; wherever it turns
    from + to −, bisection finds the place.

    Args:
        law: Has a differentiable ``log_prob``.
        low: Left end.
        high: Right end.
        num_points: Points of the grid.
        device: Where the law is.

    Returns:
        The modes in increasing order. A maximum at an end of the interval is not a mode.

    Accuracy:
        To rounding, for modes that are at least two grid steps apart.
    """
    x = line_grid(low, high, num_points, device)
    signs = _slope(law, x).sign()
    x, signs = x[signs != 0], signs[signs != 0]
    turns = ((signs[:-1] > 0) & (signs[1:] < 0)).nonzero()[:, 0]
    left, right = x[turns], x[turns + 1]
    for _ in range(60 if len(turns) else 0):
        middle = (left + right) / 2
        rising = _slope(law, middle) > 0
        left, right = torch.where(rising, middle, left), torch.where(rising, right, middle)
    return ((left + right) / 2).tolist()


def _slope(law: Law, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(law.log_prob(x).sum(), x)[0]
