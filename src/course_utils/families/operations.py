r"""Three operations that make laws on the line out of laws on the line.

    Mixture      sum_k w_k p_k(y)                 draw one part at random, then from it
    Transformed  p(x) / |f'(x)| at y = f(x)       draw x, then compute y
    Product      prod_k p_k(y) / Z                no recipe for a draw, and Z is an integral

Each result is a law again, so the operations compose. The leaves are laws of
``torch.distributions`` with a scalar event.
"""

import functools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli
from torch.distributions.transforms import Transform

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import check_probabilities, gaussian_log_prob, sample_categorical
from course_utils.families.shapes import Law, line_grid
from course_utils.tasks import absent


def draw(
    law: Law, num_samples: int, *, generator: torch.Generator | None = None
) -> Float[Tensor, " num_samples"]:
    """Draw from a law on the line by turning uniform numbers u into values.

    A law with a quantile function gives F⁻¹(u), a Bernoulli law 1 where u < ρ, and a mixture or a
    transformed law draws from its parts.

    Args:
        law: A law of this module, or one of ``torch.distributions`` with ``icdf``.
        num_samples: How many.
        generator: Source of randomness on the law's device.

    Raises:
        ArgumentError: The law has no quantile function.
        Intractable: The law is a product.

    Accuracy:
        Exact up to rounding.
    """
    check_int("num_samples", num_samples, low=1)
    if isinstance(law, Mixture | Transformed | Product):
        return law.sample(num_samples, generator=generator)
    uniform = law.mean.new_empty(num_samples).uniform_(generator=generator)
    if isinstance(law, Bernoulli):
        return (uniform < law.probs).to(law.mean)
    try:
        return law.icdf(uniform)
    except NotImplementedError:
        raise ArgumentError(f"law: expected one with icdf, got {type(law).__name__}") from None


