"""Wrong bounds and wrong gaps of linear-Gaussian models: each gets the message meant for it."""

import math
import re

import pytest
import torch
from torch.distributions import MultivariateNormal as Normal
from torch.distributions import kl_divergence

from course_utils.grading import find_question
from course_utils.grading.judges import linear_gaussian as judge
from course_utils.models.latent import LinearGaussian

SEEDS = (0, 7, 20_261, 2**31)


def parts(x, weight, bias, noise, mean, covariance):
    """Log likelihood at the mean, cost of the spread, rate, reversed rate, log p(x)."""
    dim, latent = weight.shape
    square = (x - mean @ weight.T - bias).square().sum(-1)
    likelihood = -0.5 * square / noise**2 - 0.5 * dim * math.log(2 * math.pi * noise**2)
    spread = 0.5 * (weight @ covariance @ weight.T).trace() / noise**2
    q, p = (
        Normal(mean, covariance),
        Normal(torch.zeros(latent).double(), torch.eye(latent).double()),
    )
    marginal = Normal(bias, weight @ weight.T + noise**2 * torch.eye(dim).double())
    return likelihood, spread, kl_divergence(q, p), kl_divergence(p, q), marginal.log_prob(x)


def made(rule):
    def elbo(x, weight, bias, noise, mean, covariance):
        return rule(*parts(x, weight, bias, noise, mean, covariance))

    return elbo


right = made(lambda likelihood, spread, rate, back, evidence: likelihood - spread - rate)


def root_noise(x, weight, bias, noise, mean, covariance):
    return right(x, weight, bias, noise**0.5, mean, covariance)


def diagonal(x, weight, bias, noise, mean, covariance):
    return right(x, weight, bias, noise, mean, covariance.diagonal().diag())


def without_noise(x, weight, bias, noise, mean, covariance):
    return right(x, weight, bias, noise, mean, covariance) + len(bias) * math.log(noise)


