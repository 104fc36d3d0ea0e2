"""A zoo of wrong NADEs: each fails with the message meant for it."""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from course_utils.grading import find_question


def terms(x, W, V, b, c, *, seen=0, unit=torch.sigmoid, late=False):
    """The definition, in O(d^2 H)."""
    rows = []
    for i in range(x.shape[1]):
        part = slice(i + 1, None) if late else slice(0, max(0, i + seen))
        logit = b[i] + unit(c + x[:, part] @ W[:, part].T) @ V[i]
        rows.append(logsigmoid(torch.where(x[:, i] > 0, logit, -logit)))
    return torch.stack(rows, 1)


def recursion(x, W, V, b, c, *, log=logsigmoid):
    before, total = c.expand(len(x), -1), 0.0
    for i in range(x.shape[1]):
        logit = b[i] + before.sigmoid() @ V[i]
        total = total + log(torch.where(x[:, i] > 0, logit, -logit))
        before = before + x[:, i : i + 1] * W[:, i]
    return total


def by_cumulative_sum(x, W, V, b, c):
    each = x[:, :, None] * W.T
    before = c + each.cumsum(1) - each
    logit = b + (before.sigmoid() * V).sum(-1)
    return logsigmoid(torch.where(x > 0, logit, -logit)).sum(1)


def zeros_lost(x, W, V, b, c):
    return (terms(x, W, V, b, c) * x).sum(1)


SEEDS = (0, 7, 20_261, 2**31)

ZOO = {
    "sign": (lambda *a: -terms(*a).sum(1), "sign", "wrong sign"),
    "mean": (lambda *a: terms(*a).mean(1), "mean", "mean over i"),
    "bits": (lambda *a: terms(*a).sum(1) / math.log(2), "bits", "base 2"),
    "no logarithm": (lambda *a: terms(*a).sum(1).exp(), "no-log", "are probabilities"),
    "only the ones": (zeros_lost, "zeros-lost", "x_i = 0 are missing"),
    "zeros and ones swapped": (
        lambda x, W, V, b, c: torch.log(-torch.expm1(terms(x, W, V, b, c))).sum(1),
        "flipped",
        "where x_i is 0",
    ),
    "first factor lost": (lambda *a: terms(*a)[:, 1:].sum(1), "first-factor", "first factor"),
    "sees itself": (lambda *a: terms(*a, seen=1).sum(1), "sees-itself", "already contains x_i"),
    "off by one": (lambda *a: terms(*a, seen=-1).sum(1), "off-by-one", "directly before i"),
    "looks ahead": (lambda *a: terms(*a, late=True).sum(1), "later-variables", "after i"),
    "no c": (
        lambda x, W, V, b, c: terms(x, W, V, b, 0 * c).sum(1),
        "no-hidden-bias",
        "is c missing",
    ),
    "no b": (lambda x, W, V, b, c: terms(x, W, V, 0 * b, c).sum(1), "no-bias", "is b_i missing"),
    "linear units": (
        lambda *a: terms(*a, unit=lambda h: h).sum(1),
        "no-sigmoid",
        "sigmoid of the hidden",
    ),
    "tanh": (lambda *a: terms(*a, unit=torch.tanh).sum(1), "tanh", "not tanh"),
    "sum over batch": (lambda *a: recursion(*a).sum(), "shape", "over the batch"),
    "quadratic": (lambda *a: terms(*a).sum(1), "quadratic", "times the work"),
    "log of sigmoid": (
        lambda *a: recursion(*a, log=lambda v: v.sigmoid().log()),
        "overflow",
        "logsigmoid",
    ),
    "constant in the log": (
        lambda *a: recursion(*a, log=lambda v: (v.sigmoid() + 1e-12).log()),
        "other",
        "inside a logarithm",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_answer_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w01-nade", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(4))
def test_the_master_passes_public_and_hidden_instances(seed, master):
    assert find_question("w01-nade").assess(master.nade_log_prob, seed).fraction == 1


def test_another_linear_road_passes():
    assert find_question("w01-nade").assess(by_cumulative_sum).fraction == 1


def test_a_sum_that_is_wrong_is_shown(fails):
    fails("w01-nade", ZOO["sees itself"][0], "sees-itself", "vectors sum to")
