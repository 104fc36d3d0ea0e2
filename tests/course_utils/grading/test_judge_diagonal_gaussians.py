"""Wrong divergences and products of diagonal Gaussians: each gets the message meant for it."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from course_utils.grading import find_question
from course_utils.grading.judges.diagonal_gaussians import merged

SEEDS = (0, 7, 20_261, 2**31)


def kl(m, v, a, b):
    return 0.5 * ((v - b).exp() + (m - a).square() * (-b).exp() - 1 + b - v)


def by_torch(mean, log_var, prior_mean, prior_log_var):
    laws = [
        Independent(Normal(m, (v / 2).exp()), 1)
        for m, v in ((mean, log_var), (prior_mean, prior_log_var))
    ]
    return kl_divergence(*laws)


def by_variances(m, v, a, b):
    return 0.5 * (v.exp() / b.exp() + (m - a) ** 2 / b.exp() - 1 + b - v.exp().log()).sum(-1)


DIVERGENCES = {
    "reversed": (lambda m, v, a, b: kl(a, b, m, v).sum(-1), "reversed", "exchanged"),
    "sign": (lambda m, v, a, b: -kl(m, v, a, b).sum(-1), "sign", "never negative"),
    "no half": (lambda m, v, a, b: 2 * kl(m, v, a, b).sum(-1), "no-half", "one half is lost"),
    "no constant": (lambda m, v, a, b: (kl(m, v, a, b) + 0.5).sum(-1), "constant", "equal laws"),
    "log std": (lambda m, v, a, b: kl(m, 2 * v, a, 2 * b).sum(-1), "log-std", "logarithm of a st"),
    "diag of sigma": (lambda m, v, a, b: kl(m, v / 2, a, b / 2).sum(-1), "covariance", "variances"),
    "mean": (lambda m, v, a, b: kl(m, v, a, b).mean(-1), "mean", "add them"),
    "standard prior": (
        lambda m, v, a, b: kl(m, v, 0 * a, 0 * b).sum(-1),
        "standard-prior",
        "N(0, I)",
    ),
    "no prior mean": (
        lambda m, v, a, b: kl(m, v, 0 * a, b).sum(-1),
        "no-prior-mean",
        "left out",
    ),
    "no logarithms": (lambda m, v, a, b: (kl(m, v, a, b) - 0.5 * (b - v)).sum(-1), "no-log", "log"),
    "unscaled": (
        lambda m, v, a, b: 0.5 * ((v - b).exp() + (m - a) ** 2 - 1 + b - v).sum(-1),
        "unscaled",
        "not divided by the second variance",
    ),
    "per coordinate": (kl, "shape", "sum over the coordinates"),
    "summed over the batch": (lambda m, v, a, b: kl(m, v, a, b).sum(0), "shape", "not the batch"),
    "logarithm of a variance": (by_variances, "overflow", "its logarithm is infinite"),
    "a mean of squares": (lambda m, v, a, b: m.square().sum(-1), "other", "not the divergence"),
    "clamped": (
        lambda m, v, a, b: kl(m, v.clamp_min(-20), a, b).sum(-1),
        "other",
        "wrong for very narrow",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DIVERGENCES)
def test_each_wrong_divergence_gets_its_message(name, seed, fails):
    answer, category, words = DIVERGENCES[name]
    fails("w03-gaussian-kl", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_library_and_the_master_agree_on_divergences(seed, master_of):
    def library(mean, log_var, prior_mean, prior_log_var):
        args = (mean, log_var, prior_mean, prior_log_var)
        return by_torch(*(value.double() for value in args))

    for answer in (library, master_of("week03").gaussian_kl):
        assert find_question("w03-gaussian-kl").assess(answer, seed).fraction == 1


def test_an_overflow_costs_only_its_share(fails):
    verdict = fails("w03-gaussian-kl", by_variances, "overflow", "log_var itself")
    assert verdict.fraction == pytest.approx(0.8)


def by_precisions(a, u, b, v):
    p, q = (-u).exp(), (-v).exp()
    return (p * a + q * b) / (p + q), -(p + q).log()


def mean_of(rule):
    return lambda a, u, b, v: (rule(a, u, b, v), by_precisions(a, u, b, v)[1])


def width_of(rule):
    return lambda a, u, b, v: (by_precisions(a, u, b, v)[0], rule(u, v))


MERGES = {
    "average": (mean_of(lambda a, u, b, v: (a + b) / 2), "average", "weigh them"),
    "exchanged": (
        mean_of(lambda a, u, b, v: (u.exp() * a + v.exp() * b) / (u.exp() + v.exp())),
        "exchanged",
        "narrower law counts more",
    ),
    "roots": (
        mean_of(lambda a, u, b, v: by_precisions(a, u / 2, b, v / 2)[0]),
        "roots",
        "inverse standard deviations",
    ),
    "weights not normalised": (
        mean_of(lambda a, u, b, v: (-u).exp() * a + (-v).exp() * b),
        "unnormalised",
        "do not sum to 1",
    ),
    "sum": (mean_of(lambda a, u, b, v: a + b), "sum", "sum of the two"),
    "first": (mean_of(lambda a, u, b, v: a), "first", "first law alone"),
    "variances added": (
        width_of(lambda u, v: (u.exp() + v.exp()).log()),
        "variances",
        "precisions add up",
    ),
    "precisions averaged": (
        width_of(lambda u, v: -(((-u).exp() + (-v).exp()) / 2).log()),
        "half",
        "averaged",
    ),
    "variance": (width_of(lambda u, v: 1 / ((-u).exp() + (-v).exp())), "not-log", "its logarithm"),
    "precision": (width_of(lambda u, v: ((-u).exp() + (-v).exp()).log()), "precision", "flip"),
    "deviation": (
        width_of(lambda u, v: -0.5 * ((-u).exp() + (-v).exp()).log()),
        "log-std",
        "standard deviation",
    ),
    "logs averaged": (width_of(lambda u, v: (u + v) / 2), "average", "log variances"),
    "inverse deviations": (
        width_of(lambda u, v: -2 * ((-u / 2).exp() + (-v / 2).exp()).log()),
        "roots",
        "inverse standard deviations are added",
    ),
    "precisions overflow": (by_precisions, "overflow", "use differences"),
    "mean alone": (lambda a, u, b, v: by_precisions(a, u, b, v)[0], "type", "2 results"),
    "zeros": (mean_of(lambda a, u, b, v: 0 * a), "other", "normalised product"),
    "clamped": (
        lambda a, u, b, v: by_precisions(a, u.clamp_max(80), b, v.clamp_max(80)),
        "other",
        "wrong for very wide",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", MERGES)
def test_each_wrong_merge_gets_its_message(name, seed, fails):
    answer, category, words = MERGES[name]
    fails("w04-merge", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_master_and_a_gain_in_double_precision_merge_rightly(seed, master_of):
    def gain(a, u, b, v):
        a, u, b, v = (t.double() for t in (a, u, b, v))
        return a + (b - a) * u.exp() / (u.exp() + v.exp()), -torch.logaddexp(-u, -v)

    for answer in (gain, master_of("week04").merge):
        assert find_question("w04-merge").assess(answer, seed).fraction == 1


def test_the_truth_is_the_product_of_the_densities_by_quadrature():
    args = find_question("w04-merge").instances(3)[0].args
    z = torch.linspace(-60, 60, 400_001, dtype=torch.float64)[:, None]
    at = (slice(0, 1), slice(None))
    logs = sum(
        Normal(args[f"mean_{k}"][at], (args[f"log_var_{k}"][at] / 2).exp()).log_prob(z)
        for k in "ab"
    )
    mass = logs.exp() / logs.exp().sum(0)
    mean = (mass * z).sum(0)
    variance = (mass * (z - mean).square()).sum(0)
    truth = merged(**args)
    torch.testing.assert_close(truth[0][0], mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(truth[1][0], variance.log(), rtol=0, atol=1e-8)
