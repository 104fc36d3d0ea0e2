"""Checkerboard, funnel and banana in noise against quadrature, SciPy, autograd and each other.

The references integrate over the clean plane, or over the clean first coordinate with SciPy's
adaptive rule; the code does neither (products of normal masses, trapezoids in a moving window).
"""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.tasks import Intractable
from course_utils.worlds.plane import Banana, Checkerboard, Funnel
from course_utils.worlds.plane.noise import truncated_normal

WORLDS = {
    "checkerboard": lambda dtype=torch.float64: Checkerboard(dtype=dtype),
    "odd checkerboard": lambda dtype=torch.float64: Checkerboard(3, 2.5, dtype=dtype),
    "funnel": lambda dtype=torch.float64: Funnel(dtype=dtype),
    "narrow funnel": lambda dtype=torch.float64: Funnel(0.8, dtype=dtype),
    "banana": lambda dtype=torch.float64: Banana(dtype=dtype),
    "thin banana": lambda dtype=torch.float64: Banana(1.0, bend=-0.8, width=0.2, dtype=dtype),
}
WARPS = ("funnel", "narrow funnel", "banana", "thin banana")


@pytest.fixture(params=WORLDS)
def make(request):
    return WORLDS[request.param]


@pytest.fixture
def world(make):
    return make()


@pytest.fixture(params=WARPS)
def warp(request):
    return WORLDS[request.param]()


def normal_pdf(x, mean, variance):
    return scipy.stats.norm.pdf(x, mean, np.sqrt(variance))