BOUNDS = {
    "evidence": (made(lambda a, s, r, b, e: e), "evidence", "where is q"),
    "no spread": (made(lambda a, s, r, b, e: a - r), "no-spread", "spread costs as well"),
    "spread not halved": (made(lambda a, s, r, b, e: a - 2 * s - r), "spread-half", "one half"),
    "rate added": (made(lambda a, s, r, b, e: a - s + r), "rate-sign", "subtract it"),
    "no rate": (made(lambda a, s, r, b, e: a - s), "no-rate", "left out"),
    "reversed": (made(lambda a, s, r, b, e: a - s - b), "reversed", "q comes first"),
    "above": (made(lambda a, s, r, b, e: 2 * e - (a - s - r)), "above", "a lower bound lies below"),
    "loss": (made(lambda a, s, r, b, e: -(a - s - r)), "sign", "not the loss"),
    "no constant": (
        made(lambda a, s, r, b, e: a - s - r + 2.5 * math.log(2 * math.pi)),
        "no-constant",
        "log 2 pi",
    ),
    "no noise": (without_noise, "no-noise", "the noise is missing"),
    "noise as variance": (root_noise, "noise", "standard deviation"),
    "diagonal": (diagonal, "diagonal", "only the diagonal"),
    "batch": (made(lambda a, s, r, b, e: (a - s - r).mean().expand(3)), "batch", "over the ex"),
    "one number": (made(lambda a, s, r, b, e: (a - s - r).mean()), "shape", "for each example"),
    "far above": (made(lambda a, s, r, b, e: e + 1), "other", "exceeds log p(x)"),
    "far below": (made(lambda a, s, r, b, e: e - 100), "other", "less the divergence"),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", BOUNDS)
def test_each_wrong_bound_gets_its_message(name, seed, fails):
    answer, category, words = BOUNDS[name]
    fails("w03-elbo", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_package_and_the_master_pass(seed, master_of):
    def package(x, weight, bias, noise, mean, covariance):
        return LinearGaussian(weight, bias, noise).elbo(x, mean, covariance)

    for answer in (right, package, master_of("week03").elbo):
        assert find_question("w03-elbo").assess(answer, seed).fraction == 1


def test_for_the_posterior_the_bound_is_tight_and_saying_so_earns_its_share(fails):
    args = find_question("w03-elbo").instances(3)[1].args
    model = LinearGaussian(args["weight"], args["bias"], args["noise"])
    truth = judge.elbo(**args)
    torch.testing.assert_close(truth, model.log_prob(args["x"]), rtol=0, atol=1e-9)
    evidence = made(lambda a, s, r, b, e: e)
    assert fails("w03-elbo", evidence, "evidence", "q").fraction == pytest.approx(0.3)


def losses(case):
    """Divergences of factorised laws from the posterior, and both gaps."""
    target = Normal(case["posterior_mean"], case["posterior_covariance"])

    def loss(variances, center="posterior_mean"):
        return kl_divergence(Normal(case[center], variances.diag()), target).item()

    precision = torch.linalg.inv(case["posterior_covariance"]).diagonal()
    least = loss(1 / precision)
    in_all = loss(case["encoder_std"].square(), "encoder_mean")
    return loss, 1 / precision, {"approximation": least, "amortisation": in_all - least}


def gap_zoo(seed):
    case = find_question("w03-gaps").data(seed)
    loss, best, gaps = losses(case)
    a, b = gaps["approximation"], gaps["amortisation"]
    only_mean = loss(best, "encoder_mean") - a
    return gaps, {
        "twice": ("approximation", 2 * a, "no-half", "one half is lost"),
        "bits": ("approximation", a / math.log(2), "bits", "in bits"),
        "the other": ("approximation", b, "exchanged", "the other one"),
        "marginals": (
            "approximation",
            loss(case["posterior_covariance"].diagonal()),
            "marginals",
            "own variances",
        ),
        "in all": ("approximation", a + b, "total", "loses in all"),
        "unit": ("approximation", loss(torch.ones(3).double()), "unit", "variances of one"),
        "total": ("amortisation", a + b, "total", "no factorised law can avoid"),
        "only mean": ("amortisation", only_mean, "only-mean", "and not its width"),
        "only width": ("amortisation", b - only_mean, "only-width", "and not its mean"),
        "deviations": (
            "amortisation",
            loss(case["encoder_std"], "encoder_mean") - a,
            "std",
            "for variances",
        ),
        "exchanged": ("amortisation", a, "exchanged", "amortisation is the other"),
        "negative": ("amortisation", -b, "negative", "comes closer than the best"),
        "rounded": ("amortisation", 1.01 * b, "other", "close"),
        "far off": ("approximation", 99.0, "other", "minimise the divergence"),
        "a text": ("approximation", "0.3", "type", "expected one number"),
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", gap_zoo(0)[1])
def test_each_wrong_gap_is_named(name, seed, fails):
    gaps, zoo = gap_zoo(seed)
    key, value, category, words = zoo[name]
    verdict = fails("w03-gaps", {**gaps, key: value}, category, words, seed)
    assert verdict.fraction == 0.5
    shown = [float(n) for n in re.findall(r"\d+\.?\d*", verdict.message)]
    assert not any(abs(n - gaps[key]) < 0.005 * gaps[key] for n in shown)


@pytest.mark.parametrize("seed", range(20))
def test_right_gaps_are_right_for_every_seed(seed):
    assert find_question("w03-gaps").assess(gap_zoo(seed)[0], seed).fraction == 1


def test_gaps_written_down_are_right_for_the_public_case_only(fails):
    for seed in (1, 2, 3):
        fails("w03-gaps", gap_zoo(0)[0], "public-data", "given()", seed)


def test_no_factorised_law_comes_closer_than_the_best():
    case = find_question("w03-gaps").data(6)
    loss, _, gaps = losses(case)
    best = judge.best_variances(case["posterior_covariance"])
    assert loss(best) == pytest.approx(gaps["approximation"], abs=1e-9)
    for j in range(3):
        for factor in (0.9, 0.99, 1.01, 1.1):
            moved = best.clone()
            moved[j] *= factor
            assert loss(moved) > loss(best)
