r"""f-divergences: one formula for many ways in which two laws can differ.

For a convex function f on (0, ∞) with f(1) = 0,

    D_f(p ‖ q) = Σ_k q_k f(p_k / q_k)

is at least f(Σ_k p_k) = f(1) = 0 by Jensen's inequality; densities take the place of p and q on the
line. Adding c (t − 1) to f changes nothing, since Σ_k q_k (p_k / q_k − 1) = 0.

Seen from the other side, with the *adjoint* generator f°(s) = s f(1/s),

    q f(p / q) = p f°(q / p),        D_f(p ‖ q) = D_f°(q ‖ p).

So f and f° are needed between 0 and 1 only: one takes the left form where p ≤ q and the right one
elsewhere. That avoids overflow, and the limits at zero are the cost of the two mistakes there are:
f(0) for mass that q has and p has not, f°(0) for mass that p has and q has not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_number, check_tensor
from course_utils.distributions import check_probabilities

Curve = Callable[[Tensor], Tensor]
"""A function of ratios, elementwise."""

_LARGEST_LOG_RATIO = 700.0


@dataclass(frozen=True)
class FDivergence:
    """Divergence D_f(p ‖ q) = Σ_k q_k f(p_k / q_k), given by its generator.

    Attributes:
        name: What it is called.
        generator: f on [0, 1]; at 0 its limit, which may be infinite.
        adjoint: f°(s) = s f(1/s) on [0, 1]; at 0 its limit, which may be infinite.

    Source:
        [ali1966general].
    """

    name: str
    generator: Curve
    adjoint: Curve

    def __call__(
        self, p: Float[Tensor, "*batch levels"], q: Float[Tensor, "*batch levels"]
    ) -> Float[Tensor, "*batch"]:
        """D_f(p ‖ q) of probability tables over the last axis.

        Args:
            p: Probabilities that sum to one.
            q: Probabilities of the same shape.

        Returns:
            ≥ 0 up to rounding; nats for those made of logarithms, without unit otherwise. +∞ if
            mass is missing where the divergence does not forgive it.

        Raises:
            ArgumentError: p or q is no probability table, or their shapes differ.

        Accuracy:
            Exact, with ratios held between e^−700 and e^700.
        """
        check_probabilities("p", p.detach())
        check_probabilities("q", q.detach())
        if p.shape != q.shape:
            raise ArgumentError(f"q: expected the shape {tuple(p.shape)} of p, got {tuple(q.shape)}")
        return self.terms(p.log(), q.log()).sum(-1)

    def terms(
        self, log_p: Float[Tensor, "*shape"], log_q: Float[Tensor, "*shape"]
    ) -> Float[Tensor, "*shape"]:
        """The summands q f(p / q), from logarithms, for sums and for quadrature.

        Args:
            log_p: log p, −∞ for probability zero.
            log_q: log q.

        Returns:
            One term per element, differentiable where both are positive.
        """
        log_ratio = log_p - log_q
        size = log_ratio.abs()
        size = torch.where(size.isinf(), size, size.clamp_max(_LARGEST_LOG_RATIO))
        ratio = torch.exp(-size)
        smaller = log_q.exp() * self.generator(ratio)
        larger = log_p.exp() * self.adjoint(ratio)
        terms = torch.where(log_ratio <= 0, smaller, larger)
        return torch.where(log_ratio.isnan(), torch.zeros_like(terms), terms)

    def curve(self, ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """f(t) for any t ≥ 0, to look at.

        Raises:
            ArgumentError: A ratio is negative.
        """
        check_tensor("ratio", ratio, dtype="float", low=0)
        beyond = ratio.clamp_min(1.0)
        return torch.where(
            ratio <= 1, self.generator(ratio.clamp_max(1.0)), beyond * self.adjoint(1 / beyond)
        )

    def reversed(self, name: str) -> "FDivergence":
        """The divergence with p and q exchanged, D(p ‖ q) = D_f(q ‖ p), under a new name."""
        return FDivergence(name, self.adjoint, self.generator)


def _symmetric(name: str, generator: Curve) -> FDivergence:
    return FDivergence(name, generator, generator)


def _jensen_shannon(t: Tensor) -> Tensor:
    return (torch.xlogy(t, t) - (1 + t) * torch.log((1 + t) / 2)) / 2


KL = FDivergence("forward KL", lambda t: torch.xlogy(t, t), lambda s: -s.log())
"""Kullback-Leibler divergence Σ p log(p/q): f(t) = t log t; infinite where q misses mass of p."""

REVERSE_KL = KL.reversed("reverse KL")
"""Reverse divergence Σ q log(q/p): f(t) = −log t; infinite where q puts mass outside p."""

JENSEN_SHANNON = _symmetric("Jensen-Shannon", _jensen_shannon)
"""½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2, at most log 2; [lin1991divergence]."""

TOTAL_VARIATION = _symmetric("total variation", lambda t: (1 - t).abs() / 2)
"""½ Σ |p − q|, the largest difference of the probabilities of any event, at most 1."""

SQUARED_HELLINGER = _symmetric("squared Hellinger", lambda t: (1 - t.sqrt()) ** 2 / 2)
"""½ Σ (√p − √q)² = 1 − Σ √(pq), at most 1."""

CHI_SQUARE = FDivergence("chi-square", lambda t: (1 - t) ** 2, lambda s: (1 - s) ** 2 / s)
"""Pearson's Σ (p − q)²/q: f(t) = (t − 1)²; the variance of the weights p/q under q."""

FAMILY = (KL, REVERSE_KL, JENSEN_SHANNON, TOTAL_VARIATION, SQUARED_HELLINGER, CHI_SQUARE)
"""The six divergences of the chapter."""


def alpha_divergence(alpha: float) -> FDivergence:
    """The family D_α(p ‖ q) = (Σ_k p_k^α q_k^{1−α} − 1) / (α (α − 1)) between both KL divergences.

    Its generator is f(t) = (t^α − α t + α − 1) / (α (α − 1)). α → 1 is KL(p ‖ q), α → 0 is
    KL(q ‖ p), α = 1/2 four times the squared Hellinger distance and α = 2 half of chi-square.

    Args:
        alpha: α, any number; 0 and 1 stand for the limits.

    Raises:
        ArgumentError: ``alpha`` is not a finite number.

    Accuracy:
        Exact at 0 and 1; elsewhere cancellation costs about log10(1/|α(α − 1)|) digits.

    Source:
        [minka2005divergence].
    """
    check_number("alpha", alpha)

    def generator(power: float) -> Curve:
        if power == 1:
            return lambda t: torch.xlogy(t, t) - t + 1
        if power == 0:
            return lambda t: t - 1 - t.log()
        scale = power * (power - 1)
        return lambda t: (t**power - power * t + power - 1) / scale

    return FDivergence(f"alpha = {alpha:g}", generator(alpha), generator(1 - alpha))
