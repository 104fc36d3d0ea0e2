"""How much do the draws of Markov chains tell, and have the chains forgotten where they began?

Successive draws of a chain resemble each other. With ρ_t the correlation of draws t steps apart,

    Var(mean of N draws) ≈ σ²/N · τ,    τ = 1 + 2 Σ_{t≥1} ρ_t,

so N draws are worth N/τ independent ones: the effective sample size. The estimated ρ_t of large t
are noise, and their sum would be noise too. For a reversible chain the sums of neighbouring pairs
ρ_{2k} + ρ_{2k+1} are positive and decreasing; Geyer's rule cuts the series at the first pair that
is not positive and flattens what rises.

No single chain can tell that it has missed a mode. Several, begun far apart, can: R-hat compares
the variance of all draws with the variance within chains, and is near 1 once they agree. Each
chain is cut in half first, so that a drift shows too, and values are replaced by normal scores of
their ranks, so that infinite variances do no harm (Vehtari and co-workers, 2021).

Chains come with axes ``(chain, draw, *variables)``, every variable judged by itself, in float64.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_choice, check_tensor

FEWEST_DRAWS = 4
"""Draws a chain must have before anything is said about it."""


def autocorrelation(
    chains: Float[Tensor, "chain draw *variables"], *, unbiased: bool = False
) -> Float[Tensor, "chain lag *variables"]:
    """Autocorrelation ρ_t = γ_t/γ_0 of each chain, γ_t = (1/n) Σ_s (x_s − x̄)(x_{s+t} − x̄).

    Args:
        chains: Draws, at least 4 per chain.
        unbiased: Divide by n − t, the number of terms, instead of n. This removes the shrinkage
            of late lags, not the bias of order 1/n from the estimated mean, and lets their noise
            grow. The sequence with divisor n is a positive definite one.

    Returns:
        ρ_t for lags t = 0 … n − 1, ρ_0 = 1, float64.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Bias of order 1/n for a fixed lag. By fast Fourier transform, in n log n.
    """
    gamma = _autocovariance(_prepared(chains))
    num_draws = gamma.shape[-1]
    if unbiased:
        lags = torch.arange(num_draws, dtype=gamma.dtype, device=gamma.device)
        gamma = gamma * (num_draws / (num_draws - lags))
    rho = gamma / gamma[..., :1]
    return rho.permute(1, 2, 0).reshape(chains.shape)


def effective_sample_size(
    chains: Float[Tensor, "chain draw *variables"], *, kind: str = "bulk"
) -> Float[Tensor, "*variables"]:
    """Effective sample size N/τ of all chains together.

    Chains that disagree are worth little: ρ_t is 1 − (W − γ_t)/V, with W the variance within the
    half chains, V that of all draws and γ_t the mean autocovariance.

    Args:
        chains: Draws, at least 4 per chain, none constant.
        kind: ``"mean"``, of the values themselves, for the error of their mean; ``"bulk"``, of
            their normal scores, defined without any moment and the one to report.

    Returns:
        Number of independent draws worth as much, at most N log₁₀ N (a chain that swings around
        its mean is worth more than N), axes ``variables``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Estimate for a stationary chain; for chains that have not found all of the law it is the
        worth of the draws for the part they have found.

    Source:
        [geyer1992practical], [vehtari2021rank].
    """
    check_choice("kind", kind, ("bulk", "mean"))
    halves = _halves(_prepared(chains))
    ess = _ess(_normal_scores(halves) if kind == "bulk" else halves)
    return ess.reshape(chains.shape[2:])


def integrated_autocorrelation_time(
    chains: Float[Tensor, "chain draw *variables"],
) -> Float[Tensor, "*variables"]:
    """Integrated autocorrelation time τ = 1 + 2 Σ_{t≥1} ρ_t, in draws per independent draw.

    Args:
        chains: Draws, at least 4 per chain, none constant.

    Returns:
        τ in draws, 1 for independent ones and (1 + φ)/(1 − φ) for an autoregression with
        coefficient φ, axes ``variables``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        As ``effective_sample_size`` of kind ``"mean"``, of which it is the reciprocal share.
    """
    ess = effective_sample_size(chains, kind="mean")
    return chains.shape[0] * chains.shape[1] / ess


def split_r_hat(chains: Float[Tensor, "chain draw *variables"]) -> Float[Tensor, "*variables"]:
    """R-hat = √(V/W) of half chains: the spread of all draws over the spread within a half chain.

    It is the larger of two: of the normal scores of x, which sees chains in different places, and
    of |x − median|, which sees chains of different width.

    Args:
        chains: Draws, at least 4 per chain, none constant; several chains begun far apart.

    Returns:
        About 1 if all half chains agree, slightly below by chance; above 1.01 they do not yet.
        Infinite if no half chain moves. Axes ``variables``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact value of a statistic. A large one proves disagreement; a small one does not prove
        that the chains have seen everything.

    Source:
        [vehtari2021rank].
    """
    halves = _halves(_prepared(chains))
    folded = (halves - _median(halves)).abs()
    place, width = (_r_hat(_normal_scores(values)) for values in (halves, folded))
    return torch.fmax(place, width).reshape(chains.shape[2:])


def monte_carlo_standard_error(
    chains: Float[Tensor, "chain draw *variables"],
) -> Float[Tensor, "*variables"]:
    """Standard error σ/√ESS of the mean of all draws.

    Args:
        chains: Draws, at least 4 per chain, none constant.

    Returns:
        Standard error in the unit of the variable, axes ``variables``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        As good as the effective sample size of kind ``"mean"``; it knows nothing of modes that no
        chain has visited.

    Source:
        [geyer1992practical].
    """
    ess = effective_sample_size(chains, kind="mean")
    return chains.detach().double().flatten(0, 1).std(0) / ess.sqrt()


def _prepared(chains: Tensor) -> Tensor:
    """Checked draws in float64, axes ``(variable, chain, draw)``."""
    check_tensor("chains", chains, dtype="float")
    if chains.ndim < 2:
        raise ArgumentError(
            f"chains: expected axes (chain, draw, *variables), got shape {tuple(chains.shape)}"
        )
    if chains.shape[1] < FEWEST_DRAWS:
        raise ArgumentError(
            f"chains: expected at least {FEWEST_DRAWS} draws per chain, got {chains.shape[1]}"
        )
    constant = (chains == chains[:, :1]).all(1)
    if bool(constant.any()):
        raise ArgumentError(
            f"chains: expected chains that move, got {int(constant.sum())} constant of "
            f"{constant.numel()}"
        )
    return chains.detach().double().reshape(*chains.shape[:2], -1).permute(2, 0, 1)


def _halves(draws: Tensor) -> Tensor:
    """First and last half of each chain as chains of their own; an odd middle draw is left out."""
    half = draws.shape[-1] // 2
    halves = torch.cat([draws[..., :half], draws[..., -half:]], 1)
    if bool((halves == halves[:, :1, :1]).flatten(1).all(1).any()):
        raise ArgumentError("chains: expected chains that move, got one that left its value once")
    return halves


def _median(draws: Tensor) -> Tensor:
    """Median over chains and draws, the mean of the middle two."""
    ordered = draws.flatten(1).sort(-1).values
    count = ordered.shape[-1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2])[:, None, None] / 2


def _normal_scores(draws: Tensor) -> Tensor:
    """Φ⁻¹((r − 3/8)/(N + 1/4)), r the rank among all draws of a variable; ties share the mean."""
    flat = draws.flatten(1).contiguous()
    ordered = flat.sort(-1).values
    below = torch.searchsorted(ordered, flat)
    not_above = torch.searchsorted(ordered, flat, right=True)
    rank = (below + not_above + 1).double() / 2
    return torch.special.ndtri((rank - 3 / 8) / (flat.shape[-1] + 1 / 4)).reshape(draws.shape)


def _autocovariance(draws: Tensor) -> Tensor:
    """γ_t of every chain with divisor n; zeros appended so that the ends do not meet."""
    num_draws = draws.shape[-1]
    spectrum = torch.fft.rfft(draws - draws.mean(-1, keepdim=True), 2 * num_draws)
    return torch.fft.irfft(spectrum.abs().square(), 2 * num_draws)[..., :num_draws] / num_draws


def _r_hat(draws: Tensor) -> Tensor:
    within = draws.var(-1).mean(-1)
    between = draws.mean(-1).var(-1)
    num_draws = draws.shape[-1]
    return (between / within + (num_draws - 1) / num_draws).sqrt()


def _ess(draws: Tensor) -> Tensor:
    """N/τ from the mean autocovariance of the chains, τ by Geyer's initial monotone sequence."""
    num_chains, num_draws = draws.shape[1:]
    gamma = _autocovariance(draws).mean(1)
    within = gamma[:, :1] * num_draws / (num_draws - 1)
    total = gamma[:, :1] + draws.mean(-1).var(-1)[:, None]
    rho = 1 - (within - gamma) / total
    rho[:, 0] = 1
    count = num_chains * num_draws
    return count / _monotone_time(rho).clamp_min(1 / math.log10(count))


def _monotone_time(rho: Tensor) -> Tensor:
    """−1 + 2 Σ_k P_k over pairs P_k = ρ_{2k} + ρ_{2k+1}, cut at m, plus the even ρ_{2m} after it.

    m is the first pair that is not positive, or the last but one that fits; P_k is replaced by the
    smallest of P_0 … P_k.
    """
    last = max((rho.shape[-1] - 3) // 2, 0)
    even, odd = rho[:, : 2 * last + 1 : 2], rho[:, 1 : 2 * last + 2 : 2]
    pairs = even + odd
    positive = (pairs > 0).long().cumprod(-1).bool()
    cut = positive.sum(-1, keepdim=True).clamp_max(last)
    before = torch.arange(last + 1, device=rho.device) < cut
    summed = (pairs.cummin(-1).values * before).sum(-1)
    tail, tail_pair = even.gather(-1, cut).squeeze(-1), pairs.gather(-1, cut).squeeze(-1)
    return -1 + 2 * summed + torch.where((tail > 0) | (tail_pair >= 0), tail, 0.0)
