r"""f-divergences: one formula for many ways in which two laws can differ.

For a convex function f on (0, ∞) with f(1) = 0,

    D_f(p ‖ q) = Σ_k q_k f(p_k / q_k)

is at least f(Σ_k p_k) = f(1) = 0 by Jensen's inequality; densities take the place of p and q on the
line. Adding c (t − 1) to f changes nothing, since Σ_k q_k (p_k / q_k − 1) = 0.

Seen from the other side, with the *adjoint* generator f°(s) = s f(1/s),

    q f(p / q) = p f°(q / p),        D_f(p ‖ q) = D_f°(q ‖ p).

So f and f° are needed between 0 and 1 only: one takes the left form where p ≤ q and the right one
elsewhere. Both are written as functions of u = log t ≤ 0, f(e^u), so that nothing overflows and
all derivatives exist, far out in the tails of a density too. The limits at zero are the cost of
the two mistakes there are: f(0) for mass that q has and p has not, f°(0) for mass that p has and q
has not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_number, check_tensor
from course_utils.distributions import check_probabilities

Curve = Callable[[Tensor], Tensor]
"""A function of the logarithm of a ratio, elementwise."""


@dataclass(frozen=True)
class FDivergence:
    """Divergence D_f(p ‖ q) = Σ_k q_k f(p_k / q_k), given by its generator.

    Attributes:
        name: What it is called.
        generator: u ↦ f(e^u) for u ≤ 0; at −∞ the limit f(0), which may be infinite.
        adjoint: u ↦ f°(e^u) with f°(s) = s f(1/s); at −∞ the limit f°(0), which may be infinite.

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
            Exact.
        """
        check_probabilities("p", p.detach())
        check_probabilities("q", q.detach())
        if p.shape != q.shape:
            raise ArgumentError(
                f"q: expected the shape {tuple(p.shape)} of p, got {tuple(q.shape)}"
            )
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
        smaller = log_q.exp() * self.generator(log_ratio.clamp_max(0.0))
        larger = log_p.exp() * self.adjoint((-log_ratio).clamp_max(0.0))
        terms = torch.where(log_ratio <= 0, smaller, larger)
        return torch.where(log_ratio.isnan(), torch.zeros_like(terms), terms)

    def curve(self, ratio: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """f(t) for any t ≥ 0, to look at.

        Raises:
            ArgumentError: A ratio is negative.
        """
        check_tensor("ratio", ratio, dtype="float", low=0)
        log_ratio = ratio.log()
        below, above = log_ratio.clamp_max(0.0), (-log_ratio).clamp_max(0.0)
        return torch.where(ratio <= 1, self.generator(below), ratio * self.adjoint(above))

    def reversed(self, name: str) -> "FDivergence":
        """The divergence with p and q exchanged, D(p ‖ q) = D_f(q ‖ p), under a new name."""
        return FDivergence(name, self.adjoint, self.generator)


def _symmetric(name: str, generator: Curve) -> FDivergence:
    return FDivergence(name, generator, generator)


def _t_log_t(u: Tensor) -> Tensor:
    """t log t at t = e^u, with the limit 0."""
    return u.exp() * u.clamp_min(-1e4)


def _jensen_shannon(u: Tensor) -> Tensor:
    one_more = 1 + u.exp()
    return (_t_log_t(u) - one_more * torch.log(one_more / 2)) / 2


KL = FDivergence("forward KL", _t_log_t, lambda u: -u)
"""Kullback-Leibler divergence Σ p log(p/q): f(t) = t log t; infinite where q misses mass of p."""

REVERSE_KL = KL.reversed("reverse KL")
"""Reverse divergence Σ q log(q/p): f(t) = −log t; infinite where q puts mass outside p."""

JENSEN_SHANNON = _symmetric("Jensen-Shannon", _jensen_shannon)
"""½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2, at most log 2; [lin1991divergence]."""

TOTAL_VARIATION = _symmetric("total variation", lambda u: (1 - u.exp()) / 2)
"""½ Σ |p − q|, the largest difference of the probabilities of any event, at most 1."""

SQUARED_HELLINGER = _symmetric("squared Hellinger", lambda u: (1 - (u / 2).exp()) ** 2 / 2)
"""½ Σ (√p − √q)² = 1 − Σ √(pq), at most 1."""

CHI_SQUARE = FDivergence(
    "chi-square", lambda u: (1 - u.exp()) ** 2, lambda u: (1 - u.exp()) ** 2 * (-u).exp()
)
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
            return lambda u: _t_log_t(u) - u.exp() + 1
        if power == 0:
            return lambda u: u.exp() - 1 - u
        scale = power * (power - 1)
        return lambda u: ((power * u).exp() - power * u.exp() + power - 1) / scale

    return FDivergence(f"alpha = {alpha:g}", generator(alpha), generator(1 - alpha))
