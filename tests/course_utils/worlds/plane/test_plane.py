"""The worlds of the plane against quadrature, autograd, SciPy, enumeration and their own samples.

Quadrature takes 12 Gauss-Legendre nodes per axis on cells of side 0.5. The narrowest feature inside
the board is five times narrower than a cell, and the rule then still errs by less than 1e-6.
"""

import functools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.worlds.plane import (
    WORLDS,
    Banana,
    Checkerboard,
    Funnel,
    PlaneMixture,
    eight_gaussians,
    two_moons,
)

MIXTURES = ("eight Gaussians", "two moons", "pinwheel", "rings", "spirals")
NUM_CELLS = 20  # per axis, covering [-5, 5]; the squares of the checkerboard end on cell edges
EXACT = 1e-10  # a few hundred float64 operations


@pytest.fixture(params=list(WORLDS))
def name(request) -> str:
    return request.param


@pytest.fixture
def world(name):
    return WORLDS[name](dtype=torch.float64)


@pytest.fixture(params=MIXTURES)
def mixture(request) -> PlaneMixture:
    return WORLDS[request.param](dtype=torch.float64)


@pytest.fixture
def skewed(generator) -> PlaneMixture:
    """Three overlapping, tilted Gaussians of unequal weight, in two branches."""
    root = torch.randn(3, 2, 2, generator=generator, dtype=torch.float64)
    return PlaneMixture(
        torch.randn(3, 2, generator=generator, dtype=torch.float64),
        root @ root.mT + 0.1 * torch.eye(2, dtype=torch.float64),
        torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
        torch.tensor([1, 0, 1]),
    )


def board(num_cells=NUM_CELLS, half_side=5.0, num_nodes=12):
    """Nodes and weights of the product rule, axes (cell, node in cell)."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    side = 2 * half_side / num_cells
    line = -half_side + side * (np.arange(num_cells)[:, None] + (nodes + 1) / 2)
    x = np.stack(np.broadcast_arrays(line[:, None, :, None], line[None, :, None, :]), -1)
    area = np.outer(weights, weights).ravel() * side**2 / 4
    shape = (num_cells**2, num_nodes**2, 2)
    return torch.tensor(x.reshape(shape)), torch.tensor(area)


@functools.cache
def cell_integrals(name):
    """Integrals of p and of −p log p over each cell of the board, for a world by its name."""
    x, area = board()
    world = WORLDS[name](dtype=torch.float64)
    log_p = torch.cat([world.log_prob(points.flatten(0, 1)) for points in x.split(20)])
    p = log_p.exp().reshape(len(x), -1)
    return p @ area, torch.special.entr(p) @ area


def autograd_score(world, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(world.log_prob(x).sum(), x)[0]


# Density and samples


@pytest.mark.parametrize("bounded", [*MIXTURES, "checkerboard"])
def test_worlds_inside_the_board_integrate_to_one(bounded):
    assert abs(cell_integrals(bounded)[0].sum() - 1) < 1e-6


@pytest.mark.parametrize("warped", [Funnel(), Funnel(0.7), Banana(), Banana(0.8, bend=-1.2)])
def test_warps_integrate_to_one(warped):
    """Trapezoids in x_1 and in u with x_2 = c + 0.001 sinh u, which resolves the funnel's neck."""
    first = torch.linspace(-6, 6, 241, dtype=torch.float64) * warped.spread
    u = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    second = 1e-3 * u.sinh()
    total = 0.0
    for value in first:
        centre = warped.forward(torch.tensor([[value / warped.spread, 0.0]]).double())[0, 1]
        x = torch.stack([value.expand(len(u)), centre + second], -1)
        total += (warped.log_prob(x).exp() * 1e-3 * u.cosh()).sum() * (u[1] - u[0])
    assert abs(total * (first[1] - first[0]) - 1) < 1e-6


