"""Transport costs, against enumeration, closed forms and scipy."""

import math
from itertools import permutations

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.metrics.transport import (
    optimal_matching,
    sinkhorn_divergence,
    sliced_wasserstein,
    wasserstein,
    wasserstein_1d,
)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def best_permutation(x, y, order):
    """Least cost over all n! matchings, written out."""
    costs = [
        sum(math.dist(x[i].tolist(), y[j].tolist()) ** order for i, j in enumerate(p)) / len(x)
        for p in permutations(range(len(x)))
    ]
    return min(costs) ** (1 / order)


@pytest.mark.parametrize("order", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("dim", [1, 3])
def test_matching_is_the_best_of_all_permutations(generator, order, dim):
    """Rounding only; on the line the sorted matching is as good."""
    x, y = normal(generator, 6, dim), normal(generator, 6, dim) + 0.5
    truth = best_permutation(x, y, order)
    assert wasserstein(x, y, order) == pytest.approx(truth, rel=1e-12)
    assert sorted(optimal_matching(x, y, order).tolist()) == list(range(6))
    if dim == 1:
        assert wasserstein_1d(x[:, 0], y[:, 0], order) == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize("sizes", [(7, 7), (5, 8), (12, 9), (1, 6)])
def test_line_agrees_with_scipy_and_with_repeated_points(generator, sizes):
    """Unequal samples are equal ones after repeating each point lcm/n times; rounding only."""
    x, y = normal(generator, sizes[0]), normal(generator, sizes[1]) + 1
    assert wasserstein_1d(x, y) == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-12)
    common = math.lcm(*sizes)
    longer = [v.repeat_interleave(common // len(v)).sort().values for v in (x, y)]
    truth = math.sqrt((longer[0] - longer[1]).square().mean())
    assert wasserstein_1d(x, y, 2) == pytest.approx(truth, rel=1e-12)


def test_uniform_and_normal_quantiles_reach_the_closed_forms():
    """W_1 of U(0,1) and U(0,2) is ½, W_2 is 1/√3; W_2² of normals (μ−ν)² + (σ−τ)².

    Midpoint quantiles: the error is the quadrature's, below 1e-3 for the normal tails.
    """
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    assert wasserstein_1d(u, 2 * u, 1) == pytest.approx(0.5, rel=1e-8)
    assert wasserstein_1d(u, 2 * u, 2) == pytest.approx(1 / math.sqrt(3), rel=1e-8)
    z = torch.special.ndtri(u)
    assert wasserstein_1d(1 + 2 * z, -1 + 0.5 * z, 2) == pytest.approx(2.5, rel=1e-3)


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_shift_costs_its_length(generator, order):
    """Moving a cloud by s costs |s|; the sliced distance is (E |θ·s|^p)^{1/p}: |s|/√d for p = 2.

    For p = 1 in three dimensions E |θ·s| = |s|/2. Within 4 standard errors.
    """
    x = normal(generator, 40, 3)
    shift = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    assert wasserstein(x, x + shift, order) == pytest.approx(3.0, rel=1e-12)
    sliced = sliced_wasserstein(x, x + shift, order, num_projections=2000, generator=generator)
    truth = 1.5 if order == 1 else math.sqrt(3)
    assert abs(sliced.value - truth) < 4 * sliced.standard_error
    assert sliced.standard_error < 0.03


def test_sliced_error_is_the_spread_over_directions(generator):
    """300 repetitions: their spread has relative error 1/√600 = .04, four of them .16."""
    x, y = normal(generator, 10, 2), 2 * normal(generator, 15, 2) + 1
    draws = [sliced_wasserstein(x, y, num_projections=50, generator=generator) for _ in range(300)]
    spread = torch.tensor([d.value for d in draws]).std().item()
    stated = sum(d.standard_error for d in draws) / 300
    assert stated == pytest.approx(spread, rel=0.16)


def test_sliced_on_a_line_is_exact(generator):
    """In one dimension every direction is ±1: no error, and the value of the sorted formula."""
    x, y = normal(generator, 30, 1), normal(generator, 20, 1)
    sliced = sliced_wasserstein(x, y, generator=generator)
    assert sliced.value == pytest.approx(wasserstein_1d(x[:, 0], y[:, 0], 2), rel=1e-12)
    assert sliced.standard_error < 1e-12
    assert sliced_wasserstein(x, x, generator=generator).value == 0


def test_the_root_makes_it_a_metric(generator):
    """Deltas at 0, 1, 2: W_2 is 1 + 1 = 2, while the squares 1 + 1 < 4 break the inequality."""
    a, b, c = (torch.tensor([float(v)], dtype=torch.float64) for v in (0, 1, 2))
    assert wasserstein_1d(a, c, 2) <= wasserstein_1d(a, b, 2) + wasserstein_1d(b, c, 2)
    squares = [wasserstein_1d(p, q, 2) ** 2 for p, q in ((a, c), (a, b), (b, c))]
    assert squares[0] > squares[1] + squares[2]
    for order in (1.0, 2.0, 4.0):
        x, y, z = normal(generator, 3, 9, 2)
        assert wasserstein(x, z, order) <= wasserstein(x, y, order) + wasserstein(y, z, order)
        assert wasserstein(x, y, order) == pytest.approx(wasserstein(y, x, order), rel=1e-12)


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_sinkhorn_tends_to_the_exact_cost(generator, order):
    """At ε = 1e-3 of a cost of order one the two differ by less than ε log n."""
    x, y = normal(generator, 8, 2), normal(generator, 8, 2) + 1
    truth = wasserstein(x, y, order) ** order
    gaps = [abs(sinkhorn_divergence(x, y, e, order) - truth) for e in (10.0, 1.0, 1e-3)]
    assert gaps[2] < 1e-3 * math.log(8)
    assert gaps[2] < gaps[1] < gaps[0]


def test_sinkhorn_limit_of_much_noise_and_equal_clouds(generator):
    """ε → ∞ gives ‖E X − E Y‖², up to O(1/ε); a reordered cloud is the same cloud."""
    x, y = normal(generator, 8, 2), normal(generator, 11, 2) + 1
    means = (x.mean(0) - y.mean(0)).square().sum().item()
    assert sinkhorn_divergence(x, y, 1e5) == pytest.approx(means, rel=1e-3)
    for epsilon in (10.0, 0.3, 1e-3):
        assert abs(sinkhorn_divergence(x, x.flip(0), epsilon)) < 1e-3
        assert sinkhorn_divergence(x, y, epsilon) > 0


def test_sinkhorn_of_two_points_by_quadrature():
    """Clouds {0, 1} and {0, 1} + s: a coupling is one number t, so minimise over a fine grid.

    The grid's step 1e-5 leaves an error of its square, times curvature: 1e-8.
    """
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    y, epsilon = x + 0.7, 0.4
    t = torch.linspace(0, 0.5, 50_001, dtype=torch.float64)
    plan = torch.stack([t, 0.5 - t, 0.5 - t, t])

    def cost(a, b):
        squares = torch.stack([(p - q).square().sum() for p in a for q in b])
        divergence = torch.special.xlogy(plan, plan / 0.25).sum(0)
        return (squares @ plan + epsilon * divergence).min().item()

    truth = cost(x, y) - (cost(x, x) + cost(y, y)) / 2
    assert sinkhorn_divergence(x, y, epsilon, tolerance=1e-10) == pytest.approx(truth, abs=1e-7)


def test_units_and_precision(generator):
    """Units do not matter: clouds of size 1e-140 or 1e150, whose third powers have no float."""
    x, y = normal(generator, 12, 2), normal(generator, 12, 2)
    once = wasserstein(x, y)
    sliced = sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(1)).value
    for scale in (1e-140, 1e150):
        assert wasserstein(scale * x, scale * y) == pytest.approx(scale * once, rel=1e-12)
        scaled = sliced_wasserstein(
            scale * x, scale * y, generator=torch.Generator().manual_seed(1)
        )
        assert scaled.value == pytest.approx(scale * sliced, rel=1e-12)
    assert wasserstein(x.float(), y.float()) == pytest.approx(once, rel=1e-6)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wasserstein(x, x[:3]), "y: expected as many points as x, 4, got 3"),
        (lambda x: wasserstein(x, x[:, :1]), r"y: expected shape \(m, 2\), got shape \(4, 1\)"),
        (lambda x: wasserstein(x, x, 0.5), "order: expected a number >= 1, got 0.5"),
        (lambda x: wasserstein_1d(x, x), r"x: expected shape \(n\), got shape \(4, 2\)"),
        (lambda x: wasserstein(x * math.nan, x), "x: expected finite values, got 8 NaN"),
        (lambda x: sliced_wasserstein(x, x, num_projections=1), "num_projections: expected"),
        (lambda x: sinkhorn_divergence(x, x, 0.0), "epsilon: expected a number > 0, got 0.0"),
        (lambda x: sinkhorn_divergence(x, x, 1.0, 3.0), "order: expected a number >= 1 and <= 2"),
        (
            lambda x: sinkhorn_divergence(x, x[:3], 0.01, tolerance=1e-15, max_iterations=1),
            "max_iterations: expected enough for marginals",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError, match=message) as error:
        call(normal(generator, 4, 2))
    assert "\n" not in str(error.value)
