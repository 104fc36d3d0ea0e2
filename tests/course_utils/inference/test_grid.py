"""Quadrature on a grid against Gaussians and scipy's adaptive rule."""

import math

import pytest
import torch
from scipy import integrate, special

from course_utils.arguments import ArgumentError
from course_utils.gaussians import Gaussian
from course_utils.inference import GridLaw, even_axes

LAW = Gaussian(
    torch.tensor([1.0, -2.0], dtype=torch.float64),
    torch.tensor([[1.0, 0.8], [0.8, 2.0]], dtype=torch.float64),
)


def tabulated(num_nodes=121) -> GridLaw:
    axes = even_axes(LAW.mean, LAW.covariance.diagonal().sqrt(), reach=7.0, num_nodes=num_nodes)
    return GridLaw.of(lambda z: LAW.log_prob(z) + 2.5, axes)


def test_moments_marginal_and_evidence_of_a_gaussian():
    grid = tabulated()
    assert float(grid.log_evidence) == pytest.approx(2.5, abs=1e-9)
    torch.testing.assert_close(grid.mean, LAW.mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(grid.covariance, LAW.covariance, rtol=0, atol=1e-7)
    assert grid.border < 1e-9
    axis = grid.axes[1]
    expected = torch.exp(-0.25 * (axis + 2) ** 2) / math.sqrt(4 * math.pi)
    torch.testing.assert_close(grid.marginal(1), expected, rtol=0, atol=1e-9)
    square = grid.expectation(grid.nodes[:, 0] * grid.nodes[:, 1])
    assert float(square) == pytest.approx(0.8 - 2.0, abs=1e-8)
    torch.testing.assert_close(
        grid.log_density.flatten(), LAW.log_prob(grid.nodes), rtol=0, atol=1e-8
    )


def test_one_dimension_against_adaptive_quadrature():
    def log_joint(z):
        return 3 * z[:, 0] - z[:, 0].exp()

    axis = torch.linspace(-12, 5, 801, dtype=torch.float64)
    grid = GridLaw.of(log_joint, [axis])
    assert float(grid.log_evidence) == pytest.approx(float(special.gammaln(3)), abs=1e-9)
    mean = integrate.quad(lambda u: u * math.exp(3 * u - math.exp(u)) / 2, -12, 5)[0]
    assert float(grid.mean) == pytest.approx(mean, abs=1e-9)
    assert float(grid.marginal(0).sum() * (axis[1] - axis[0])) == pytest.approx(1, abs=1e-12)


def test_draws_have_the_moments(generator):
    draws = tabulated(41).sample(5000, generator)
    error = (LAW.covariance.diagonal() / 5000).sqrt()
    assert bool(((draws.mean(0) - LAW.mean).abs() < 4 * error).all())
    cell = 14 / 40 * LAW.covariance.diagonal().sqrt()
    spread = LAW.covariance.diagonal() + cell**2 / 12
    relative = (draws.var(0) / spread - 1).abs()
    assert bool((relative < 4 * math.sqrt(2 / 5000)).all())
    assert float(torch.corrcoef(draws.mT)[0, 1]) == pytest.approx(0.8 / math.sqrt(2), abs=0.03)


def test_wrong_input_is_one_line(as_user):
    axis = torch.linspace(-1, 1, 5, dtype=torch.float64)
    with pytest.raises(ArgumentError, match=r"axes\[0\]: expected equally spaced ascending nodes"):
        GridLaw.of(lambda z: z[:, 0], [axis**3])
    with pytest.raises(ArgumentError, match=r"axes\[1\]: expected equally spaced"):
        GridLaw.of(lambda z: z[:, 0], [axis, axis.flip(0)])
    with pytest.raises(ArgumentError, match="log_joint: expected a finite integral"):
        GridLaw.of(lambda z: z[:, 0] - math.inf, [axis])
    with pytest.raises(ArgumentError, match="number of nodes: expected"):
        GridLaw.of(lambda z: z[:, 0], [axis.repeat(1)] * 10)
    grid = GridLaw.of(lambda z: -(z[:, 0] ** 2), [axis])
    with pytest.raises(ArgumentError, match="values: expected 5, one per node, got 4"):
        grid.expectation(torch.ones(4, dtype=torch.float64))
    with pytest.raises(ArgumentError, match="dimension: expected"):
        grid.marginal(1)
