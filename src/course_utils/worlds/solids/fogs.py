"""Fogs: density fields whose shadow integrates exactly.

A fog with density σ(x) per unit length lets the fraction

    T(o, d) = exp(−∫_near^far σ(o + t d) dt)

of the light through along the ray o + t d, ‖d‖ = 1.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_number, check_tensor
from course_utils.worlds.solids.shapes import Sphere, offset_from


class Fog:
    """A density field σ(x) ≥ 0 whose integral along any ray is known in closed form."""

    def density(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Density σ(x), per unit of length."""
        raise TypeError(f"{type(self).__name__} does not define density")

    def optical_depth(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        near: float,
        far: float | Float[Tensor, " rays"],
    ) -> Float[Tensor, " rays"]:
        """Optical depth D = ∫_near^far σ(o + t d) dt.

        Args:
            origins: o.
            directions: d, of length one.
            near: Start of the segment, in units of length; may be negative.
            far: End of the segment, ≥ ``near``, one for all rays or one each.

        Returns:
            Numbers ≥ 0 without unit.

        Raises:
            ArgumentError: If a direction does not have length one or ``far`` < ``near``.

        Accuracy:
            Exact.
        """
        check_tensor("origins", origins, shape=("rays", 3), dtype="float")
        same = {"dtype": origins.dtype, "device": origins.device}
        check_tensor("directions", directions, shape=tuple(origins.shape), **same)
        error = (directions.norm(dim=-1) - 1).abs().max().item()
        if error > 1e-4:
            raise ArgumentError(f"directions: expected length 1, got one that is {error:.3g} off")
        check_number("near", near)
        if isinstance(far, Tensor):
            check_tensor("far", far, shape=(len(origins),), low=near, **same)
        else:
            far = origins.new_full((len(origins),), check_number("far", far, low=near))
        return self._depth(origins, directions, torch.full_like(far, near), far)

    def transmittance(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        near: float,
        far: float | Float[Tensor, " rays"],
    ) -> Float[Tensor, " rays"]:
        """Fraction T = e^(−D) of the light that passes, D = ``optical_depth``, same arguments.

        Returns:
            Fractions in [0, 1].

        Accuracy:
            Exact.
        """
        return (-self.optical_depth(origins, directions, near, far)).exp()

    def _depth(self, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define its integral along a ray")


@dataclass(frozen=True, eq=False)
class SphereFog(Fog):
    """Constant density inside a ball: the integral is σ times the chord's length.

    Args:
        ball: Where the fog is.
        level: σ > 0, per unit of length.
    """

    ball: Sphere
    level: float

    def __post_init__(self) -> None:
        check_number("level", self.level, low=0, open_low=True)

    def density(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Density σ(x), per unit of length."""
        return self.level * (self.ball.distance(points) <= 0).to(points.dtype)

    def _depth(self, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor) -> Tensor:
        middle, miss = _closest(origins, directions, self.ball.center)
        half_chord = (self.ball.radius**2 - miss).clamp_min(0).sqrt()
        ends = (middle + half_chord).clamp(near, far), (middle - half_chord).clamp(near, far)
        return self.level * (ends[0] - ends[1])


@dataclass(frozen=True, eq=False)
class SlabFog(Fog):
    """Constant density in the layer low ≤ z ≤ high: σ times the path's length in it.

    Args:
        low: Lower face.
        high: Upper face, > low.
        level: σ > 0, per unit of length.
    """

    low: float
    high: float
    level: float

    def __post_init__(self) -> None:
        check_number("low", self.low)
        check_number("high", self.high, low=self.low, open_low=True)
        check_number("level", self.level, low=0, open_low=True)

    def density(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Density σ(x), per unit of length."""
        check_tensor("points", points, shape=("...", 3), dtype="float")
        inside = (points[..., 2] >= self.low) & (points[..., 2] <= self.high)
        return self.level * inside.to(points.dtype)

    def _depth(self, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor) -> Tensor:
        height, slope = origins[:, 2], directions[:, 2]
        level_ray = slope == 0
        safe = torch.where(level_ray, torch.ones_like(slope), slope)
        ends = ((self.low - height) / safe).clamp(near, far) - ((self.high - height) / safe).clamp(
            near, far
        )
        return torch.where(level_ray, self.density(origins) * (far - near), self.level * ends.abs())


@dataclass(frozen=True, eq=False)
class GaussianFog(Fog):
    """Blob σ(x) = σ_0 exp(−‖x − c‖² / 2s²).

    A ray that passes c at distance m, nearest at t = t_c, meets a Gaussian in t − t_c:

    ∫ σ dt = σ_0 e^(−m² / 2s²) s √(π/2) [erf((far − t_c) / √2 s) − erf((near − t_c) / √2 s)].

    Args:
        center: c.
        width: s > 0.
        peak: σ_0 > 0, per unit of length.
    """

    center: Float[Tensor, "3"]
    width: float
    peak: float

    def __post_init__(self) -> None:
        check_tensor("center", self.center, shape=(3,), dtype="float")
        check_number("width", self.width, low=0, open_low=True)
        check_number("peak", self.peak, low=0, open_low=True)

    def density(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Density σ(x), per unit of length."""
        squared = offset_from(self.center, points).square().sum(-1)
        return self.peak * (-squared / (2 * self.width**2)).exp()

    def _depth(self, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor) -> Tensor:
        middle, miss = _closest(origins, directions, self.center)
        scale = math.sqrt(2) * self.width
        share = ((far - middle) / scale).erf() - ((near - middle) / scale).erf()
        across = (-miss / (2 * self.width**2)).exp()
        return self.peak * across * self.width * math.sqrt(math.pi / 2) * share


@dataclass(frozen=True, eq=False)
class FogSum(Fog):
    """Two fogs in one place: densities add, so transmittances multiply."""

    first: Fog
    second: Fog

    def density(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Density σ(x), per unit of length."""
        return self.first.density(points) + self.second.density(points)

    def _depth(self, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor) -> Tensor:
        rays = (origins, directions, near, far)
        return self.first._depth(*rays) + self.second._depth(*rays)


def _closest(origins: Tensor, directions: Tensor, center: Tensor) -> tuple[Tensor, Tensor]:
    """Parameter t of the ray's point nearest to the centre, and its squared distance from it."""
    offset = offset_from(center, origins)
    nearest = -(offset * directions).sum(-1)
    return nearest, (offset + nearest[:, None] * directions).square().sum(-1)