def autograd_score(world, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(world.log_prob(x).sum(), x)[0]


# Truncated normals


@pytest.mark.parametrize("middle", [0.0, 1e-3, 0.4, 1.0, 3.0, 6.0, 12.0])
@pytest.mark.parametrize("width", [1e-3, 0.3, 2.0, 7.0])
def test_truncated_normal_equals_adaptive_quadrature(middle, width):
    """Adaptive quadrature of φ(u) / φ(m) over the interval, relative error 1e-12."""

    def integral(weight):
        return scipy.integrate.quad(
            lambda t: weight(t) * math.exp(-t * t / 2 - middle * t),
            -width / 2,
            width / 2,
            epsabs=1e-13,
            epsrel=1e-12,
        )[0]

    mass = integral(lambda t: 1.0)
    offset = middle * mass + integral(lambda t: t)
    truth = math.log(mass) + scipy.stats.norm.logpdf(middle)
    for sign in (1, -1):
        pair = torch.tensor([sign * middle, width], dtype=torch.float64)
        log_mass, mean = truncated_normal(pair[:1], pair[1:])
        assert abs(float(log_mass) - truth) < 1e-12
        assert abs(float(mean) - sign * offset / mass) < 1e-12


def test_truncated_normal_far_in_the_tail_is_exponential():
    """At m = 10⁵ the density falls like e^(−m t); the mean lies 1/m past the nearer end."""
    middle, width = torch.tensor([1e5]), torch.tensor([2.0])
    log_mass, mean = truncated_normal(middle, width)
    end = 1e5 - 1
    torch.testing.assert_close(mean, torch.tensor([end + 1 / end]))
    truth = -0.5 * end**2 - 0.5 * math.log(2 * math.pi) - math.log(end)
    torch.testing.assert_close(log_mass, torch.tensor([truth]))


# Density and best denoiser


def checkerboard_integrals(board, x, sigma):
    """p_σ(x) and E[x_data | x] by a product rule with 40 nodes per square and axis."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    total, first = 0.0, np.zeros(2)
    side = 2 * board.half_side / board.num_rows
    for i in range(board.num_rows):
        for j in range(i % 2, board.num_rows, 2):
            u = -board.half_side + side * (i + (nodes + 1) / 2)
            v = -board.half_side + side * (j + (nodes + 1) / 2)
            kernel = np.outer(
                weights * normal_pdf(u, x[0], sigma**2), weights * normal_pdf(v, x[1], sigma**2)
            )
            total += kernel.sum()
            first += [(kernel.sum(1) * u).sum(), (kernel.sum(0) * v).sum()]
    num_squares = math.ceil(board.num_rows**2 / 2)
    return total / 4 / num_squares, first / total


@pytest.mark.parametrize("num_rows", [3, 4])
@pytest.mark.parametrize("sigma", [0.4, 1.5, 30.0])
def test_checkerboard_equals_quadrature_of_the_plane(num_rows, sigma, generator):
    board = Checkerboard(num_rows, 3.0, dtype=torch.float64)
    x = board.noised(sigma).sample(6, generator=generator)
    log_p, denoised = board.noised(sigma).log_prob(x), board.denoiser(x, sigma)
    for point, value, mean in zip(x.numpy(), log_p, denoised, strict=True):
        density, truth = checkerboard_integrals(board, point, sigma)
        assert abs(value - math.log(density)) < 1e-10
        np.testing.assert_allclose(mean.numpy(), truth, atol=1e-9)


def warp_integrals(world, x, sigma):
    """p_σ(x) and E[x_data | x] by SciPy's adaptive rule over the clean first coordinate."""

    def factors(t):
        if isinstance(world, Funnel):
            mean, variance = 0.0, math.exp(t)
        else:
            mean, variance = world.bend * (t**2 - world.spread**2), world.width**2
        joint = (
            normal_pdf(t, 0, world.spread**2)
            * normal_pdf(x[0], t, sigma**2)
            * normal_pdf(x[1], mean, variance + sigma**2)
        )
        second = mean + variance / (variance + sigma**2) * (x[1] - mean)
        return joint * np.array([1, t, second])

    ends = 10 * world.spread
    breaks = np.clip(x[0] + sigma * np.array([-6, -2, 0, 2, 6]), -0.99 * ends, 0.99 * ends)
    found = scipy.integrate.quad_vec(
        factors, -ends, ends, epsabs=1e-15, epsrel=1e-12, points=sorted({*breaks, 0.0}), limit=4000
    )[0]
    return found[0], found[1:] / found[0]


@pytest.mark.parametrize("sigma", [0.1, 0.7, 8.0])
def test_warps_equal_adaptive_quadrature(sigma, warp, generator):
    noisy = warp.noised(sigma)
    x = noisy.sample(2, generator=generator)
    log_p, denoised = noisy.log_prob(x), warp.denoiser(x, sigma)
    for point, value, mean in zip(x.numpy(), log_p, denoised, strict=True):
        density, truth = warp_integrals(warp, point, sigma)
        assert abs(value - math.log(density)) < 1e-8
        np.testing.assert_allclose(mean.numpy(), truth, atol=1e-7)


@pytest.mark.parametrize("sigma", [0.01, 0.3, 2.0, 20.0])
def test_warps_equal_trapezoids_on_a_fixed_grid_of_24_001_nodes(sigma, warp, generator):
    """Fixed nodes, spacing τ/200 to 60 τ from the centre, for points 1.5 times as far out as those
    of the world; the peak must lie well inside."""
    noisy = warp.noised(sigma)
    x = 1.5 * noisy.sample(8, generator=generator)
    tau = warp.spread * sigma / math.hypot(warp.spread, sigma)
    u = torch.linspace(-60, 60, 24_001, dtype=torch.float64)
    t = x[:, :1] * warp.spread**2 / (warp.spread**2 + sigma**2) + tau * u
    if isinstance(warp, Funnel):
        mean, variance = torch.zeros_like(t), t.exp() + sigma**2
    else:
        mean = warp.bend * (t**2 - warp.spread**2)
        variance = torch.full_like(t, warp.width**2 + sigma**2)
    log_joint = (
        torch.distributions.Normal(torch.zeros_like(t), warp.spread).log_prob(t)
        + torch.distributions.Normal(t, sigma).log_prob(x[:, :1])
        + torch.distributions.Normal(mean, variance.sqrt()).log_prob(x[:, 1:])
    )
    truth = log_joint.logsumexp(-1) + math.log(tau / 200)
    assert float(log_joint.argmax(-1).sub(12_000).abs().max()) < 11_000
    torch.testing.assert_close(noisy.log_prob(x), truth, atol=1e-9, rtol=0)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 10.0])
