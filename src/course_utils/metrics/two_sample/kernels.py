"""Maximum mean discrepancy and energy distance, as numbers and as tests.

Both are one formula,

    E k(X, X') + E k(Y, Y') − 2 E k(X, Y),

with the Gaussian kernel k(a, b) = exp(−‖a − b‖²/2h²) and with k(a, b) = −‖a − b‖.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_choice, check_int, check_number
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.two_sample.contrast import contrast, relabelled_contrasts, row_sums
from course_utils.metrics.two_sample.samples import check_samples
from course_utils.metrics.two_sample.verdict import Verdict


def median_bandwidth(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> float:
    """Kernel width h: the median distance between two different points of both samples together.

    Args:
        x: First sample.
        y: Second sample.

    Returns:
        h > 0 in the unit of ``x``.

    Raises:
        ArgumentError: If more than half of the pairs coincide.

    Accuracy:
        Exact. A rule of thumb: it sees differences on the scale of the whole cloud best.
    """
    check_samples(x, y, 1)
    pooled = torch.cat([x, y]).double()
    distances = torch.pdist(pooled)
    median = distances.median().item()
    if median == 0:
        raise ArgumentError("x, y: expected distinct points, got a median distance of 0")
    return median


def squared_mmd(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], *, bandwidth: float | None = None
) -> Estimate:
    """Squared maximum mean discrepancy E k(X,X') + E k(Y,Y') − 2 E k(X,Y), Gaussian kernel.

    Args:
        x: First sample, n ≥ 3 points.
        y: Second sample, m ≥ 3 points.
        bandwidth: h > 0; ``median_bandwidth`` if not given.

    Returns:
        MMD², without unit, at most 2; may be negative by chance when P = Q. The standard error is
        the jackknife's, too large by up to a factor √2 when P = Q.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased for a bandwidth chosen in advance.

    Source:
        [gretton2012kernel].
    """
    return contrast(*row_sums(*_blocks(x, y, "mmd", bandwidth)))


def energy_distance(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Estimate:
    """Energy distance 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖.

    It is zero only if P = Q, and on the line equals 2 ∫ (F − G)².

    Args:
        x: First sample, n ≥ 3 points.
        y: Second sample, m ≥ 3 points.

    Returns:
        The distance in the unit of ``x``, no root taken; may be negative by chance when P = Q.
        The standard error is the jackknife's, too large by up to a factor √2 when P = Q.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased.

    Source:
        [szekely2013energy].
    """
    return contrast(*row_sums(*_blocks(x, y, "energy", None)))


def permutation_test(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    statistic: str = "mmd",
    *,
    num_permutations: int = 999,
    bandwidth: float | None = None,
    generator: torch.Generator | None = None,
) -> Verdict:
    """Test of P = Q by relabelling: p = (1 + #{relabelled ≥ observed}) / (1 + B).

    Args:
        x: First sample, n ≥ 3 points.
        y: Second sample, m ≥ 3 points.
        statistic: ``"mmd"`` (squared) or ``"energy"``, both in their unbiased form.
        num_permutations: B ≥ 1; the smallest p-value possible is 1/(1 + B).
        bandwidth: h of the Gaussian kernel; ``median_bandwidth`` if not given.
        generator: Source of randomness on the device of ``x``.

    Returns:
        The statistic and its p-value.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Valid at any sample size: under P = Q, P(p ≤ α) ≤ α.
    """
    check_int("num_permutations", num_permutations, low=1)
    within_x, between, within_y = _blocks(x, y, statistic, bandwidth)
    kernel = torch.cat([torch.cat([within_x, between], 1), torch.cat([between.T, within_y], 1)])
    n, total = len(x), len(kernel)
    order = torch.rand(
        num_permutations, total, generator=generator, dtype=torch.float64, device=x.device
    ).argsort(-1)
    observed = torch.arange(total, device=x.device)
    chosen = torch.cat([observed[None], order])[:, :n]
    indicator = kernel.new_zeros(num_permutations + 1, total).scatter_(1, chosen, 1.0)
    values = relabelled_contrasts(kernel, indicator, n)
    rounding = 1e-12 * kernel.abs().max()
    at_least = (values[1:] >= values[0] - rounding).sum().item()
    return Verdict(values[0].item(), (1 + at_least) / (1 + num_permutations))


def _blocks(
    x: Tensor, y: Tensor, statistic: str, bandwidth: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Kernel matrices x with x, x with y and y with y."""
    check_samples(x, y, 3)
    check_choice("statistic", statistic, ("mmd", "energy"))
    pairs = ((x.double(), x.double()), (x.double(), y.double()), (y.double(), y.double()))
    exact = "donot_use_mm_for_euclid_dist"
    first, second, third = (torch.cdist(a, b, compute_mode=exact) for a, b in pairs)
    if statistic == "energy":
        return -first, -second, -third
    h = median_bandwidth(x, y) if bandwidth is None else bandwidth
    check_number("bandwidth", h, low=0, open_low=True)
    return tuple((-0.5 * (d / h) ** 2).exp() for d in (first, second, third))
