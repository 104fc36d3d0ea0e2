"""Heights and coin tosses: fitted by hand and by autograd, drawn, and scored."""

import math

import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.families import draw, fit_bernoulli, fit_normal


@pytest.mark.concept("found.gaussian-heights")
def test_fits_are_where_the_gradient_of_the_likelihood_vanishes(generator):
    x = 170 + 7 * torch.randn(40, generator=generator, dtype=torch.float64)
    law = fit_normal(x)
    mean, std = law.mean.clone().requires_grad_(), law.stddev.clone().requires_grad_()
    torch.distributions.Normal(mean, std).log_prob(x).sum().backward()
    assert abs(mean.grad) < 1e-10 and abs(std.grad) < 1e-10
    tosses = torch.tensor([1, 0, 0, 1, 1, 0, 1])
    coin = fit_bernoulli(tosses)
    assert abs(coin.probs - 4 / 7) < 1e-15
    rho = coin.probs.clone().requires_grad_()
    torch.distributions.Bernoulli(rho).log_prob(tosses.double()).sum().backward()
    assert abs(rho.grad) < 1e-10


@pytest.mark.concept("found.gaussian-heights")
def test_the_variance_comes_out_too_small_by_the_factor_known(generator):
    """20,000 times five numbers; the estimates' own spread gives the standard error."""
    for n in (2, 5, 20):
        x = 3 * torch.randn(20_000, n, generator=generator, dtype=torch.float64)
        fits = torch.stack([fit_normal(row).variance for row in x[:2000]])
        torch.testing.assert_close(fits, x[:2000].var(1, correction=0))
        estimates = x.var(1, correction=0)
        error = float(estimates.std()) / math.sqrt(len(x))
        assert abs(float(estimates.mean()) - 9 * (n - 1) / n) < 3 * error


@pytest.mark.concept("found.gaussian-heights")
def test_draws_match_the_fitted_laws(generator):
    x = torch.randn(30, generator=generator, dtype=torch.float64)
    law = fit_normal(x)
    drawn = draw(law, 100_000, generator=generator)
    test = scipy.stats.kstest(drawn.numpy(), scipy.stats.norm(law.mean, law.stddev).cdf)
    assert test.pvalue > 0.001
    coin = fit_bernoulli(torch.tensor([1, 0, 0, 0, 1]))
    heads = int(draw(coin, 100_000, generator=generator).sum())
    assert scipy.stats.chisquare([heads, 100_000 - heads], [40_000, 60_000]).pvalue > 0.001


@pytest.mark.concept("found.gaussian-heights")
def test_there_is_a_coin_for_every_place():
    x = torch.tensor([[0, 1, 1], [1, 1, 0]])
    assert fit_bernoulli(x).probs.tolist() == [0.5, 1.0, 0.5]


def test_data_without_a_maximum_get_one_line(as_user):
    with pytest.raises(ArgumentError, match="x: expected at least two different values, got one"):
        fit_normal(torch.full((4,), 2.0))
    with pytest.raises(ArgumentError, match="x: expected values <= 1, got a value of 2"):
        fit_bernoulli(torch.tensor([0, 2]))
