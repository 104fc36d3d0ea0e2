"""A zoo of wrong nuclei, and the implementation of the course."""

import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.nucleus import smallest_set
from course_utils.samplers import truncation

SEEDS = (0, 7, 20_261, 2**31)


def cut(logits, p, *, keep, undo=True, normalise=True, descending=True):
    probs, order = logits.softmax(-1).sort(dim=-1, descending=descending)
    kept = probs * keep(probs, p)
    if normalise:
        kept = kept / kept.sum(-1, keepdim=True)
    return torch.zeros_like(kept).scatter(-1, order, kept) if undo else kept


def before(probs, p):
    return (probs.cumsum(-1) - probs < p) | (p == 1)


def until(probs, p):
    return probs.cumsum(-1) <= p


def one_more(probs, p):
    mass = probs.cumsum(-1) - 2 * probs
    mass[..., 1:] = (probs.cumsum(-1) - probs)[..., :-1]
    mass[..., 0] = 0
    return mass < p


def in_place(logits, p):
    probs = logits.softmax(-1)
    kept = probs * before(probs, p)
    return kept / kept.sum(-1, keepdim=True)


def threshold(logits, p):
    probs = logits.softmax(-1)
    kept = probs * (probs >= 1 - p)
    return kept / kept.sum(-1, keepdim=True)


def by_exponentials(logits, p):
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    ordered, order = probs.sort(dim=-1, descending=True)
    kept = ordered * before(ordered, p)
    return torch.zeros_like(kept).scatter(-1, order, kept / kept.sum(-1, keepdim=True))


ZOO = {
    "the last one lost": (
        lambda a, p: cut(a, p, keep=until),
        "crossing",
        "reaches p is dropped",
    ),
    "one more": (lambda a, p: cut(a, p, keep=one_more), "one-more", "one symbol more"),
    "not normalised": (
        lambda a, p: cut(a, p, keep=before, normalise=False),
        "unnormalised",
        "do not sum to 1",
    ),
    "still sorted": (
        lambda a, p: cut(a, p, keep=before, undo=False),
        "not-undone",
        "still in sorted order",
    ),
    "never sorted": (in_place, "unsorted", "sort them by probability"),
    "ascending": (
        lambda a, p: cut(a, p, keep=before, descending=False),
        "no-cut",
        "nothing is cut off",
    ),
    "threshold": (threshold, "threshold", "threshold for single probabilities"),
    "nothing cut": (lambda a, p: a.softmax(-1), "no-cut", "nothing is cut off"),
    "logits": (
        lambda a, p: truncation.nucleus(a, p),
        "logits",
        "probabilities are asked for",
    ),
    "one row": (lambda a, p: cut(a, p, keep=before)[0], "shape", "each symbol of each row"),
    "exponentials": (by_exponentials, "overflow", "use softmax"),
    "top two": (
        lambda a, p: truncation.top_k(a, 2).softmax(-1),
        "other",
        "another set than the smallest",
    ),
    "sharper": (
        lambda a, p: truncation.nucleus(a, p).mul(2).softmax(-1),
        "other",
        "other probabilities than the softmax",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_answer_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w02-nucleus", answer, category, words, seed)


def test_a_row_without_a_symbol_is_named(fails):
    """Right for wide nuclei, empty where the first symbol has more than p."""

    def partly(logits, p):
        keep = until if p == 0.3 else before
        return cut(logits, p, keep=keep)

    verdict = fails("w02-nucleus", partly, "empty", "belongs to the set")
    assert verdict.fraction == pytest.approx(0.8)


@pytest.mark.parametrize("seed", range(20))
def test_the_course_and_the_master_pass(seed, master_of):
    def course(logits, p):
        return truncation.nucleus(logits, p).softmax(-1)

    for answer in (course, master_of("week02").nucleus):
        assert find_question("w02-nucleus").assess(answer, seed).fraction == 1


def test_the_smallest_set_by_hand():
    probs = torch.tensor([[0.1, 0.5, 0.05, 0.2, 0.1, 0.05]]).double()
    wanted = torch.tensor([[0.0, 0.5, 0.0, 0.2, 0.0, 0.0]]).double() / 0.7
    torch.testing.assert_close(smallest_set(probs.log(), 0.65), wanted)
