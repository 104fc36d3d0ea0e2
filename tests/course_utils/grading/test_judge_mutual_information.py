"""Wrong mutual information gaps: each fails with the message meant for it."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score

from course_utils.grading import find_question
from course_utils.grading.judges.mutual_information import _informations

SEEDS = (0, 7, 20_261, 2**31)


def pieces(tables):
    """Informations of all pairs, entropies of factors, entropies of codes."""
    v, z = tables.sum(-1), tables.sum(-2)
    product = v[..., :, None] * z[..., None, :]
    terms = torch.xlogy(tables, tables) - torch.xlogy(tables, product)
    entropies = [torch.special.entr(p).sum(-1) for p in (v, z)]
    return terms.sum((-1, -2)), entropies[0][:, 0], entropies[1]


def top(rows, at=0):
    return rows.sort(dim=-1, descending=True).values[:, at]


def gaps(tables):
    informations, entropies, _ = pieces(tables)
    return (top(informations) - top(informations, 1)) / entropies


def made(rule):
    def information_gaps(tables):
        return rule(*pieces(tables))

    return information_gaps


def published(i, h, c):
    """The gap between factors, for the latent that says most about each."""
    best = i.argmax(1)
    rows = []
    for k, j in enumerate(best):
        others = [i[l, j] for l in range(len(i)) if l != k]  # noqa: E741
        rows.append((i[k, j] - max(others)) / h[k])
    return torch.stack(rows)


def without_zeros(tables):
    v, z = tables.sum(-1, keepdim=True), tables.sum(-2, keepdim=True)
    informations = (tables * (tables / (v * z)).log()).sum((-1, -2))
    entropies = -(v * v.log()).sum((-1, -2))[:, 0]
    return (top(informations) - top(informations, 1)) / entropies


def code_entropy(i, h, c):
    return (top(i) - top(i, 1)) / c[torch.arange(len(c)), i.argmax(1)]


ZOO = {
    "published": (made(published), "over-factors", "take it between latents"),
    "not divided": (made(lambda i, h, c: top(i) - top(i, 1)), "not-divided", "not divided"),
    "entropy of the code": (made(code_entropy), "code-entropy", "that of the factor"),
    "log of the states": (
        made(lambda i, h, c: (top(i) - top(i, 1)) / math.log(3)),
        "log-states",
        "number of states",
    ),
    "largest information": (
        made(lambda i, h, c: (top(i) - top(i, 1)) / top(i)),
        "relative",
        "not by the entropy",
    ),
    "no second": (made(lambda i, h, c: top(i) / h), "largest", "subtract the second"),
    "smallest": (
        made(lambda i, h, c: (top(i) - top(i, -1)) / h),
        "smallest",
        "second largest is wanted",
    ),
    "mean of the others": (
        made(lambda i, h, c: (top(i) - (i.sum(1) - top(i)) / 3) / h),
        "mean",
        "not the largest of them",
    ),
    "mean over factors": (
        made(lambda i, h, c: ((top(i) - top(i, 1)) / h).mean().expand(3)),
        "factors",
        "for each is asked for",
    ),
    "one number": (lambda tables: gaps(tables).mean(), "shape", "One gap for each factor"),
    "one per latent": (made(lambda i, h, c: i[0]), "shape", "for each factor"),
    "sign": (lambda tables: -gaps(tables), "sign", "wrong sign"),
    "empty cells": (without_zeros, "empty-cell", "an empty cell counts 0"),
    "ones": (lambda tables: 0 * gaps(tables) + 2, "other", "say most about each factor"),
    "zeros skipped wrongly": (
        lambda tables: gaps(torch.where(tables == 0, 1e-3, tables)),
        "other",
        "a factor held twice",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_gap_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w04-mig", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_informations_by_logarithms_and_the_master_pass(seed, master_of):
    for answer in (gaps, master_of("week04").information_gaps):
        assert find_question("w04-mig").assess(answer, seed).fraction == 1


def test_copies_have_the_gaps_one_zero_zero_and_the_published_formula_does_not_see_it(fails):
    tables = find_question("w04-mig").instances()[1].args["tables"]
    torch.testing.assert_close(gaps(tables), torch.tensor([1.0, 0, 0]).double())
    assert published(*pieces(tables))[1] == pytest.approx(1)
    assert fails("w04-mig", without_zeros, "empty-cell", "NaN").fraction == pytest.approx(0.7)


def test_the_truth_agrees_with_a_library_on_counts():
    tables = find_question("w04-mig").instances(2)[0].args["tables"]
    whole = (1e5 * tables).round()
    informations, _ = _informations(whole / whole.sum((-1, -2), keepdim=True))
    for k in range(3):
        for j in range(4):
            library = mutual_info_score(None, None, contingency=whole[k, j].numpy())
            assert float(informations[k, j]) == pytest.approx(library, abs=1e-10)
    torch.testing.assert_close(tables.sum((-1, -2)), torch.ones(3, 4).double())
