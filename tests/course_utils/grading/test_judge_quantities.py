"""Numbers: every wrong unit or average is named, and no message holds the right value."""

import math
import re

import numpy as np
import pytest
import torch

from course_utils.grading import find_question, given
from course_utils.worlds.sequences import MarkovSource

UNITS = {
    "bits_per_dim": 97.5 / 64 / math.log(2),
    "uniform_bits_per_dim": math.log2(17),
    "perplexity": math.exp(1.94),
}
TABLE = given("w01-entropy-rate")["transition"]
LAW = torch.linalg.matrix_power(TABLE, 500)[0]
ROWS = -(TABLE * TABLE.log()).sum(1)
RATE = float(LAW @ ROWS)
MARGINAL = float(-(LAW * LAW.log()).sum())

ZOO = {
    "bits": (RATE / math.log(2), "bits", "in bits"),
    "sign": (-RATE, "sign", "wrong sign"),
    "plain mean": (float(ROWS.mean()), "unweighted", "how often"),
    "sum": (float(ROWS.sum()), "sum", "weighted mean"),
    "marginal": (MARGINAL, "marginal", "one symbol alone"),
    "pair": (MARGINAL + RATE, "joint", "pair of symbols"),
    "perplexity": (math.exp(RATE), "perplexity", "take its logarithm"),
    "uniform": (math.log(3), "uniform", "log V"),
    "rounded": (RATE * 1.01, "other", "close"),
    "far off": (3.3, "other", "stationary distribution"),
    "NaN": (math.nan, "nan", "finite"),
    "text": ("0.5 nats", "type", "expected one number"),
    "vector": (ROWS, "type", "shape (3,)"),
    "truth value": (True, "type", "expected one number"),
}
UNIT_ZOO = {
    "nats per pixel": ("bits_per_dim", 97.5 / 64, "nats", "a bit is log 2 nats"),
    "whole image": ("bits_per_dim", 97.5 / math.log(2), "no-mean", "divide by its pixels"),
    "times log 2": ("bits_per_dim", 97.5 / 64 * math.log(2), "inverted", "multiplied by log 2"),
    "negative": ("bits_per_dim", -97.5 / 64 / math.log(2), "sign", "wrong sign"),
    "by levels": ("bits_per_dim", 97.5 / 64 / 17 / math.log(2), "levels", "number of levels"),
    "uniform nats": ("uniform_bits_per_dim", math.log(17), "nats", "in nats"),
    "16 levels": ("uniform_bits_per_dim", 4, "off-by-one", "one more"),
    "64 pixels": ("uniform_bits_per_dim", 64 * math.log2(17), "no-mean", "one pixel"),
    "17": ("uniform_bits_per_dim", 17, "levels", "take its logarithm"),
    "whole text": ("perplexity", math.inf, "no-mean", "of the whole text"),
    "no exponential": ("perplexity", 1.94, "nats", "still a logarithm"),
    "base 2": ("perplexity", 2**1.94, "mixed-base", "mixes bases"),
    "bits": ("perplexity", 1.94 / math.log(2), "bits", "raise 2 to it"),
    "below one": ("perplexity", math.exp(-1.94), "sign", "below one"),
    "uniform perplexity": ("perplexity", 30, "uniform", "uniform model"),
    "other": ("perplexity", 123.0, "other", "mean number of nats"),
}


def holds(message: str, truth: float) -> bool:
    numbers = [float(n) for n in re.findall(r"\d+\.?\d*", message)]
    return any(abs(n - truth) < 0.005 * truth for n in numbers)


@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_entropy_rate_is_named(name, fails):
    answer, category, words = ZOO[name]
    verdict = fails("w01-entropy-rate", answer, category, words)
    assert not holds(verdict.message, RATE)


@pytest.mark.parametrize("name", UNIT_ZOO)
def test_each_wrong_unit_is_named(name, fails):
    key, value, category, words = UNIT_ZOO[name]
    verdict = fails("w01-units", {**UNITS, key: value}, category, words)
    assert not holds(verdict.message, UNITS[key])
    assert 0.5 < verdict.fraction < 1


def test_the_judge_agrees_with_the_world():
    world = MarkovSource(transition=TABLE)
    assert find_question("w01-entropy-rate").assess(world.entropy_rate()).fraction == 1


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, torch.tensor, np.array])
def test_any_kind_of_number_will_do(kind):
    assert find_question("w01-entropy-rate").assess(kind(RATE)).fraction == 1


def test_units_need_a_dict_with_its_keys(fails):
    fails("w01-units", 2.2, "type", "expected a dict with bits_per_dim")
    verdict = find_question("w01-units").assess({"bits_per_dim": UNITS["bits_per_dim"]})
    assert verdict.status == "blank" and "'uniform_bits_per_dim'" in verdict.message
    assert verdict.fraction == pytest.approx(0.4)
