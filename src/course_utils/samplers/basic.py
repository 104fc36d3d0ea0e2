"""Draws from a law one cannot call directly: go level by level, turn a number, refuse, or weigh.

top down      draw what has no parents, then each level given the one above: exact
inverse CDF   x = F⁻¹(u), u uniform: exact, in one dimension
rejection     draw from q, keep with probability p(x) / (c q(x)): exact, needs p ≤ c q
importance    draw from q, keep all, each with the weight p(x) / q(x); needs q > 0 where p > 0

Densities may be unnormalised. How good the weights are is told by ``metrics.sampled_likelihood``.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor

Propose = Callable[[int, torch.Generator | None], Tensor]
"""``(num_samples, generator) -> draws``, axes ``(samples, *event)``."""

LogDensities = Callable[[Tensor], Tensor]
"""Draws ``(samples, *event)`` to log densities ``(samples,)``, in nats."""

_SLACK = 1e-9  # rounding allowed when a density touches its bound


class Rejection(NamedTuple):
    """Draws that passed, and what they cost.

    Attributes:
        samples: Accepted draws, axes ``(samples, *event)``.
        num_proposed: Draws of the proposal up to and including the last one accepted.
    """

    samples: Shaped[Tensor, "samples ..."]
    num_proposed: int


class Weighted(NamedTuple):
    """Draws of a proposal with the weights that make up for it.

    Attributes:
        samples: Draws of q, axes ``(samples, *event)``.
        log_weights: log p(x) − log q(x) in nats, up to the constants of both.
    """

    samples: Shaped[Tensor, "samples ..."]
    log_weights: Float[Tensor, " samples"]


def top_down(
    num_samples: int,
    *,
    prior: Propose,
    conditionals: Sequence[Callable[[Tensor, torch.Generator | None], Tensor]],
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """Ancestral sampling of a hierarchy: z_L ~ p(z_L), then z_l ~ p(z_l | z_{l+1}), at last x.

    The chance of a path is the product of the chances of its steps, which is the joint law.

    Args:
        num_samples: How many paths.
        prior: Draws z_L.
        conditionals: For each level below the top, from the top down: draws it given the level
            above, one draw for each row.
        generator: Source of randomness.

    Returns:
        All levels, top first; the last one is x.

    Raises:
        ArgumentError: A level has another number of rows than the one above it.

    Accuracy:
        Exact.
    """
    check_int("num_samples", num_samples, low=1)
    levels = [prior(num_samples, generator)]
    for draw in conditionals:
        levels.append(draw(levels[-1], generator))
    for level in levels:
        if len(level) != num_samples:
            raise ArgumentError(
                f"conditionals: expected {num_samples} draws of every level, got {len(level)}"
            )
    return levels


def quantile(
    cdf: Callable[[Tensor], Tensor],
    probs: Float[Tensor, "..."],
    *,
    low: float,
    high: float,
) -> Float[Tensor, "..."]:
    """Quantile F⁻¹(u) = inf {x : F(x) ≥ u} of a distribution function, by halving intervals.

    Args:
        cdf: F, non-decreasing, element by element.
        probs: u in [0, 1].
        low: Start of the interval, where F is at most the smallest u.
        high: Its end, where F is at least the largest u.

    Returns:
        x of every u, within [low, high].

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        To the last few bits of the dtype, relative to ``high - low``.
    """
    check_tensor("probs", probs, dtype="float", low=0, high=1)
    check_number("low", low, high=high, open_high=True)
    left, right = torch.full_like(probs, low), torch.full_like(probs, high)
    ends = cdf(torch.stack([left, right]))
    if bool((ends[0] > probs).any() | (ends[1] < probs).any()):
        raise ArgumentError(
            f"low, high: expected an interval that holds every quantile, got [{low}, {high}]"
        )
    for _ in range(math.ceil(-math.log2(torch.finfo(probs.dtype).eps)) + 1):
        middle = (left + right) / 2
        above = cdf(middle) >= probs
        left, right = torch.where(above, left, middle), torch.where(above, middle, right)
    return right


def inverse_cdf(
    cdf: Callable[[Tensor], Tensor],
    num_samples: int,
    *,
    low: float,
    high: float,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " samples"]:
    """Draw x = F⁻¹(u) with u uniform on (0, 1); then P(x ≤ a) = P(u ≤ F(a)) = F(a).

    Args:
        cdf: F, non-decreasing from 0 at ``low`` to 1 at ``high``.
        num_samples: How many.
        low: Where F is 0.
        high: Where F is 1.
        generator: Source of randomness; its device is that of the draws.

    Returns:
        Draws in float64.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact up to rounding.
    """
    check_int("num_samples", num_samples, low=1)
    device = generator.device if generator is not None else None
    uniform = torch.rand(num_samples, generator=generator, dtype=torch.float64, device=device)
    return quantile(cdf, uniform, low=low, high=high)


def rejection(
    num_samples: int,
    *,
    propose: Propose,
    log_proposal: LogDensities,
    log_target: LogDensities,
    log_bound: float,
    generator: torch.Generator | None = None,
    batch_size: int = 4096,
) -> Rejection:
    """Rejection sampling: keep a draw x of q with probability p(x) / (c q(x)).

    What is kept has the density p: the chance to be drawn near x and kept is q(x) p(x) / (c q(x)),
    which is p(x) / c. One draw in c passes if both densities are normalised.

    Args:
        num_samples: Draws wanted.
        propose: Draws from q.
        log_proposal: log q.
        log_target: log p, up to a constant.
        log_bound: log c with p(x) ≤ c q(x) everywhere.
        generator: Source of randomness.
        batch_size: Draws of q at a time.

    Returns:
        The draws, and how many of q they took.

    Raises:
        ArgumentError: A draw with p > c q, which proves the bound wrong; or nothing passed in
            1000 batches.

    Accuracy:
        Exact, if the bound holds everywhere; a bound broken only where no draw fell is not noticed.

    Source:
        [vonneumann1951various].
    """
    check_int("num_samples", num_samples, low=1)
    check_number("log_bound", log_bound)
    check_int("batch_size", batch_size, low=1)
    kept: list[Tensor] = []
    missing, proposed, idle = num_samples, 0, 0
    while missing > 0:
        x = propose(batch_size, generator)
        log_ratio = log_target(x) - log_proposal(x) - log_bound
        if bool((log_ratio > _SLACK).any()):
            worst = float(log_ratio.max()) + log_bound
            raise ArgumentError(f"log_bound: expected at least {worst:.6g}, got {log_bound:.6g}")
        uniform = torch.rand(
            log_ratio.shape, generator=generator, dtype=log_ratio.dtype, device=x.device
        )
        passed = (uniform < log_ratio.exp()).nonzero().squeeze(-1)[:missing]
        kept.append(x[passed])
        missing -= len(passed)
        proposed += batch_size if missing > 0 else int(passed[-1]) + 1
        idle = 0 if len(passed) else idle + 1
        if idle == 1000:
            raise ArgumentError("log_bound: expected a bound some draw can meet, got none that did")
    return Rejection(torch.cat(kept), proposed)


def importance(
    num_samples: int,
    *,
    propose: Propose,
    log_proposal: LogDensities,
    log_target: LogDensities,
    generator: torch.Generator | None = None,
) -> Weighted:
    """Importance sampling: draw x from q and give it the weight w(x) = p(x) / q(x).

    E_q[w f] = E_p[f] for every f; for an unnormalised p̃ = Z p the mean weight estimates Z.

    Args:
        num_samples: Draws of q.
        propose: Draws from q.
        log_proposal: log q.
        log_target: log p or log p̃.
        generator: Source of randomness.

    Returns:
        Draws and log weights.

    Raises:
        ArgumentError: A log weight is NaN or +inf: q is zero where a draw fell, or p is no density.

    Accuracy:
        Unbiased; the error is finite only if E_q[w²] is.
    """
    check_int("num_samples", num_samples, low=1)
    x = propose(num_samples, generator)
    log_weights = log_target(x) - log_proposal(x)
    if bool((log_weights.isnan() | log_weights.isposinf()).any()):
        raise ArgumentError("log_target: expected weights that are numbers, got NaN or +inf")
    return Weighted(x, log_weights)
