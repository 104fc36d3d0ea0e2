r"""The Gaussian that is closest to a given density on the line, for any f-divergence.

A model with too few parameters cannot be everywhere right, and the divergence decides where it is
wrong. KL(p ‖ q) punishes q for missing mass of p, so the best q covers all of p and has its mean
and variance. KL(q ‖ p) punishes q for mass where p has none, so the best q sits on one mode.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.arguments import check_int, check_number
from course_utils.distributions import gaussian_log_prob
from course_utils.divergences import FDivergence
from course_utils.inference.modes import find_mode

_LONGEST_STEP = 0.3


class GaussianFit(NamedTuple):
    """The closest Gaussian found.

    Attributes:
        mean: m.
        std: s.
        divergence: D_f(p ‖ N(m, s²)).
    """

    mean: float
    std: float
    divergence: float


def closest_gaussian(
    log_density: Callable[[Tensor], Tensor],
    divergence: FDivergence,
    *,
    start_mean: float,
    start_std: float,
    low: float,
    high: float,
    num_nodes: int = 2001,
) -> GaussianFit:
    """Minimise D_f(p ‖ N(m, s²)) over m and log s by Newton's method, in steps of at most 0.3.

    Args:
        log_density: log p, normalised, at points of the line; axis ``nodes``.
        divergence: D_f. ``KL`` gives the moments of p; others may have several local minima.
        start_mean: First m; decides which optimum is found.
        start_std: First s > 0.
        low: Lower end of the quadrature, beyond which p and q are negligible.
        high: Upper end.
        num_nodes: Equally spaced nodes.

    Returns:
        A local minimum and its divergence.

    Raises:
        ArgumentError: An argument is out of range, or no minimum is reached: by symmetry, for
            example, a start halfway between two equal modes may lead to a saddle.

    Accuracy:
        Rounding for the optimum; the sum over nodes is exact to rounding for smooth densities if
        their spacing is below half of both widths. Mass beyond the ends is not seen.
    """
    check_number("start_mean", start_mean)
    check_number("start_std", start_std, low=0, open_low=True)
    check_number("high", high, low=check_number("low", low), open_low=True)
    check_int("num_nodes", num_nodes, low=3)
    x = torch.linspace(low, high, num_nodes, dtype=torch.float64)
    log_p, spacing = log_density(x), float(x[1] - x[0])

    def closeness(parameters: Tensor) -> Tensor:
        log_q = gaussian_log_prob(x, parameters[0], parameters[1])
        return -divergence.terms(log_p, log_q).sum() * spacing

    start = torch.tensor([start_mean, math.log(start_std)], dtype=torch.float64)
    best = find_mode(closeness, start, longest_step=_LONGEST_STEP)
    mean, log_std = best.point.tolist()
    return GaussianFit(mean, math.exp(log_std), -float(best.log_density))
