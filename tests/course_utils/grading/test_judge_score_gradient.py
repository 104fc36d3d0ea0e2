"""Wrong score-function gradients: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.score_gradient import exact_gradient, expectation

SEEDS = (0, 7, 20_261, 2**31)


def estimate(logits, values, draws, *, weigh=None, scale=None):
    f = values[draws]
    n = draws.shape[1]
    loo = (f.sum(1, keepdim=True) - f) / (n - 1)
    weights = f - loo if weigh is None else weigh(f, loo, n)
    scores = torch.eye(len(logits), dtype=torch.float64)[draws] - logits.softmax(-1)
    if scale is not None:
        scores = scores * scale(logits.softmax(-1)[draws])[..., None]
    return (weights[..., None] * scores).mean(1)


def weighed(weigh):
    return lambda logits, values, draws: estimate(logits, values, draws, weigh=weigh)


def exact(logits, values, draws):
    return exact_gradient(logits, values).expand(len(draws), -1)


def expected_value(logits, values, draws):
    mean = logits.softmax(-1) @ values
    return estimate(logits, values, draws, weigh=lambda f, loo, n: f - mean)


def first_draw(logits, values, draws):
    """Unbiased, and not what is asked for: the first draw against the mean of the rest."""
    f = values[draws]
    scores = torch.eye(len(logits), dtype=torch.float64)[draws[:, 0]] - logits.softmax(-1)
    return (f[:, 0] - f[:, 1:].mean(1))[:, None] * scores


ZOO = {
    "no baseline": (weighed(lambda f, loo, n: f), "no-baseline", "no baseline"),
    "own value": (
        weighed(lambda f, loo, n: f - f.mean(1, keepdim=True)),
        "own-value",
        "contains the draw itself",
    ),
    "sign": (weighed(lambda f, loo, n: loo - f), "sign", "wrong sign"),
    "sum": (weighed(lambda f, loo, n: n * (f - loo)), "sum", "divide by their number"),
    "exact": (exact, "exact", "estimate it from the row's draws"),
    "known mean": (expected_value, "known-mean", "does not know"),
    "gradient of p": (
        lambda logits, values, draws: estimate(logits, values, draws, scale=lambda p: p),
        "not-log",
        "where that of log p belongs",
    ),
    "added": (weighed(lambda f, loo, n: f + loo), "added", "subtract it"),
    "one neighbour": (weighed(lambda f, loo, n: f - f.roll(1, 1)), "neighbour", "all others"),
    "wrong divisor": (weighed(lambda f, loo, n: f - loo * (n - 1) / n), "divisor", "number of all"),
    "mean over rows": (
        lambda logits, values, draws: estimate(logits, values, draws).mean(0),
        "shape",
        "for each row of draws",
    ),
    "one draw": (first_draw, "other", "right on average"),
    "half of it": (weighed(lambda f, loo, n: (f - loo) / 2), "other", "it is biased"),
    "noise": (
        lambda logits, values, draws: estimate(logits, values + torch.randn(3), draws),
        "random",
        "two different results",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_estimate_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w03-score", answer, category, words, seed)


def by_covariance(logits, values, draws):
    """The same estimate as a sample covariance of values and one-hot draws."""
    onehot = torch.eye(len(logits), dtype=torch.float64)[draws]
    f = values[draws] - values[draws].mean(1, keepdim=True)
    return (f[..., None] * onehot).sum(1) / (draws.shape[1] - 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_covariance_and_the_master_pass(seed, master_of):
    for answer in (by_covariance, master_of("week03").score_gradient):
        assert find_question("w03-score").assess(answer, seed).fraction == 1


@pytest.mark.parametrize("at", [0, 1])
def test_the_truth_is_unbiased_and_the_exact_gradient_is_autograds(at):
    args = find_question("w03-score").instances(4)[at].args
    logits = args["logits"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(logits.softmax(-1) @ args["values"], logits)
    exact = exact_gradient(args["logits"], args["values"])
    torch.testing.assert_close(exact, gradient, rtol=1e-9, atol=1e-9)
    mean = expectation(by_covariance(**args), args["logits"], args["draws"])
    torch.testing.assert_close(mean, gradient, rtol=1e-8, atol=1e-8)
