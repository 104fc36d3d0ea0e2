"""Quantisers of a Gaussian against quadrature, published tables, k-means and Shannon's bound."""

import itertools
import math

import pytest
import torch
from scipy import integrate, stats

from course_utils.arguments import ArgumentError
from course_utils.models.vq import (
    VectorQuantiser,
    best_uniform,
    cells,
    distortion,
    lloyd_max,
    shannon_distortion,
)


def by_quadrature(codes):
    """E[min_k (x - c_k)^2], cell by cell."""
    cuts = [-math.inf, *((codes[1:] + codes[:-1]) / 2).tolist(), math.inf]
    return sum(
        integrate.quad(lambda x, c=c: (x - c) ** 2 * stats.norm.pdf(x), low, high)[0]
        for c, low, high in zip(codes.tolist(), cuts[:-1], cuts[1:], strict=True)
    )


@pytest.mark.concept("vae.discrete-vs-continuous")
@pytest.mark.parametrize("count", [1, 2, 5])
def test_distortion_and_cells_equal_quadrature(count, generator):
    codes = torch.randn(count, generator=generator, dtype=torch.float64).sort().values
    assert distortion(codes).item() == pytest.approx(by_quadrature(codes), abs=1e-9)
    probs, moments = cells(codes)
    cuts = [-math.inf, *((codes[1:] + codes[:-1]) / 2).tolist(), math.inf]
    for k, (low, high) in enumerate(itertools.pairwise(cuts)):
        assert probs[k].item() == pytest.approx(stats.norm.cdf(high) - stats.norm.cdf(low))
        first = integrate.quad(lambda x: x * stats.norm.pdf(x), low, high)[0]
        assert moments[k].item() == pytest.approx(first, abs=1e-9)


@pytest.mark.concept("vae.discrete-vs-continuous")
@pytest.mark.parametrize(
    ("count", "optimal", "uniform"),
    [(2, 0.3634, 0.3634), (4, 0.1175, 0.1188), (8, 0.03454, 0.03744), (16, 0.009497, 0.01154)],
)
def test_published_tables(count, optimal, uniform):
    """Tables I and II of Max (1960), to their four digits (his K = 16 is off in the fourth)."""
    assert distortion(lloyd_max(count)).item() == pytest.approx(optimal, rel=6e-4)
    assert distortion(best_uniform(count)).item() == pytest.approx(uniform, rel=6e-4)
    assert best_uniform(count).diff().std(unbiased=False) < 1e-12


@pytest.mark.concept("vae.discrete-vs-continuous")
def test_two_codes_have_a_closed_form():
    codes = lloyd_max(2)
    mean = math.sqrt(2 / math.pi)
    torch.testing.assert_close(codes, torch.tensor([-mean, mean], dtype=torch.float64))
    assert distortion(codes).item() == pytest.approx(1 - 2 / math.pi, abs=1e-12)


@pytest.mark.concept("vae.discrete-vs-continuous")
@pytest.mark.parametrize("count", [3, 4, 7])
def test_no_small_move_of_a_code_helps(count):
    """The fixed point is a minimum: gradient zero by autograd, curvature positive."""
    codes = lloyd_max(count).requires_grad_()
    (slope,) = torch.autograd.grad(distortion(codes), codes)
    assert slope.abs().max() < 1e-8
    curvature = torch.autograd.functional.hessian(distortion, codes.detach())
    assert torch.linalg.eigvalsh(curvature).min() > 0
    step = best_uniform(count).requires_grad_()
    (slope,) = torch.autograd.grad(distortion(step), step)
    assert abs((slope @ step).item()) < 1e-7


@pytest.mark.concept("vae.discrete-vs-continuous")
@pytest.mark.parametrize("count", [2, 4])
def test_a_trained_codebook_lies_between_shannon_and_two_per_cent_above_the_table(count, generator):
    torch.manual_seed(1)
    quantiser = VectorQuantiser(count, 1, decay=0.95)
    for _ in range(400):
        quantiser(torch.randn(1000, 1, generator=generator))
    learned = distortion(quantiser.codebook[:, 0].double().sort().values).item()
    table = {2: 0.3634, 4: 0.1175}[count]
    assert shannon_distortion(math.log2(count)) < 0.9 * learned
    assert learned == pytest.approx(table, rel=0.02)
    assert learned >= distortion(lloyd_max(count)).item() - 1e-12


@pytest.mark.concept("vae.discrete-vs-continuous")
def test_shannon_bound_is_reached_by_the_gaussian_channel():
    """z = x + noise: rate I(x; z) and error Var(x | z) by the formulas of jointly normal pairs."""
    for noise in (0.1, 1.0, 7.0):
        variance, joint = 2.0, torch.tensor([[2.0, 2.0], [2.0, 2.0 + noise]]).double()
        information = 0.5 * math.log(variance * (variance + noise) / torch.linalg.det(joint).item())
        left = 1 / torch.linalg.inv(joint)[0, 0].item()
        assert shannon_distortion(information / math.log(2), variance) == pytest.approx(left)


def test_arguments_are_checked(as_user):
    with pytest.raises(ArgumentError, match=r"^codes: expected increasing numbers"):
        distortion(torch.tensor([1.0, 0.0]))
    with pytest.raises(ArgumentError, match=r"^num_codes: expected a whole number >= 1 and <= 64"):
        lloyd_max(65)
    with pytest.raises(ArgumentError, match=r"^bits: expected a number >= 0, got -1"):
        shannon_distortion(-1)
