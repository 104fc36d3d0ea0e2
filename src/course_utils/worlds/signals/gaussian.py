r"""Signals: stationary Gaussian sources, for which everything is linear algebra.

A stationary Gaussian source with mean zero is given by its autocovariance γ_h = E[x_t x_{t+h}]:
the first n values are x ~ N(0, C) with the Toeplitz matrix C_{st} = γ_{|s−t|}. Its Cholesky factor
L (C = L Lᵀ) predicts: with z = L⁻¹ x the innovation is

    e_t = x_t − E[x_t | x_1 … x_{t−1}] = L_tt z_t,      Var e_t = v_t = L_tt²,

so log p(x) = −½ Σ_t (e_t² / v_t + log 2π v_t), and the entropy is ½ Σ_t log 2πe v_t. As t grows v_t
falls to the innovation variance of the source, and the entropy per value to the entropy rate.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.tasks import nothing_to_learn


class GaussianSignal:
    """Stationary Gaussian source with mean zero; a subclass says what its ``autocovariance`` is."""

    loss = nothing_to_learn

    def autocovariance(self, num_lags: int) -> Float[Tensor, " num_lags"]:
        """Autocovariance γ_0 … γ_{num_lags−1}, in squared units of the signal."""
        raise TypeError(f"{type(self).__name__} does not define autocovariance")

    def covariance(self, length: int) -> Float[Tensor, "length length"]:
        """Covariance matrix C_{st} = γ_{|s−t|} of the first ``length`` values."""
        gamma = self.autocovariance(length)
        t = torch.arange(length, device=gamma.device)
        return gamma[(t[:, None] - t).abs()]

    def innovation_variances(self, length: int) -> Float[Tensor, " length"]:
        """Variances v_t of x_t given the whole past, t = 1 … n; they never increase."""
        return self._factor(length).diagonal().square()

    def innovations(self, x: Float[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        """Errors e_t = x_t − E[x_t | x_1 … x_{t−1}] of the best prediction from the past."""
        self._check("x", x)
        factor = self._factor(x.shape[1])
        return torch.linalg.solve_triangular(factor, x.T, upper=False).T * factor.diagonal()

    def log_prob(self, x: Float[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        """Log density log p(x) = Σ_t log N(e_t; 0, v_t), from the stationary start on.

        Args:
            x: Signals of any length n ≥ 1.

        Returns:
            Nats per signal, summed over time.

        Accuracy:
            Exact.
        """
        variances = self.innovation_variances(x.shape[1])
        errors = self.innovations(x)
        return -0.5 * (errors.square() / variances + (2 * math.pi * variances).log()).sum(1)

    def entropy(self, length: int) -> Float[Tensor, ""]:
        """Differential entropy h(x_1, …, x_n) = ½ Σ_t log(2πe v_t).

        Returns:
            Nats per signal; of either sign.

        Accuracy:
            Exact.

        Source:
            [cover2006elements].
        """
        check_int("length", length, low=1)
        return 0.5 * (2 * math.pi * math.e * self.innovation_variances(length)).log().sum()

    def sample(
        self,
        num_samples: int,
        *,
        length: int,
        condition: Float[Tensor, " prefix"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples length"]:
        """Draw x = L z, z ~ N(0, I), from the start or as continuations of a prefix.

        Args:
            num_samples: How many.
            length: n, the prefix included.
            condition: The first values, common to all signals; they fix the first entries of z.
            generator: Source of randomness on the source's device.

        Returns:
            Signals.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        check_int("length", length, low=1)
        factor = self._factor(length)
        z = factor.new_empty(num_samples, length).normal_(generator=generator)
        if condition is None:
            return z @ factor.T
        self._check("condition", condition.unsqueeze(0))
        seen = check_int("len(condition)", len(condition), high=length)
        prefix = condition.unsqueeze(1)
        z[:, :seen] = torch.linalg.solve_triangular(factor[:seen, :seen], prefix, upper=False).T
        x = z @ factor.T
        x[:, :seen] = condition
        return x

    def noised(self, sigma: float) -> "GaussianSignal":
        """The source of x + sigma · ε, ε ~ N(0, I) white."""
        return NoisySignal(self, sigma)

    def score_function(
        self, x: Float[Tensor, "batch length"], sigma: float = 0.0
    ) -> Float[Tensor, "batch length"]:
        """Score ∇ log p_sigma(x) = −(C + sigma² I)⁻¹ x.

        Args:
            x: Signals at noise level ``sigma``.
            sigma: Standard deviation of white noise added to this source, ≥ 0.

        Returns:
            Gradient of the log density, nats per unit of the signal.

        Accuracy:
            Exact.
        """
        self._check("x", x)
        check_number("sigma", sigma, low=0)
        covariance = self.covariance(x.shape[1])
        noise = sigma**2 * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        return -torch.cholesky_solve(x.T, torch.linalg.cholesky(covariance + noise)).T

    def denoiser(
        self, x: Float[Tensor, "batch length"], sigma: float
    ) -> Float[Tensor, "batch length"]:
        """Best denoiser E[x_data | x] = C (C + sigma² I)⁻¹ x, the Wiener filter.

        Args:
            x: Noisy signals x = x_data + sigma · ε, with x_data from this source.
            sigma: Standard deviation of that noise, ≥ 0.

        Returns:
            Signals with the smallest expected squared error to x_data any function can reach.

        Accuracy:
            Exact.
        """
        return -self.score_function(x, sigma) @ self.covariance(x.shape[1])

    def _factor(self, length: int) -> Tensor:
        return torch.linalg.cholesky(self.covariance(length))

    def _check(self, name: str, x: Tensor) -> None:
        gamma = self.autocovariance(1)
        check_tensor(name, x, shape=("batch", "length"), dtype=gamma.dtype, device=gamma.device)


