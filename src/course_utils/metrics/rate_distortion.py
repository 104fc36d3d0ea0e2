r"""How many nats does it take to describe a Gaussian vector up to a given squared error?

No code of any kind, and hence no autoencoder, can be below the rate-distortion function

    R(D) = min I(x; x̂)  over all laws p(x̂ | x) with  E ‖x − x̂‖² ≤ D.

For independent Gaussian components with variances λ_i (for a Gaussian vector: the eigenvalues of
its covariance) the minimum has a picture. Pour water of level θ over bars of height λ_i:

    D_i = min(θ, λ_i),    R_i = ½ log(λ_i / D_i).

What stands out of the water is described with error θ; what is drowned is not described at all.

For a discrete source and any distortion measure the minimum has no picture but an algorithm, due to
Blahut and Arimoto: at a fixed price β per unit of distortion, choose the best channel for given
frequencies of the reproductions, then the frequencies that the channel produces, and repeat.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import check_probabilities


@dataclass(frozen=True)
class WaterFilling:
    """The best description of a Gaussian vector at one water level.

    Attributes:
        level: θ, the squared error of every component that is described at all.
        rates: R_i ≥ 0 of each component, in nats.
        distortions: D_i = min(θ, λ_i) of each component, in squared units of the data.
    """

    level: float
    rates: Float[Tensor, " components"]
    distortions: Float[Tensor, " components"]

    @property
    def rate(self) -> float:
        """Total rate R = Σ_i R_i in nats."""
        return float(self.rates.sum())

    @property
    def distortion(self) -> float:
        """Total squared error D = Σ_i D_i."""
        return float(self.distortions.sum())

    @property
    def num_active(self) -> int:
        """Number of components with a rate above zero, λ_i > θ."""
        return int((self.rates > 0).sum())


def reverse_water_filling(variances: Float[Tensor, " components"], level: float) -> WaterFilling:
    """The point of the rate-distortion curve whose water level is θ.

    D_i = min(θ, λ_i), R_i = ½ log(λ_i / D_i); the curve's slope there is dR/dD = −1 / 2θ.

    Args:
        variances: λ_i > 0 of each component, in any order.
        level: θ > 0.

    Raises:
        ArgumentError: A variance or the level is not positive.

    Accuracy:
        Exact.

    Source:
        [cover2006elements], section 10.3.3.
    """
    check_tensor("variances", variances, shape=("components",), dtype="float")
    check_number("variances", float(variances.min()), low=0, open_low=True)
    check_number("level", level, low=0, open_low=True)
    distortions = variances.clamp_max(level)
    return WaterFilling(float(level), 0.5 * (variances / distortions).log(), distortions)


def gaussian_rate_distortion(
    variances: Float[Tensor, " components"], distortion: float
) -> WaterFilling:
    """Rate-distortion function R(D) of a Gaussian vector under squared error.

    The water level is found exactly: with the k smallest variances under water,
    D = Σ_{i ≤ k} λ_i + (n − k) θ, and k is the smallest number for which the next one is not.

    Args:
        variances: λ_i > 0 of each component, in any order.
        distortion: Total squared error allowed, 0 < D. From Σ λ_i on the rate is 0.

    Raises:
        ArgumentError: A variance or the distortion is not positive.

    Accuracy:
        Exact.

    Source:
        [cover2006elements], section 10.3.3.
    """
    check_tensor("variances", variances, shape=("components",), dtype="float")
    check_number("distortion", distortion, low=0, open_low=True)
    ordered = variances.sort().values
    drowned = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)[:-1]])
    left = torch.arange(len(ordered), 0, -1).to(ordered)
    levels = (distortion - drowned) / left
    fits = (levels <= ordered).nonzero()
    level = levels[fits[0, 0]] if len(fits) else ordered[-1]
    return reverse_water_filling(variances, float(level))


@dataclass(frozen=True)
class CodePoint:
    """A point of the rate-distortion curve of a discrete source.

    Attributes:
        rate: I(x; x̂) of the channel in nats.
        distortion: E d(x, x̂).
        channel: p(x̂ | x).
        gap: The rate is at most this far above R at this distortion, in nats.
    """

    rate: float
    distortion: float
    channel: Float[Tensor, "source reproductions"]
    gap: float


def blahut_arimoto(
    source: Float[Tensor, " source"],
    distortion: Float[Tensor, "source reproductions"],
    slope: float,
    *,
    num_steps: int = 10_000,
    tolerance: float = 1e-9,
) -> CodePoint:
    r"""Blahut-Arimoto: the point of R(D) at which the curve has the slope −β.

    Minimises I(x; x̂) + β E d(x, x̂) in turn over the channel and over the law q of the output:

        p(x̂ | x) ∝ q(x̂) exp(−β d(x, x̂)),    q(x̂) ← Σ_x p(x) p(x̂ | x).

    Args:
        source: p(x).
        distortion: d(x, x̂) ≥ 0.
        slope: β > 0, nats that a unit of distortion is worth.
        num_steps: Steps at most.
        tolerance: Stop once the gap is smaller, in nats.

    Returns:
        Rate, distortion, channel, and a bound on how far the rate is from R(D).

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        ``rate - gap`` ≤ R(``distortion``) ≤ ``rate``, with gap = log max_x̂ c(x̂), where c(x̂) is the
        factor by which the step would change q(x̂); at the optimum no factor exceeds 1.

    Source:
        [blahut1972computation], [arimoto1972algorithm].
    """
    check_probabilities("source", source)
    check_tensor("distortion", distortion, shape=(len(source), "reproductions"), low=0)
    check_tensor("distortion", distortion, dtype=source.dtype, device=source.device)
    check_number("slope", slope, low=0, open_low=True)
    check_int("num_steps", num_steps, low=1)
    if not tolerance > 0:
        raise ArgumentError(f"tolerance: expected a number > 0, got {tolerance}")
    count = distortion.shape[1]
    log_output = distortion.new_full((count,), 1 / count).log()
    for _ in range(num_steps):
        scores = log_output - slope * distortion
        log_total = scores.logsumexp(-1, keepdim=True)
        channel = (scores - log_total).exp()
        growth = (source.log()[:, None] - slope * distortion - log_total).logsumexp(0)
        gap = max(0.0, float(growth.max()))
        if gap < tolerance:
            break
        log_output = log_output + growth
    joint = source[:, None] * channel
    reached = joint.sum(0)
    rate = torch.special.xlogy(joint, channel).sum() - torch.special.xlogy(reached, reached).sum()
    return CodePoint(float(rate), float((joint * distortion).sum()), channel, gap)
