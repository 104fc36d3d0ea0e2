"""Dice with unknown chances against quadrature and enumeration."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.families import UnknownDie


def die(*concentration):
    return UnknownDie(torch.tensor(concentration, dtype=torch.float64))


@pytest.mark.concept("dist.beta-dirichlet")
@pytest.mark.parametrize(("a", "b", "heads", "tails"), [(1.0, 1.0, 3, 1), (2.5, 4.0, 0, 7)])
def test_grid_posterior_of_a_coin_is_the_updated_beta(a, b, heads, tails):
    nodes, weights = np.polynomial.legendre.leggauss(400)
    rho = (nodes + 1) / 2
    height = scipy.stats.beta.pdf(rho, a, b) * rho**heads * (1 - rho) ** tails
    posterior = height / (height @ weights / 2)
    law = die(a, b).given(torch.tensor([heads, tails])).chances
    chances = torch.stack([torch.from_numpy(rho), torch.from_numpy(1 - rho)], -1)
    inside = (rho > 0.01) & (rho < 0.99)
    found = law.log_prob(chances).exp().numpy()
    assert abs(found - posterior)[inside].max() < 1e-6
    assert law.concentration.tolist() == [a + heads, b + tails]


@pytest.mark.concept("dist.beta-dirichlet")
def test_predictions_are_the_smoothed_frequencies():
    prior, counts = die(0.5, 2.0, 1.5), torch.tensor([4, 0, 3])
    expected = [(0.5 + 4) / 11, 2.0 / 11, (1.5 + 3) / 11]
    assert prior.given(counts).predictive().tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.concept("dist.beta-dirichlet")
def test_probability_of_throws_is_the_product_of_predictions_and_sums_to_one():
    law = die(0.5, 2.0, 1.5)
    throws = torch.tensor(list(itertools.product(range(3), repeat=4)))
    by_steps = []
    for row in throws.tolist():
        total, counts = 0.0, [0, 0, 0]
        for face in row:
            now = law.given(torch.tensor(counts)).predictive()[face]
            total += math.log(now)
            counts[face] += 1
        by_steps.append(total)
    scored = law.log_prob(throws)
    torch.testing.assert_close(scored, torch.tensor(by_steps).double(), rtol=0, atol=1e-6)
    assert abs(scored.logsumexp(0)) < 1e-12


@pytest.mark.concept("dist.beta-dirichlet")
def test_the_urn_draws_from_that_law(generator):
    law = die(0.5, 2.0)
    drawn = law.sample(20_000, throws=3, generator=generator)
    throws = torch.tensor(list(itertools.product(range(2), repeat=3)))
    counts = (drawn[:, None] == throws).all(-1).sum(0)
    expected = 20_000 * law.log_prob(throws).exp()
    assert scipy.stats.chisquare(counts, expected / expected.sum() * 20_000).pvalue > 0.001


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: die(1.0, 0.0), "concentration: expected values >="),
        (lambda: die(1.0, 1.0).given(torch.tensor([1, -1])), "counts: expected values >= 0"),
        (lambda: die(1.0, 1.0).given(torch.tensor([1, 1, 1])), r"counts: expected shape \(2\)"),
        (lambda: die(1.0, 1.0).log_prob(torch.tensor([[2]])), "x: expected values <= 1"),
        (lambda: die(1.0, 1.0).sample(2, throws=0), "throws: expected"),
    ],
)
def test_bad_arguments_get_one_line(call, message, as_user):
    with pytest.raises(ArgumentError, match=message):
        call()
