"""Distances against the nearest of many surface points, transmittances against quadrature.

Surface points lie less than 0.05 apart, and a nearest one at spacing δ is at most δ farther than
the surface; quadrature of a smooth blob has 1e-10 relative error.
"""

import math

import numpy as np
import pytest
import scipy.integrate
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.solids import (
    Box,
    FogSum,
    GaussianFog,
    Intersection,
    SlabFog,
    SmoothUnion,
    Sphere,
    SphereFog,
    Torus,
    Union,
)

CENTER = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
SIDES = torch.tensor([0.7, 0.4, 0.5], dtype=torch.float64)
SPACING = 0.05

BALL, BOX, TORUS = Sphere(CENTER, 0.8), Box(CENTER, SIDES), Torus(CENTER, 0.7, 0.3)
OTHER = Sphere(CENTER + 0.6, 0.6)


def circle(num):
    return torch.linspace(0, 2 * math.pi, num + 1, dtype=torch.float64)[:-1]


def sphere_points(ball, num=120):
    polar = torch.linspace(0, math.pi, num // 2, dtype=torch.float64)
    u, v = torch.meshgrid(circle(num), polar, indexing="ij")
    unit = torch.stack([u.cos() * v.sin(), u.sin() * v.sin(), v.cos()], -1)
    return ball.center + ball.radius * unit.reshape(-1, 3)


def box_points(box, num=30):
    line = torch.linspace(-1, 1, num, dtype=torch.float64)
    cube = torch.cartesian_prod(line, line, line)
    return box.center + box.half_sides * cube[cube.abs().amax(-1) == 1]


def torus_points(torus, num=130):
    u, v = torch.meshgrid(circle(num), circle(60), indexing="ij")
    out = torus.ring_radius + torus.tube_radius * v.cos()
    ring = torch.stack([out * u.cos(), out * u.sin(), torus.tube_radius * v.sin()], -1)
    return torus.center + ring.reshape(-1, 3)


SURFACES = [(BALL, sphere_points(BALL)), (BOX, box_points(BOX)), (TORUS, torus_points(TORUS))]
IDS = ["sphere", "box", "torus"]


@pytest.fixture
def points(generator):
    return 3 * torch.rand(400, 3, dtype=torch.float64, generator=generator) - 1.5


def nearest(points, surface):
    return torch.cdist(points, surface).amin(1)


@pytest.mark.parametrize(("shape", "surface"), SURFACES, ids=IDS)
def test_distance_is_that_to_the_nearest_surface_point(shape, surface, points):
    assert shape.exact
    excess = nearest(points, surface) - shape.distance(points).abs()
    assert excess.min() > -1e-12 and excess.max() < SPACING
    assert shape.distance(surface).abs().max() < 1e-12


def inside(shape, x):
    """Membership straight from the definition of each solid."""
    x = x - shape.center
    if isinstance(shape, Sphere):
        return x.square().sum(-1) < shape.radius**2
    if isinstance(shape, Box):
        return (x.abs() < shape.half_sides).all(-1)
    ring = shape.ring_radius * x * x.new_tensor([1, 1, 0]) / x[:, :2].norm(dim=-1, keepdim=True)
    return (x - ring).norm(dim=-1) < shape.tube_radius


@pytest.mark.parametrize("shape", [BALL, BOX, TORUS], ids=IDS)
def test_negative_means_inside(shape, points):
    assert bool(((shape.distance(points) < 0) == inside(shape, points)).all())
    assert 0 < inside(shape, points).sum() < len(points)


@pytest.mark.parametrize("shape", [BALL, BOX, TORUS], ids=IDS)
def test_gradient_has_length_one_almost_everywhere(shape, points):
    lengths = shape.normal(points).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_gradient_fails_on_the_medial_axis():
    """All surface points are equally near to a ball's centre: no direction leads away."""
    assert BALL.distance(CENTER) == -0.8
    assert BALL.normal(CENTER).norm() == 0
    middle = Box(torch.zeros(3).double(), torch.ones(3).double())
    step = torch.tensor([0.1, 0.0, 0.0], dtype=torch.float64)
    left, right = middle.normal(-step), middle.normal(step)
    torch.testing.assert_close(left, -right)


def combined_surface(kind):
    ball, other = sphere_points(BALL, 200), sphere_points(OTHER, 200)
    if kind is Union:
        return torch.cat([ball[~inside(OTHER, ball)], other[~inside(BALL, other)]])
    return torch.cat([ball[inside(OTHER, ball)], other[inside(BALL, other)]])


@pytest.mark.parametrize(("kind", "sign"), [(Union, 1), (Intersection, -1)])
def test_combinations_are_exact_on_one_side_and_a_bound_on_the_other(kind, sign, points):
    shape, truth = kind(BALL, OTHER), nearest(points, combined_surface(kind))
    found = shape.distance(points)
    assert not shape.exact
    both = torch.stack([inside(BALL, points), inside(OTHER, points)])
    member = both.any(0) if kind is Union else both.all(0)
    assert bool(((found < 0) == member).all())
    exact_side = sign * found > 0
    excess = truth - found.abs()
    assert excess.min() > -1e-12 and excess[exact_side].max() < SPACING
    assert excess[~exact_side].max() > 2 * SPACING


def test_smooth_union_is_a_lower_bound_between_its_limits(points, generator):
    shape = SmoothUnion(BALL, OTHER, 0.3)
    plain = Union(BALL, OTHER).distance(points)
    found = shape.distance(points)
    assert bool((found <= plain).all()) and (found - plain).min() >= -0.3 / 4
    far = (BALL.distance(points) - OTHER.distance(points)).abs() > 0.3
    assert 0 < far.sum() < len(points) and bool((found[far] == plain[far]).all())
    assert shape.normal(points).norm(dim=-1).max() < 1 + 1e-12
    ways = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator).double(), dim=1)
    low, high = torch.zeros(4000).double(), torch.full((4000,), 4.0).double()
    for _ in range(45):
        middle = (low + high) / 2
        within = shape.distance(CENTER + middle[:, None] * ways) < 0
        low, high = torch.where(within, middle, low), torch.where(within, high, middle)
    surface = CENTER + low[:, None] * ways
    assert (nearest(points, surface) - found.abs()).min() > -1e-9


