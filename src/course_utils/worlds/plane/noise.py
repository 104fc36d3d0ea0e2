"""Worlds of the plane seen through Gaussian noise: x = x_data + σ ε, ε ~ N(0, I).

One vector field says everything about the noise: the mean shift s(x) = E[x_data | x] − x back
towards the data. The best denoiser is x + s(x), and by Tweedie's formula the score function is
∇ log p_σ(x) = s(x) / σ².
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number
from course_utils.tasks import nothing_to_learn

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True, eq=False)
class NoisyPlane(ABC):
    """World of x = x_data + σ ε; a subclass knows the density and the mean shift.

    Args:
        clean: The world of x_data.
        sigma: σ > 0.
    """

    clean: Any
    sigma: float

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_number("sigma", self.sigma, low=0, open_low=True)

    @abstractmethod
    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Log density log p_σ(x), in nats per point."""

    @abstractmethod
    def mean_shift(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Mean shift s(x) = E[x_data | x] − x, in units of length."""

    def noised(self, sigma: float) -> "NoisyPlane":
        """The same clean world with noise of variance σ² + sigma²."""
        check_number("sigma", sigma, low=0)
        return type(self)(self.clean, math.hypot(self.sigma, sigma))

    def score_function(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Score ∇ log p_σ(x) = s(x) / σ², nats per unit of length.

        Accuracy:
            That of ``mean_shift``, divided by σ².

        Source:
            [robbins1956empirical].
        """
        return self.mean_shift(x) / self.sigma**2

    def denoiser(self, x: Float[Tensor, "batch 2"], sigma: float) -> Float[Tensor, "batch 2"]:
        """Best estimate of this world's points from points with still more noise.

        By Tweedie's formula it is x + sigma² ∇ log p(x), p with noise variance σ² + sigma². To get
        back to the clean points ask the clean world.

        Args:
            x: Points x = x' + sigma · ε, with x' from this noisy world.
            sigma: Standard deviation of the further noise, ≥ 0.
        """
        return x + sigma**2 * self.noised(sigma).score_function(x)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Any = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples 2"]:
        """Draw clean points, with the clean world's ``condition``, and add noise.

        Accuracy:
            Exact.
        """
        x = self.clean.sample(num_samples, condition=condition, generator=generator)
        return x + self.sigma * torch.empty_like(x).normal_(generator=generator)

    def entropy(
        self, num_samples: int = 4000, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Differential entropy H = E[−log p_σ(x)] with its standard error.

        Args:
            num_samples: Points drawn, at least 2.
            generator: Source of randomness on the world's device.

        Returns:
            Estimate and standard error, nats per point.

        Accuracy:
            Estimate, unbiased.
        """
        check_int("num_samples", num_samples, low=2)
        nats = -self.log_prob(self.sample(num_samples, generator=generator))
        return nats.mean(), nats.std() / math.sqrt(num_samples)


def truncated_normal(
    middle: Float[Tensor, "..."], width: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Log mass log (Φ(b) − Φ(a)) of a standard normal between a and b, and its mean there.

    The difference of two nearly equal numbers is never taken. Mirrored so that m ≥ 0, the
    interval a, b = m ∓ w/2 either contains 0, and then its mass ½ erf(b/√2) + ½ erf(−a/√2) is a
    sum; or it lies in the upper tail, and then with s = u − a the mass is

        φ(a) ∫_0^w e^(−a s − s²/2) ds.

    The exponent falls to −D, D = w m. For D < 1 Gauss-Legendre quadrature gives the integral,
    otherwise √(π/2) (erfcx(a/√2) − e^(−D) erfcx(b/√2)) with erfcx(z) = e^(z²) erfc(z). The mean
    is (φ(a) − φ(b)) / mass = φ(a) (1 − e^(−D)) / mass.

    Args:
        middle: m = (a + b) / 2.
        width: w = b − a > 0. Given m and w, not a and b, an interval far out keeps its width.

    Returns:
        Log mass in nats, and the mean of the normal truncated to [a, b].

    Accuracy:
        Exact up to rounding, however far in the tail.
    """
    a, b = middle.abs() - width / 2, middle.abs() + width / 2
    straddles = a < 0
    log_phi = -0.5 * a.square() - 0.5 * math.log(2 * math.pi)
    both_sides = 0.5 * ((b / math.sqrt(2)).erf() - (a.clamp_max(0) / math.sqrt(2)).erf())
    tail = _tail_integral(a.clamp_min(0), width)
    log_mass = torch.where(straddles, both_sides.log(), log_phi + tail.log())
    share = torch.where(straddles, log_phi.exp() / both_sides, tail.reciprocal())
    return log_mass, -torch.expm1(-width * middle.abs()) * share * middle.sign()


def _tail_integral(a: Tensor, width: Tensor) -> Tensor:
    """∫_0^w e^(−a s − s²/2) ds for a ≥ 0."""
    nodes = torch.as_tensor((_NODES + 1) / 2, dtype=a.dtype, device=a.device)
    weights = torch.as_tensor(_WEIGHTS / 2, dtype=a.dtype, device=a.device)
    s = width.unsqueeze(-1) * nodes
    short = width * ((-a.unsqueeze(-1) * s - 0.5 * s.square()).exp() @ weights)
    fall = width * (a + width / 2)
    near = torch.special.erfcx(a / math.sqrt(2))
    far = (-fall).exp() * torch.special.erfcx((a + width) / math.sqrt(2))
    return torch.where(fall < 1, short, math.sqrt(math.pi / 2) * (near - far))
