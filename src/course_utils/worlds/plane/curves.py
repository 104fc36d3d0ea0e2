"""Eight Gaussians, and curves drawn with many narrow Gaussians: moons, pinwheel, rings, spirals.

A curve is cut into pieces of equal length. On each piece sits one Gaussian, long along the curve
and as wide across it as the pen. With a standard deviation of 0.6 pieces along the curve the
Gaussians melt together: on a straight line the density then ripples by 2 exp(−2π² · 0.6²), less
than 0.2 %.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number
from course_utils.worlds.plane.mixture import PlaneMixture

_OVERLAP = 0.6
_POLYLINE = 4001

Device = torch.device | str | None
"""Where tensors are made; ``None`` is PyTorch's default."""


def eight_gaussians(
    radius: float = 3.0,
    width: float = 0.3,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> PlaneMixture:
    """Eight equal round Gaussians on a circle, each a branch.

    Args:
        radius: Distance of the means from the origin, > 0.
        width: Standard deviation of each Gaussian, > 0.
        device: Where the world lives.
        dtype: Its precision; PyTorch's default if not given.
    """
    check_number("radius", radius, low=0, open_low=True)
    check_number("width", width, low=0, open_low=True)
    angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
    means = torch.view_as_real(torch.polar(torch.full_like(angles, radius), angles))
    covariances = width**2 * torch.eye(2, dtype=torch.float64).expand(8, 2, 2)
    return _world(means, covariances, torch.full_like(angles, 1 / 8), None, device, dtype)


def two_moons(
    width: float = 0.15,
    scale: float = 2.0,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> PlaneMixture:
    """Two interleaved half circles, the shape of scikit-learn's ``make_moons``, centred.

    Args:
        width: Standard deviation across the curve, > 0.
        scale: Radius of each half circle, > 0.
        device: Where the world lives.
        dtype: Its precision; PyTorch's default if not given.
    """
    check_number("scale", scale, low=0, open_low=True)
    centre = complex(0.5, 0.25)
    upper = _polyline(lambda t: scale * (torch.exp(1j * t) - centre), 0, math.pi)
    lower = _polyline(lambda t: scale * (1 + 0.5j - torch.exp(1j * t) - centre), 0, math.pi)
    return _draw([upper, lower], width, device, dtype)


def pinwheel(
    num_arms: int = 5,
    width: float = 0.15,
    twist: float = 0.25,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> PlaneMixture:
    """Bent arms around the origin, densest half way out; an arm is a branch.

    Arm j runs through r e^{i θ} with θ = 2πj / num_arms + twist · e^{r/2}; its mass per unit of
    length is proportional to exp(−½ ((r − 2) / 0.6)²), cut at 2.5 standard deviations (the
    Gaussians laid there blur it a little). The bend is that of Johnson and others (2016).

    Args:
        num_arms: Number of arms, at least 1.
        width: Standard deviation across an arm, > 0.
        twist: How much the arms bend; 0 gives a star.
        device: Where the world lives.
        dtype: Its precision; PyTorch's default if not given.

    Source:
        [johnson2016composing].
    """
    check_int("num_arms", num_arms, low=1)
    check_number("twist", twist)

    def arm(start: float) -> Tensor:
        return _polyline(lambda r: r * torch.exp(1j * (start + twist * (r / 2).exp())), 0.5, 3.5)

    arms = [arm(2 * math.pi * j / num_arms) for j in range(num_arms)]
    return _draw(arms, width, device, dtype, lambda p: (-0.5 * ((p.abs() - 2) / 0.6) ** 2).exp())


def rings(
    radii: Sequence[float] = (1.0, 2.0, 3.0),
    width: float = 0.1,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> PlaneMixture:
    """Concentric circles of equal mass; a circle is a branch.

    Args:
        radii: Radius of each circle, > 0.
        width: Standard deviation across a circle, > 0.
        device: Where the world lives.
        dtype: Its precision; PyTorch's default if not given.
    """
    if not radii:
        raise ArgumentError("radii: expected at least one radius, got none")
    for radius in radii:
        check_number("radii", radius, low=0, open_low=True)
    circles = [_polyline(lambda t, r=r: r * torch.exp(1j * t), 0, 2 * math.pi) for r in radii]
    return _draw(circles, width, device, dtype)


def spirals(
    num_arms: int = 2,
    width: float = 0.1,
    turns: float = 1.5,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> PlaneMixture:
    """Archimedean spirals around the origin, equal mass per length; an arm is a branch.

    Args:
        num_arms: Number of arms, at least 1.
        width: Standard deviation across an arm, > 0.
        turns: Full turns from radius 0.4 to radius 3.5, > 0.
        device: Where the world lives.
        dtype: Its precision; PyTorch's default if not given.
    """
    check_int("num_arms", num_arms, low=1)
    check_number("turns", turns, low=0, open_low=True)

    def arm(start: float) -> Tensor:
        return _polyline(
            lambda t: (0.4 + 3.1 * t) * torch.exp(1j * (start + 2 * math.pi * turns * t)), 0, 1
        )

    arms = [arm(2 * math.pi * j / num_arms) for j in range(num_arms)]
    return _draw(arms, width, device, dtype)


def _polyline(path: Callable[[Tensor], Tensor], start: float, stop: float) -> Tensor:
    """Points of the curve ``path``, complex, close enough to be joined by straight lines."""
    return path(torch.linspace(start, stop, _POLYLINE, dtype=torch.float64))


def _draw(
    curves: Sequence[Tensor],
    width: float,
    device: Device,
    dtype: torch.dtype | None,
    density: Callable[[Tensor], Tensor] = lambda p: torch.ones_like(p.abs()),
) -> PlaneMixture:
    """Lay Gaussians along curves of equal mass; ``density`` is the mass per length at a point."""
    check_number("width", width, low=0, open_low=True)
    means, covariances, weights, branches = [], [], [], []
    for branch, curve in enumerate(curves):
        centres, tangents, spacing = _pieces(curve, longest=3 * width)
        along, across = torch.view_as_real(tangents), torch.view_as_real(1j * tangents)
        mass = density(centres)
        means.append(torch.view_as_real(centres))
        covariances.append((_OVERLAP * spacing) ** 2 * _outer(along) + width**2 * _outer(across))
        weights.append(mass / mass.sum() / len(curves))
        branches.append(torch.full(mass.shape, branch))
    parts = [torch.cat(part) for part in (means, covariances, weights, branches)]
    return _world(*parts, device, dtype)


def _outer(v: Tensor) -> Tensor:
    return v.unsqueeze(-1) * v.unsqueeze(-2)


def _pieces(curve: Tensor, longest: float) -> tuple[Tensor, Tensor, float]:
    """Cut a polyline into equal pieces: their middles, unit tangents there, and their length."""
    steps = curve.diff()
    travelled = torch.cat([torch.zeros(1, dtype=torch.float64), steps.abs().cumsum(0)])
    length = float(travelled[-1])
    count = math.ceil(length / longest)
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) * length / count
    segment = torch.searchsorted(travelled, middles) - 1
    tangents = steps[segment] / steps[segment].abs()
    centres = curve[segment] + tangents * (middles - travelled[segment])
    return centres, tangents, length / count


def _world(
    means: Tensor,
    covariances: Tensor,
    weights: Tensor,
    branches: Tensor | None,
    device: Device,
    dtype: torch.dtype | None,
) -> PlaneMixture:
    dtype = torch.get_default_dtype() if dtype is None else dtype
    floats = [part.to(device=device, dtype=dtype) for part in (means, covariances, weights)]
    return PlaneMixture(*floats, None if branches is None else branches.to(device))
