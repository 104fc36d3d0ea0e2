r"""Solids: shapes with an analytic signed distance, and fogs whose shadow integrates exactly.

A signed distance f(x) is minus the distance to the surface inside a shape and plus it outside.
Wherever the nearest surface point is unique, |∇f| = 1; where it is not (the medial axis) f has a
kink. Every shape here is 1-Lipschitz, |f(x) − f(y)| ≤ ‖x − y‖, so that |f| is never larger than
the distance to its own surface f = 0 and a ray may always advance by |f|.

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


class Shape:
    """A solid; ``exact`` says whether ``distance`` is the distance itself or a bound on it."""

    exact = True

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance f(x), in units of length, negative inside."""
        raise TypeError(f"{type(self).__name__} does not define distance")

    def normal(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
        """Gradient ∇f(x) by automatic differentiation: outward, of length one almost everywhere
        for an exact shape and nowhere longer than one for a bound."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            return torch.autograd.grad(self.distance(points).sum(), points)[0]


@dataclass(frozen=True, eq=False)
class Sphere(Shape):
    """Ball of radius r around c: f(x) = ‖x − c‖ − r.

    Accuracy:
        Exact.
    """

    center: Float[Tensor, "3"]
    radius: float

    def __post_init__(self) -> None:
        check_tensor("center", self.center, shape=(3,), dtype="float")
        check_number("radius", self.radius, low=0, open_low=True)

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance f(x), in units of length, negative inside."""
        return _offset(points, self.center).norm(dim=-1) - self.radius


@dataclass(frozen=True, eq=False)
class Box(Shape):
    """Box with centre c and half sides h: with q = |x − c| − h per axis,

    f(x) = ‖max(q, 0)‖ + min(max_i q_i, 0).

    Accuracy:
        Exact.
    """

    center: Float[Tensor, "3"]
    half_sides: Float[Tensor, "3"]

    def __post_init__(self) -> None:
        check_tensor("center", self.center, shape=(3,), dtype="float")
        check_tensor("half_sides", self.half_sides, shape=(3,), dtype=self.center.dtype)
        if not bool((self.half_sides > 0).all()):
            lowest = self.half_sides.min().item()
            raise ArgumentError(f"half_sides: expected values > 0, got {lowest}")

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance f(x), in units of length, negative inside."""
        beyond = _offset(points, self.center).abs() - self.half_sides
        return beyond.clamp_min(0).norm(dim=-1) + beyond.amax(-1).clamp_max(0)


@dataclass(frozen=True, eq=False)
class Torus(Shape):
    """Tube of radius r around a circle of radius R > r in the plane z = c_z:

    f(x) = √((√(x² + y²) − R)² + z²) − r, coordinates relative to c.

    Accuracy:
        Exact.
    """

    center: Float[Tensor, "3"]
    ring_radius: float
    tube_radius: float

    def __post_init__(self) -> None:
        check_tensor("center", self.center, shape=(3,), dtype="float")
        check_number("tube_radius", self.tube_radius, low=0, open_low=True)
        check_number("ring_radius", self.ring_radius, low=self.tube_radius, open_low=True)

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance f(x), in units of length, negative inside."""
        offset = _offset(points, self.center)
        from_ring = offset[..., :2].norm(dim=-1) - self.ring_radius
        return torch.stack([from_ring, offset[..., 2]], -1).norm(dim=-1) - self.tube_radius


@dataclass(frozen=True, eq=False)
class Union(Shape):
    """Points in either shape: f = min(f_1, f_2).

    Accuracy:
        Exact outside if both parts are; inside |f| is a lower bound on the distance.
    """

    first: Shape
    second: Shape

    exact = False

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance or bound f(x), in units of length, negative inside."""
        return torch.minimum(self.first.distance(points), self.second.distance(points))


@dataclass(frozen=True, eq=False)
class Intersection(Shape):
    """Points in both shapes: f = max(f_1, f_2).

    Accuracy:
        Exact inside if both parts are; outside f is a lower bound on the distance.
    """

    first: Shape
    second: Shape

    exact = False

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance or bound f(x), in units of length, negative inside."""
        return torch.maximum(self.first.distance(points), self.second.distance(points))


@dataclass(frozen=True, eq=False)
class SmoothUnion(Shape):
    """Union with a fillet: f = min(f_1, f_2) − w h² / 4, h = max(1 − |f_1 − f_2| / w, 0).

    Its gradient is a weighted mean of ∇f_1 and ∇f_2, hence no longer than one. Where the two
    distances differ by more than the width w it is the plain union.

    Accuracy:
        |f| is a lower bound on the distance to its own surface f = 0.
    """

    first: Shape
    second: Shape
    width: float

    exact = False

    def __post_init__(self) -> None:
        check_number("width", self.width, low=0, open_low=True)

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Bound f(x) on the signed distance, in units of length, negative inside."""
        first, second = self.first.distance(points), self.second.distance(points)
        blend = (1 - (first - second).abs() / self.width).clamp_min(0)
        return torch.minimum(first, second) - self.width * blend.square() / 4


class Fog:
    """A density field σ(x) ≥ 0 whose integral along any ray is known in closed form."""

    def density(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Density σ(x), per unit of length."""
        raise TypeError(f"{type(self).__name__} does not define density")

    def transmittance(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        near: float,
        far: float,
    ) -> Float[Tensor, " rays"]:
        """Fraction T = exp(−∫_near^far σ(o + t d) dt) of the light that passes.

        Args:
            origins: o.
            directions: d, of length one.
            near: Start of the segment, in units of length; may be negative.
            far: End of the segment, ≥ ``near``.

        Returns:
            Fractions in [0, 1].

        Raises:
            ArgumentError: If a direction does not have length one or ``far`` < ``near``.

        Accuracy:
            Exact.
        """
        check_tensor("origins", origins, shape=("rays", 3), dtype="float")
        check_tensor("directions", directions, shape=tuple(origins.shape), dtype=origins.dtype)
        error = (directions.norm(dim=-1) - 1).abs().max().item()
        if error > 1e-4:
            raise ArgumentError(f"directions: expected length 1, got one that is {error:.3g} off")
        check_number("near", near)
        check_number("far", far, low=near)
        return (-self._depth(origins, directions, near, far)).exp()

    def _depth(self, origins: Tensor, directions: Tensor, near: float, far: float) -> Tensor:
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

    def _depth(self, origins: Tensor, directions: Tensor, near: float, far: float) -> Tensor:
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
        inside = (points[..., 2] >= self.low) & (points[..., 2] <= self.high)
        return self.level * inside.to(points.dtype)

    def _depth(self, origins: Tensor, directions: Tensor, near: float, far: float) -> Tensor:
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
        squared = _offset(points, self.center).square().sum(-1)
        return self.peak * (-squared / (2 * self.width**2)).exp()

    def _depth(self, origins: Tensor, directions: Tensor, near: float, far: float) -> Tensor:
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

    def _depth(self, origins: Tensor, directions: Tensor, near: float, far: float) -> Tensor:
        rays = (origins, directions, near, far)
        return self.first._depth(*rays) + self.second._depth(*rays)


def _offset(points: Tensor, center: Tensor) -> Tensor:
    check_tensor("points", points, shape=("...", 3), dtype=center.dtype, device=center.device)
    return points - center


def _closest(origins: Tensor, directions: Tensor, center: Tensor) -> tuple[Tensor, Tensor]:
    """Parameter t of the ray's point nearest to the centre, and its squared distance from it."""
    offset = _offset(origins, center)
    nearest = -(offset * directions).sum(-1)
    return nearest, (offset + nearest[:, None] * directions).square().sum(-1)
