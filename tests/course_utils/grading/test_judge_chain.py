"""A zoo of wrong chain rules: each fails with the message meant for it."""

import math

import pytest
import torch

from course_utils.grading import find_question


def terms(scores, x, *, axis=-1, target=0, backwards=False):
    rows = []
    for i, table in enumerate(scores):
        past = x[:, :i].flip(1) if backwards else x[:, :i]
        wanted = x[:, max(i - target, 0)] if i else x[:, 0]
        rows.append(table.log_softmax(axis)[(*past.T, wanted)])
    return torch.stack(rows, 1)


def unnormalised(scores, x):
    return sum(table[tuple(x[:, : i + 1].T)] for i, table in enumerate(scores))


def by_exponentials(scores, x):
    rows = [table.exp() / table.exp().sum(-1, keepdim=True) for table in scores]
    return sum(row[tuple(x[:, : i + 1].T)].log() for i, row in enumerate(rows))


def by_product(scores, x):
    product = 1.0
    for i, table in enumerate(scores):
        product = product * table.softmax(-1)[tuple(x[:, : i + 1].T)]
    return product.log()


def clamped(scores, x):
    rows = [(table.softmax(-1) + 1e-12).log() for table in scores]
    return sum(row[tuple(x[:, : i + 1].T)] for i, row in enumerate(rows))


SEEDS = (0, 7, 20_261, 2**31)

ZOO = {
    "first factor lost": (
        lambda s, x: terms(s, x)[:, 1:].sum(1),
        "first-factor",
        "sum to 3, not 1: is the first factor missing?",
    ),
    "last factor lost": (lambda s, x: terms(s, x)[:, :-1].sum(1), "last-factor", "last factor"),
    "sign": (lambda s, x: -terms(s, x).sum(1), "sign", "wrong sign"),
    "mean over positions": (lambda s, x: terms(s, x).mean(1), "mean", "mean over positions"),
    "bits": (lambda s, x: terms(s, x).sum(1) / math.log(2), "bits", "base 2"),
    "no logarithm": (lambda s, x: terms(s, x).sum(1).exp(), "no-log", "are probabilities"),
    "no softmax": (unnormalised, "unnormalised", "not yet normalised"),
    "wrong axis": (lambda s, x: terms(s, x, axis=0).sum(1), "wrong-axis", "over the past"),
    "off by one": (lambda s, x: terms(s, x, target=1).sum(1), "off-by-one", "symbol before it"),
    "past backwards": (
        lambda s, x: terms(s, x, backwards=True).sum(1),
        "reversed-past",
        "oldest symbol comes first",
    ),
    "sum over batch": (lambda s, x: terms(s, x).sum(), "shape", "sum or mean over the batch"),
    "exp in float32": (by_exponentials, "overflow", "overflow"),
    "product of factors": (by_product, "overflow", "vanish"),
    "constant in the log": (clamped, "other", "large ones"),
    "a constant": (lambda s, x: torch.full((len(x),), -1.0), "other", "one term per position"),
    "uniform": (
        lambda s, x: torch.full((len(x),), -math.log(len(x))).double(),
        "other",
        "sum to 1, but",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_answer_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w01-log-prob", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_master_passes_public_and_hidden_instances(seed, master):
    assert find_question("w01-log-prob").assess(master.log_prob, seed).fraction == 1


def test_an_overflow_costs_only_its_share(fails):
    verdict = fails("w01-log-prob", by_exponentials, "overflow", "log_softmax")
    assert verdict.fraction == pytest.approx(0.8)
