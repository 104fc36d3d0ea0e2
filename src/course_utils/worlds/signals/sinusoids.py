"""Sinusoids in white noise: loud, and yet as unpredictable only as the noise."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.worlds.signals.gaussian import GaussianSignal, gaussian_entropy


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
        same = {"dtype": self.frequencies.dtype, "device": self.frequencies.device}
        check_tensor("scales", self.scales, shape=tuple(self.frequencies.shape), **same)
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
        return gaussian_entropy(self.scales.new_tensor(self.noise_std))

    def _angles(self, length: int) -> Tensor:
        t = torch.arange(length, dtype=self.scales.dtype, device=self.scales.device)
        return 2 * math.pi * t[:, None] * self.frequencies
