"""Conjugate posteriors against quadrature, scipy and the linear-Gaussian model."""

import math

import pytest
import torch
from scipy import integrate, stats

from course_utils.arguments import ArgumentError
from course_utils.inference import BetaBernoulli, NormalMean
from course_utils.models.latent import LinearGaussian

TOSSES = torch.tensor([1, 0, 0, 1, 1, 1, 0, 1, 1])


@pytest.mark.concept("learn.bayesian")
def test_coin_posterior_is_prior_times_likelihood_over_evidence():
    prior = BetaBernoulli(2.5, 1.5)
    posterior = prior.posterior(TOSSES)
    theta = torch.tensor([0.1, 0.4, 0.83], dtype=torch.float64)
    k, n = int(TOSSES.sum()), len(TOSSES)
    likelihood = k * theta.log() + (n - k) * (1 - theta).log()
    by_bayes = prior.log_density(theta) + likelihood - prior.log_evidence(TOSSES)
    torch.testing.assert_close(posterior.log_density(theta), by_bayes, rtol=0, atol=1e-12)
    peer = stats.beta(2.5 + k, 1.5 + n - k)
    assert posterior.mean == pytest.approx(peer.mean(), abs=1e-14)
    assert posterior.variance == pytest.approx(peer.var(), abs=1e-14)
    expected = torch.as_tensor(peer.logpdf(theta.numpy()))
    torch.testing.assert_close(posterior.log_density(theta), expected, rtol=0, atol=1e-12)


@pytest.mark.concept("learn.bayesian")
def test_evidence_is_the_product_of_predictions_and_the_integral():
    prior = BetaBernoulli(0.7, 1.9)
    evidence = prior.log_evidence(TOSSES)
    assert evidence == pytest.approx(float(prior.log_predictive_terms(TOSSES).sum()), abs=1e-12)
    k, n = int(TOSSES.sum()), len(TOSSES)
    integral = integrate.quad(
        lambda t: stats.beta.pdf(t, 0.7, 1.9) * t**k * (1 - t) ** (n - k), 0, 1
    )[0]
    assert evidence == pytest.approx(math.log(integral), abs=1e-8)
    step_by_step, law = 0.0, prior
    for toss in TOSSES.split(1):
        step_by_step += math.log(law.mean if int(toss) else 1 - law.mean)
        law = law.posterior(toss)
    assert step_by_step == pytest.approx(evidence, abs=1e-12)
    assert (law.heads, law.tails) == pytest.approx((0.7 + k, 1.9 + n - k))


@pytest.mark.concept("learn.bayesian")
def test_evidence_of_all_sequences_sums_to_one():
    prior = BetaBernoulli(0.5, 2.0)
    all_tosses = torch.cartesian_prod(*[torch.arange(2)] * 6)
    assert math.fsum(math.exp(prior.log_evidence(x)) for x in all_tosses) == pytest.approx(1)


@pytest.mark.concept("learn.bayesian")
def test_credible_intervals_cover_90_per_cent_under_the_prior(generator):
    """θ from the prior, data from θ: all 11 counts for the coin, 3000 draws for the mean."""
    prior = BetaBernoulli(2.0, 3.0)
    inside = 0.0
    for k in range(11):
        tosses = (torch.arange(10) < k).long()
        posterior = prior.posterior(tosses)
        low, high = posterior.interval(0.9)
        mass = stats.beta.cdf(high, posterior.heads, posterior.tails)
        mass -= stats.beta.cdf(low, posterior.heads, posterior.tails)
        inside += math.comb(10, k) * math.exp(prior.log_evidence(tosses)) * mass
    assert inside == pytest.approx(0.9, abs=1e-9)

    truth = NormalMean(1.0, 2.0, 3.0)
    theta = 1 + 2 * torch.randn(3000, generator=generator, dtype=torch.float64)
    data = theta[:, None] + 3 * torch.randn(3000, 4, generator=generator, dtype=torch.float64)
    covered = 0
    for t, x in zip(theta.tolist(), data, strict=True):
        low, high = truth.posterior(x).interval(0.9)
        covered += low < t < high
    assert covered / 3000 == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 3000))


def test_coin_intervals_cover_over_repeated_draws(generator):
    covered, draws = 0, 1000
    prior = BetaBernoulli(2.0, 3.0)
    uniform = torch.rand(draws, 30, generator=generator, dtype=torch.float64)
    theta = torch.as_tensor(stats.beta.ppf(uniform[:, 0].numpy(), 2, 3))
    for t, u in zip(theta.tolist(), uniform[:, 1:], strict=True):
        low, high = prior.posterior((u < t).long()).interval(0.9)
        covered += low < t < high
    assert covered / draws == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / draws))


def test_gaussian_mean_is_the_linear_gaussian_model_with_a_column_of_ones(generator):
    prior = NormalMean(1.5, 0.8, 1.3)
    x = torch.randn(7, generator=generator, dtype=torch.float64) + 2
    posterior = prior.posterior(x)
    ones = torch.ones(7, 1, dtype=torch.float64)
    model = LinearGaussian(0.8 * ones, 1.5 * ones[:, 0], 1.3)
    law = model.posterior(x[None])
    assert posterior.mean == pytest.approx(1.5 + 0.8 * float(law.mean), abs=1e-12)
    assert posterior.std == pytest.approx(0.8 * math.sqrt(float(law.covariance)), abs=1e-12)
    assert prior.log_evidence(x) == pytest.approx(float(model.log_prob(x[None])), abs=1e-10)
    low, high = posterior.interval(0.8)
    assert stats.norm.cdf([low, high], posterior.mean, posterior.std) == pytest.approx([0.1, 0.9])
    at = torch.tensor([0.3, 2.0], dtype=torch.float64)
    expected = torch.as_tensor(stats.norm.logpdf(at.numpy(), posterior.mean, posterior.std))
    torch.testing.assert_close(posterior.log_density(at), expected)


def test_one_by_one_is_all_at_once(generator):
    x = torch.randn(5, generator=generator, dtype=torch.float64)
    law, terms = NormalMean(0.3, 2.0, 0.5), []
    for value in x.split(1):
        terms.append(law.log_evidence(value))
        law = law.posterior(value)
    whole = NormalMean(0.3, 2.0, 0.5)
    expected = whole.log_predictive_terms(x)
    torch.testing.assert_close(torch.tensor(terms, dtype=torch.float64), expected)
    assert law.mean == pytest.approx(whole.posterior(x).mean, abs=1e-12)


def test_wrong_input_is_one_line(as_user):
    with pytest.raises(ArgumentError, match="heads: expected a number > 0, got 0"):
        BetaBernoulli(0, 1.0)
    with pytest.raises(ArgumentError, match="tosses: expected values <= 1"):
        BetaBernoulli(1.0, 1.0).posterior(torch.tensor([2]))
    with pytest.raises(ArgumentError, match="level: expected a number > 0 and < 1"):
        BetaBernoulli(1.0, 1.0).interval(1.0)
    with pytest.raises(ArgumentError, match="noise: expected a number > 0"):
        NormalMean(0.0, 1.0, 0.0)
    with pytest.raises(ArgumentError, match="x: expected shape"):
        NormalMean(0.0, 1.0, 1.0).posterior(torch.ones(2, 2))
