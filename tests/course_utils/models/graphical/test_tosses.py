"""Mixtures of coins with priors: evidence by quadrature and enumeration, Gibbs against both."""

import itertools
import math

import pytest
import torch
from scipy import integrate, stats
from scipy.special import betaln

from course_utils.arguments import ArgumentError
from course_utils.models.graphical import CoinTosses

TOSSES = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [1, 1, 0, 1]])


@pytest.fixture
def model() -> CoinTosses:
    return CoinTosses(5, 4, 2, heads=0.7, tails=1.3, weight=0.6)


def evidence(model, x, z):
    """p(x, z) by numerical integration over θ_0, θ_1 and π, in that order of the formula."""

    def coin(i):
        h = sum(int(x[j].sum()) for j in range(len(z)) if z[j] == i)
        t = sum(x.shape[1] - int(x[j].sum()) for j in range(len(z)) if z[j] == i)
        prior = stats.beta(model.heads, model.tails).pdf
        return integrate.quad(lambda u: u**h * (1 - u) ** t * prior(u), 0, 1)[0]

    shares = stats.beta(model.weight, model.weight).pdf
    n = sum(z)
    used = integrate.quad(lambda u: u**n * (1 - u) ** (len(z) - n) * shares(u), 0, 1)[0]
    return coin(0) * coin(1) * used


@pytest.mark.concept("pgm.bernoulli-mixture")
def test_joint_equals_quadrature_over_coins_and_shares(model):
    """Tolerance 1e-6 relative: quadrature with integrable singularities at the borders."""
    for z in ((0, 1, 0, 1, 0), (0, 0, 0, 0, 0), (1, 0, 1, 0, 0)):
        found = float(model.log_joint(TOSSES, torch.tensor(z)).exp())
        assert found == pytest.approx(evidence(model, TOSSES, z), rel=1e-6)


def test_all_data_sets_and_all_assignments_sum_to_one():
    model = CoinTosses(3, 2, 3, heads=0.5, tails=2.0, weight=1.5)
    x = torch.tensor(list(itertools.product(range(2), repeat=6))).reshape(-1, 3, 2)
    assert abs(float(model.log_prob(x).logsumexp(0))) < 1e-12
    torch.testing.assert_close(model.posterior(x).sum(1), torch.ones(64, dtype=torch.float64))


@pytest.mark.concept("pgm.bernoulli-mixture")
def test_collapsed_gibbs_reproduces_the_posterior_over_32_assignments(model, generator):
    """96,000 draws; their total variation from 32 exact probabilities is about 0.007."""
    exact = model.posterior(TOSSES[None])[0]
    z = model.gibbs(TOSSES, 330, num_chains=320, generator=generator)[30:]
    places = 2 ** torch.arange(4, -1, -1)
    counts = torch.bincount((z @ places).flatten(), minlength=32)
    assert len(exact) == 32
    distance = 0.5 * (counts / counts.sum() - exact).abs().sum()
    assert float(distance) < 0.02


def test_each_conditional_is_a_ratio_of_joints(model):
    heads = TOSSES.sum(-1).double()
    z = torch.tensor([0, 1, 1, 0, 1])
    for j in range(5):
        used = torch.nn.functional.one_hot(z, 2).double()[None]
        used[:, j] = 0
        found = model._conditional(used, heads, j)[0].softmax(-1)
        options = z.repeat(2, 1)
        options[:, j] = torch.arange(2)
        joints = model.log_joint(TOSSES.expand(2, -1, -1), options)
        torch.testing.assert_close(found, joints.softmax(-1), rtol=0, atol=1e-13)


@pytest.mark.concept("pgm.bernoulli-mixture")
def test_program_follows_the_priors_and_its_own_tosses(generator):
    model = CoinTosses(2, 1, 2, heads=2.0, tails=3.0, weight=1.5)
    x, z, theta, shares = model.generate(20_000, generator)
    assert stats.kstest(theta[:, 0], stats.beta(2, 3).cdf).pvalue > 1e-3
    assert stats.kstest(shares[:, 1], stats.beta(1.5, 1.5).cdf).pvalue > 1e-3
    every = torch.tensor(list(itertools.product(range(2), repeat=2)))[..., None]
    counts = torch.bincount(x[:, :, 0] @ torch.tensor([2, 1]), minlength=4)
    assert stats.chisquare(counts, 20_000 * model.log_prob(every).exp()).pvalue > 1e-3
    used = theta.gather(1, z)[:, 0]
    error = (x[:, 0, 0] - used).mean()
    assert abs(error) < 4 * 0.5 / math.sqrt(20_000)
    assert abs((z[:, 0] - shares[:, 1]).mean()) < 4 * 0.5 / math.sqrt(20_000)


def test_coins_given_the_assignment_are_conjugate(model):
    coins, shares = model.coin_posterior(TOSSES, torch.tensor([0, 1, 0, 1, 0]))
    assert coins.concentration1.tolist() == pytest.approx([0.7 + 10, 0.7 + 1])
    assert coins.concentration0.tolist() == pytest.approx([1.3 + 2, 1.3 + 7])
    assert shares.concentration.tolist() == pytest.approx([3.6, 2.6])


def test_one_row_is_a_beta_binomial_sequence():
    model = CoinTosses(1, 6, 3, heads=1.5, tails=0.5)
    x = torch.tensor([[[1, 1, 0, 1, 0, 1]]])
    assert float(model.log_prob(x)) == pytest.approx(betaln(5.5, 2.5) - betaln(1.5, 0.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CoinTosses(0), "rows: expected a whole number >= 1, got 0"),
        (lambda: CoinTosses(2, heads=0.0), "heads: expected a number > 0, got 0.0"),
        (
            lambda: CoinTosses(2).posterior(torch.zeros(1, 2, 2, dtype=torch.int64)),
            "x: expected shape (batch, 2, 1), got shape (1, 2, 2)",
        ),
        (
            lambda: CoinTosses(2).gibbs(torch.zeros(2, 1, dtype=torch.int64), 0),
            "num_sweeps: expected a whole number >= 1, got 0",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