@dataclass(frozen=True, eq=False)
class NoisySignal(GaussianSignal):
    """Source x = x_data + sigma · ε: another Gaussian source heard through white noise.

    Args:
        clean: The source of x_data.
        sigma: Standard deviation of the noise, ≥ 0.
    """

    clean: GaussianSignal
    sigma: float

    def __post_init__(self) -> None:
        check_number("sigma", self.sigma, low=0)

    def autocovariance(self, num_lags: int) -> Float[Tensor, " num_lags"]:
        """Autocovariance of the clean source, plus sigma² at lag 0."""
        gamma = self.clean.autocovariance(num_lags).clone()
        gamma[0] = gamma[0] + self.sigma**2
        return gamma

    def noised(self, sigma: float) -> "NoisySignal":
        """The same clean source with noise variances added."""
        check_number("sigma", sigma, low=0)
        return NoisySignal(self.clean, math.hypot(self.sigma, sigma))

    def posterior(self, x: Float[Tensor, "batch length"]) -> MultivariateNormal:
        """Posterior of the clean signal, N(m, Σ) with Σ = (C⁻¹ + I / sigma²)⁻¹, m = Σ x / sigma².

        Args:
            x: Noisy signals.

        Returns:
            Distribution with batch shape (batch,) and event shape (length,).

        Raises:
            ArgumentError: If sigma is 0, so that nothing is hidden.

        Accuracy:
            Exact.
        """
        check_number("sigma", self.sigma, low=0, open_low=True)
        self._check("x", x)
        covariance = self.clean.covariance(x.shape[1])
        precision = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
        precision = precision + torch.eye(len(covariance)).to(covariance) / self.sigma**2
        return MultivariateNormal(self.clean.denoiser(x, self.sigma), precision_matrix=precision)


def gaussian_entropy(std: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Differential entropy ½ log(2πe σ²) of one Gaussian value of standard deviation σ, nats."""
    return 0.5 + 0.5 * math.log(2 * math.pi) + std.log()
