"""A zoo of wrong n-gram tables: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question


def counts(x, num_symbols, context, *, lag=0, drop=0):
    table = torch.zeros((num_symbols,) * (context + 1), dtype=torch.float64)
    for row in x.tolist():
        for t in range(context + lag, len(row) - drop):
            table[(*row[t - context - lag : t - lag], row[t])] += 1
    return table


def normalised(cells, axis=-1):
    total = cells.sum(axis, keepdim=True)
    return torch.where(total > 0, cells / total, 1 / cells.shape[-1])


def denominator_a(x, v, m, a):
    table = counts(x, v, m)
    return (table + a) / (table.sum(-1, keepdim=True) + a)


def denominator_0(x, v, m, a):
    table = counts(x, v, m)
    return (table + a) / table.sum(-1, keepdim=True)


def not_a_number(x, v, m, a):
    cells = counts(x, v, m) + a
    return cells / cells.sum(-1, keepdim=True)


def zero_when_unseen(x, v, m, a):
    cells = counts(x, v, m) + a
    return cells / cells.sum(-1, keepdim=True).clamp(min=1e-9)


def joint(x, v, m, a):
    cells = counts(x, v, m) + a
    return cells / cells.sum()


SEEDS = (0, 7, 20_261, 2**31)

ZOO = {
    "no smoothing": (
        lambda x, v, m, a: normalised(counts(x, v, m)),
        "no-smoothing",
        "smoothing is missing",
    ),
    "total grows by a": (denominator_a, "denominator", "by V a, not by a"),
    "total does not grow": (denominator_0, "denominator", "not to their total"),
    "counts": (lambda x, v, m, a: counts(x, v, m), "counts", "these are counts"),
    "smoothed counts": (lambda x, v, m, a: counts(x, v, m) + a, "counts", "divided by its sum"),
    "joint": (joint, "joint", "whole table sums to one"),
    "wrong axis": (
        lambda x, v, m, a: normalised(counts(x, v, m) + a, 0),
        "wrong-axis",
        "wrong axis",
    ),
    "off by one": (
        lambda x, v, m, a: normalised(counts(x, v, m, lag=1) + a),
        "off-by-one",
        "one symbol too early",
    ),
    "last window": (
        lambda x, v, m, a: normalised(counts(x, v, m, drop=1) + a),
        "last-window",
        "last window",
    ),
    "across sequences": (
        lambda x, v, m, a: normalised(counts(x.reshape(1, -1), v, m) + a),
        "across-sequences",
        "into the next",
    ),
    "context backwards": (
        lambda x, v, m, a: normalised(counts(x, v, m) + a).permute(*reversed(range(m)), m),
        "reversed-past",
        "oldest symbol comes first",
    ),
    "0 / 0": (not_a_number, "unseen", "never seen"),
    "0 for the unseen": (zero_when_unseen, "other", "do not sum to one"),
    "whole numbers": (
        lambda x, v, m, a: counts(x, v, m).long(),
        "dtype",
        "floating-point numbers",
    ),
    "flat": (lambda x, v, m, a: counts(x, v, m).flatten(), "shape", "One axis for each symbol"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_answer_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w01-ngram", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_master_passes_public_and_hidden_instances(seed, master):
    assert find_question("w01-ngram").assess(master.ngram_table, seed).fraction == 1


@pytest.mark.parametrize("seed", range(4))
def test_an_instance_has_an_unseen_context(seed):
    args = find_question("w01-ngram").instances(seed)[2].args
    assert (counts(args["x"], args["num_symbols"], args["context"]).sum(-1) == 0).any()
