"""Gaussian laws as objects: draw, score, compare.

Two kinds. ``DiagonalGaussian`` is what an encoder emits: independent coordinates, any leading
axes. ``Gaussian`` has a full covariance and is what linear-Gaussian models are made of; sums,
conditionals and divergences of it are matrix algebra, so it is the truth many chapters use.

Both draw by location and scale, z = μ + L ε with ε ~ N(0, I), so a draw is a differentiable
function of the parameters.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import gaussian_log_prob, multivariate_gaussian_log_prob


@dataclass(frozen=True)
class DiagonalGaussian:
    """Law N(μ, diag σ²) of a vector, one for each leading index.

    Args:
        mean: μ, axes ``(*batch, dim)``.
        log_std: log σ, broadcast against ``mean``.
    """

    mean: Float[Tensor, "*batch dim"]
    log_std: Float[Tensor, "*#batch #dim"]

    @classmethod
    def standard(cls, dim: int, like: Tensor | None = None) -> "DiagonalGaussian":
        """N(0, I) in ``dim`` dimensions, with the type and device of ``like``."""
        check_int("dim", dim, low=1)
        zero = torch.zeros(dim) if like is None else like.new_zeros(dim)
        return cls(zero, zero)

    def sample(
        self, num_samples: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "samples *batch dim"]:
        """Draw z = μ + σ ε, ε ~ N(0, I); gradients flow to μ and log σ.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        shape = torch.broadcast_shapes(self.mean.shape, self.log_std.shape)
        noise = self.mean.new_empty(num_samples, *shape).normal_(generator=generator)
        return self.mean + self.log_std.exp() * noise

    def log_prob(self, z: Float[Tensor, "... dim"]) -> Float[Tensor, "..."]:
        """Log density Σ_j log N(z_j; μ_j, σ_j²) in nats, summed over j; other axes broadcast.

        Accuracy:
            Exact.
        """
        return gaussian_log_prob(z, self.mean, self.log_std).sum(-1)

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Entropy Σ_j (log σ_j + ½ log 2πe) in nats.

        Accuracy:
            Exact.
        """
        terms = self.log_std + 0.5 * math.log(2 * math.pi * math.e)
        return terms.expand(torch.broadcast_shapes(self.mean.shape, terms.shape)).sum(-1)

    def kl_terms(self, other: "DiagonalGaussian") -> Float[Tensor, "*batch dim"]:
        r"""KL(N(μ, σ²) ‖ N(m, s²)) of each coordinate.

        log s/σ + (σ² + (μ − m)²) / (2 s²) − ½; against N(0, 1) this is ½ (μ² + σ² − 1) − log σ.

        Returns:
            Nats, ≥ 0, one per coordinate.

        Accuracy:
            Exact.

        Source:
            [kingma2014auto].
        """
        ratio = self.log_std - other.log_std
        moved = ((self.mean - other.mean) * torch.exp(-other.log_std)).square()
        return 0.5 * ((2 * ratio).exp() + moved - 1) - ratio

    def kl(self, other: "DiagonalGaussian") -> Float[Tensor, "*batch"]:
        """Divergence KL(self ‖ other) in nats, the sum of ``kl_terms`` over the coordinates.

        Accuracy:
            Exact.
        """
        return self.kl_terms(other).sum(-1)


@dataclass(frozen=True)
class Gaussian:
    """Law N(μ, Σ) with one covariance and a mean for each leading index.

    Args:
        mean: μ, axes ``(*batch, dim)``.
        covariance: Σ, ``(dim, dim)``, symmetric positive definite.

    Raises:
        ArgumentError: The shapes do not fit, or Σ is not positive definite.
    """

    mean: Float[Tensor, "*batch dim"]
    covariance: Float[Tensor, "dim dim"]

    def __post_init__(self) -> None:
        dim = self.mean.shape[-1]
        check_tensor("covariance", self.covariance, shape=(dim, dim), dtype="float")
        if bool(torch.linalg.cholesky_ex(self.covariance)[1]):
            raise ArgumentError(
                "covariance: expected a positive definite matrix, got one that is not"
            )

    def sample(
        self, num_samples: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "samples *batch dim"]:
        """Draw z = μ + L ε with L Lᵀ = Σ, ε ~ N(0, I); gradients flow to μ and Σ.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        factor = torch.linalg.cholesky(self.covariance)
        noise = self.mean.new_empty(num_samples, *self.mean.shape).normal_(generator=generator)
        return self.mean + noise @ factor.mT

    def log_prob(self, z: Float[Tensor, "... dim"]) -> Float[Tensor, "..."]:
        """Log density log N(z; μ, Σ) in nats; the axes before the last broadcast.

        Accuracy:
            Exact.
        """
        origin = self.mean.new_zeros(self.mean.shape[-1])
        return multivariate_gaussian_log_prob(z - self.mean, origin, self.covariance)

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy ½ log det(2πe Σ) in nats.

        Accuracy:
            Exact.
        """
        dim = self.mean.shape[-1]
        return 0.5 * (torch.logdet(self.covariance) + dim * math.log(2 * math.pi * math.e))

    def kl(self, other: "Gaussian") -> Float[Tensor, "*batch"]:
        """Divergence KL(N(μ, Σ) ‖ N(m, S)) in nats.

        ½ (tr S⁻¹Σ + (m − μ)ᵀ S⁻¹ (m − μ) − dim + log det S − log det Σ).

        Accuracy:
            Exact.
        """
        factor = torch.linalg.cholesky(other.covariance)
        trace = torch.cholesky_solve(self.covariance, factor).diagonal().sum()
        moved = other.mean - self.mean
        far = torch.linalg.solve_triangular(factor, moved.unsqueeze(-1), upper=False)
        log_ratio = torch.logdet(other.covariance) - torch.logdet(self.covariance)
        dim = self.mean.shape[-1]
        return 0.5 * (trace + far.squeeze(-1).square().sum(-1) - dim + log_ratio)
