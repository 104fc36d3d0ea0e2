"""Numbers of week 2: every known mistake is named, and no message holds the right value."""

import math
import re

import pytest
import torch
from torch import nn

from course_utils.grading import find_question

SEEDS = (0, 7, 20_261, 2**31)


class Gpt(nn.Module):
    """The model of the question, built from torch's own layers."""

    def __init__(self, width, num_heads, hidden, num_blocks, num_symbols, context):
        super().__init__()
        self.symbols, self.positions = (
            nn.Embedding(num_symbols, width),
            nn.Embedding(context, width),
        )
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, num_heads, hidden, norm_first=True)
            for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(width)


def size(module):
    return sum(p.numel() for p in module.parameters())


def counts(seed):
    """The four counts by torch's layers, and wrong ones with the entry they stand for."""
    sizes = find_question("w02-parameters").data(seed)
    model = Gpt(**sizes)
    block, d, f = model.blocks[0], sizes["width"], sizes["hidden"]
    right = {
        "attention": size(block.self_attn),
        "feed_forward": size(block.linear1) + size(block.linear2),
        "block": size(block),
        "model": size(model),
    }
    return right, {
        "attention without biases": ("attention", 4 * d * d, "no-bias", "lacks the biases"),
        "no output map": ("attention", 3 * (d * d + d), "no-output", "mixes the heads"),
        "heads at full width": (
            "attention",
            sizes["num_heads"] * right["attention"],
            "heads",
            "they share it",
        ),
        "one map": ("attention", d * d + d, "one-matrix", "there are four"),
        "feed-forward without biases": ("feed_forward", 2 * d * f, "no-bias", "lacks its biases"),
        "one layer": ("feed_forward", d * f + f, "one-layer", "one of its two maps"),
        "four times": ("feed_forward", 8 * d * d + 5 * d, "four-times", "feed_forward takes"),
        "no norms": ("block", right["block"] - 4 * d, "no-norms", "lacks its two norms"),
        "scales only": ("block", right["block"] - 2 * d, "half-norms", "not the shifts"),
        "twelve d squared": ("block", 12 * d * d + 13 * d, "four-times", "block takes hidden"),
        "untied": ("model", right["model"] + sizes["num_symbols"] * d, "untied", "again"),
        "no positions": ("model", right["model"] - sizes["context"] * d, "no-positions", "table"),
        "no last norm": ("model", right["model"] - 2 * d, "no-last-norm", "last norm"),
        "blocks alone": ("model", sizes["num_blocks"] * right["block"], "no-tables", "alone"),
        "one too many": ("model", right["model"] + 1, "other", "close"),
        "text": ("model", "many", "type", "expected one number"),
    }


def searches(seed):
    tables = find_question("w02-greedy").data(seed)
    first, second, third = (tables[name] for name in ("first", "second", "third"))
    probs = {
        (a, b, c): (first[a] * second[a, b] * third[a, b, c]).item()
        for a in range(3)
        for b in range(3)
        for c in range(3)
    }
    a = first.argmax().item()
    b = second[a].argmax().item()
    c = third[a, b].argmax().item()
    right = {"greedy": probs[a, b, c], "best": max(probs.values())}
    greedy, best = right.values()
    bound = (first.max() * second.max() * third.max()).item()
    return right, {
        "the best for greedy": ("greedy", best, "not-greedy", "most probable sequence's"),
        "log greedy": ("greedy", math.log(greedy), "log", "greedy is a logarithm"),
        "sum": (
            "greedy",
            (first[a] + second[a, b] + third[a, b, c]).item(),
            "sum",
            "multiply them",
        ),
        "no first factor": ("greedy", greedy / first[a].item(), "first-factor", "lacks the first"),
        "no last factor": (
            "greedy",
            greedy / third[a, b, c].item(),
            "last-factor",
            "lacks the last",
        ),
        "greedy for the best": ("best", greedy, "greedy", "another one is more probable"),
        "log best": ("best", math.log(best), "log", "best is a logarithm"),
        "bound": ("best", bound, "bound", "no sequence has them all"),
        "none": ("best", None, "blank", "still to be filled in"),
        "far off": ("best", 0.999, "other", "largest"),
    }


