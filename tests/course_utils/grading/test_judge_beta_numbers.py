"""Numbers of a linear beta-VAE: every known mistake is named, and no message holds the truth."""

import re

import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.beta_numbers import _wrong_counts, level_of

SEEDS = (0, 7, 20_261, 2**31)


def case_of(seed):
    case = find_question("w04-active").data(seed)
    dim, variance = len(case["covariance"]), case["noise"] ** 2
    beta = case["weight"] * dim / (2 * variance)
    powers = torch.linalg.eigvalsh(case["covariance"])

    def above(level):
        return int((powers > level).sum())

    return case, dim, variance, beta, above, {"beta": beta, "active": above(beta * variance)}


def betas(seed):
    case, dim, variance, beta, _, _ = case_of(seed)
    return {
        "the weight": (case["weight"], "weight", "as it stands"),
        "no mean": (beta / dim, "no-mean", "forgets that the first term is a mean"),
        "no half": (2 * beta, "no-half", "one half"),
        "no noise": (case["weight"] * dim, "no-noise", "leaves out the noise"),
        "noise as variance": (beta * variance**0.5, "noise", "standard deviation"),
        "upside down": (1 / beta, "inverse", "upside down"),
        "no weight": (beta / case["weight"], "no-weight", "weight of the divergence"),
        "rounded": (1.01 * beta, "other", "close"),
        "far off": (-7.0, "other", "that of the bound"),
        "a text": ("1", "type", "expected one number"),
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", betas(0))
def test_each_wrong_beta_is_named(name, seed, fails):
    right = case_of(seed)[-1]
    value, category, words = betas(seed)[name]
    verdict = fails("w04-active", {**right, "beta": value}, category, words, seed)
    assert verdict.fraction == 0.5
    shown = [float(n) for n in re.findall(r"\d+\.\d+", verdict.message)]
    assert not any(abs(n - right["beta"]) < 0.005 * right["beta"] for n in shown)


def counts(seed):
    case, dim, variance, beta, above, right = case_of(seed)
    return {
        "all": (dim, "switched off"),
        "inactive": (dim - right["active"], "those that are switched off"),
        "no-beta": (above(variance), "as if beta were 1"),
        "weight": (above(case["weight"] * variance), "takes the weight for beta"),
        "roots": (above((beta * variance) ** 2), "standard deviations with a variance"),
    }


def test_each_wrong_count_is_named_where_it_is_a_number_of_its_own(fails):
    seen = set()
    for seed in (*SEEDS, *range(1, 25)):
        case, *_, right = case_of(seed)
        told = {category: value for category, _, value in _wrong_counts(case)}
        public = case_of(0)[-1]["active"]
        for category, (value, words) in counts(seed).items():
            if category in told and (value != public or seed == 0):
                assert told[category] == value
                fails("w04-active", {**right, "active": value}, category, words, seed)
                seen.add(category)
    assert seen == set(counts(0))


@pytest.mark.parametrize("seed", SEEDS)
def test_other_counts_get_the_general_sentence(seed, fails):
    right = case_of(seed)[-1]
    fails("w04-active", {**right, "active": 99}, "other", "compare each variance", seed)
    fails("w04-active", {**right, "active": right["active"] + 0.5}, "other", "", seed)


@pytest.mark.parametrize("seed", range(20))
def test_eigenvalues_above_the_level_are_right_for_every_seed(seed):
    case, *_, right = case_of(seed)
    assert find_question("w04-active").assess(right, seed).fraction == 1
    assert level_of(case) == pytest.approx(case["weight"] * len(case["covariance"]) / 2)
    assert 0 < right["active"] < case["num_latents"]


def test_numbers_written_down_are_right_for_the_public_case_only():
    question = find_question("w04-active")
    for seed in range(1, 6):
        verdict = question.assess(case_of(0)[-1], seed)
        assert verdict.mistake == "public-data" and verdict.fraction <= 0.5


def test_the_optimum_of_the_loss_itself_has_that_many_active_latents():
    """Gradient descent on the loss as the question writes it, with the means in closed form."""
    case, dim, *_, right = case_of(3)
    generator = torch.Generator().manual_seed(0)
    shapes = ((dim, dim), (dim, dim), (dim,))
    maps = [0.3 * torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    encoder, decoder, log_std = (m.requires_grad_() for m in maps)
    optimizer = torch.optim.Adam([encoder, decoder, log_std], lr=0.03)
    for step in range(1200):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / 1200)
        off = torch.eye(dim).double() - decoder @ encoder
        spread = log_std.mul(2).exp()
        error = (off @ case["covariance"] * off).sum() + (decoder.square() @ spread).sum()
        powers = (encoder @ case["covariance"] * encoder).sum(1)
        rate = 0.5 * (powers + spread - 1 - 2 * log_std).sum()
        optimizer.zero_grad()
        (error / dim + case["weight"] * rate).backward()
        optimizer.step()
    used = encoder.detach() @ case["covariance"] @ encoder.detach().T
    signal = torch.linalg.eigvalsh(used)
    assert int((signal > 1e-3).sum()) == right["active"]
