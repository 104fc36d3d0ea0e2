"""Depths at which fogs stop light against SciPy's laws, quadrature and a simulated photon."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.tasks import Intractable
from course_utils.worlds.solids import (
    FogSum,
    GaussianFog,
    SlabFog,
    Sphere,
    SphereFog,
    StoppingDepth,
)

CENTER = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
ORIGIN = torch.tensor([0.0, 0.0, -2.0], dtype=torch.float64)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
ASLANT = torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)

SLAB = SlabFog(-0.5, 0.7, 0.9)
BLOBS = FogSum(GaussianFog(CENTER, 0.4, 2.0), GaussianFog(CENTER + 0.5, 0.2, 3.0))
BALL = SphereFog(Sphere(CENTER, 0.8), 1.3)
RAYS = {
    "slab": (StoppingDepth(SLAB, ORIGIN, ASLANT, 0.0, 5.0), [1.875, 3.375]),
    "slab, cut short": (StoppingDepth(SLAB, ORIGIN, UP, 1.0, 2.0), [1.5]),
    "blobs": (StoppingDepth(BLOBS, ORIGIN, UP, 0.7, 4.0), [2.3, 2.8]),
    "ball": (StoppingDepth(BALL, ORIGIN, UP, 0.0, 5.0), []),
}


@pytest.fixture(params=RAYS)
def ray(request):
    return RAYS[request.param]


def integral(function, world, breaks):
    """Adaptive quadrature, errors below 1e-10 with the density's jumps at ``breaks``."""
    ends = [world.near, *breaks, world.far]
    if isinstance(world.fog, SphereFog):
        half = math.sqrt(0.8**2 - 0.1**2 - 0.2**2)
        ends = [world.near, 2.3 - half, 2.3 + half, world.far]
    pieces = itertools.pairwise(ends)
    return sum(scipy.integrate.quad(function, *piece, epsabs=1e-11)[0] for piece in pieces)


def at(world, t):
    return float(world.log_prob(torch.tensor([t], dtype=torch.float64)))


def test_density_integrates_to_one_and_entropy_is_minus_p_log_p(ray, generator):
    world, breaks = ray
    assert abs(integral(lambda t: math.exp(at(world, t)), world, breaks) - 1) < 1e-8
    truth = integral(lambda t: scipy.special.entr(math.exp(at(world, t))), world, breaks)
    value, error = world.entropy(20_000, generator)
    assert abs(value - truth) < 4 * error + 1e-8
    assert error < 0.02


def test_a_slab_stops_light_by_a_truncated_exponential(generator):
    world, (start, end) = RAYS["slab"]
    law = scipy.stats.truncexpon(b=0.9 * (end - start), loc=start, scale=1 / 0.9)
    t = torch.linspace(0.1, 4.9, 49, dtype=torch.float64)
    np.testing.assert_allclose(world.log_prob(t).numpy(), law.logpdf(t.numpy()), atol=1e-12)
    x = world.sample(4000, generator=generator)
    assert scipy.stats.kstest(x.numpy(), law.cdf).pvalue > 1e-3
    assert abs(float(world.stopped()) - (1 - math.exp(-0.9 * (end - start)))) < 1e-12


def test_samples_follow_the_density(ray, generator):
    """Against the cumulative midpoint sum of the density itself, 4000 cells."""
    world, _ = ray
    edges = torch.linspace(world.near, world.far, 4001, dtype=torch.float64)
    cells = world.log_prob((edges[1:] + edges[:-1]) / 2).exp() * (edges[1] - edges[0])
    cdf = np.r_[0, cells.cumsum(0).numpy()]
    x = world.sample(4000, generator=generator).numpy()
    assert scipy.stats.kstest(x, lambda t: np.interp(t, edges.numpy(), cdf)).pvalue > 1e-3


def test_density_is_that_of_photons_taking_small_steps(generator):
    """Photons advance by 0.01 and are stopped with probability 0.01 σ: bias below 1 %."""
    world, _ = RAYS["blobs"]
    t = torch.arange(0.7, 4.0, 0.01, dtype=torch.float64) + 0.005
    sigma = BLOBS.density(ORIGIN + t[:, None] * UP)
    coins = torch.rand(20_000, len(t), dtype=torch.float64, generator=generator)
    hit = coins < 0.01 * sigma
    stopped = hit.any(1)
    share = float(stopped.double().mean())
    assert abs(share - float(world.stopped())) < 0.02
    depth = t[hit.double().argmax(1)[stopped]]
    x = world.sample(20_000, generator=generator)
    error = math.sqrt(float(depth.var() / len(depth) + x.var() / len(x)))
    assert abs(float(depth.mean() - x.mean())) < 4 * error + 0.01


def test_outside_the_fog_nothing_stops():
    t = torch.tensor([-0.1, 0.5, 1.9, 3.4, 5.1], dtype=torch.float64)
    world, _ = RAYS["slab"]
    assert world.log_prob(t).isinf().tolist() == [True, True, False, True, True]


def test_single_precision_agrees_with_double(generator):
    fog = GaussianFog(CENTER.float(), 0.4, 2.0)
    single = StoppingDepth(fog, ORIGIN.float(), UP.float(), 0.7, 4.0)
    double = StoppingDepth(GaussianFog(CENTER, 0.4, 2.0), ORIGIN, UP, 0.7, 4.0)
    x = single.sample(500, generator=generator)
    assert x.dtype == single.log_prob(x).dtype == torch.float32
    truth = double.log_prob(x.double())
    torch.testing.assert_close(single.log_prob(x).double(), truth, atol=1e-4, rtol=1e-5)
    ends = torch.tensor([0.7, 4.0])
    assert bool(single.log_prob(ends).isfinite().all())


def test_it_says_what_it_cannot_do():
    world, _ = RAYS["slab"]
    with pytest.raises(Intractable, match="StoppingDepth cannot infer: a depth is observed"):
        world.posterior(torch.zeros(1))
    with pytest.raises(Intractable, match="nothing is left to fit"):
        world.loss(torch.zeros(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: StoppingDepth(SLAB, ORIGIN, UP, 0.0, 1.0),
            "fog: expected one that stops light on this ray, got none of it",
        ),
        (
            lambda: StoppingDepth(SLAB, ORIGIN, UP, 1.0, 1.0),
            "far: expected a number > 1.0, got 1.0",
        ),
        (
            lambda: StoppingDepth(SLAB, ORIGIN, 2 * UP, 0.0, 5.0),
            "directions: expected length 1, got one that is 1 off",
        ),
        (
            lambda: StoppingDepth(SLAB, ORIGIN, UP.float(), 0.0, 5.0),
            "direction: expected dtype torch.float64, got dtype torch.float32",
        ),
        (
            lambda: RAYS["slab"][0].log_prob(torch.tensor([math.nan]).double()),
            "x: expected finite values, got 1 NaN or infinite of 1",
        ),
        (
            lambda: RAYS["slab"][0].sample(2, condition=1.0),
            "condition: expected None (a depth has no parts), got one",
        ),
        (
            lambda: SLAB.optical_depth(ORIGIN[None], UP[None], 1.0, torch.zeros(1).double()),
            "far: expected values >= 1.0, got a value of 0.0",
        ),
        (
            lambda: SLAB.density(torch.full((1, 3), math.nan)),
            "points: expected finite values, got 3 NaN or infinite of 3",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