def tempered(seed):
    data = find_question("w02-tempered").data(seed)
    joint = data["first"][:, None] * data["second"]

    def to(power):
        first, second = data["first"] ** power, data["second"] ** power
        steps = (first / first.sum())[:, None] * (second / second.sum(1, keepdim=True))
        return steps, joint**power / (joint**power).sum()

    def tv(p, q):
        return 0.5 * (p - q).abs().sum().item()

    power = 1 / data["temperature"]
    steps, whole = to(power)
    return tv(steps, whole), {
        "not halved": (2 * tv(steps, whole), "doubled", "variation is half"),
        "power T": (tv(*to(data["temperature"])), "inverse", "it is 1 / T"),
        "not normalised": (tv(steps, joint**power), "unnormalised", "does not sum to one"),
        "largest": ((steps - whole).abs().max().item(), "largest", "add them up"),
        "joint against plain": (tv(joint, whole), "untempered", "compares with the law"),
        "steps against plain": (tv(joint, steps), "untempered", "without temperature with"),
        "divergence": ((steps * (steps / whole).log()).sum().item(), "divergence", "Leibler"),
        "rounded": (tv(steps, whole) * 1.01, "other", "close"),
        "far off": (3.0, "other", "nine pairs"),
        "NaN": (math.nan, "nan", "finite"),
        "vector": (steps, "type", "shape (3, 3)"),
    }


def holds(message: str, truth: float) -> bool:
    numbers = [float(n) for n in re.findall(r"\d+\.?\d*", message)]
    return any(abs(n - truth) < 0.005 * truth for n in numbers)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", counts(0)[1])
def test_each_wrong_count_is_named(name, seed, fails):
    right, zoo = counts(seed)
    key, value, category, words = zoo[name]
    verdict = fails("w02-parameters", {**right, key: value}, category, words, seed)
    assert not holds(verdict.message, right[key])
    assert 0.5 < verdict.fraction < 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name in searches(0)[1] if name != "none"])
def test_each_wrong_search_is_named(name, seed, fails):
    right, zoo = searches(seed)
    key, value, category, words = zoo[name]
    verdict = fails("w02-greedy", {**right, key: value}, category, words, seed)
    assert not holds(verdict.message, right[key])
    assert verdict.fraction == 0.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", tempered(0)[1])
def test_each_wrong_distance_is_named(name, seed, fails):
    truth, zoo = tempered(seed)
    answer, category, words = zoo[name]
    verdict = fails("w02-tempered", answer, category, words, seed)
    assert not holds(verdict.message, truth)


@pytest.mark.parametrize("seed", range(20))
def test_right_numbers_are_right_for_every_seed(seed):
    assert find_question("w02-parameters").assess(counts(seed)[0], seed).fraction == 1
    assert find_question("w02-greedy").assess(searches(seed)[0], seed).fraction == 1
    assert find_question("w02-tempered").assess(tempered(seed)[0], seed).fraction == 1
    greedy, best = searches(seed)[0].values()
    assert best > greedy + 0.04


def test_numbers_written_down_are_right_for_the_public_data_only(fails):
    truth, right = tempered(0)[0], counts(0)[0]
    for seed in range(1, 6):
        fails("w02-tempered", truth, "public-data", "compute it from what given()", seed)
        assert fails("w02-parameters", right, "public-data", "given()", seed).fraction == 0


def test_dicts_need_their_keys(fails):
    fails("w02-greedy", 0.3, "type", "expected a dict with greedy, best")
    verdict = find_question("w02-greedy").assess({"greedy": searches(0)[0]["greedy"]})
    assert verdict.status == "blank" and "'best'" in verdict.message
    assert verdict.fraction == pytest.approx(0.5)


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_any_kind_of_number_will_do(kind):
    assert find_question("w02-tempered").assess(kind(tempered(0)[0])).fraction == 1
