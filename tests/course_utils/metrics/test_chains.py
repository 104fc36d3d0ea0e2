"""Chain diagnostics, against autoregressions in closed form, direct sums and arviz."""

import math

import pytest
import torch
from scipy.stats import norm, rankdata

from course_utils.arguments import ArgumentError
from course_utils.metrics.chains import (
    autocorrelation,
    effective_sample_size,
    integrated_autocorrelation_time,
    monte_carlo_standard_error,
    split_r_hat,
)


def autoregression(generator, phi, num_chains, num_draws, *variables):
    """Stationary chains x_t = φ x_{t−1} + √(1−φ²) ε_t of variance 1."""
    x = torch.randn(num_chains, num_draws, *variables, generator=generator, dtype=torch.float64)
    for t in range(1, num_draws):
        x[:, t] = phi * x[:, t - 1] + math.sqrt(1 - phi**2) * x[:, t]
    return x


@pytest.mark.parametrize("unbiased", [False, True])
def test_autocorrelation_is_the_direct_sum(generator, unbiased):
    """A double loop over pairs of draws; rounding only."""
    chains = autoregression(generator, 0.5, 2, 9, 3)
    found = autocorrelation(chains, unbiased=unbiased)
    centred = chains - chains.mean(1, keepdim=True)
    for lag in range(9):
        products = [centred[:, s] * centred[:, s + lag] for s in range(9 - lag)]
        divisor = len(products) if unbiased else 9
        truth = sum(products) / divisor / centred.square().mean(1)
        torch.testing.assert_close(found[:, lag], truth, rtol=0, atol=1e-13)


@pytest.mark.concept("mcmc.diagnostics")
@pytest.mark.parametrize("phi", [-0.4, 0.0, 0.5, 0.9])
def test_autoregression_in_closed_form(generator, phi):
    """ESS = N (1−φ)/(1+φ): the mean over 60 variables within 5 %, the bias of the cut at most."""
    chains = autoregression(generator, phi, 4, 4000, 60)
    truth = 16_000 * (1 - phi) / (1 + phi)
    for kind in ("bulk", "mean"):
        ess = effective_sample_size(chains, kind=kind)
        assert ess.shape == (60,)
        assert ess.mean().item() == pytest.approx(truth, rel=0.05)
    tau = integrated_autocorrelation_time(chains)
    assert tau.mean().item() == pytest.approx((1 + phi) / (1 - phi), rel=0.05)


def test_standard_error_is_the_spread_of_means(generator):
    """The means of 400 chains of n = 2000 spread by √(Σ_st φ^|s−t|)/n, and so says the estimate.

    The exact variance of the mean comes from a double sum; 5 % for the cut of the series. The
    spread itself has a relative standard error of 1/√800.
    """
    phi, num_draws = 0.8, 2000
    chains = autoregression(generator, phi, 1, num_draws, 400)
    lags = torch.arange(1, num_draws, dtype=torch.float64)
    variance = (num_draws + 2 * ((num_draws - lags) * phi**lags).sum()) / num_draws**2
    truth = variance.sqrt().item()
    assert monte_carlo_standard_error(chains).mean().item() == pytest.approx(truth, rel=0.05)
    assert chains.mean(1).std().item() == pytest.approx(truth, rel=4 / math.sqrt(800))


def test_bulk_sees_the_order_of_the_draws_only(generator):
    """exp is monotone: ranks stay, and a law without a mean is judged as the normal one is."""
    chains = autoregression(generator, 0.7, 3, 200)
    wild = (5 * chains).exp()
    for statistic in (effective_sample_size, lambda x: effective_sample_size(-x)):
        torch.testing.assert_close(statistic(wild), statistic(chains), rtol=1e-12, atol=0)
    means = [effective_sample_size(x, kind="mean").item() for x in (wild, chains)]
    assert abs(means[0] - means[1]) > 1


def test_r_hat_by_the_definition(generator):
    """Ranks by scipy, then variance within and between the half chains."""
    chains = autoregression(generator, 0.9, 3, 21)
    halves = torch.cat([chains[:, :10], chains[:, 11:]]).numpy()
    found = []
    for values in (halves, abs(halves - torch.from_numpy(halves).quantile(0.5).item())):
        ranks = rankdata(values).reshape(values.shape)
        z = norm.ppf((ranks - 3 / 8) / (values.size + 1 / 4))
        within = z.var(1, ddof=1).mean()
        pooled = 9 / 10 * within + z.mean(1).var(ddof=1)
        found.append(math.sqrt(pooled / within))
    assert split_r_hat(chains).item() == pytest.approx(max(found), rel=1e-12)


