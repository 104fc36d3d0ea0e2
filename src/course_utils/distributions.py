"""Exact densities, their entropies and divergences, and the output heads of conditional models.

Every log-probability is in nats and summed over nothing but the axes its docstring names. A
*head* turns the ``num_params`` numbers a network emits for one variable into a distribution of
that variable: it can score a value, draw one and give the mean. The three heads cover the three
kinds of variable the course models: binary, one of K levels, real.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor
from torch.nn.functional import softplus

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


def check_probabilities(name: str, probs: Tensor, *, num_axes: int = 1) -> Tensor:
    """Return ``probs`` if it is non-negative and sums to one over its last ``num_axes`` axes.

    Args:
        name: The argument's name.
        probs: Probabilities; axes before the last ``num_axes`` index separate distributions.
        num_axes: How many trailing axes together form one distribution.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came. A sum may be off
            by 1e-5 (a float32 softmax over a few thousand levels stays within that).
    """
    check_tensor(name, probs, dtype="float", low=0)
    totals = probs.flatten(probs.ndim - num_axes).sum(-1) if num_axes else probs
    worst = float(totals.flatten()[(totals.flatten() - 1).abs().argmax()])
    if abs(worst - 1) > 1e-5:
        raise ArgumentError(f"{name}: expected probabilities that sum to 1, got a sum of {worst}")
    return probs


def categorical_entropy(log_probs: Float[Tensor, "..."], axis: int = -1) -> Float[Tensor, "..."]:
    """Entropy H(p) = −Σ_k p_k log p_k, with 0 log 0 = 0.

    Args:
        log_probs: Normalised log p_k along ``axis``, in nats; −inf stands for probability zero.
        axis: The axis of the levels k.

    Returns:
        H in nats, ≥ 0, the other axes of ``log_probs``.

    Accuracy:
        Exact.

    Source:
        [cover2006elements].
    """
    return torch.special.entr(log_probs.exp()).sum(axis)


def categorical_kl(
    log_p: Float[Tensor, "..."], log_q: Float[Tensor, "..."], axis: int = -1
) -> Float[Tensor, "..."]:
    """Kullback-Leibler divergence KL(p‖q) = Σ_k p_k (log p_k − log q_k).

    Args:
        log_p: Normalised log p_k along ``axis``, in nats.
        log_q: Normalised log q_k, same axes.
        axis: The axis of the levels k.

    Returns:
        KL in nats, ≥ 0; +inf where q gives probability zero to a level that p reaches.

    Accuracy:
        Exact.

    Source:
        [cover2006elements].
    """
    p = log_p.exp()
    terms = torch.where(p > 0, p * (log_p - log_q), torch.zeros_like(p))
    return terms.sum(axis)


def gaussian_log_prob(
    x: Float[Tensor, "..."], mean: Float[Tensor, "..."], log_std: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Normal log density log N(x; μ, σ²) = −½((x−μ)/σ)² − log σ − ½ log 2π.

    Args:
        x: Value, any axes.
        mean: μ, broadcast against ``x``.
        log_std: log σ, broadcast against ``x``.

    Returns:
        Log density in nats, one per element of ``x``.

    Accuracy:
        Exact.
    """
    standardised = (x - mean) * torch.exp(-log_std)
    return -0.5 * standardised**2 - log_std - 0.5 * math.log(2 * math.pi)


def multivariate_gaussian_log_prob(
    x: Float[Tensor, "*batch dim"],
    mean: Float[Tensor, "#dim"],
    covariance: Float[Tensor, "dim dim"],
) -> Float[Tensor, "*batch"]:
    """Normal log density log N(x; μ, Σ) = −½ (x−μ)ᵀ Σ⁻¹ (x−μ) − ½ log det(2πΣ).

    Args:
        x: Values; the last axis is the vector.
        mean: μ.
        covariance: Σ, symmetric positive definite.

    Returns:
        Log density in nats, summed over the vector's axis.

    Raises:
        ArgumentError: If Σ is not positive definite.

    Accuracy:
        Exact; one Cholesky factorisation Σ = L Lᵀ gives both terms.
    """
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if bool(failed):
        raise ArgumentError("covariance: expected a positive definite matrix, got one that is not")
    centred = (x - mean).unsqueeze(-1)
    whitened = torch.linalg.solve_triangular(factor, centred, upper=False).squeeze(-1)
    half_log_det = factor.diagonal().log().sum()
    return (
        -0.5 * whitened.square().sum(-1) - half_log_det - 0.5 * x.shape[-1] * math.log(2 * math.pi)
    )


def sample_categorical(
    logits: Float[Tensor, "*batch levels"], generator: torch.Generator | None = None
) -> Int[Tensor, "*batch"]:
    """Draw k with probability softmax(logits)_k.

    An exponential race: with independent arrival times E_k / p_k, E_k ~ Exp(1), level k arrives
    first with probability p_k / Σ_j p_j, so nothing needs to be normalised.

    Args:
        logits: log p_k up to a constant, −inf for a level that never occurs.
        generator: Source of randomness on the device of ``logits``.

    Returns:
        Levels 0 … K−1, int64, one per leading index.

    Accuracy:
        Exact.
    """
    arrival = torch.empty_like(logits).exponential_(generator=generator)
    smallest = torch.finfo(logits.dtype).tiny
    return (logits - arrival.clamp_min(smallest).log()).argmax(-1)


