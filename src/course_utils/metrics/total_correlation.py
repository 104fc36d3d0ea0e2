r"""What the rate of an autoencoder is made of.

Averaged over the data, the divergence that the evidence lower bound subtracts splits into three:

    E_p(x) KL(q(z | x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ Π_j q(z_j)) + Σ_j KL(q(z_j) ‖ p(z_j)),

where q(z) = E_p(x) q(z | x) is the *aggregate* posterior. The first term is what the code tells of
the example. The second, the *total correlation*, is zero exactly when the coordinates are
independent over the data. The third compares each coordinate alone with the prior. The split holds
for every prior with independent coordinates; for Gaussian laws all three have a closed form.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_tensor
from course_utils.gaussians import DiagonalGaussian, Gaussian


@dataclass(frozen=True)
class RateParts:
    """The three parts of the mean rate, in nats, each ≥ 0.

    Attributes:
        index_code: I(x; z) under the encoder and the data.
        total_correlation: KL(q(z) ‖ Π_j q(z_j)).
        dimension_wise: Σ_j KL(q(z_j) ‖ p(z_j)).
    """

    index_code: float
    total_correlation: float
    dimension_wise: float

    @property
    def rate(self) -> float:
        """Their sum, the mean of KL(q(z | x) ‖ p(z))."""
        return self.index_code + self.total_correlation + self.dimension_wise


def gaussian_total_correlation(covariance: Float[Tensor, "dim dim"]) -> Float[Tensor, ""]:
    """Total correlation KL(N(·, Σ) ‖ Π_j N(·, Σ_jj)) = −½ log det of the correlation matrix.

    Args:
        covariance: Σ, positive definite.

    Returns:
        Nats, ≥ 0; zero exactly for a diagonal Σ.

    Raises:
        ArgumentError: Σ is not a square positive definite matrix.

    Accuracy:
        Exact.

    Source:
        [watanabe1960information].
    """
    check_tensor("covariance", covariance, shape=("dim", "dim"), dtype="float")
    law = Gaussian(covariance.new_zeros(len(covariance)), covariance)
    alone = DiagonalGaussian(law.mean, 0.5 * covariance.diagonal().log())
    return alone.entropy() - law.entropy()


def gaussian_rate_parts(
    mean: Float[Tensor, " latent"],
    mean_covariance: Float[Tensor, "latent latent"],
    posterior_covariance: Float[Tensor, "latent latent"],
) -> RateParts:
    """The parts of the rate of an encoder q(z | x) = N(m(x), S) with Gaussian means.

    With m(x) ~ N(μ, C) over the data the aggregate posterior is N(μ, C + S), so
    I(x; z) = ½ log det(C + S) − ½ log det S; the prior is N(0, I).

    Args:
        mean: μ, the mean of the encoder's means.
        mean_covariance: C, their covariance; may be singular.
        posterior_covariance: S, positive definite, the same for every x.

    Raises:
        ArgumentError: The shapes do not fit, or S or C + S is not positive definite.

    Accuracy:
        Exact.

    Source:
        [chen2018isolating].
    """
    latent = len(mean)
    check_tensor("mean_covariance", mean_covariance, shape=(latent, latent), dtype="float")
    aggregate = Gaussian(mean, mean_covariance + posterior_covariance)
    noise = Gaussian(torch.zeros_like(mean), posterior_covariance)
    alone = DiagonalGaussian(mean, 0.5 * aggregate.covariance.diagonal().log())
    return RateParts(
        float(aggregate.entropy() - noise.entropy()),
        float(gaussian_total_correlation(aggregate.covariance)),
        float(alone.kl(DiagonalGaussian.standard(latent, mean))),
    )