def test_samples_pass_chi_square(name, world, generator):
    num_samples = 20_000
    probs = cell_integrals(name)[0].numpy()
    x = world.sample(num_samples, generator=generator).numpy()
    edges = np.linspace(-5, 5, NUM_CELLS + 1)
    counts = np.histogram2d(x[:, 0], x[:, 1], [edges, edges])[0].ravel()
    large = num_samples * probs > 5
    counts = np.append(counts[large], num_samples - counts[large].sum())
    probs = np.append(probs[large], 1 - probs[large].sum())
    if num_samples * probs[-1] < 1:  # the checkerboard leaves nothing over
        assert counts[-1] <= 4
        counts, probs = counts[:-1], probs[:-1] / probs[:-1].sum()
    assert scipy.stats.chisquare(counts, probs * counts.sum()).pvalue > 1e-4


def test_score_is_the_gradient_of_the_log_density(world, generator):
    x = world.sample(300, generator=generator)
    if isinstance(world, Checkerboard):
        step = 1e-6  # no autograd through a comparison: the density is flat around almost any x
        assert bool((world.log_prob(x + step) == world.log_prob(x)).all())
        assert bool((world.score_function(x) == 0).all())
    else:
        x = x + 0.1
        torch.testing.assert_close(
            world.score_function(x), autograd_score(world, x), rtol=1e-8, atol=1e-8
        )


@pytest.mark.parametrize("mixed", MIXTURES)
def test_entropy_is_the_integral_of_minus_p_log_p(mixed, generator):
    value, error = WORLDS[mixed](dtype=torch.float64).entropy(generator=generator)
    truth = cell_integrals(mixed)[1].sum()
    assert abs(value - truth) < 4 * error + 1e-6
    assert error < 0.01


def test_entropy_of_overlapping_gaussians(skewed, generator):
    value, error = skewed.entropy(20_000, generator)
    loss = -skewed.log_prob(skewed.sample(200_000, generator=generator))
    assert abs(value - loss.mean()) < 4 * math.hypot(error, loss.std() / math.sqrt(200_000))


@pytest.mark.parametrize(
    "exact",
    [
        Funnel(dtype=torch.float64),
        Funnel(0.5, dtype=torch.float64),
        Banana(dtype=torch.float64),
        Banana(2.0, bend=1.0, width=0.1, dtype=torch.float64),
        Checkerboard(5, dtype=torch.float64),
    ],
)
def test_closed_entropies_are_the_sampled_loss(exact, generator):
    loss = -exact.log_prob(exact.sample(50_000, generator=generator))
    margin = 4 * float(loss.std()) / math.sqrt(50_000)
    assert abs(loss.mean() - exact.entropy()) < margin + EXACT


def test_single_precision_agrees_with_double(generator):
    for make in WORLDS.values():
        x = make(dtype=torch.float64).sample(500, generator=generator)
        single = make(dtype=torch.float32)
        assert single.sample(2).dtype == single.log_prob(x.float()).dtype == torch.float32
        double = make(dtype=torch.float64).log_prob(x)
        torch.testing.assert_close(single.log_prob(x.float()).double(), double, atol=2e-3, rtol=0)


# Hidden components


def test_density_and_posterior_equal_enumeration(skewed, mixture, generator):
    for world in (skewed, mixture):
        x = world.sample(20, generator=generator) + 0.2
        joint = np.stack(
            [
                float(w) * scipy.stats.multivariate_normal(m.numpy(), c.numpy()).pdf(x.numpy())
                for w, m, c in zip(world.weights, world.means, world.covariances, strict=True)
            ],
            -1,
        )
        np.testing.assert_allclose(world.log_prob(x), np.log(joint.sum(-1)), atol=EXACT)
        posterior = joint / joint.sum(-1, keepdims=True)
        np.testing.assert_allclose(world.posterior(x), posterior, atol=EXACT)
        for branch in range(world.num_branches):
            members = world.branches.numpy() == branch
            np.testing.assert_allclose(
                world.branch_posterior(x)[:, branch], posterior[:, members].sum(-1), atol=EXACT
            )