def sample_dirichlet(
    shape: tuple[int, ...],
    concentration: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:
    """Draw probability vectors from the symmetric Dirichlet distribution.

    Args:
        shape: Shape of the result; the last axis is one probability vector.
        concentration: α > 0. Small α gives nearly deterministic vectors, α = 1 the uniform law on
            the simplex, large α nearly uniform vectors.
        generator: Source of randomness; its device is the result's device (CPU without one).

    Returns:
        Probabilities in float64 that sum to one over the last axis.

    Accuracy:
        Exact: gamma variables divided by their sum.
    """
    check_number("concentration", concentration, low=0, open_low=True)
    device = generator.device if generator is not None else None
    alpha = torch.full(shape, concentration, dtype=torch.float64, device=device)
    smallest = torch.finfo(torch.float64).tiny
    gammas = torch._standard_gamma(alpha, generator=generator).clamp_min(smallest)
    return gammas / gammas.sum(-1, keepdim=True)


def _split(params: Tensor, num_params: int) -> Tensor:
    return check_tensor("params", params, shape=("...", num_params), dtype="float", finite=False)


@dataclass(frozen=True)
class BernoulliHead:
    """Binary variable, p(x=1) = sigmoid(a), from one logit a.

    Source:
        [bishop2006pattern].
    """

    num_params: ClassVar[int] = 1
    num_levels: ClassVar[int] = 2

    def log_prob(
        self, params: Float[Tensor, "*batch params"], x: Num[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Log probability log p(x) = a x − log(1 + e^a).

        Args:
            params: Logit a in the last axis of size one.
            x: 0 or 1.

        Returns:
            Nats, ≤ 0, one per variable.

        Accuracy:
            Exact, without overflow for any a.
        """
        logit = _split(params, self.num_params)[..., 0]
        return x * logit - softplus(logit)

    def sample(
        self, params: Float[Tensor, "*batch params"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "*batch"]:
        """Draw 0 or 1 (int64), one per leading index of ``params``."""
        prob = self.mean(params)
        return (torch.empty_like(prob).uniform_(generator=generator) < prob).long()

    def mean(self, params: Float[Tensor, "*batch params"]) -> Float[Tensor, "*batch"]:
        """Mean E[x] = sigmoid(a), one per leading index of ``params``."""
        return _split(params, self.num_params)[..., 0].sigmoid()


@dataclass(frozen=True)
class CategoricalHead:
    """Variable with levels 0 … K−1, p(x=k) = softmax(a)_k, from K logits.

    Args:
        num_levels: K ≥ 2.

    Source:
        [bishop2006pattern].
    """

    num_levels: int

    def __post_init__(self) -> None:
        check_int("num_levels", self.num_levels, low=2)

    @property
    def num_params(self) -> int:
        """Logits per variable: K."""
        return self.num_levels

    def log_prob(
        self, params: Float[Tensor, "*batch params"], x: Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Log probability log p(x) = a_x − log Σ_k e^{a_k}.

        Args:
            params: Logits a in the last axis.
            x: Level 0 … K−1.

        Returns:
            Nats, ≤ 0, one per variable.

        Accuracy:
            Exact, without overflow for any a.
        """
        log_probs = _split(params, self.num_params).log_softmax(-1)
        return log_probs.gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def sample(
        self, params: Float[Tensor, "*batch params"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "*batch"]:
        """Draw a level (int64), one per leading index of ``params``."""
        return sample_categorical(_split(params, self.num_params), generator)

    def mean(self, params: Float[Tensor, "*batch params"]) -> Float[Tensor, "*batch"]:
        """Mean level E[x] = Σ_k k p_k, one per leading index of ``params``."""
        probs = _split(params, self.num_params).softmax(-1)
        return probs @ torch.arange(self.num_levels, dtype=probs.dtype, device=probs.device)


@dataclass(frozen=True)
class GaussianHead:
    """Real variable, p(x) = N(x; μ, σ²), from the pair (μ, log σ).

    Source:
        [bishop2006pattern].
    """

    num_params: ClassVar[int] = 2

    def log_prob(
        self, params: Float[Tensor, "*batch params"], x: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Log density log N(x; μ, σ²).

        Args:
            params: (μ, log σ) in the last axis.
            x: Value.

        Returns:
            Nats, of either sign, one per variable.

        Accuracy:
            Exact.
        """
        mean, log_std = _split(params, self.num_params).unbind(-1)
        return gaussian_log_prob(x, mean, log_std)

    def sample(
        self, params: Float[Tensor, "*batch params"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """Draw x = μ + σ ε with ε ~ N(0, 1), one per leading index of ``params``."""
        mean, log_std = _split(params, self.num_params).unbind(-1)
        return mean + log_std.exp() * torch.empty_like(mean).normal_(generator=generator)

    def mean(self, params: Float[Tensor, "*batch params"]) -> Float[Tensor, "*batch"]:
        """Mean μ, one per leading index of ``params``."""
        return _split(params, self.num_params)[..., 0]
