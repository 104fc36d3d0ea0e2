"""Numbers: every wrong unit or average is named, and no message holds the right value."""

import math
import re

import numpy as np
import pytest
import torch

from course_utils.grading import find_question, given
from course_utils.worlds.sequences import MarkovSource

SEEDS = (0, 7, 20_261, 2**31)


def rates(seed):
    """The entropy rate of the seed's chain, and what the usual mistakes give for it."""
    table = find_question("w01-entropy-rate").data(seed)["transition"]
    law = torch.linalg.matrix_power(table, 500)[0]
    rows = -(table * table.log()).sum(1)
    rate, one = float(law @ rows), float(-(law * law.log()).sum())
    return rate, {
        "bits": (rate / math.log(2), "bits", "in bits"),
        "sign": (-rate, "sign", "wrong sign"),
        "plain mean": (float(rows.mean()), "unweighted", "how often"),
        "sum": (float(rows.sum()), "sum", "weighted mean"),
        "marginal": (one, "marginal", "one symbol alone"),
        "pair": (one + rate, "joint", "pair of symbols"),
        "perplexity": (math.exp(rate), "perplexity", "take its logarithm"),
        "uniform": (math.log(3), "uniform", "log V"),
        "rounded": (rate * 1.01, "other", "close"),
        "far off": (7.0, "other", "stationary distribution"),
        "NaN": (math.nan, "nan", "finite"),
        "text": ("0.5 nats", "type", "expected one number"),
        "vector": (rows, "type", "shape (3,)"),
        "truth value": (True, "type", "expected one number"),
    }


def units(seed):
    """The three right numbers of a seed, and wrong ones with the entry they stand for."""
    data = find_question("w01-units").data(seed)
    pixels, levels = data["num_pixels"], data["highest_level"] + 1
    image, mean = data["nats_per_image"], data["nats_per_text"] / data["num_characters"]
    right = {
        "bits_per_dim": image / pixels / math.log(2),
        "uniform_bits_per_dim": math.log2(levels),
        "perplexity": math.exp(mean),
    }
    bits, uniform, text = right
    return right, {
        "nats per pixel": (bits, image / pixels, "nats", "a bit is log 2 nats"),
        "whole image": (bits, image / math.log(2), "no-mean", "divide by its pixels"),
        "times log 2": (bits, image / pixels * math.log(2), "inverted", "multiplied by log 2"),
        "negative": (bits, -right[bits], "sign", "wrong sign"),
        "by levels": (bits, right[bits] / levels, "levels", "number of levels"),
        "uniform nats": (uniform, math.log(levels), "nats", "in nats"),
        "one level short": (uniform, math.log2(levels - 1), "off-by-one", "one level too few"),
        "all pixels": (uniform, pixels * math.log2(levels), "no-mean", "one pixel"),
        "levels": (uniform, levels, "levels", "take its logarithm"),
        "whole text": (text, math.inf, "no-mean", "of the whole text"),
        "no exponential": (text, mean, "nats", "still a logarithm"),
        "base 2": (text, 2**mean, "mixed-base", "mixes bases"),
        "bits": (text, mean / math.log(2), "bits", "raise 2 to it"),
        "below one": (text, math.exp(-mean), "sign", "below one"),
        "uniform perplexity": (text, data["num_symbols"], "uniform", "uniform model"),
        "other": (text, 123.0, "other", "mean number of nats"),
    }


def holds(message: str, truth: float) -> bool:
    numbers = [float(n) for n in re.findall(r"\d+\.?\d*", message)]
    return any(abs(n - truth) < 0.005 * truth for n in numbers)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", rates(0)[1])
def test_each_wrong_entropy_rate_is_named(name, seed, fails):
    rate, zoo = rates(seed)
    answer, category, words = zoo[name]
    verdict = fails("w01-entropy-rate", answer, category, words, seed)
    assert not holds(verdict.message, rate)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", units(0)[1])
def test_each_wrong_unit_is_named(name, seed, fails):
    right, zoo = units(seed)
    key, value, category, words = zoo[name]
    verdict = fails("w01-units", {**right, key: value}, category, words, seed)
    assert not holds(verdict.message, right[key])
    assert 0.5 < verdict.fraction < 1


def test_numbers_written_down_are_right_for_the_public_data_only(fails):
    rate, right = rates(0)[0], units(0)[0]
    assert find_question("w01-entropy-rate").assess(rate).fraction == 1
    assert find_question("w01-units").assess(right).fraction == 1
    for seed in range(1, 6):
        fails("w01-entropy-rate", rate, "public-data", "compute it from what given()", seed)
        verdict = fails("w01-units", right, "public-data", "compute it from what given()", seed)
        assert verdict.fraction == 0


@pytest.mark.parametrize("seed", range(20))
def test_right_numbers_are_right_for_every_seed(seed):
    assert find_question("w01-entropy-rate").assess(rates(seed)[0], seed).fraction == 1
    assert find_question("w01-units").assess(units(seed)[0], seed).fraction == 1


def test_the_judge_agrees_with_the_world():
    world = MarkovSource(transition=given("w01-entropy-rate")["transition"])
    assert find_question("w01-entropy-rate").assess(world.entropy_rate()).fraction == 1


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, torch.tensor, np.array])
def test_any_kind_of_number_will_do(kind):
    assert find_question("w01-entropy-rate").assess(kind(rates(0)[0])).fraction == 1


@pytest.mark.parametrize("seed", [0, 7])
def test_a_tenth_of_a_percent_is_allowed_and_no_more(seed, fails):
    rate = rates(seed)[0]
    for factor in (0.9991, 1.0009):
        assert find_question("w01-entropy-rate").assess(rate * factor, seed).fraction == 1
    for factor in (0.9989, 1.0011):
        fails("w01-entropy-rate", rate * factor, "other", "not to 0.1 %", seed)


def test_units_need_a_dict_with_its_keys(fails):
    fails("w01-units", 2.2, "type", "expected a dict with bits_per_dim")
    verdict = find_question("w01-units").assess({"bits_per_dim": units(0)[0]["bits_per_dim"]})
    assert verdict.status == "blank" and "'uniform_bits_per_dim'" in verdict.message
    assert verdict.fraction == pytest.approx(0.4)
