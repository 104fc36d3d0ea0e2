r"""The latent-variable model in which everything is known: a linear decoder and Gaussian noise.

    z ~ N(0, I),    x = W z + b + σ ε,    ε ~ N(0, I).

Then x ~ N(b, W Wᵀ + σ² I), and the posterior is Gaussian with a covariance that is the same for
every x: with M = I + Wᵀ W / σ²,

    p(z | x) = N(M⁻¹ Wᵀ (x − b) / σ², M⁻¹).

For any Gaussian q the ELBO has a closed form too. This is probabilistic PCA (Tipping and Bishop,
1999), whose maximum-likelihood W spans the leading eigenvectors of the data's covariance.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.gaussians import DiagonalGaussian, Gaussian
from course_utils.tasks import absent


@dataclass(frozen=True)
class LinearGaussian:
    """Model x = W z + b + σ ε with z and ε standard normal.

    Args:
        weight: W, axes ``(dim, latent)``.
        bias: b, axis ``dim``.
        noise: σ > 0.

    Raises:
        ArgumentError: The shapes do not fit or σ is not positive.
    """

    weight: Float[Tensor, "dim latent"]
    bias: Float[Tensor, " dim"]
    noise: float

    def __post_init__(self) -> None:
        check_tensor("weight", self.weight, shape=("dim", "latent"), dtype="float")
        check_tensor("bias", self.bias, shape=(len(self.weight),), dtype="float")
        check_number("noise", self.noise, low=0, open_low=True)

    @classmethod
    def random(
        cls, dim: int, latent_dim: int, noise: float, generator: torch.Generator | None = None
    ) -> "LinearGaussian":
        """A model with standard normal W and b, in float64."""
        check_int("dim", dim, low=1)
        check_int("latent_dim", latent_dim, low=1)
        device = generator.device if generator is not None else None
        draws = torch.empty(dim, latent_dim + 1, dtype=torch.float64, device=device)
        draws.normal_(generator=generator)
        return cls(draws[:, 1:], draws[:, 0], noise)

    @classmethod
    def fitted(cls, x: Float[Tensor, "batch dim"], latent_dim: int) -> "LinearGaussian":
        """The model of highest likelihood for the data, probabilistic PCA.

        With eigenvalues λ_1 ≥ λ_2 ≥ … and eigenvectors u_j of the data's covariance (divisor: their
        number): σ² is the mean of the discarded eigenvalues, W has columns u_j √(λ_j − σ²).

        Raises:
            ArgumentError: ``latent_dim`` is not below the data's dimension.

        Accuracy:
            Exact maximum likelihood.

        Source:
            [tipping1999probabilistic].
        """
        check_tensor("x", x, shape=("batch", "dim"), dtype="float")
        check_int("latent_dim", latent_dim, low=1, high=x.shape[1] - 1)
        covariance = torch.cov(x.mT, correction=0)
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0), vectors.flip(1)
        variance = values[latent_dim:].mean()
        if not float(variance) > 0:
            raise ArgumentError("x: expected variance outside the leading directions, got none")
        kept = (values[:latent_dim] - variance).clamp_min(0).sqrt()
        return cls(vectors[:, :latent_dim] * kept, x.mean(0), math.sqrt(float(variance)))

    @property
    def latent_dim(self) -> int:
        """Size of z."""
        return self.weight.shape[1]

    @property
    def marginal(self) -> Gaussian:
        """The law N(b, W Wᵀ + σ² I) of x."""
        identity = torch.eye(len(self.weight)).to(self.weight)
        return Gaussian(self.bias, self.weight @ self.weight.mT + self.noise**2 * identity)

    @property
    def precision(self) -> Float[Tensor, "latent latent"]:
        """Precision M = I + Wᵀ W / σ² of the posterior, the same for every x."""
        identity = torch.eye(self.latent_dim).to(self.weight)
        return identity + self.weight.mT @ self.weight / self.noise**2

    def log_prob(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """log p(x) = log N(x; b, W Wᵀ + σ² I) in nats per example.

        Accuracy:
            Exact.
        """
        return self.marginal.log_prob(x)

    def posterior(self, x: Float[Tensor, "batch dim"]) -> Gaussian:
        """The law p(z | x) = N(M⁻¹ Wᵀ (x − b) / σ², M⁻¹).

        Accuracy:
            Exact.
        """
        covariance = torch.linalg.inv(self.precision)
        mean = (x - self.bias) @ self.weight @ covariance / self.noise**2
        return Gaussian(mean, (covariance + covariance.mT) / 2)

    def log_likelihood(
        self, x: Float[Tensor, "batch dim"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x | z) = log N(x; W z + b, σ² I) in nats.

        Accuracy:
            Exact.
        """
        dim = len(self.bias)
        residual = x - z @ self.weight.mT - self.bias
        constant = dim * math.log(self.noise * math.sqrt(2 * math.pi))
        return -0.5 * residual.square().sum(-1) / self.noise**2 - constant

    def log_joint(
        self, x: Float[Tensor, "batch dim"], z: Float[Tensor, "samples batch latent"]
    ) -> Float[Tensor, "samples batch"]:
        """log p(x, z) = log N(z; 0, I) + log p(x | z) in nats.

        Accuracy:
            Exact.
        """
        return DiagonalGaussian.standard(self.latent_dim, z).log_prob(z) + self.log_likelihood(x, z)

    def elbo(
        self,
        x: Float[Tensor, "batch dim"],
        mean: Float[Tensor, "batch latent"],
        covariance: Float[Tensor, "latent latent"],
    ) -> Float[Tensor, " batch"]:
        r"""ELBO of q(z) = N(m, S) in closed form.

        E_q log p(x | z) = log N(x; W m + b, σ² I) − tr(W S Wᵀ) / (2 σ²), minus KL(q ‖ N(0, I)).

        Args:
            x: Examples.
            mean: m, one for each example.
            covariance: S, the same for all of them.

        Returns:
            Nats per example; log p(x) − KL(N(m, S) ‖ p(z | x)).

        Accuracy:
            Exact.
        """
        spread = (self.weight @ covariance * self.weight).sum() / (2 * self.noise**2)
        origin = mean.new_zeros(self.latent_dim)
        prior = Gaussian(origin, torch.eye(self.latent_dim).to(mean))
        expected = self.log_likelihood(x, mean.unsqueeze(0)).squeeze(0) - spread
        return expected - Gaussian(mean, covariance).kl(prior)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Float[Tensor, "samples latent"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "samples dim"]:
        """Draw z ~ N(0, I), or take ``condition`` for z, then x = W z + b + σ ε.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is None:
            condition = self.weight.new_empty(num_samples, self.latent_dim)
            condition.normal_(generator=generator)
        clean = condition @ self.weight.mT + self.bias
        return clean + self.noise * torch.empty_like(clean).normal_(generator=generator)

    loss = absent(
        "learn",
        "its parameters of highest likelihood have a closed form, LinearGaussian.fitted(x).",
        "the chapter on the evidence lower bound (week 3)",
    )