@pytest.mark.concept("mcmc.diagnostics")
def test_r_hat_sees_place_width_and_drift(generator):
    """Below 1.01 for independent draws, above 1.5 for stuck chains; width needs folding."""
    good = torch.randn(4, 1000, generator=generator, dtype=torch.float64)
    assert split_r_hat(good).item() < 1.01
    place = good + torch.tensor([-3.0, -3.0, 3.0, 3.0])[:, None]
    width = good * torch.tensor([1.0, 1.0, 1.0, 20.0])[:, None]
    drift = good[:1] + torch.linspace(0, 8, 1000)
    assert split_r_hat(place).item() > 1.5
    assert split_r_hat(width).item() > 1.1
    assert split_r_hat(drift).item() > 1.5
    assert effective_sample_size(place).item() < 20
    assert split_r_hat(torch.tensor([[0.0, 0, 1, 1], [1, 1, 0, 0]])).item() == math.inf


@pytest.mark.parametrize("num_chains", [1, 2, 4])
@pytest.mark.parametrize("num_draws", [4, 5, 6, 7, 8, 9, 51, 400])
@pytest.mark.parametrize("phi", [-0.6, 0.0, 0.95])
def test_agrees_with_arviz(generator, num_chains, num_draws, phi):
    """Every short length, where the rule's ends are easily wrong, with and without ties."""
    arviz = pytest.importorskip("arviz_stats.base", reason="the peer is optional").array_stats
    smooth = autoregression(generator, phi, num_chains, num_draws, 3, 2)
    coarse = (10 * smooth).round()
    coarse[:, 0] = coarse.max() + 1
    for chains in (smooth, coarse):
        peer = chains.permute(2, 3, 0, 1).numpy()
        pairs = [
            (effective_sample_size(chains), arviz.ess(peer, method="bulk")),
            (effective_sample_size(chains, kind="mean"), arviz.ess(peer, method="mean")),
            (monte_carlo_standard_error(chains), arviz.mcse(peer, method="mean")),
            (autocorrelation(chains).permute(2, 3, 0, 1), arviz.autocorr(peer)),
        ]
        if num_chains > 1:
            pairs.append((split_r_hat(chains), arviz.rhat(peer, method="rank")))
        for found, truth in pairs:
            torch.testing.assert_close(found, torch.as_tensor(truth), rtol=1e-10, atol=1e-12)


def test_single_precision_and_one_variable(generator):
    chains = autoregression(generator, 0.5, 2, 100)
    found = effective_sample_size(chains.float())
    assert found.shape == () and found.dtype == torch.float64
    torch.testing.assert_close(found, effective_sample_size(chains.float().double()))


@pytest.mark.parametrize(
    ("chains", "message"),
    [
        (torch.zeros(2, 3), "chains: expected at least 4 draws per chain, got 3"),
        (torch.rand(5), "chains: expected axes (chain, draw, *variables), got shape (5,)"),
        (torch.ones(2, 5, 3), "chains: expected chains that move, got 6 constant of 6"),
        (
            torch.tensor([[0.0, 0, 1, 0, 0]]),
            "chains: expected chains that move, got one that left its value once",
        ),
        (
            torch.full((2, 5), math.nan),
            "chains: expected finite values, got 10 NaN or infinite of 10",
        ),
        (torch.ones(2, 5, dtype=torch.long), "chains: expected dtype float, got dtype torch.int64"),
    ],
)
@pytest.mark.parametrize(
    "statistic",
    [
        effective_sample_size,
        integrated_autocorrelation_time,
        split_r_hat,
        monte_carlo_standard_error,
    ],
)
def test_bad_chains(as_user, statistic, chains, message):
    with pytest.raises(ArgumentError) as error:
        statistic(chains)
    assert str(error.value) == message


def test_bad_kind(as_user):
    with pytest.raises(ArgumentError) as error:
        effective_sample_size(torch.rand(2, 9), kind="tail")
    assert str(error.value) == "kind: expected one of 'bulk', 'mean', got 'tail'"
