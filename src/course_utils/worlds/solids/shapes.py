"""Shapes with an analytic signed distance.

A signed distance f(x) is minus the distance to the surface inside a shape and plus it outside.
Wherever the nearest surface point is unique, |∇f| = 1; where it is not (the medial axis) f has a
kink. Every shape here is 1-Lipschitz, |f(x) − f(y)| ≤ ‖x − y‖, so that |f| is never larger than
the distance to its own surface f = 0 and a ray may always advance by |f|.
"""

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
        return offset_from(self.center, points).norm(dim=-1) - self.radius


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
        same = {"dtype": self.center.dtype, "device": self.center.device}
        check_tensor("half_sides", self.half_sides, shape=(3,), **same)
        if not bool((self.half_sides > 0).all()):
            lowest = self.half_sides.min().item()
            raise ArgumentError(f"half_sides: expected values > 0, got {lowest}")

    def distance(self, points: Float[Tensor, "... 3"]) -> Float[Tensor, "..."]:
        """Signed distance f(x), in units of length, negative inside."""
        beyond = offset_from(self.center, points).abs() - self.half_sides
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
        offset = offset_from(self.center, points)
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


def offset_from(
    center: Float[Tensor, "3"], points: Float[Tensor, "... 3"]
) -> Float[Tensor, "... 3"]:
    """Vectors x − c from the centre to points, checked to fit it in precision and device."""
    check_tensor("points", points, shape=("...", 3), dtype=center.dtype, device=center.device)
    return points - center
