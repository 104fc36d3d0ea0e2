"""A zoo of wrong MADE masks: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question


def masks(rank, degrees, *, hidden=torch.ge, output=torch.gt):
    layers = [rank, *degrees]
    inner = [hidden(b[:, None], a[None]) for a, b in zip(layers, degrees, strict=False)]
    return [*inner, output(rank[:, None], layers[-1][None])]


def rank_of(order):
    return order.argsort() + 1


SEEDS = (0, 7, 20_261, 2**31)

ZOO = {
    "order taken for rank": (
        lambda o, d: masks(o + 1, d),
        "order-as-rank",
        "its inverse",
    ),
    "ranks from zero": (lambda o, d: masks(o.argsort(), d), "off-by-one", "rank 1, not 0"),
    "hidden strict": (
        lambda o, d: masks(rank_of(o), d, hidden=torch.gt),
        "strict-hidden",
        "not strict",
    ),
    "output not strict": (
        lambda o, d: masks(rank_of(o), d, output=torch.ge),
        "strict-output",
        "their own input",
    ),
    "complement": (
        lambda o, d: [~m for m in masks(rank_of(o), d)],
        "reversed",
        "wrong way round",
    ),
    "order backwards": (
        lambda o, d: masks(rank_of(o.flip(0)), d),
        "reversed-order",
        "runs backwards",
    ),
    "transposed": (
        lambda o, d: [m.T for m in masks(rank_of(o), d)],
        "transposed",
        "(outputs, inputs)",
    ),
    "everything kept": (
        lambda o, d: [torch.ones_like(m) for m in masks(rank_of(o), d)],
        "other",
        "depends on itself",
    ),
    "nothing kept": (
        lambda o, d: [torch.zeros_like(m) for m in masks(rank_of(o), d)],
        "other",
        "no path leads from input",
    ),
    "one weight short": (
        lambda o, d: [
            m & (torch.rand(m.shape, generator=_seeded()) > 0.03) for m in masks(rank_of(o), d)
        ],
        "other",
        "few or too many",
    ),
    "last mask missing": (lambda o, d: masks(rank_of(o), d)[:-1], "type", "expected a list of 2"),
    "ranks in the masks": (
        lambda o, d: [2 * m.long() for m in masks(rank_of(o), d)],
        "dtype",
        "other than true and false",
    ),
}


def _seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_answer_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w01-made-masks", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_master_passes_public_and_hidden_instances(seed, master):
    assert find_question("w01-made-masks").assess(master.made_masks, seed).fraction == 1


def test_zeros_and_ones_serve_as_masks():
    answer = lambda o, d: [m.float() for m in masks(rank_of(o), d)]  # noqa: E731
    assert find_question("w01-made-masks").assess(answer).fraction == 1
