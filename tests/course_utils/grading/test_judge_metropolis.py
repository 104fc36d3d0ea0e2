"""Wrong steps of Metropolis and Hastings: each fails with the message meant for it."""

import numpy as np
import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.metropolis import acceptance

SEEDS = (0, 7, 20_261, 2**31)


def step(logs, q, i, j, u, *, ratio=None):
    r = (
        (logs[j] - logs[i] + q[j, i].log() - q[i, j].log())
        if ratio is None
        else ratio(logs, q, i, j)
    )
    return torch.where(u.log() < r, j, i)


def made(ratio):
    return lambda *a: step(*a, ratio=ratio)


def naive(logs, q, i, j, u):
    p = logs.exp() / logs.exp().sum()
    return torch.where(u < p[j] * q[j, i] / (p[i] * q[i, j]), j, i)


ZOO = {
    "metropolis": (made(lambda e, q, i, j: e[j] - e[i]), "metropolis", "is left out"),
    "reversed": (
        made(lambda e, q, i, j: e[j] - e[i] + q[i, j].log() - q[j, i].log()),
        "reversed",
        "way back stands on top",
    ),
    "inverse": (
        made(lambda e, q, i, j: e[i] - e[j] + q[j, i].log() - q[i, j].log()),
        "inverse",
        "new state's weight",
    ),
    "both": (
        made(lambda e, q, i, j: e[i] - e[j] + q[i, j].log() - q[j, i].log()),
        "inverse-both",
        "both ratios",
    ),
    "no weights": (
        made(lambda e, q, i, j: q[j, i].log() - q[i, j].log()),
        "no-weights",
        "do not enter",
    ),
    "not exp": (
        lambda e, q, i, j, u: torch.where(u < e[j] * q[j, i] / (e[i] * q[i, j]), j, i),
        "not-exp",
        "taken for weights",
    ),
    "greedy": (lambda e, q, i, j, u: torch.where(e[j] >= e[i], j, i), "greedy", "larger weight"),
    "always": (lambda e, q, i, j, u: j, "always", "every proposal"),
    "never": (lambda e, q, i, j, u: i, "never", "no proposal"),
    "barker": (
        lambda e, q, i, j, u: torch.where(
            u < torch.sigmoid(e[j] - e[i] + q[j, i].log() - q[i, j].log()), j, i
        ),
        "barker",
        "Barker's rule",
    ),
    "turned": (
        lambda e, q, i, j, u: torch.where(step(e, q, i, j, u) == j, i, j),
        "turned",
        "should be refused",
    ),
    "naive": (naive, "other", "overflow or vanish"),
    "elsewhere": (lambda e, q, i, j, u: (i + j + 1) % 4, "elsewhere", "neither where"),
    "kernel": (lambda e, q, i, j, u: q, "shape", "One state for each chain"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_step_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w00-metropolis", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(10))
def test_the_master_passes(seed, master_of):
    question = find_question("w00-metropolis")
    assert question.assess(master_of("week00").metropolis_hastings, seed).fraction == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_acceptance_leaves_the_law_as_it_is(seed):
    """The kernel built from it is in detailed balance, and its stationary law is the softmax."""
    args = find_question("w00-metropolis").instances(seed)[0].args
    accept = acceptance(args["log_weights"], args["proposal"])
    kernel = args["proposal"].numpy() * accept
    kernel += np.diag(1 - kernel.sum(1))
    law = args["log_weights"].softmax(0).numpy()
    flow = law[:, None] * kernel
    np.testing.assert_allclose(flow, flow.T, atol=1e-15)
    np.testing.assert_allclose(law @ kernel, law, atol=1e-14)