def test_sampled_components_have_their_weights_means_and_covariances(skewed, generator):
    x, index = skewed.sample_with_index(60_000, generator=generator)
    counts = index.bincount(minlength=3).numpy()
    assert scipy.stats.chisquare(counts, 60_000 * skewed.weights.numpy()).pvalue > 1e-4
    for k in range(3):
        own = x[index == k]
        whitened = torch.linalg.solve(
            torch.linalg.cholesky(skewed.covariances[k]), (own - skewed.means[k]).T
        )
        bound = 4 / math.sqrt(len(own))
        assert bool((whitened.mean(1).abs() < bound).all())
        moments = whitened @ whitened.T / len(own) - torch.eye(2)
        assert bool((moments.abs() < 1.5 * bound).all())  # a variance has standard error √(2/n)


def test_condition_draws_one_branch(skewed, generator):
    _, index = skewed.sample_with_index(4000, condition=1, generator=generator)
    counts = index.bincount(minlength=3).numpy()
    assert counts[1] == 0
    assert scipy.stats.chisquare(counts[[0, 2]], [1600, 2400]).pvalue > 1e-4


def test_checkerboard_knows_its_squares(generator):
    world = Checkerboard(3, half_side=1.5, dtype=torch.float64)
    assert world.squares.shape == (2, 5, 2)
    for square in range(5):
        x = world.sample(50, condition=square, generator=generator)
        assert bool((world.posterior(x) == torch.eye(5)[square]).all())
        cells = (x + 1.5).floor()
        assert bool((cells.sum(-1) % 2 == 0).all())
    x = torch.tensor([[-1.0, -1.0], [0.0, 0.0], [-1.0, 0.0], [-2.0, -1.0], [1.5, 1.0]]).double()
    torch.testing.assert_close(
        world.log_prob(x), torch.tensor([-math.log(5)] * 2 + [-math.inf] * 3).double()
    )


# Noise


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_noised_density_and_denoiser_equal_quadrature(sigma, skewed, generator):
    for world in (skewed, eight_gaussians(dtype=torch.float64), two_moons(dtype=torch.float64)):
        nodes, area = board(40, 10.0)  # wide enough for the tails of the tilted Gaussians
        clean = nodes.flatten(0, 1)
        noisy = world.sample(4, generator=generator) + sigma
        distance = (noisy[:, None] - clean).square().sum(-1)
        kernel = (-0.5 * distance / sigma**2).exp() / (2 * math.pi * sigma**2)
        joint = kernel * world.log_prob(clean).exp() * area.repeat(len(nodes))
        density = joint.sum(-1)
        torch.testing.assert_close(
            world.noised(sigma).log_prob(noisy), density.log(), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(
            world.denoiser(noisy, sigma), joint @ clean / density[:, None], atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("sigma", [0.01, 0.5, 20.0])
def test_denoiser_is_tweedies_formula(sigma, mixture, generator):
    x = mixture.sample(100, generator=generator)
    x = x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    tweedie = x + sigma**2 * autograd_score(mixture.noised(sigma), x)
    torch.testing.assert_close(mixture.denoiser(x, sigma), tweedie, atol=1e-9, rtol=0)


def test_denoiser_at_the_ends_of_the_noise_scale(skewed, generator):
    x = skewed.sample(50, generator=generator)
    torch.testing.assert_close(skewed.denoiser(x, 0.0), x)
    mean = (skewed.weights @ skewed.means).expand(50, 2)
    torch.testing.assert_close(skewed.denoiser(x, 1e6), mean, atol=1e-5, rtol=0)
    twice = skewed.noised(0.6).noised(0.8)
    torch.testing.assert_close(twice.log_prob(x), skewed.noised(1.0).log_prob(x))
