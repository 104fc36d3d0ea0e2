"""The parts of the rate against torch.distributions, quadrature and Monte Carlo."""

import math

import pytest
import torch
from torch import distributions

from course_utils.arguments import ArgumentError
from course_utils.metrics.total_correlation import gaussian_rate_parts, gaussian_total_correlation

EYE = torch.eye(2, dtype=torch.float64)


def an_encoder(generator, latent=3):
    """A law of the means, N(μ, C), and a covariance S of the encoder."""
    draws = torch.randn(2, latent, latent, generator=generator, dtype=torch.float64)
    spread, noise = draws @ draws.mT
    mean = torch.randn(latent, generator=generator, dtype=torch.float64)
    return mean, spread, 0.1 * noise + 0.05 * torch.eye(latent, dtype=torch.float64)


def test_total_correlation_is_the_divergence_from_the_marginals(generator):
    _, covariance, noise = an_encoder(generator)
    covariance = covariance + noise
    zero = torch.zeros(3, dtype=torch.float64)
    law = distributions.MultivariateNormal(zero, covariance)
    alone = distributions.MultivariateNormal(zero, torch.diag(covariance.diagonal()))
    truth = distributions.kl_divergence(law, alone)
    torch.testing.assert_close(gaussian_total_correlation(covariance), truth)
    scales = torch.diag(torch.tensor([0.1, 3.0, 20.0], dtype=torch.float64))
    rescaled = gaussian_total_correlation(scales @ covariance @ scales)
    torch.testing.assert_close(rescaled, truth)


def test_two_coordinates_with_correlation_rho():
    for rho in (0.0, 0.5, -0.8):
        covariance = torch.tensor([[4.0, 2 * rho], [2 * rho, 1.0]], dtype=torch.float64)
        found = float(gaussian_total_correlation(covariance))
        assert found == pytest.approx(-0.5 * math.log(1 - rho**2), abs=1e-12)


@pytest.mark.concept("vae.factor")
def test_parts_add_up_to_the_mean_divergence(generator):
    """The mean of KL(q(z | x) ‖ p(z)) over the means, in closed form by torch and by sampling."""
    mean, spread, noise = an_encoder(generator)
    parts = gaussian_rate_parts(mean, spread, noise)
    prior = distributions.MultivariateNormal(torch.zeros_like(mean), torch.eye(3).double())
    centre = distributions.kl_divergence(distributions.MultivariateNormal(mean, noise), prior)
    assert parts.rate == pytest.approx(float(centre + spread.trace() / 2), abs=1e-10)
    torch.manual_seed(0)
    means = distributions.MultivariateNormal(mean, spread).sample((50_000,))
    rates = distributions.kl_divergence(distributions.MultivariateNormal(means, noise), prior)
    assert abs(parts.rate - rates.mean()) < 4 * rates.std() / math.sqrt(len(rates))


def test_each_part_is_the_divergence_it_is_named_for(generator):
    mean, spread, noise = an_encoder(generator)
    parts = gaussian_rate_parts(mean, spread, noise)
    torch.manual_seed(0)
    means = distributions.MultivariateNormal(mean, spread).sample((50_000,))
    z = distributions.MultivariateNormal(means, noise).sample()
    aggregate = distributions.MultivariateNormal(mean, spread + noise)
    stds = (spread + noise).diagonal().sqrt()
    alone = distributions.Normal(mean, stds).log_prob(z).sum(1)
    unit = distributions.Normal(torch.zeros_like(mean), torch.ones_like(stds)).log_prob(z).sum(1)
    given = distributions.MultivariateNormal(means, noise).log_prob(z)
    whole = aggregate.log_prob(z)
    for value, terms in (
        (parts.index_code, given - whole),
        (parts.total_correlation, whole - alone),
        (parts.dimension_wise, alone - unit),
    ):
        assert value >= 0
        assert abs(value - terms.mean()) < 4 * terms.std() / math.sqrt(len(terms))


@pytest.mark.concept("vae.factor")
def test_comparing_one_posterior_with_the_marginals_is_not_the_total_correlation():
    """x ~ N(0, I), z = x + ε: independent coordinates, yet E KL(q(z | x) ‖ Π q(z_j)) = log 2."""
    parts = gaussian_rate_parts(torch.zeros(2).double(), EYE, EYE)
    assert parts.total_correlation == pytest.approx(0, abs=1e-12)
    torch.manual_seed(0)
    x = torch.randn(200_000, 2, dtype=torch.float64)
    one = distributions.Independent(distributions.Normal(x, torch.ones_like(x)), 1)
    marginals = distributions.Independent(
        distributions.Normal(torch.zeros(2).double(), math.sqrt(2)), 1
    )
    terms = distributions.kl_divergence(one, marginals)
    assert abs(terms.mean() - math.log(2)) < 4 * terms.std() / math.sqrt(len(terms))
    assert parts.index_code == pytest.approx(math.log(2), abs=1e-12)


def test_wrong_input_is_one_line(as_user):
    for call, message in (
        (lambda: gaussian_total_correlation(torch.ones(2, 3)), r"covariance: expected"),
        (lambda: gaussian_total_correlation(torch.ones(2, 2)), r"positive definite"),
        (lambda: gaussian_rate_parts(torch.zeros(3), EYE, EYE), r"mean_covariance: expected shape"),
        (lambda: gaussian_rate_parts(torch.zeros(2).double(), EYE, -EYE), r"positive definite"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
