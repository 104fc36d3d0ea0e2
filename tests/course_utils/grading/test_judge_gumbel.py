"""Wrong Gumbel draws: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question

SEEDS = (0, 7, 20_261, 2**31)


def gumbel(u):
    return -(-u.log()).log()


def draws(logits, uniform, temperature, *, hard=None, soft=None):
    scores = logits + gumbel(uniform) if hard is None else hard(logits, uniform)
    right = ((logits + gumbel(uniform)) / temperature).softmax(-1)
    relaxed = right if soft is None else soft(logits, gumbel(uniform), temperature)
    return scores.argmax(-1), relaxed


def hard(rule):
    return lambda logits, uniform, temperature: draws(logits, uniform, temperature, hard=rule)


def soft(rule):
    return lambda logits, uniform, temperature: draws(logits, uniform, temperature, soft=rule)


def exponentials(logits, noise, t):
    weights = ((logits + noise) / t).exp()
    return weights / weights.sum(-1, keepdim=True)


ZOO = {
    "no noise": (hard(lambda x, u: x), "no-noise", "most probable ones"),
    "one logarithm": (hard(lambda x, u: x - u.log()), "one-log", "logarithm of that again"),
    "sign of the noise": (hard(lambda x, u: x - gumbel(u)), "noise-sign", "-log(-log u)"),
    "uniform noise": (hard(lambda x, u: x + u), "uniform", "turn it into Gumbel noise"),
    "noise alone": (hard(lambda x, u: u), "noise-alone", "add the logits"),
    "probabilities": (
        hard(lambda x, u: x.softmax(-1) + gumbel(u)),
        "probabilities",
        "to their logarithms",
    ),
    "smallest": (hard(lambda x, u: -x - gumbel(u)), "smallest", "the largest is wanted"),
    "relaxed without noise": (soft(lambda x, g, t: (x / t).softmax(-1)), "no-noise", "in them"),
    "no temperature": (soft(lambda x, g, t: (x + g).softmax(-1)), "no-temperature", "leave out"),
    "times": (soft(lambda x, g, t: ((x + g) * t).softmax(-1)), "inverse", "divide by it"),
    "logits only": (
        soft(lambda x, g, t: (x / t + g).softmax(-1)),
        "only-logits",
        "and the noise is not",
    ),
    "noise only": (
        soft(lambda x, g, t: (x + g / t).softmax(-1)),
        "only-noise",
        "and the logits are not",
    ),
    "wrong axis": (soft(lambda x, g, t: ((x + g) / t).softmax(0)), "wrong-axis", "over the rows"),
    "one-hot": (
        soft(lambda x, g, t: torch.eye(4).to(x)[(x + g).argmax(-1)]),
        "hard",
        "the softmax is asked for",
    ),
    "logarithms": (soft(lambda x, g, t: ((x + g) / t).log_softmax(-1)), "log", "logarithms of"),
    "exponentials": (soft(exponentials), "overflow", "use softmax"),
    "one-hot symbols": (
        lambda x, u, t: (torch.eye(4)[draws(x, u, t)[0]], draws(x, u, t)[1]),
        "shape",
        "as its number",
    ),
    "uniform law": (soft(lambda x, g, t: 0 * x + 0.25), "other", "not the softmax"),
    "temperature clamped": (
        soft(lambda x, g, t: ((x + g) / max(t, 0.1)).softmax(-1)),
        "other",
        "wrong at a very low one",
    ),
    "symbols alone": (lambda x, u, t: draws(x, u, t)[0], "type", "2 results"),
    "first symbol": (
        lambda x, u, t: (0 * draws(x, u, t)[0], draws(x, u, t)[1]),
        "other",
        "largest",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_draw_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w04-gumbel", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_gumbel_noise_and_the_master_pass(seed, master_of):
    right = lambda logits, uniform, temperature: draws(logits, uniform, temperature)  # noqa: E731
    for answer in (right, master_of("week04").gumbel_draws):
        assert find_question("w04-gumbel").assess(answer, seed).fraction == 1


def test_an_overflow_costs_only_its_share(fails):
    verdict = fails("w04-gumbel", soft(exponentials), "overflow", "overflow")
    assert verdict.fraction == pytest.approx(0.8)
