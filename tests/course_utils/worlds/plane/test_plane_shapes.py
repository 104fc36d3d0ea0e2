"""The shapes are the ones their names promise, and bad input gets one clear line."""

import math

import pytest
import scipy.stats
import torch
from sklearn.datasets import make_moons

from course_utils.arguments import ArgumentError
from course_utils.tasks import Intractable
from course_utils.worlds.plane import (
    WORLDS,
    Banana,
    Checkerboard,
    Funnel,
    PlaneMixture,
    eight_gaussians,
    pinwheel,
    rings,
    spirals,
    two_moons,
)

EXACT = 1e-10  # a few hundred float64 operations


# Shapes


def test_moons_are_scikit_learns():
    points, labels = make_moons(400, shuffle=False)
    world = two_moons(scale=2.0, width=0.15, dtype=torch.float64)
    x = 2 * torch.tensor(points - [0.5, 0.25])
    assert bool((world.branch_posterior(x).argmax(-1) == torch.tensor(labels)).all())
    assert world.log_prob(x).std() < 0.2  # the curve's ends fade, the rest is level
    assert world.log_prob(x).mean() > -1.8


@pytest.mark.parametrize(("make", "fold"), [(eight_gaussians, 8), (pinwheel, 5), (spirals, 2)])
def test_a_turn_maps_the_shape_to_itself(make, fold, generator):
    world = make(dtype=torch.float64)
    assert world.num_branches == fold
    angle = 2 * math.pi / fold
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    x = world.sample(200, generator=generator)
    torch.testing.assert_close(world.log_prob(x @ turn.T), world.log_prob(x), atol=1e-9, rtol=0)
    torch.testing.assert_close(
        world.branch_posterior(x @ turn.T), world.branch_posterior(x).roll(1, -1)
    )


def test_rings_are_round_and_of_equal_mass(generator):
    world = rings((1.0, 3.0), width=0.1, dtype=torch.float64)
    angle = torch.linspace(0, 2 * math.pi, 1000, dtype=torch.float64)
    for branch, radius in enumerate((1.0, 3.0)):
        x = radius * torch.stack([angle.cos(), angle.sin()], -1)
        log_p = world.log_prob(x)
        assert log_p.max() - log_p.min() < 0.02  # chords instead of arcs, and 0.2 % ripple
        assert abs(world.weights[world.branches == branch].sum() - 0.5) < EXACT
        level = -math.log(2 * 2 * math.pi * radius * 0.1 * math.sqrt(2 * math.pi))
        assert abs(log_p.mean() - level) < 0.05


def test_pinwheel_is_densest_half_way_out():
    world = pinwheel(1, twist=0.0, width=0.15, dtype=torch.float64)
    radius = torch.tensor([1.4, 2.0, 2.6, 3.0], dtype=torch.float64)
    log_p = world.log_prob(torch.stack([radius, torch.zeros_like(radius)], -1))
    variance = 0.6**2 + (0.6 * 3 / 7) ** 2  # seven pieces on a length of 3, each blurs a little
    wanted = -0.5 * (radius - 2) ** 2 / variance
    torch.testing.assert_close(log_p - log_p[1], wanted, atol=0.02, rtol=0)  # the cut ends


# Warps


def test_warps_undo_themselves_and_their_jacobian_is_the_determinant(generator):
    z = torch.randn(50, 2, generator=generator, dtype=torch.float64)
    base = torch.distributions.Normal(0, 1)
    for world in (Funnel(), Banana(bend=-0.7)):
        x = world.forward(z)
        torch.testing.assert_close(world.inverse(x), z)
        for noise, log_p in zip(z, world.log_prob(x), strict=True):
            jacobian = torch.autograd.functional.jacobian(
                lambda v, world=world: world.forward(v[None])[0], noise
            )
            expected = base.log_prob(noise).sum() - torch.linalg.slogdet(jacobian).logabsdet
            assert abs(log_p - expected) < EXACT


def test_warps_have_the_conditionals_their_names_promise(generator):
    x = Funnel(dtype=torch.float64).sample(4000, condition=2.0, generator=generator)
    assert bool((x[:, 0] == 2).all())
    assert scipy.stats.kstest(x[:, 1].numpy(), "norm", (0, math.e)).pvalue > 1e-4
    bent = Banana(1.0, bend=0.5, width=0.3, dtype=torch.float64)
    x = bent.sample(4000, condition=2.0, generator=generator)
    assert scipy.stats.kstest(x[:, 1].numpy(), "norm", (1.5, 0.3)).pvalue > 1e-4


@pytest.mark.parametrize("make", WORLDS.values())
def test_nothing_to_infer_about_warps_and_nothing_to_learn(make):
    world = make()
    with pytest.raises(Intractable):
        world.loss(None)
    if isinstance(world, Funnel | Banana):
        with pytest.raises(Intractable):
            world.posterior(torch.zeros(1, 2))


# Bad input

EYE = torch.eye(2)[None]
LOPSIDED = EYE + torch.tensor([[0, 0.5], [0, 0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: PlaneMixture(torch.zeros(1, 3), EYE, torch.ones(1)),
            "means: expected shape (components, 2), got shape (1, 3)",
        ),
        (
            lambda: PlaneMixture(torch.zeros(1, 2), -EYE, torch.ones(1)),
            "covariances: expected positive definite matrices, got one that is not",
        ),
        (
            lambda: PlaneMixture(torch.zeros(1, 2), LOPSIDED, torch.ones(1)),
            "covariances: expected positive definite matrices, got one that is not",
        ),
        (
            lambda: PlaneMixture(torch.zeros(1, 2), EYE, torch.full((1,), 0.5)),
            "weights: expected probabilities that sum to 1, got a sum of 0.5",
        ),
        (
            lambda: PlaneMixture(torch.zeros(1, 2), EYE.double(), torch.ones(1)),
            "covariances: expected dtype torch.float32, got dtype torch.float64",
        ),
        (
            lambda: two_moons().log_prob(torch.zeros(4, 3)),
            "x: expected shape (batch, 2), got shape (4, 3)",
        ),
        (
            lambda: two_moons().score_function(torch.full((1, 2), math.nan)),
            "x: expected finite values, got 2 NaN or infinite of 2",
        ),
        (
            lambda: two_moons().denoiser(torch.zeros(1, 2), -1.0),
            "sigma: expected a number >= 0, got -1.0",
        ),
        (
            lambda: two_moons().sample(3, condition=2),
            "condition: expected a whole number >= 0 and <= 1, got 2",
        ),
        (lambda: rings(()), "radii: expected at least one radius, got none"),
        (lambda: spirals(width=0.0), "width: expected a number > 0, got 0.0"),
        (
            lambda: Checkerboard().posterior(torch.tensor([[1.0, 1.0], [9.0, 0.0]])),
            "x: expected points on the squares, got 1 of 2 off",
        ),
        (
            lambda: Checkerboard().score_function(torch.tensor([[9.0, 0.0]])),
            "x: expected points on the squares, got 1 of 1 off",
        ),
        (lambda: Funnel(0.0), "spread: expected a number > 0, got 0.0"),
        (lambda: Banana(width=-1.0), "width: expected a number > 0, got -1.0"),
        (
            lambda: Funnel().log_prob(torch.zeros(2)),
            "x: expected shape (batch, 2), got shape (2,)",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
