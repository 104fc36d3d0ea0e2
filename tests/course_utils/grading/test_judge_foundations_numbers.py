"""Wrong variances and divergences: each fails with the message meant for it."""

import math

import pytest
import torch
from torch import distributions

from course_utils.grading import find_question
from course_utils.grading.judges.foundations_numbers import divergence, expected_variance

SEEDS = (0, 7, 20_261, 2**31)


def variance_of(case):
    mean = sum(p * v for p, v in zip(case["probabilities"], case["values"], strict=True))
    return sum(
        p * (v - mean) ** 2 for p, v in zip(case["probabilities"], case["values"], strict=True)
    )


def kl(laws, one, two, *, logs=1.0, means=1.0, constant=2.0, diagonal=False):
    p, q = (
        laws[f"covariance_{k}"].diagonal().diag() if diagonal else laws[f"covariance_{k}"]
        for k in (one, two)
    )
    away = laws[f"mean_{two}"] - laws[f"mean_{one}"]
    inverse = torch.linalg.inv(q)
    total = (inverse @ p).trace() + means * (away @ inverse @ away) - constant
    return 0.5 * float(total + logs * (torch.logdet(q) - torch.logdet(p)))


EXPECTED = {
    "unbiased": (lambda v, n: v, "unbiased", "closer to the sample"),
    "of the mean": (lambda v, n: v / n, "of-mean", "variance of the mean"),
    "wrong way": (lambda v, n: v * n / (n - 1), "n-minus-one", "wrong way"),
    "std": (lambda v, n: math.sqrt(v * (n - 1) / n), "std", "square it"),
    "sum": (lambda v, n: v * (n - 1), "sum", "sum of squares"),
    "nonsense": (lambda v, n: 2.345 * v, "other", "list all samples"),
}
FACTOR = {
    "inverse": (lambda n: (n - 1) / n, "inverse", "upside down"),
    "n plus one": (lambda n: (n + 1) / n, "n-plus-one", "of n + 1 draws"),
    "root": (lambda n: math.sqrt(n / (n - 1)), "root", "standard deviation"),
    "n": (lambda n: n, "n", "number of draws"),
    "nonsense": (lambda n: 7.7, "other", "times expected"),
}
FORWARD = {
    "exchanged": (lambda c: kl(c, "q", "p"), "exchanged", "the other"),
    "no half": (lambda c: 2 * kl(c, "p", "q"), "no-half", "factor one half"),
    "bits": (lambda c: kl(c, "p", "q") / math.log(2), "bits", "nats are asked"),
    "no logs": (lambda c: kl(c, "p", "q", logs=0), "no-logs", "lacks the logarithm"),
    "logs": (lambda c: kl(c, "p", "q", logs=-1), "logs-sign", "wrong sign"),
    "no means": (lambda c: kl(c, "p", "q", means=0), "no-means", "part of the means"),
    "constant": (lambda c: kl(c, "p", "q", constant=0), "constant", "lacks the constant"),
    "diagonal": (lambda c: kl(c, "p", "q", diagonal=True), "uncorrelated", "diagonals"),
    "nonsense": (lambda c: 99.0, "other", "difference of log densities"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", EXPECTED)
def test_each_wrong_expectation_gets_its_message(name, seed, fails):
    value, category, words = EXPECTED[name]
    case = find_question("w00-variance").data(seed)
    n = case["num_draws"]
    answer = {"expected": value(variance_of(case), n), "factor": n / (n - 1)}
    fails("w00-variance", answer, category, words, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FACTOR)
def test_each_wrong_factor_gets_its_message(name, seed, fails):
    value, category, words = FACTOR[name]
    case = find_question("w00-variance").data(seed)
    n = case["num_draws"]
    answer = {"expected": variance_of(case) * (n - 1) / n, "factor": value(n)}
    fails("w00-variance", answer, category, words, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FORWARD)
def test_each_wrong_divergence_gets_its_message(name, seed, fails):
    value, category, words = FORWARD[name]
    case = find_question("w00-kl").data(seed)
    if category == "logs-sign" and value(case) < 0:
        category, words = "negative", "never is"
    if category == "no-logs" and value(case) < 0:
        category, words = "negative", "never is"
    answer = {"forward": value(case), "reverse": kl(case, "q", "p")}
    fails("w00-kl", answer, category, words, seed)


def test_numbers_of_the_public_case_do_not_pass_elsewhere(fails):
    case = find_question("w00-kl").data(0)
    answer = {"forward": kl(case, "p", "q"), "reverse": kl(case, "q", "p")}
    assert find_question("w00-kl").assess(answer, 0).fraction == 1
    fails("w00-kl", answer, "public-data", "public data only", 7)


@pytest.mark.parametrize("seed", SEEDS)
def test_truths_are_the_closed_forms(seed):
    case = find_question("w00-variance").data(seed)
    n = case["num_draws"]
    wanted = variance_of(case) * (n - 1) / n
    assert expected_variance(**case) == pytest.approx(wanted, rel=1e-12)
    laws = find_question("w00-kl").data(seed)
    p, q = (
        distributions.MultivariateNormal(laws[f"mean_{k}"], laws[f"covariance_{k}"]) for k in "pq"
    )
    found = divergence(p.mean, p.covariance_matrix, q.mean, q.covariance_matrix)
    assert found == pytest.approx(float(distributions.kl_divergence(p, q)), rel=1e-10)
