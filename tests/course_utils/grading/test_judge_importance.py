"""Wrong importance-weighted bounds: each fails with the message meant for it."""

import math

import pytest

from course_utils.grading import find_question

SEEDS = (0, 7, 20_261, 2**31)


def bound(log_weights, k):
    return (log_weights.unflatten(0, (-1, k)).logsumexp(1) - math.log(k)).mean(0)


def naive(log_weights, k):
    return log_weights.exp().unflatten(0, (-1, k)).mean(1).log().mean(0)


ZOO = {
    "not divided": (lambda w, k: bound(w, k) + math.log(k), "no-divisor", "not divided by k"),
    "divided by all": (
        lambda w, k: bound(w, k) + math.log(k) - math.log(len(w)),
        "all-draws",
        "number of all draws",
    ),
    "elbo": (lambda w, k: w.mean(0), "elbo", "k = 1"),
    "one group": (lambda w, k: bound(w, len(w)), "one-group", "all draws form one group"),
    "k groups": (lambda w, k: bound(w, len(w) // k), "exchanged", "groups of k"),
    "interleaved": (
        lambda w, k: (w.unflatten(0, (k, -1)).logsumexp(0) - math.log(k)).mean(0),
        "interleaved",
        "should take neighbours",
    ),
    "sum": (lambda w, k: bound(w, k) * (len(w) // k), "sum", "take their mean"),
    "largest": (lambda w, k: w.unflatten(0, (-1, k)).amax(1).mean(0), "best", "largest weight"),
    "sign": (lambda w, k: -bound(w, k), "sign", "not a loss"),
    "weight": (lambda w, k: w.exp().mean(0), "not-log", "not its logarithm"),
    "over the batch": (lambda w, k: bound(w, k).mean().expand(4), "batch", "for each is asked for"),
    "over the draws": (lambda w, k: w.mean(1), "shape", "for each example"),
    "naive": (naive, "overflow", "take out the largest"),
    "zero": (lambda w, k: 0 * w[0], "other", "logarithm of the mean weight"),
    "clamped": (lambda w, k: bound(w.clamp_min(-100), k), "other", "wrong for very small"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_bound_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w03-iwae", answer, category, words, seed)


def test_vanishing_weights_cost_only_their_share(fails):
    assert fails("w03-iwae", naive, "overflow", "vanish").fraction == pytest.approx(0.8)


@pytest.mark.parametrize("seed", range(20))
def test_double_precision_sums_and_the_master_pass(seed, master_of):
    def shifted(log_weights, k):
        groups = log_weights.double().unflatten(0, (-1, k))
        top = groups.amax(1, keepdim=True)
        return ((groups - top).exp().mean(1).log() + top[:, 0]).mean(0)

    for answer in (shifted, master_of("week03").importance_bound):
        assert find_question("w03-iwae").assess(answer, seed).fraction == 1


def test_larger_groups_give_larger_bounds():
    args = find_question("w03-iwae").instances(2)
    weights = args[0].args["log_weights"]
    assert (bound(weights, 1) <= bound(weights, 3)).all()
    assert (bound(weights, 3) <= bound(weights, 12)).all()
