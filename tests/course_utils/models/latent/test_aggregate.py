"""The aggregate posterior against Gaussian closed forms, torch.distributions and quadrature."""

import math

import pytest
import torch
from torch import distributions

from course_utils.arguments import ArgumentError
from course_utils.gaussians import DiagonalGaussian, Gaussian
from course_utils.models.latent import DiagonalMixture, split_rate


def a_posterior(generator, batch=6, dim=1) -> DiagonalGaussian:
    mean, log_std = torch.randn(2, batch, dim, generator=generator, dtype=torch.float64)
    return DiagonalGaussian(mean, 0.3 * log_std - 0.5)


@pytest.mark.concept("vae.latent-arithmetic")
def test_gaussian_case_in_closed_form():
    """x ~ N(0, C) and q(z | x) = N(A x + c, diag s²): all three parts are known.

    KL(q(z) ‖ p(z)) of the marginal N(c, A C Aᵀ + S) equals the mean rate minus the mutual
    information ½ log det(A C Aᵀ + S) − ½ log det S.
    """
    torch.manual_seed(0)
    root, matrix = torch.randn(2, 3, 3, dtype=torch.float64)
    covariance, shift = root @ root.mT, torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    log_std = torch.tensor([-0.5, 0.1, -1.0], dtype=torch.float64)
    noise = torch.diag((2 * log_std).exp())
    codes = Gaussian(shift, matrix @ covariance @ matrix.mT + noise)
    prior = Gaussian(torch.zeros(3).double(), torch.eye(3).double())
    moments = (matrix @ covariance @ matrix.mT).diagonal() + shift.square()
    mean_rate = 0.5 * (moments + (2 * log_std).exp() - 1 - 2 * log_std).sum()
    information = codes.entropy() - Gaussian(shift, noise).entropy()
    torch.testing.assert_close(codes.kl(prior), mean_rate - information, rtol=0, atol=1e-8)


@pytest.mark.concept("vae.latent-arithmetic")
def test_split_adds_up_and_equals_quadrature(generator):
    posterior, prior = a_posterior(generator), DiagonalGaussian.standard(1, torch.zeros(1).double())
    split = split_rate(posterior, prior, num_samples=20_000, generator=generator)
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    each = distributions.Normal(posterior.mean, posterior.log_std.exp()).log_prob(z)
    log_q = each.logsumexp(0) - math.log(6)
    gap = log_q - distributions.Normal(0.0, 1.0).log_prob(z)
    marginal = torch.trapezoid(log_q.exp() * gap, z)
    information = torch.trapezoid(each.exp() * (each - log_q), z).mean()
    assert split.rate == pytest.approx(split.information + split.marginal, abs=1e-12)
    assert split.rate == pytest.approx(float(posterior.kl(prior).mean()), abs=1e-12)
    assert split.information == pytest.approx(float(information), abs=0.01)
    assert split.marginal == pytest.approx(float(marginal), abs=0.01)


def test_well_separated_codes_tell_everything_and_equal_codes_nothing(generator):
    prior = DiagonalGaussian.standard(1)
    apart = DiagonalGaussian(torch.arange(5.0)[:, None] * 100, torch.zeros(5, 1))
    assert split_rate(apart, prior, generator=generator).information == pytest.approx(math.log(5))
    same = DiagonalGaussian(torch.ones(5, 1), torch.zeros(1))
    split = split_rate(same, prior, generator=generator)
    assert split.information == pytest.approx(0, abs=1e-6)
    assert split.marginal == pytest.approx(0.5)


def test_standard_error_is_the_spread_over_samples_of_examples(generator):
    prior = DiagonalGaussian.standard(1)
    splits = []
    for _ in range(150):
        mean = torch.randn(60, 1, generator=generator)
        law = DiagonalGaussian(mean, torch.full((1, 1), -1.5) + 0.3 * mean.abs())
        splits.append(split_rate(law, prior, num_samples=4, generator=generator))
    spread = float(torch.tensor([split.information for split in splits]).std())
    claimed = sum(split.standard_error for split in splits) / len(splits)
    assert 0.5 < spread / claimed < 2


def test_mixture_density_and_draws(generator):
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    parts = a_posterior(generator, 3, 2)
    mixture = DiagonalMixture(weights, parts)
    components = distributions.Independent(distributions.Normal(parts.mean, parts.log_std.exp()), 1)
    law = distributions.MixtureSameFamily(distributions.Categorical(weights), components)
    z = torch.randn(4, 5, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(mixture.log_prob(z), law.log_prob(z), rtol=1e-10, atol=1e-10)
    draws = mixture.sample(40_000, generator)
    error = (law.variance / len(draws)).sqrt()
    assert bool(((draws.mean(0) - law.mean).abs() < 4 * error).all())
    assert bool(((draws.var(0) / law.variance - 1).abs() < 0.06).all())
    aggregate = DiagonalMixture.aggregate(parts)
    expected = parts.log_prob(z.unsqueeze(-2)).logsumexp(-1) - math.log(3)
    torch.testing.assert_close(aggregate.log_prob(z), expected, rtol=1e-10, atol=1e-10)


def test_fitted_mixture_finds_separated_groups(generator):
    groups = torch.tensor([[-5.0, 0.0], [5.0, 3.0]], dtype=torch.float64)
    spread = torch.tensor([[0.5, 1.0], [1.0, 0.2]], dtype=torch.float64)
    chosen = (torch.rand(4000, generator=generator) < 0.25).long()
    noise = torch.randn(4000, 2, generator=generator, dtype=torch.float64)
    found = DiagonalMixture.fitted(groups[chosen] + spread[chosen] * noise, 2, generator)
    order = found.components.mean[:, 0].argsort()
    torch.testing.assert_close(found.components.mean[order], groups, rtol=0, atol=0.15)
    torch.testing.assert_close(found.components.log_std.exp()[order], spread, rtol=0.1, atol=0)
    assert found.weights[order].tolist() == pytest.approx([0.75, 0.25], abs=0.03)


def test_wrong_input_is_one_line(as_user):
    law = DiagonalGaussian(torch.zeros(2, 3), torch.zeros(2, 3))
    mixture = DiagonalMixture.aggregate(law)
    for call, message in (
        (lambda: DiagonalMixture(torch.ones(2), law), r"weights: expected probabilities"),
        (lambda: DiagonalMixture(torch.ones(1), law), r"weights: expected one for each of 2"),
        (lambda: DiagonalMixture.fitted(torch.zeros(4, 2), 5), r"num_components: expected"),
        (lambda: mixture.sample(0), r"num_samples: expected"),
        (lambda: split_rate(law, law, num_samples=0), r"num_samples: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
