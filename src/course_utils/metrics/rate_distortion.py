r"""How many nats does it take to describe a Gaussian vector up to a given squared error?

No code of any kind, and hence no autoencoder, can be below the rate-distortion function

    R(D) = min I(x; x̂)  over all laws p(x̂ | x) with  E ‖x − x̂‖² ≤ D.

For independent Gaussian components with variances λ_i (for a Gaussian vector: the eigenvalues of
its covariance) the minimum has a picture. Pour water of level θ over bars of height λ_i:

    D_i = min(θ, λ_i),    R_i = ½ log(λ_i / D_i).

What stands out of the water is described with error θ; what is drowned is not described at all.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_number, check_tensor


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
