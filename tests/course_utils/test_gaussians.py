"""Gaussian laws against torch.distributions, quadrature and Monte Carlo."""

import math

import pytest
import torch
from torch import distributions

from course_utils.arguments import ArgumentError
from course_utils.gaussians import DiagonalGaussian, Gaussian


def diagonal(generator, *shape) -> DiagonalGaussian:
    mean, log_std = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return DiagonalGaussian(mean, 0.5 * log_std)


def full(generator, dim, *batch) -> Gaussian:
    factor = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    mean = torch.randn(*batch, dim, generator=generator, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.mT + 0.1 * torch.eye(dim, dtype=torch.float64))


def as_torch(law: DiagonalGaussian) -> distributions.Independent:
    return distributions.Independent(distributions.Normal(law.mean, law.log_std.exp()), 1)


def test_diagonal_divergence_equals_torch_and_the_sum_over_coordinates(generator):
    p, q = diagonal(generator, 5, 3), diagonal(generator, 5, 3)
    expected = distributions.kl_divergence(as_torch(p), as_torch(q))
    torch.testing.assert_close(p.kl(q), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(p.kl_terms(q).sum(-1), expected, rtol=1e-12, atol=1e-12)


def test_each_coordinate_of_the_divergence_by_quadrature(generator):
    p, q = diagonal(generator, 4), diagonal(generator, 4)
    z = torch.linspace(-30, 30, 200001, dtype=torch.float64)
    for j in range(4):
        law_p, law_q = (distributions.Normal(g.mean[j], g.log_std[j].exp()) for g in (p, q))
        integrand = law_p.log_prob(z).exp() * (law_p.log_prob(z) - law_q.log_prob(z))
        assert abs(float(torch.trapezoid(integrand, z) - p.kl_terms(q)[j])) < 1e-9


def test_divergence_is_a_mean_of_log_ratios(generator):
    for p, q in (
        (diagonal(generator, 3), diagonal(generator, 3)),
        (full(generator, 3), full(generator, 3)),
    ):
        z = p.sample(200_000, generator)
        ratios = p.log_prob(z) - q.log_prob(z)
        error = float(ratios.std() / math.sqrt(len(ratios)))
        assert abs(float(ratios.mean() - p.kl(q))) < 4 * error


def test_full_divergence_equals_torch(generator):
    p, q = full(generator, 4, 6), full(generator, 4, 6)
    laws = [distributions.MultivariateNormal(g.mean, g.covariance) for g in (p, q)]
    expected = distributions.kl_divergence(*laws)
    torch.testing.assert_close(p.kl(q), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(p.kl(p), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-12)


def test_densities_and_entropies_equal_torch(generator):
    d, g = diagonal(generator, 5, 3), full(generator, 3, 5)
    z = torch.randn(7, 5, 3, generator=generator, dtype=torch.float64)
    law = distributions.MultivariateNormal(g.mean, g.covariance)
    torch.testing.assert_close(d.log_prob(z), as_torch(d).log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(g.log_prob(z), law.log_prob(z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(d.entropy(), as_torch(d).entropy(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(g.entropy(), law.entropy()[0], rtol=1e-12, atol=1e-12)


def test_entropy_counts_every_coordinate_when_a_scale_is_shared():
    law = DiagonalGaussian(torch.zeros(2, 5), torch.zeros(1))
    expected = torch.full((2,), 2.5 * math.log(2 * math.pi * math.e))
    torch.testing.assert_close(law.entropy(), expected)


def test_draws_have_the_law_s_moments_and_carry_gradients(generator):
    g = full(generator, 3)
    x = g.sample(100_000, generator)
    error = (g.covariance.diagonal() / len(x)).sqrt()
    assert bool(((x.mean(0) - g.mean).abs() < 4 * error).all())
    spread = g.covariance.diagonal()
    tolerance = 4 * ((spread[:, None] * spread + g.covariance**2) / len(x)).sqrt()
    assert bool(((torch.cov(x.mT) - g.covariance).abs() < tolerance).all())

    mean = torch.zeros(2, requires_grad=True)
    log_std = torch.tensor([0.0, 1.0], requires_grad=True)
    draws = DiagonalGaussian(mean, log_std).sample(4, generator)
    assert draws.shape == (4, 2)
    draws.sum().backward()
    torch.testing.assert_close(mean.grad, torch.full((2,), 4.0))
    torch.testing.assert_close(log_std.grad, draws.detach().sum(0))


def test_standard_follows_type_and_wrong_input_is_one_line(as_user):
    assert DiagonalGaussian.standard(3, torch.zeros(1).double()).mean.dtype == torch.float64
    for call, message in (
        (lambda: DiagonalGaussian.standard(0), r"dim: expected"),
        (lambda: DiagonalGaussian.standard(2).sample(0), r"num_samples: expected"),
        (lambda: Gaussian(torch.zeros(2), -torch.eye(2)), r"covariance: expected a positive"),
        (lambda: Gaussian(torch.zeros(2), torch.eye(3)), r"covariance: expected shape \(2, 2\)"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
