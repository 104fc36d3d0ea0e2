"""Mode coverage: which parts of a known world does a generator reach, and how often?

A world that knows its posterior p(k | x) over modes k (a mixture's components, the curves of a
plane world, the scenes) is the best possible classifier of generated points. Sorting them gives
a histogram q over the modes, to be held against the world's weights w:

    KL(w‖q) = Σ_k w_k log(w_k / q_k)   infinite as soon as a mode is dropped
    KL(q‖w) = Σ_k q_k log(q_k / w_k)   log(K/k) for k of K equal modes: the reverse KL

Both come out too large from n points, by about (K − 1)/2n when q = w, and when q = w they have no
linear term: all their chance is of second order. With a smooth f of a mean q̂ of n independent
vectors of covariance S, and g and H its gradient and Hessian,

    bias ≈ tr(HS)/2n,   variance ≈ gᵀSg/n + tr(HSHS)/2n².

The bias is taken off and both terms of the variance are kept.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_number, check_tensor
from course_utils.distributions import check_probabilities
from course_utils.metrics.likelihood import Estimate

_EXPECTED_IN_A_MODE = 5


@dataclass(frozen=True, eq=False)
class ModeCoverage:
    """How a sample spreads over the modes of a world.

    Attributes:
        shares: q_k, share of the sample in each mode.
        num_covered: Number of modes that are the most probable one of at least one point.
        expected_covered: That number for a perfect generator, Σ_k 1 − (1 − w_k)ⁿ, if the modes do
            not overlap.
        kl: KL(w‖q) of the law behind the sample, nats, bias corrected; infinite, with a NaN for
            its standard error, if a mode is not covered.
        reverse_kl: KL(q‖w), nats, bias corrected; may be negative by chance when q = w.
    """

    shares: Float[Tensor, " modes"]
    num_covered: int
    expected_covered: float
    kl: Estimate
    reverse_kl: Estimate


def mode_coverage(
    posterior: Float[Tensor, "batch modes"],
    weights: Float[Tensor, " modes"],
    *,
    soft: bool = False,
) -> ModeCoverage:
    """Histogram over modes of a sample, and its divergences from the truth.

    Args:
        posterior: p(k | x_i) of the world at each of n generated points.
        weights: w_k > 0 of the world, sum 1.
        soft: Let each point count in every mode by its posterior instead of once in the most
            probable one. If modes overlap, only soft shares of a perfect generator have mean w;
            those of another are drawn towards w.

    Returns:
        Shares, counts and divergences.

    Raises:
        ArgumentError: If an argument does not fit, or the sample is too small for the rarest
            mode to be expected 5 times: n ≥ 5/min w.

    Accuracy:
        Shares and counts exact for the sample. Divergences: for independent points, a bias of
        the order 1/n², and a standard error that is too large by up to 1.4 when q = w.
    """
    check_tensor("posterior", posterior, shape=("batch", "modes"))
    check_probabilities("posterior", posterior)
    shape = (posterior.shape[1],)
    check_tensor("weights", weights, shape=shape, dtype="float", device=posterior.device)
    check_probabilities("weights", weights)
    _check_enough(len(posterior), weights)
    w, n = weights.double(), len(posterior)
    hard = torch.nn.functional.one_hot(posterior.argmax(-1), len(w)).double()
    each = posterior.double() if soft else hard
    q = each.mean(0)
    covered = hard.sum(0) > 0
    spread = torch.cov(each.T, correction=0).reshape(len(w), len(w))
    seen = q > 0
    safe = torch.where(seen, q, 1.0)
    ratio = torch.where(seen, (safe / w).log(), 0.0)
    reverse = _expand(q @ ratio, ratio, seen / safe, spread, n)
    forward = Estimate(math.inf, math.nan)
    if bool(covered.all()):
        forward = _expand(-(w @ ratio), -w / q, w / q.square(), spread, n)
    expected = -torch.expm1(n * torch.log1p(-w)).sum().item()
    return ModeCoverage(q, int(covered.sum()), expected, forward, reverse)


def high_quality_share(
    log_prob_generated: Float[Tensor, " n"],
    log_prob_truth: Float[Tensor, " m"],
    *,
    level: float = 0.99,
) -> Estimate:
    """Share of generated points that are no less probable than ``level`` of the truth's own.

    A point is of high quality if the world's density there is above the threshold that a share
    ``level`` of the world's own points exceed. A perfect generator scores ``level``, in every
    dimension; points within 3 standard deviations of a mode are 99 % of the truth in the plane
    and none of it among images.

    Args:
        log_prob_generated: log p(y_i) of the world at n generated points; −inf outside it.
        log_prob_truth: log p(x_j) at m ≥ 5/(1 − level) points of the world.
        level: Between 0 and 1.

    Returns:
        Between 0 and 1; above ``level`` for a generator that keeps to the crowded places, and
        for a world of constant density. The standard error contains the chance in the generated
        points, from their share with half a success and half a failure added, and that in the
        threshold, from the shares at thresholds one standard deviation of its rank away.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Consistent; a perfect generator's mean is within 1/m of ``level``.
    """
    check_number("level", level, low=0, high=1, open_low=True, open_high=True)
    check_tensor("log_prob_truth", log_prob_truth, shape=("m",), dtype="float")
    check_tensor(
        "log_prob_generated",
        log_prob_generated,
        shape=("n",),
        dtype="float",
        device=log_prob_truth.device,
        finite=False,
    )
    if bool((log_prob_generated.isnan() | log_prob_generated.isposinf()).any()):
        raise ArgumentError("log_prob_generated: expected numbers or -inf, got NaN or +inf")
    n, m = len(log_prob_generated), len(log_prob_truth)
    needed = math.ceil(_EXPECTED_IN_A_MODE / (1 - level) - 1e-9)
    if m < needed:
        raise ArgumentError(
            f"log_prob_truth: expected at least {needed} values for level {level}, got {m}"
        )
    ordered = log_prob_truth.double().sort().values
    step = math.sqrt(m * level * (1 - level))
    ranks = [(1 - level) * m + shift * step for shift in (-1, 0, 1)]
    thresholds = ordered[[min(m - 1, max(0, round(rank))) for rank in ranks]]
    shares = (log_prob_generated.double()[:, None] >= thresholds).double().mean(0)
    smooth = (n * shares[1] + 0.5) / (n + 1)
    variance = smooth * (1 - smooth) / n + ((shares[0] - shares[2]) / 2).square()
    return Estimate(shares[1].item(), variance.sqrt().item())


def _check_enough(count: int, weights: Tensor) -> None:
    rarest = weights.min().item()
    if rarest == 0:
        raise ArgumentError("weights: expected every mode to have a weight > 0, got one of 0")
    needed = math.ceil(_EXPECTED_IN_A_MODE / rarest - 1e-3)
    if count < needed:
        raise ArgumentError(
            f"posterior: expected at least {needed} points for {len(weights)} modes, the rarest "
            f"of weight {rarest:.3g}, got {count}"
        )


def _expand(
    value: Tensor, gradient: Tensor, curvature: Tensor, spread: Tensor, count: int
) -> Estimate:
    """Take the bias off f(q̂) and give its standard error; the Hessian is diagonal.

    The squared gradient at q̂ is itself too large by tr(HSHS)/n in the mean, which is taken off.
    """
    bent = curvature[:, None] * spread
    second = (bent * bent.T).sum() / count
    first = (gradient @ spread @ gradient - second).clamp_min(0)
    variance = (first + second / 2) / count
    return Estimate((value - bent.trace() / (2 * count)).item(), variance.sqrt().item())