@dataclass(frozen=True, eq=False)
class Mixture:
    """Law p(x) = Σ_k w_k p_k(x).

    Args:
        weights: w_k ≥ 0, sum 1.
        parts: p_k, as many laws.

    Raises:
        ArgumentError: The weights are no probabilities, or not one for each part.
    """

    weights: Float[Tensor, " parts"]
    parts: tuple[Law, ...]

    def __post_init__(self) -> None:
        check_probabilities("weights", self.weights)
        check_tensor("weights", self.weights, shape=(len(self.parts),))

    def joint_log_prob(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch parts"]:
        """Return log w_k + log p_k(x) for every part k, in nats."""
        return torch.stack([part.log_prob(x) for part in self.parts], -1) + self.weights.log()

    def log_prob(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return log p(x) in nats, exact."""
        return self.joint_log_prob(x).logsumexp(-1)

    def posterior(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch parts"]:
        """Return p(k | x), the probability that part k made x, exact."""
        return self.joint_log_prob(x).softmax(-1)

    def sample(
        self, num_samples: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, " num_samples"]:
        """Draw the part k with probability w_k, then x from it; exact."""
        drawn = torch.stack(
            [draw(part, num_samples, generator=generator) for part in self.parts], -1
        )
        chosen = sample_categorical(self.weights.log().expand(num_samples, -1), generator)
        return drawn.gather(1, chosen[:, None])[:, 0]

    @property
    def mean(self) -> Float[Tensor, ""]:
        """E[x] = Σ_k w_k E[x | k], exact."""
        return self.weights @ self._of_parts("mean")

    @property
    def within(self) -> Float[Tensor, ""]:
        """E Var[x | k] = Σ_k w_k Var[x | k], the mean variance of the parts, exact."""
        return self.weights @ self._of_parts("variance")

    @property
    def between(self) -> Float[Tensor, ""]:
        """Var E[x | k] = Σ_k w_k (E[x | k] − E[x])², the variance of the parts' means, exact."""
        return self.weights @ (self._of_parts("mean") - self.mean).square()

    @property
    def variance(self) -> Float[Tensor, ""]:
        """Var[x] = E Var[x | k] + Var E[x | k], the law of total variance, exact."""
        return self.within + self.between

    def _of_parts(self, name: str) -> Tensor:
        lacking = [type(part).__name__ for part in self.parts if not hasattr(part, name)]
        if lacking:
            raise ArgumentError(
                f"parts: expected laws that know their {name}, got {lacking[0]}; "
                "use moments(law, low, high)"
            )
        return torch.stack([getattr(part, name).to(self.weights) for part in self.parts])


@dataclass(frozen=True, eq=False)
class Transformed:
    """Law of y = f(x), x ~ p: log p(f⁻¹(y)) − log|f′(f⁻¹(y))|.

    Args:
        part: The law of x.
        transform: f, a one-to-one map of ``torch.distributions.transforms``.
    """

    part: Law
    transform: Transform

    def __post_init__(self) -> None:
        if not self.transform.bijective:
            raise ArgumentError("transform: expected a one-to-one map, got one that is not")

    def log_prob(self, y: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the log density of y in nats, exact; y must be a value that f can take."""
        x = self.transform.inv(y)
        return self.part.log_prob(x) - self.transform.log_abs_det_jacobian(x, y)

    def sample(
        self, num_samples: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, " num_samples"]:
        """Draw x and return f(x); exact."""
        return self.transform(draw(self.part, num_samples, generator=generator))


@dataclass(frozen=True, eq=False)
class Product:
    """Law p(x) = Π_k p_k(x) / Z, with Z by the trapezoidal rule between two ends.

    Args:
        factors: p_k, at least one.
        low: Left end of the grid; what lies beyond the ends must not matter.
        high: Right end.
        num_points: Points of the grid.
        device: Where the grid and the factors are.

    Raises:
        ArgumentError: No factors, a bad interval, or a product that is zero everywhere.

    Accuracy:
        Exact up to the error of the rule, which is of rounding size for smooth densities whose
        tails lie inside the ends and whose narrowest hump is several grid steps wide.

    Source:
        [hinton2002training].
    """

    factors: tuple[Law, ...]
    low: float
    high: float
    num_points: int = 20_001
    device: torch.device | str = "cpu"

    sample = absent(
        "sample",
        "a product of densities gives no recipe for a draw, only a height up to a constant.",
        "the chapter on sampling (week 0)",
    )

    def __post_init__(self) -> None:
        if not self.factors:
            raise ArgumentError("factors: expected at least one, got none")
        if not math.isfinite(self.log_z):
            raise ArgumentError("factors: expected a product that is not zero everywhere")

    def energy(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return −Σ_k log p_k(x) in nats: all that is known without an integral."""
        return -torch.stack([factor.log_prob(x) for factor in self.factors]).sum(0)

    @functools.cached_property
    def log_z(self) -> float:
        """log Z = log ∫ Π_k p_k(x) dx in nats."""
        x = line_grid(self.low, self.high, self.num_points, self.device)
        return float(torch.trapezoid((-self.energy(x)).exp(), x).log())

    def log_prob(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return Σ_k log p_k(x) − log Z in nats."""
        return -self.energy(x) - self.log_z


def gaussian_product(
    means: Float[Tensor, " factors"], stds: Float[Tensor, " factors"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """Product of normal densities: Π_k N(x; μ_k, σ_k²) = Z N(x; m, s²).

    Precisions add, 1/s² = Σ_k 1/σ_k², and m = s² Σ_k μ_k/σ_k² is weighted by them.

    Args:
        means: μ_k.
        stds: σ_k > 0.

    Returns:
        m, s and log Z (nats).

    Accuracy:
        Exact.

    Source:
        [bishop2006pattern].
    """
    check_tensor("means", means, shape=("factors",), dtype="float")
    check_tensor("stds", stds, shape=(len(means),), dtype=means.dtype, device=means.device, low=0)
    precisions = stds.square().reciprocal()
    std = precisions.sum().rsqrt()
    mean = std.square() * (precisions @ means)
    log_z = gaussian_log_prob(mean, means, stds.log()).sum() - gaussian_log_prob(
        mean, mean, std.log()
    )
    return mean, std, log_z
