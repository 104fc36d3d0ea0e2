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

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.tasks import absent, nothing_to_learn


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
class AutoregressiveSource(GaussianSignal):
    """Stationary AR(p) source x_t = φ_1 x_{t−1} + … + φ_p x_{t−p} + σ e_t, e_t ~ N(0, 1).

    Args:
        coefficients: φ_1 … φ_p, p ≥ 1; all roots of z^p − φ_1 z^{p−1} − … − φ_p inside the unit
            circle.
        noise_std: σ > 0, the standard deviation of the innovations.

    Raises:
        ArgumentError: If the coefficients do not give a stationary source.

    Source:
        [yule1927method; walker1931periodicity; box1970time].
    """

    coefficients: Float[Tensor, " p"]
    noise_std: float = 1.0

    posterior = absent(
        "infer",
        "every value of an autoregressive source is observed; ask its noised version.",
        "the chapter on the chain rule (week 1)",
    )

    def __post_init__(self) -> None:
        check_tensor("coefficients", self.coefficients, shape=("p",), dtype="float")
        check_number("noise_std", self.noise_std, low=0, open_low=True)
        largest = torch.linalg.eigvals(self.companion()).abs().max().item()
        if not largest < 1:
            raise ArgumentError(
                "coefficients: expected a stationary source (all roots inside the unit circle), "
                f"got a root of modulus {largest:.4g}"
            )

    @property
    def order(self) -> int:
        """Number p of past values the source remembers."""
        return len(self.coefficients)

    def companion(self) -> Float[Tensor, "p p"]:
        """Matrix A of the recursion s_t = A s_{t−1} + σ e_t (1, 0, …, 0), s_t newest first."""
        shift = torch.diag(torch.ones_like(self.coefficients[1:]), -1)
        shift[0] = self.coefficients
        return shift

    def autocovariance(self, num_lags: int) -> Float[Tensor, " num_lags"]:
        """Autocovariance γ_0 … γ_{num_lags−1}.

        The covariance P of p successive values solves P = A P Aᵀ + σ² E with E = 1 in its first
        corner, that is (I − A ⊗ A) vec P = σ² vec E; its first row is γ_0 … γ_{p−1}. Later lags
        follow the recursion γ_k = Σ_j φ_j γ_{k−j}.

        Accuracy:
            Exact up to rounding.
        """
        check_int("num_lags", num_lags, low=1)
        companion, p = self.companion(), self.order
        kron = torch.kron(companion, companion)
        corner = torch.zeros_like(kron[0])
        corner[0] = self.noise_std**2
        identity = torch.eye(p * p, dtype=kron.dtype, device=kron.device)
        gamma = list(torch.linalg.solve(identity - kron, corner)[:p])
        while len(gamma) < num_lags:
            gamma.append(self.coefficients @ torch.stack(gamma[-p:]).flip(0))
        return torch.stack(gamma[:num_lags])

    def innovation_variances(self, length: int) -> Float[Tensor, " length"]:
        """Variances v_t: those of the stationary start for t ≤ p, then σ²."""
        start = super().innovation_variances(min(length, self.order))
        return torch.cat([start, start.new_full((length - len(start),), self.noise_std**2)])

    def innovations(self, x: Float[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        """Errors e_t of the best prediction: for t > p they are x_t − Σ_j φ_j x_{t−j}."""
        start = super().innovations(x[:, : self.order])
        if x.shape[1] <= self.order:
            return start
        self._check("x", x)
        past = x[:, :-1].unfold(1, self.order, 1)
        return torch.cat([start, x[:, self.order :] - past @ self.coefficients.flip(0)], 1)

    def entropy_rate(self) -> Float[Tensor, ""]:
        """Entropy rate ½ log(2πe σ²): the floor of any model's loss per value.

        Returns:
            Nats per value.

        Accuracy:
            Exact.

        Source:
            [cover2006elements].
        """
        return _gaussian_entropy(self.coefficients.new_tensor(self.noise_std))


@dataclass(frozen=True, eq=False)
class SinusoidSource(GaussianSignal):
    """Sinusoids of known frequency and random amplitude and phase, in white noise.

    x_t = Σ_k (a_k cos 2πf_k t + b_k sin 2πf_k t) + σ e_t,   a_k, b_k ~ N(0, s_k²),   t = 0, 1, …

    Sinusoid k has the amplitude √(a_k² + b_k²), which is Rayleigh distributed with scale s_k, and a
    uniform phase. Given the past of a long record the sinusoids are known, so that only σ e_t is
    new: the innovation variance is σ², however loud the sinusoids are.

    Args:
        frequencies: f_1 … f_K in cycles per step, in [0, ½].
        scales: s_1 … s_K > 0.
        noise_std: σ > 0.
    """

    frequencies: Float[Tensor, " k"]
    scales: Float[Tensor, " k"]
    noise_std: float = 1.0

    def __post_init__(self) -> None:
        check_tensor("frequencies", self.frequencies, shape=("k",), dtype="float", low=0, high=0.5)
        check_tensor(
            "scales", self.scales, shape=self.frequencies.shape, dtype=self.frequencies.dtype
        )
        if not bool((self.scales > 0).all()):
            raise ArgumentError(f"scales: expected values > 0, got {self.scales.min().item()}")
        check_number("noise_std", self.noise_std, low=0, open_low=True)

    def basis(self, length: int) -> Float[Tensor, "length waves"]:
        """Matrix B with columns cos 2πf_1 t … cos 2πf_K t, sin 2πf_1 t … sin 2πf_K t."""
        check_int("length", length, low=1)
        angles = self._angles(length)
        return torch.cat([angles.cos(), angles.sin()], 1)

    def autocovariance(self, num_lags: int) -> Float[Tensor, " num_lags"]:
        """Autocovariance γ_h = Σ_k s_k² cos 2πf_k h + σ² [h = 0].

        Accuracy:
            Exact.
        """
        check_int("num_lags", num_lags, low=1)
        gamma = self._angles(num_lags).cos() @ self.scales.square()
        gamma[0] = gamma[0] + self.noise_std**2
        return gamma

    def noised(self, sigma: float) -> "SinusoidSource":
        """The source of x + sigma · ε: the same sinusoids, noise variance σ² + sigma²."""
        check_number("sigma", sigma, low=0)
        return SinusoidSource(self.frequencies, self.scales, math.hypot(self.noise_std, sigma))

    def posterior(self, x: Float[Tensor, "batch length"]) -> MultivariateNormal:
        """Posterior of the hidden w = (a_1 … a_K, b_1 … b_K), N(m, Σ) by Bayesian regression.

        Σ⁻¹ = diag(s)⁻² + Bᵀ B / σ²,      m = Σ Bᵀ x / σ².

        Args:
            x: Signals of any length n ≥ 1, from time 0 on.

        Returns:
            Distribution with batch shape (batch,) and event shape (2K,); one covariance for all.

        Accuracy:
            Exact.

        Source:
            [bishop2006pattern].
        """
        self._check("x", x)
        basis = self.basis(x.shape[1])
        prior = self.scales.repeat(2).square().reciprocal().diag()
        precision = prior + basis.T @ basis / self.noise_std**2
        mean = torch.linalg.solve(precision, (x @ basis).T / self.noise_std**2).T
        return MultivariateNormal(mean, precision_matrix=precision)

    def entropy_rate(self) -> Float[Tensor, ""]:
        """Entropy rate ½ log(2πe σ²), that of the white noise alone.

        Returns:
            Nats per value; ``entropy(n) / n`` approaches it from above like (log n) / n.

        Accuracy:
            Exact.
        """
        return _gaussian_entropy(self.scales.new_tensor(self.noise_std))

    def _angles(self, length: int) -> Tensor:
        t = torch.arange(length, dtype=self.scales.dtype, device=self.scales.device)
        return 2 * math.pi * t[:, None] * self.frequencies


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


def _gaussian_entropy(std: Tensor) -> Tensor:
    return 0.5 + 0.5 * math.log(2 * math.pi) + std.log()
