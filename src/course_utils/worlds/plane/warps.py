"""Funnel and banana: a round Gaussian bent by a map whose Jacobian is known.

With z ~ N(0, I) both set x_1 = s z_1 and x_2 = m(x_1) + e^{l(x_1)} z_2. The Jacobian matrix is
triangular, so log |det| = log s + l(x_1), and the change of variables gives the density at once.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import gaussian_log_prob
from course_utils.tasks import absent, nothing_to_learn
from course_utils.worlds.plane.noise import NoisyPlane

_NODES = 257


class Warp(NamedTuple):
    """What the map does to the second coordinate at given first coordinates x_1.

    Attributes:
        shift: m(x_1).
        log_scale: l(x_1).
        shift_slope: m'(x_1).
        log_scale_slope: l'(x_1).
    """

    shift: Float[Tensor, "*batch"]
    log_scale: Float[Tensor, "*batch"]
    shift_slope: Float[Tensor, "*batch"]
    log_scale_slope: Float[Tensor, "*batch"]


@dataclass(frozen=True)
class WarpedGaussian(ABC):
    """World x = (s z_1, m(x_1) + e^{l(x_1)} z_2) with z ~ N(0, I).

    Args:
        spread: s > 0, standard deviation of x_1.
        device: Where samples are drawn.
        dtype: Their precision; PyTorch's default if not given.
    """

    spread: float
    device: torch.device | str | None = None
    dtype: torch.dtype | None = None

    loss = nothing_to_learn
    posterior = absent(
        "infer",
        "nothing is hidden, since every point comes from exactly one z (method inverse).",
        "the chapters on normalising flows (week 7)",
    )

    def __post_init__(self) -> None:
        check_number("spread", self.spread, low=0, open_low=True)

    @abstractmethod
    def warp(self, first: Float[Tensor, "*batch"]) -> Warp:
        """Shift, log scale and their slopes at the first coordinates x_1."""

    @abstractmethod
    def mean_log_scale(self) -> float:
        """Average E[l(x_1)] over the world, in nats."""

    def forward(self, z: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Map noise to points, z → x."""
        check_tensor("z", z, shape=("batch", 2), dtype="float")
        first = self.spread * z[:, 0]
        warp = self.warp(first)
        return torch.stack([first, warp.shift + warp.log_scale.exp() * z[:, 1]], -1)

    def inverse(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Map points back to noise, x → z; the inverse of ``forward`` up to rounding."""
        check_tensor("x", x, shape=("batch", 2), dtype="float")
        first, second = x.unbind(-1)
        warp = self.warp(first)
        back = (second - warp.shift) * (-warp.log_scale).exp()
        return torch.stack([first / self.spread, back], -1)

    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Log density log p(x) = log N(z; 0, I) − log s − l(x_1) at z = inverse(x).

        Returns:
            Nats per point, of either sign.

        Accuracy:
            Exact.
        """
        z = self.inverse(x)
        base = gaussian_log_prob(z, torch.zeros_like(z), torch.zeros_like(z)).sum(-1)
        return base - math.log(self.spread) - self.warp(x[:, 0]).log_scale

    def score_function(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Score ∇ log p(x), by the chain rule through ``inverse``.

        ∂/∂x_2 = −z_2 e^{−l} and ∂/∂x_1 = −z_1 / s + z_2 e^{−l} m'(x_1) + (z_2² − 1) l'(x_1).

        Returns:
            Gradient of the log density, nats per unit of length.

        Accuracy:
            Exact.
        """
        noise_1, noise_2 = self.inverse(x).unbind(-1)
        warp = self.warp(x[:, 0])
        pull = noise_2 * (-warp.log_scale).exp()
        bend = pull * warp.shift_slope + (noise_2**2 - 1) * warp.log_scale_slope
        return torch.stack([bend - noise_1 / self.spread, -pull], -1)

    def noised(self, sigma: float) -> "WarpedGaussian | NoisyWarp":
        """The world of x + sigma · ε, ε ~ N(0, I)."""
        sigma = check_number("sigma", sigma, low=0)
        return NoisyWarp(self, sigma) if sigma > 0 else self

    def denoiser(self, x: Float[Tensor, "batch 2"], sigma: float) -> Float[Tensor, "batch 2"]:
        """Best denoiser E[x_data | x], an integral over the clean first coordinate.

        Args:
            x: Noisy points x = x_data + sigma · ε, with x_data from this world.
            sigma: Standard deviation of that noise, ≥ 0.

        Returns:
            Points with the smallest expected squared error to x_data any function can reach.

        Accuracy:
            That of ``NoisyWarp``.
        """
        if check_number("sigma", sigma, low=0) == 0:
            return check_tensor("x", x, shape=("batch", 2), dtype="float")
        return x + NoisyWarp(self, sigma).mean_shift(x)

    def entropy(self) -> Float[Tensor, ""]:
        """Differential entropy H(x) = H(z) + E[log |det|] = log(2πe) + log s + E[l(x_1)].

        Returns:
            Nats per point.

        Accuracy:
            Exact.
        """
        entropy = math.log(2 * math.pi * math.e * self.spread) + self.mean_log_scale()
        return torch.tensor(entropy, device=self.device, dtype=self.dtype)

    def sample(
        self,
        num_samples: int,
        *,
        condition: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples 2"]:
        """Draw points, or points with a given first coordinate.

        Args:
            num_samples: How many.
            condition: The value of x_1 common to all of them; x_2 ~ p(x_2 | x_1).
            generator: Source of randomness on the world's device.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        z = torch.empty(num_samples, 2, device=self.device, dtype=self.dtype)
        z.normal_(generator=generator)
        if condition is not None:
            z[:, 0] = check_number("condition", condition) / self.spread
        return self.forward(z)


@dataclass(frozen=True)
class Funnel(WarpedGaussian):
    """World x_1 ~ N(0, s²), x_2 | x_1 ~ N(0, e^{x_1}): wide at one end, a needle at the other.

    Neal (2003) introduced it, with s = 3 and nine coordinates x_2, as a test that samplers with
    one step size fail. Here m = 0 and l(x_1) = x_1 / 2.

    Args:
        spread: s > 0.
        device: Where samples are drawn.
        dtype: Their precision; PyTorch's default if not given.

    Source:
        [neal2003slice].
    """

    spread: float = 3.0

    def warp(self, first: Float[Tensor, "*batch"]) -> Warp:
        """m = 0, l = x_1 / 2."""
        zero = torch.zeros_like(first)
        return Warp(zero, first / 2, zero, torch.full_like(first, 0.5))

    def mean_log_scale(self) -> float:
        """E[x_1] / 2 = 0."""
        return 0.0


@dataclass(frozen=True)
class Banana(WarpedGaussian):
    """World x_1 ~ N(0, s²), x_2 | x_1 ~ N(b (x_1² − s²), w²): a Gaussian bent into a parabola.

    The map has a constant Jacobian, so bending leaves the entropy as it was. Haario, Saksman and
    Tamminen (1999) used it to test adaptive samplers.

    Args:
        spread: s > 0.
        device: Where samples are drawn.
        dtype: Their precision; PyTorch's default if not given.
        bend: b; 0 gives an unbent Gaussian.
        width: w > 0, standard deviation across the banana.

    Source:
        [haario1999adaptive].
    """

    spread: float = 1.5
    bend: float = 0.5
    width: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("bend", self.bend)
        check_number("width", self.width, low=0, open_low=True)

    def warp(self, first: Float[Tensor, "*batch"]) -> Warp:
        """m = b (x_1² − s²), l = log w."""
        shift = self.bend * (first**2 - self.spread**2)
        log_scale = torch.full_like(first, math.log(self.width))
        return Warp(shift, log_scale, 2 * self.bend * first, torch.zeros_like(first))

    def mean_log_scale(self) -> float:
        """The constant log w."""
        return math.log(self.width)


@dataclass(frozen=True, eq=False)
class NoisyWarp(NoisyPlane):
    """World of x = x_data + σ ε with x_data from a funnel or a banana, ``clean``.

    Given the clean first coordinate t, x_2 is normal with mean m(t) and variance
    v(t) = e^{2 l(t)} + σ²; given x_1 alone, t is normal with mean c = x_1 s² / (s² + σ²) and
    variance τ² = s² σ² / (s² + σ²). One integral is left, taken over u = (t − c) / τ:

    p_σ(x) = N(x_1; 0, s² + σ²) ∫ N(u; 0, 1) N(x_2; m(c + τ u), v(c + τ u)) du.

    The trapezoidal rule takes it on 257 nodes, where an analytic integrand that has died out at
    both ends converges exponentially fast. A first pass finds where the integrand is within
    e^(−40) of its peak, and a second puts its nodes there. The first pass looks as far as
    |u| ≤ r with r² / 2 = 40 + the nats by which the likelihood of t can exceed that of c, beyond
    which nothing can be within that factor.

    Accuracy:
        Up to rounding wherever the first pass resolves the peaks: in float64 for points of the
        noisy world, with the standard shapes, better than 1e-9 nats for any σ.
    """

    clean: WarpedGaussian

    posterior = absent(
        "infer",
        "the clean point given a noisy one follows no named distribution; its mean is denoiser.",
        "the chapters on diffusion models (week 8)",
    )

    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Log density log p_σ(x).

        Returns:
            Nats per point.

        Accuracy:
            Quadrature, see the class.
        """
        _, log_weight = self._nodes(x)
        spread = torch.full_like(x[:, 0], math.hypot(self.clean.spread, self.sigma))
        first = gaussian_log_prob(x[:, 0], torch.zeros_like(spread), spread.log())
        return first + log_weight.logsumexp(-1)

    def mean_shift(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Mean shift s(x) = (E[t] − x_1, E[σ² (m(t) − x_2) / v(t)]) over p(t | x).

        Accuracy:
            Quadrature, see the class.
        """
        u, log_weight = self._nodes(x)
        weight = log_weight.softmax(-1)
        centre_shift = -x[:, 0] * self.sigma**2 / (self.clean.spread**2 + self.sigma**2)
        first = centre_shift + self._width * (weight * u).sum(-1)
        shift, log_variance = self._second(x, u)
        pull = self.sigma**2 * (shift - x[:, 1:]) * (-log_variance).exp()
        pull = torch.where(weight > 0, pull, torch.zeros_like(pull))
        return torch.stack([first, (weight * pull).sum(-1)], -1)

    @property
    def _width(self) -> float:
        """τ, the standard deviation of t given x_1."""
        return self.clean.spread * self.sigma / math.hypot(self.clean.spread, self.sigma)

    def _second(self, x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Mean m(t) and log v(t) of x_2 at t = c + τ u, axes (batch, node)."""
        share = self.clean.spread**2 / (self.clean.spread**2 + self.sigma**2)
        warp = self.clean.warp(share * x[:, :1] + self._width * u)
        noise = torch.full_like(warp.log_scale, 2 * math.log(self.sigma))
        return warp.shift, torch.logaddexp(2 * warp.log_scale, noise)

    def _log_integrand(self, x: Tensor, u: Tensor) -> Tensor:
        """log N(u; 0, 1) + log N(x_2; m, v)."""
        shift, log_variance = self._second(x, u)
        likelihood = gaussian_log_prob(x[:, 1:], shift, 0.5 * log_variance)
        return likelihood - 0.5 * u.square() - 0.5 * math.log(2 * math.pi)

    def _nodes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes u and log (integrand × spacing) there, axes (batch, node)."""
        check_tensor("x", x, shape=("batch", 2), dtype="float")
        ramp = torch.linspace(0, 1, _NODES, dtype=x.dtype, device=x.device)
        with torch.no_grad():
            centre = torch.zeros_like(x[:, :1])
            highest = -math.log(2 * math.pi * self.sigma)
            reach = (2 * (highest - self._log_integrand(x, centre) + 40)).sqrt()
            u = reach * (2 * ramp - 1)
            log_integrand = self._log_integrand(x, u)
            alive = log_integrand >= log_integrand.amax(-1, keepdim=True) - 40
            low = u.masked_fill(~alive, math.inf).amin(-1, keepdim=True) - 2 * reach / _NODES
            high = u.masked_fill(~alive, -math.inf).amax(-1, keepdim=True) + 2 * reach / _NODES
            u = low + (high - low) * ramp
        log_step = ((high - low) / (_NODES - 1)).log()
        return u, self._log_integrand(x, u) + log_step
