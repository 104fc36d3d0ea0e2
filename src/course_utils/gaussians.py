"""Gaussian laws as objects: draw, score, compare.

Two kinds of law. ``DiagonalGaussian`` is what an encoder emits: independent coordinates, any
leading axes. ``Gaussian`` has a full covariance and is what linear-Gaussian models are made of;
sums, conditionals and divergences of it are matrix algebra, so it is the truth many chapters use.
``FixedNoiseHead`` is an output head beside those of ``distributions``: real values with known
noise, so that a network only has to give the mean.

The laws draw by location and scale, z = μ + L ε with ε ~ N(0, I), so a draw is a differentiable
function of the parameters.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
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

    def log_prob_terms(self, z: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        """Log density log N(z_j; μ_j, σ_j²) of each coordinate in nats; other axes broadcast.

        Accuracy:
            Exact.
        """
        return gaussian_log_prob(z, self.mean, self.log_std)

    def log_prob(self, z: Float[Tensor, "... dim"]) -> Float[Tensor, "..."]:
        """Log density Σ_j log N(z_j; μ_j, σ_j²) in nats, summed over j; other axes broadcast.

        Accuracy:
            Exact.
        """
        return self.log_prob_terms(z).sum(-1)

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

    def fisher(self, other: "Gaussian") -> Float[Tensor, "*batch"]:
        r"""Fisher divergence E_self ‖∇ log self(z) − ∇ log other(z)‖².

        With precisions P of ``self`` and Q of ``other`` and δ = μ − m,
        tr((Q − P) Σ (Q − P)) + ‖Q δ‖².

        Returns:
            ≥ 0, per squared unit of length, zero exactly for equal laws.

        Accuracy:
            Exact.

        Source:
            [hyvarinen2005estimation].
        """
        precisions = [torch.linalg.inv(law.covariance) for law in (self, other)]
        steeper = precisions[1] - precisions[0]
        pulled = (self.mean - other.mean) @ precisions[1]
        return (steeper @ self.covariance * steeper).sum() + pulled.square().sum(-1)

    def renyi(self, other: "Gaussian") -> Float[Tensor, "*batch"]:
        r"""Rényi divergence of order two, log E_q[(p / q)²] = log(1 + χ²(self ‖ other)), in nats.

        It is the logarithm of the mean squared importance weight when ``other`` is the proposal,
        so that a weight with mean one has the variance exp(divergence) − 1. With precisions P of
        ``self`` and Q of ``other``, A = 2P − Q and δ = μ − m,

            ½ log det S − log det Σ − ½ log det A + ½ δᵀ (Q + Q A⁻¹ Q) δ,

        and +∞ if A is not positive definite: then the proposal is too narrow in some direction.

        Returns:
            Nats, ≥ ``kl``, +∞ where the mean square does not exist.

        Accuracy:
            Exact.
        """
        precisions = [torch.linalg.inv(law.covariance) for law in (self, other)]
        spread = 2 * precisions[0] - precisions[1]
        moved = (self.mean - other.mean).unsqueeze(-1)
        if bool(torch.linalg.cholesky_ex(spread)[1]):
            return torch.full_like(moved[..., 0, 0], math.inf)
        pulled = precisions[1] @ moved
        far = (moved * pulled).sum((-2, -1))
        far = far + (pulled * torch.linalg.solve(spread, pulled)).sum((-2, -1))
        dets = [torch.logdet(m) for m in (other.covariance, self.covariance, spread)]
        return 0.5 * (dets[0] - dets[2] + far) - dets[1]

    def mean_field(self) -> DiagonalGaussian:
        """The law q with independent coordinates that has the smallest KL(q ‖ self).

        Mean μ and variances 1 / Λ_jj with Λ = Σ⁻¹: each coordinate's variance *given the others*.
        The divergence left is ½ (Σ_j log Λ_jj − log det Λ).

        Accuracy:
            Exact.

        Source:
            [bishop2006pattern].
        """
        variances = 1 / torch.linalg.inv(self.covariance).diagonal()
        return DiagonalGaussian(self.mean, variances.log() / 2)

    def marginals(self) -> DiagonalGaussian:
        """The law q with independent coordinates that has the smallest KL(self ‖ q).

        Mean μ and variances Σ_jj: the marginals. The divergence is ½ (Σ_j log Σ_jj − log det Σ).

        Accuracy:
            Exact.

        Source:
            [bishop2006pattern].
        """
        return DiagonalGaussian(self.mean, self.covariance.diagonal().log() / 2)


@dataclass(frozen=True)
class FixedNoiseHead:
    """Real variable, p(x) = N(x; μ, σ²), from μ alone; σ is known and the same for all.

    Args:
        noise: Standard deviation σ > 0.

    Raises:
        ArgumentError: ``noise`` is not a positive number.
    """

    noise: float

    num_params: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_number("noise", self.noise, low=0, open_low=True)

    def log_prob(
        self, params: Float[Tensor, "*batch params"], x: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Log density log N(x; μ, σ²).

        Args:
            params: μ in the last axis, of length one.
            x: Value.

        Returns:
            Nats, of either sign, one per variable.

        Accuracy:
            Exact.
        """
        mean = self.mean(params)
        return gaussian_log_prob(x, mean, mean.new_tensor(math.log(self.noise)))

    def sample(
        self, params: Float[Tensor, "*batch params"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """Draw x = μ + σ ε with ε ~ N(0, 1), one per leading index of ``params``."""
        mean = self.mean(params)
        return mean + self.noise * torch.empty_like(mean).normal_(generator=generator)

    def mean(self, params: Float[Tensor, "*batch params"]) -> Float[Tensor, "*batch"]:
        """Mean μ, one per leading index of ``params``."""
        check_tensor("params", params, shape=("...", 1), dtype="float", finite=False)
        return params[..., 0]