FOGS = {
    "sphere": SphereFog(BALL, 1.3),
    "slab": SlabFog(-0.2, 0.5, 0.9),
    "gaussian": GaussianFog(CENTER, 0.4, 2.0),
    "sum": FogSum(GaussianFog(CENTER, 0.4, 2.0), GaussianFog(CENTER + 0.5, 0.2, 1.0)),
}


@pytest.mark.parametrize("name", FOGS)
@pytest.mark.parametrize(("near", "far"), [(0.0, 3.0), (-1.0, 0.7)])
def test_transmittance_is_the_exponential_of_the_line_integral(name, near, far, generator):
    """Steps in the density cost a fine midpoint rule two cells: 2 · 1.3 · 4 / 40000 < 3e-4."""
    fog = FOGS[name]
    origins = torch.randn(12, 3, dtype=torch.float64, generator=generator) * 0.7
    ways = torch.randn(12, 3, dtype=torch.float64, generator=generator)
    ways = ways / ways.norm(dim=-1, keepdim=True)
    ways[0] = torch.tensor([1.0, 0, 0])
    if name in ("sphere", "slab"):
        cell = (far - near) / 40_000
        t = near + cell * (torch.arange(40_000).double() + 0.5)
        along = origins[:, None] + t[:, None] * ways[:, None]
        depth, tolerance = fog.density(along).sum(1) * cell, 3e-4
    else:
        depth, tolerance = (
            torch.tensor(
                [smooth_depth(fog, *ray, near, far) for ray in zip(origins, ways, strict=True)],
                dtype=torch.float64,
            ),
            1e-9,
        )
    found = fog.transmittance(origins, ways, near, far)
    torch.testing.assert_close(found, torch.exp(-depth), rtol=0, atol=tolerance)
    assert found.min() < 0.9
    halves = [fog.transmittance(origins, ways, *ends) for ends in ((near, 0.3), (0.3, far))]
    torch.testing.assert_close(halves[0] * halves[1], found)


def smooth_depth(fog, origin, way, near, far):
    def along(t):
        return fog.density(origin + t * way).item()

    return scipy.integrate.quad(along, near, far, epsabs=1e-11, epsrel=1e-11)[0]


def test_a_level_ray_stays_inside_or_outside_the_slab():
    origins = torch.tensor([[0.0, 0, 0.1], [0.0, 0, 0.6]])
    ways = torch.tensor([[0.0, 1, 0], [1.0, 0, 0]])
    found = FOGS["slab"].transmittance(origins, ways, 0.0, 2.0)
    torch.testing.assert_close(found, torch.tensor([math.exp(-1.8), 1.0]))


def test_single_precision_stays_single():
    shape = SmoothUnion(Sphere(CENTER.float(), 0.8), Torus(CENTER.float(), 0.7, 0.3), 0.2)
    assert shape.distance(torch.ones(2, 5, 3)).dtype == torch.float32
    assert shape.distance(torch.ones(2, 5, 3)).shape == (2, 5)
    fog, ray = GaussianFog(CENTER.float(), 0.4, 2.0), torch.tensor([[0.0, 0.0, 1.0]])
    found = fog.transmittance(0 * ray, ray, 0.0, 2.0)
    truth = FOGS["gaussian"].transmittance(0 * ray.double(), ray.double(), 0.0, 2.0)
    np.testing.assert_allclose(found.numpy(), truth.numpy(), rtol=1e-5)
    assert found.dtype == torch.float32


RAY = torch.tensor([[0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Sphere(CENTER, 0.0), "radius: expected .* > 0"),
        (lambda: Sphere(CENTER[:2], 1.0), "center: expected shape"),
        (lambda: Box(CENTER, -SIDES), "half_sides: expected values > 0"),
        (lambda: Torus(CENTER, 0.3, 0.3), "ring_radius: expected .* > 0.3"),
        (lambda: SmoothUnion(BALL, OTHER, 0.0), "width: expected"),
        (lambda: SlabFog(1.0, 1.0, 1.0), "high: expected .* > 1.0"),
        (lambda: BALL.distance(torch.ones(4, 3)), "points: expected dtype"),
        (lambda: FOGS["slab"].transmittance(RAY, 2 * RAY, 0.0, 1.0), "directions: .* length 1"),
        (lambda: FOGS["slab"].transmittance(RAY, RAY, 1.0, 0.0), "far: expected .* >= 1.0"),
    ],
)
def test_bad_input_gives_one_line(as_user, call, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