def test_score_is_the_gradient_and_the_denoiser_is_tweedies(sigma, world, generator):
    noisy = world.noised(sigma)
    x = noisy.sample(50, generator=generator)
    gradient = autograd_score(noisy, x)
    torch.testing.assert_close(noisy.score_function(x), gradient, rtol=1e-8, atol=1e-8)
    tweedie = x + sigma**2 * gradient
    torch.testing.assert_close(world.denoiser(x, sigma), tweedie, rtol=1e-9, atol=1e-9)


def test_denoiser_of_a_noisy_world_takes_back_the_last_noise_only(world, generator):
    """E[x' | x] with x' = x_data + 0.6 ε and x at level 1.0 is a mean of E[x_data | x] and x.

    For any world, given x_data, x' is Gaussian conditioning: x_data + 0.36 (x − x_data).
    """
    x = world.noised(1.0).sample(20, generator=generator)
    truth = 0.64 * world.denoiser(x, 1.0) + 0.36 * x
    torch.testing.assert_close(world.noised(0.6).denoiser(x, 0.8), truth)
    torch.testing.assert_close(
        world.noised(0.6).noised(0.8).log_prob(x), world.noised(1.0).log_prob(x)
    )


def test_the_ends_of_the_noise_scale(world, generator):
    x = world.sample(30, generator=generator)
    assert world.noised(0.0) is world
    torch.testing.assert_close(world.denoiser(x, 0.0), x, rtol=0, atol=0)
    mean = torch.zeros_like(x)
    if isinstance(world, Checkerboard) and world.num_rows % 2 == 0:
        mean = world.squares.mean((0, 1)).expand_as(x)
    torch.testing.assert_close(world.denoiser(x, 1e5), mean, atol=1e-4, rtol=0)
    if not isinstance(world, Checkerboard):
        inner = world.noised(1e-4)
        inside = world.inverse(x).norm(dim=-1) < 1
        torch.testing.assert_close(
            inner.log_prob(x)[inside], world.log_prob(x)[inside], atol=1e-4, rtol=0
        )


# Samples, entropy, hidden square


@pytest.mark.parametrize("name", ["checkerboard", "funnel", "banana"])
def test_noisy_samples_pass_chi_square(name, generator):
    """24 Gauss-Legendre nodes per axis on cells of side 1; noise 0.5 leaves nothing narrower."""
    noisy = WORLDS[name]().noised(0.5)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    line = torch.tensor((-6 + np.arange(12)[:, None] + (nodes + 1) / 2).ravel())
    density = noisy.log_prob(torch.cartesian_prod(line, line)).exp().reshape(12, 8, 12, 8)
    weights = torch.tensor(weights / 2)
    probs = torch.einsum("aibj,i,j->ab", density, weights, weights).flatten().numpy()
    x = noisy.sample(20_000, generator=generator).numpy()
    edges = np.arange(-6, 7)
    counts = np.histogram2d(x[:, 0], x[:, 1], [edges, edges])[0].ravel()
    large = 20_000 * probs > 5
    counts = np.append(counts[large], 20_000 - counts[large].sum())
    probs = np.append(probs[large], 1 - probs[large].sum())
    assert scipy.stats.chisquare(counts, 20_000 * probs).pvalue > 1e-3


def test_noisy_entropy_of_one_square_is_two_one_dimensional_integrals(generator):
    board = Checkerboard(1, half_side=1.0, dtype=torch.float64)
    sigma = 0.4
    grid = np.linspace(-6, 6, 20_001)
    cdf = scipy.stats.norm.cdf
    density = (cdf((1 - grid) / sigma) - cdf((-1 - grid) / sigma)) / 2
    truth = 2 * scipy.special.entr(density).sum() * (grid[1] - grid[0])
    value, error = board.noised(sigma).entropy(20_000, generator)
    assert abs(value - truth) < 4 * error
    assert 0 < error < 0.01


