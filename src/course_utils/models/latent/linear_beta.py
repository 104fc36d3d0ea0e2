r"""The linear β-VAE, in which every claim about β can be computed.

The decoder is x = W z + b + s ε with a *fixed* noise s. For a given decoder the best encoder of
D + β R is

    q(z | x) ∝ p(z) p(x | z)^{1/β},

because D + β R = β E[KL(q(z | x) ‖ p(z) p(x | z)^{1/β})] for each x, with the last argument not
normalised. Raising N(x; W z + b, s² I) to the power 1/β gives, up to a constant, N(x; W z + b,
β s² I). So encoder and decoder together are probabilistic PCA with noise β s², and W has columns
u_j √(λ_j − β s²): a direction is used exactly when its eigenvalue λ_j exceeds β s².
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.gaussians import Gaussian
from course_utils.models.latent.linear_gaussian import LinearGaussian


@dataclass(frozen=True)
class RateDistortion:
    """What a linear β-VAE pays and gets, over data with a given covariance.

    Attributes:
        rate: E KL(q(z | x) ‖ N(0, I)) in nats.
        squared_error: E ‖x − W z − b‖², z drawn from the encoder.
        information: I(x; z) in nats for Gaussian data, at most ``rate``.
    """

    rate: float
    squared_error: float
    information: float


@dataclass(frozen=True)
class LinearBetaVAE:
    """Linear decoder with noise s and the encoder that is best for it at this β.

    Args:
        decoder: W, b and s.
        beta: Weight β > 0 of the rate.

    Raises:
        ArgumentError: ``beta`` is not a positive number.
    """

    decoder: LinearGaussian
    beta: float

    def __post_init__(self) -> None:
        check_number("beta", self.beta, low=0, open_low=True)

    @classmethod
    def optimal(
        cls,
        mean: Float[Tensor, " dim"],
        covariance: Float[Tensor, "dim dim"],
        latent_dim: int,
        noise: float,
        beta: float,
    ) -> "LinearBetaVAE":
        """The minimum of D + β R over W, b and all Gaussian encoders, for a fixed noise.

        W = (u_1, …, u_k) diag √max(λ_j − β s², 0) with the leading eigenvalues λ_j and eigenvectors
        u_j of the data's covariance; columns of zeros are latents that are not used.

        Args:
            mean: Mean of the data.
            covariance: Covariance of the data, (dim, dim), symmetric.
            latent_dim: Number k of latents, at most ``dim``.
            noise: s > 0, standard deviation of the decoder.
            beta: β > 0.

        Raises:
            ArgumentError: The shapes do not fit, or a number is out of range.

        Accuracy:
            Exact; W is unique up to a rotation W R of the latents.

        Source:
            [lucas2019dont] for β = 1; [tipping1999probabilistic].
        """
        check_tensor("mean", mean, shape=("dim",), dtype="float")
        check_tensor("covariance", covariance, shape=(len(mean), len(mean)), dtype="float")
        check_int("latent_dim", latent_dim, low=1, high=len(mean))
        level = check_number("beta", beta, low=0, open_low=True) * noise**2
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0)[:latent_dim], vectors.flip(1)[:, :latent_dim]
        weight = vectors * (values - level).clamp_min(0).sqrt()
        return cls(LinearGaussian(weight, mean, noise), beta)

    @property
    def tempered(self) -> LinearGaussian:
        """The model with noise s √β whose exact posterior is the encoder."""
        wide = self.decoder.noise * math.sqrt(self.beta)
        return LinearGaussian(self.decoder.weight, self.decoder.bias, wide)

    def posterior(self, x: Float[Tensor, "batch dim"]) -> Gaussian:
        """The best encoder for this decoder, q(z | x) ∝ p(z) p(x | z)^{1/β}.

        Accuracy:
            Exact minimum of D + β R; the posterior p(z | x) of the decoder for β = 1 only.
        """
        return self.tempered.posterior(x)

    def reconstruct(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """W μ(x) + b, the decoder's mean at the encoder's mean."""
        return self.posterior(x).mean @ self.decoder.weight.mT + self.decoder.bias

    def num_active(self, tolerance: float = 1e-6) -> int:
        """Number of latents in use, the rank of W: singular values above ``tolerance``."""
        return int((torch.linalg.svdvals(self.decoder.weight) > tolerance).sum())

    def rate_distortion(self, covariance: Float[Tensor, "dim dim"]) -> RateDistortion:
        """Rate, squared error and information over data N(b, Σ), by matrix algebra.

        With q(z | x) = N(A (x − b), S): the rate is ½ (tr S + tr A Σ Aᵀ − k − log det S), the
        squared error tr (I − W A) Σ (I − W A)ᵀ + tr W S Wᵀ, the information
        ½ log det(A Σ Aᵀ + S) − ½ log det S.

        Args:
            covariance: Σ of the data, whose mean is b.

        Accuracy:
            Exact. Rate and squared error hold for any data with this mean and covariance.
        """
        weight = self.decoder.weight
        check_tensor("covariance", covariance, shape=(len(weight), len(weight)), dtype="float")
        spread = torch.linalg.inv(self.tempered.precision)
        gain = spread @ weight.mT / self.tempered.noise**2
        of_means = gain @ covariance @ gain.mT
        left = torch.eye(len(weight)).to(weight) - weight @ gain
        error = (left @ covariance * left).sum() + (weight @ spread * weight).sum()
        rate = (spread + of_means).trace() - len(spread) - torch.logdet(spread)
        information = torch.logdet(of_means + spread) - torch.logdet(spread)
        return RateDistortion(float(rate / 2), float(error), float(information / 2))
