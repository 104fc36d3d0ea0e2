"""The linear-Gaussian model against torch.distributions, joint Gaussians and autograd."""

import math

import pytest
import torch
from torch import distributions

from course_utils.arguments import ArgumentError
from course_utils.models.latent import LinearGaussian


@pytest.fixture
def model(generator) -> LinearGaussian:
    return LinearGaussian.random(4, 2, 0.7, generator)


@pytest.fixture
def x(model, generator):
    return model.sample(6, generator=generator)


def a_law(generator, latent, batch):
    """A random mean for each example and a random covariance."""
    factor = torch.randn(latent, latent, generator=generator, dtype=torch.float64)
    mean = torch.randn(batch, latent, generator=generator, dtype=torch.float64)
    return mean, factor @ factor.mT + 0.1 * torch.eye(latent, dtype=torch.float64)


def test_density_is_that_of_the_marginal(model, x):
    covariance = model.weight @ model.weight.mT + 0.49 * torch.eye(4, dtype=torch.float64)
    law = distributions.MultivariateNormal(model.bias, covariance)
    torch.testing.assert_close(model.log_prob(x), law.log_prob(x), rtol=1e-10, atol=1e-10)


def test_posterior_obeys_bayes_rule(model, x, generator):
    z = torch.randn(5, 6, 2, generator=generator, dtype=torch.float64)
    found = model.posterior(x).log_prob(z)
    expected = model.log_joint(x, z) - model.log_prob(x)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gap_of_the_bound_is_the_divergence_to_the_posterior(model, x, generator):
    for _ in range(5):
        mean, covariance = a_law(generator, 2, 6)
        exact = model.posterior(x)
        laws = [
            distributions.MultivariateNormal(m, c)
            for m, c in ((mean, covariance), (exact.mean, exact.covariance))
        ]
        gap = model.log_prob(x) - model.elbo(x, mean, covariance)
        torch.testing.assert_close(gap, distributions.kl_divergence(*laws), rtol=0, atol=1e-8)
        assert bool((gap > 0).all())


def test_bound_is_tight_for_the_posterior_and_flat_there(model, x):
    exact = model.posterior(x)
    mean, covariance = exact.mean.requires_grad_(), exact.covariance.requires_grad_()
    bound = model.elbo(x, mean, covariance)
    torch.testing.assert_close(bound, model.log_prob(x), rtol=0, atol=1e-8)
    for gradient in torch.autograd.grad(bound.sum(), (mean, covariance)):
        assert float(gradient.abs().max()) < 1e-8


def test_bound_is_the_mean_of_log_weights(model, x, generator):
    mean, covariance = a_law(generator, 2, 6)
    law = distributions.MultivariateNormal(mean, covariance)
    torch.manual_seed(0)
    z = law.sample((100_000,))
    weights = model.log_joint(x, z) - law.log_prob(z)
    error = weights.std(0) / math.sqrt(len(z))
    assert bool(((weights.mean(0) - model.elbo(x, mean, covariance)).abs() < 4 * error).all())


def test_fitted_model_has_the_highest_likelihood(generator):
    truth = LinearGaussian.random(5, 2, 0.5, generator)
    data = truth.sample(400, generator=generator)
    best = LinearGaussian.fitted(data, 2)
    parts = [best.weight, best.bias, torch.tensor(best.noise, dtype=torch.float64)]
    weight, bias, noise = (part.clone().requires_grad_() for part in parts)
    covariance = weight @ weight.mT + noise**2 * torch.eye(5, dtype=torch.float64)
    law = distributions.MultivariateNormal(bias, covariance)
    nats = -law.log_prob(data).mean()
    for gradient in torch.autograd.grad(nats, (weight, bias, noise)):
        assert float(gradient.abs().max()) < 1e-8
    assert float(nats.detach()) < float(-truth.log_prob(data).mean())


def test_samples_follow_the_marginal_and_a_condition_fixes_the_mean(model, generator):
    x = model.sample(50_000, generator=generator)
    covariance = model.marginal.covariance
    error = (covariance.diagonal() / len(x)).sqrt()
    assert bool(((x.mean(0) - model.bias).abs() < 4 * error).all())
    spread = covariance.diagonal()
    tolerance = 4 * ((spread[:, None] * spread + covariance**2) / len(x)).sqrt()
    assert bool(((torch.cov(x.mT) - covariance).abs() < tolerance).all())
    z = torch.ones(20_000, 2, dtype=torch.float64)
    given = model.sample(20_000, condition=z, generator=generator)
    moved = (given.mean(0) - model.weight.sum(1) - model.bias).abs()
    assert bool((moved < 4 * 0.7 / math.sqrt(20_000)).all())


def test_wrong_input_is_one_line(as_user):
    for call, message in (
        (lambda: LinearGaussian(torch.ones(3, 2), torch.ones(2), 1.0), r"bias: expected shape"),
        (lambda: LinearGaussian(torch.ones(3, 2), torch.ones(3), 0.0), r"noise: expected"),
        (lambda: LinearGaussian.fitted(torch.randn(9, 3), 3), r"latent_dim: expected"),
        (lambda: LinearGaussian.fitted(torch.ones(9, 3), 1), r"x: expected variance outside"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