def test_a_noisy_banana_without_bend_is_gaussian(generator):
    flat = Banana(1.3, bend=0.0, width=0.7, dtype=torch.float64)
    noisy = flat.noised(0.5)
    variances = np.array([1.3**2, 0.7**2]) + 0.25
    x = noisy.sample(40, generator=generator)
    truth = scipy.stats.multivariate_normal(cov=np.diag(variances))
    np.testing.assert_allclose(noisy.log_prob(x).numpy(), truth.logpdf(x.numpy()), atol=1e-12)
    value, error = noisy.entropy(20_000, generator)
    assert abs(value - truth.entropy()) < 4 * error


@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_square_of_a_noisy_point_is_bayes_rule_and_averages_to_the_prior(sigma, generator):
    board = Checkerboard(3, 1.5, dtype=torch.float64)
    noisy = board.noised(sigma)
    x = noisy.sample(20_000, generator=generator)
    posterior = noisy.posterior(x)
    cdf = scipy.stats.norm.cdf
    low, high = board.squares.numpy()
    point = x[:50, None].numpy()
    joint = (cdf((high - point) / sigma) - cdf((low - point) / sigma)).prod(-1)
    truth = joint / joint.sum(-1, keepdims=True)
    np.testing.assert_allclose(posterior[:50].numpy(), truth, atol=1e-10)
    error = posterior.std(0) / math.sqrt(20_000)
    assert bool(((posterior.mean(0) - 0.2).abs() < 4 * error).all())
    for square in range(5):
        own = noisy.sample(4000, condition=square, generator=generator)
        centre = board.squares[:, square].mean(0)
        error = math.sqrt((1 / 12 + sigma**2) / 4000)
        assert bool(((own.mean(0) - centre).abs() < 4 * error).all())


# Precision, range and refusals


@pytest.mark.parametrize("sigma", [0.05, 1.0, 50.0])
def test_single_precision_agrees_with_double_and_survives_any_distance(sigma, make, generator):
    single, noisy = make(torch.float32).noised(sigma), make().noised(sigma)
    x = noisy.sample(200, generator=generator)
    found = single.log_prob(x.float())
    assert found.dtype == single.score_function(x.float()).dtype == torch.float32
    torch.testing.assert_close(found.double(), noisy.log_prob(x), atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(
        single.clean.denoiser(x.float(), sigma).double(),
        noisy.clean.denoiser(x, sigma),
        atol=1e-4 * max(1.0, sigma),
        rtol=1e-4,
    )
    for distance in (1e2, 1e4, 1e6):
        far = distance * torch.tensor([[1.0, 0], [0, 1], [-1, 1], [1, -1], [-1, -1], [0, -1]])
        assert bool(single.log_prob(far).isfinite().all())
        assert bool(single.score_function(far).isfinite().all())


def test_far_from_the_board_the_nearest_edge_is_the_best_guess():
    board = Checkerboard(dtype=torch.float32)
    x = torch.tensor([[300.0, 3.0], [-1e5, -3.0]])
    clean = board.denoiser(x, 1.0)
    torch.testing.assert_close(clean[:, 0], torch.tensor([4.0, -4.0]), atol=0.05, rtol=0)


def test_noisy_worlds_say_what_they_cannot_do(world):
    noisy = world.noised(0.5)
    with pytest.raises(Intractable, match="nothing is left to fit"):
        noisy.loss(None)
    if not isinstance(world, Checkerboard):
        with pytest.raises(Intractable, match="NoisyWarp cannot infer: the clean point"):
            noisy.posterior(torch.zeros(1, 2))


@pytest.mark.parametrize("method", ["noised", "denoiser"])
def test_wrong_noise_levels_are_named_in_one_line(method, world, as_user):
    points = [] if method == "noised" else [torch.zeros(1, 2)]
    with pytest.raises(ArgumentError, match=r"^sigma: expected a number >= 0, got -1\.0$"):
        getattr(world, method)(*points, -1.0)
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(batch, 2\), got shape \(3,\)$"):
        world.noised(1.0).log_prob(torch.zeros(3))
    with pytest.raises(ArgumentError, match=r"^x: expected finite values, got 2 NaN or infinite"):
        world.denoiser(torch.full((1, 2), math.nan), 1.0)
    with pytest.raises(ArgumentError, match=r"^num_samples: expected a whole number >= 2, got 1$"):
        world.noised(1.0).entropy(1)
