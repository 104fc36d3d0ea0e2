r"""Two pairs of prior and likelihood whose posterior is of the prior's kind.

    Beta prior, coin tosses:      Beta(a, b)      →  Beta(a + heads, b + tails)
    Gaussian prior, known noise:  precision 1/s²  →  1/s² + n/σ², mean weighed by precisions

The prior then acts like data seen before: a − 1 and b − 1 tosses (or, for predictions, a and b),
σ²/s² measurements. The evidence, the probability of the data with the parameter integrated out,
is a ratio of normalisers, and by the chain rule the product of the predictions made one by one.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from course_utils.arguments import check_number, check_tensor
from course_utils.distributions import gaussian_log_prob


@dataclass(frozen=True)
class BetaBernoulli:
    """Coin with unknown probability θ of heads, θ ~ Beta(a, b).

    Args:
        heads: a > 0.
        tails: b > 0.

    Raises:
        ArgumentError: a or b is not positive.

    Source:
        [gelman2013bayesian].
    """

    heads: float
    tails: float

    def __post_init__(self) -> None:
        check_number("heads", self.heads, low=0, open_low=True)
        check_number("tails", self.tails, low=0, open_low=True)

    def posterior(self, tosses: Int[Tensor, " n"]) -> "BetaBernoulli":
        """The law Beta(a + k, b + n − k) of θ after n tosses with k heads.

        Args:
            tosses: Zeros and ones.

        Accuracy:
            Exact.
        """
        k = self._count(tosses)
        return BetaBernoulli(self.heads + k, self.tails + len(tosses) - k)

    @property
    def mean(self) -> float:
        """E[θ] = a/(a + b), which is also the probability that the next toss is heads."""
        return self.heads / (self.heads + self.tails)

    @property
    def variance(self) -> float:
        """Variance a b / ((a + b)² (a + b + 1)) of θ."""
        return self.mean * (1 - self.mean) / (self.heads + self.tails + 1)

    def log_density(self, theta: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """log Beta(θ; a, b) in nats, for 0 < θ < 1."""
        powers = (self.heads - 1) * theta.log() + (self.tails - 1) * torch.log1p(-theta)
        return powers - float(special.betaln(self.heads, self.tails))

    def log_predictive_terms(self, tosses: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """log p(x_i | x_1 … x_{i−1}) in nats: each toss predicted from those before it.

        Accuracy:
            Exact.
        """
        self._count(tosses)
        seen = tosses.double().cumsum(0) - tosses
        total = torch.arange(len(tosses)).to(seen) + self.heads + self.tails
        chance = (self.heads + seen) / total
        return torch.where(tosses == 1, chance, 1 - chance).log()

    def log_evidence(self, tosses: Int[Tensor, " n"]) -> float:
        """log p(x_1 … x_n) = log B(a + k, b + n − k) − log B(a, b) in nats, for this order.

        Accuracy:
            Exact.
        """
        after = self.posterior(tosses)
        before = special.betaln(self.heads, self.tails)
        return float(special.betaln(after.heads, after.tails) - before)

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Credible interval that leaves (1 − level)/2 of the law on either side.

        Args:
            level: Probability inside, between 0 and 1.

        Raises:
            ArgumentError: The level is not between 0 and 1.

        Accuracy:
            Quantiles of the beta law to about 1e-12; computed on the CPU.
        """
        tail = (1 - _checked_level(level)) / 2
        ends = special.betaincinv(self.heads, self.tails, [tail, 1 - tail])
        return float(ends[0]), float(ends[1])

    def _count(self, tosses: Tensor) -> int:
        check_tensor("tosses", tosses, shape=("n",), dtype="integer", low=0, high=1)
        return int(tosses.sum())


@dataclass(frozen=True)
class NormalMean:
    """Unknown mean θ ~ N(m, s²) of measurements x_i = θ + σ ε_i with known noise.

    Args:
        mean: m.
        std: s > 0.
        noise: σ > 0.

    Raises:
        ArgumentError: s or σ is not positive.

    Source:
        [bishop2006pattern].
    """

    mean: float
    std: float
    noise: float

    def __post_init__(self) -> None:
        check_number("mean", self.mean)
        check_number("std", self.std, low=0, open_low=True)
        check_number("noise", self.noise, low=0, open_low=True)

    def posterior(self, x: Float[Tensor, " n"]) -> "NormalMean":
        """The law of θ after n measurements: precisions add, and weigh the means.

        1/s'² = 1/s² + n/σ²,   m' = s'² (m/s² + Σ_i x_i/σ²).

        Accuracy:
            Exact.
        """
        check_tensor("x", x, shape=("n",), dtype="float")
        variance = 1 / (1 / self.std**2 + len(x) / self.noise**2)
        pull = self.mean / self.std**2 + float(x.double().sum()) / self.noise**2
        return NormalMean(variance * pull, math.sqrt(variance), self.noise)

    def log_density(self, theta: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """log N(θ; m, s²) in nats."""
        return gaussian_log_prob(
            theta, theta.new_tensor(self.mean), theta.new_tensor(math.log(self.std))
        )

    def log_predictive_terms(self, x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """log p(x_i | x_1 … x_{i−1}) = log N(x_i; m_{i−1}, s_{i−1}² + σ²) in nats.

        Accuracy:
            Exact.
        """
        check_tensor("x", x, shape=("n",), dtype="float")
        x = x.double()
        seen = torch.arange(len(x)).to(x)
        variance = 1 / (1 / self.std**2 + seen / self.noise**2)
        pull = self.mean / self.std**2 + (x.cumsum(0) - x) / self.noise**2
        return gaussian_log_prob(x, variance * pull, (variance + self.noise**2).log() / 2)

    def log_evidence(self, x: Float[Tensor, " n"]) -> float:
        """log p(x_1 … x_n) in nats, the mean integrated out: the sum of the predictions.

        Accuracy:
            Exact.
        """
        return float(self.log_predictive_terms(x).sum())

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Credible interval m ± s Φ⁻¹((1 + level)/2).

        Raises:
            ArgumentError: The level is not between 0 and 1.

        Accuracy:
            Exact up to rounding.
        """
        reach = self.std * float(special.ndtri((1 + _checked_level(level)) / 2))
        return self.mean - reach, self.mean + reach


def _checked_level(level: float) -> float:
    return check_number("level", level, low=0, high=1, open_low=True, open_high=True)
