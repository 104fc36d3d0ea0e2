"""Judges of numbers on small tables: parameters of a Transformer, greedy decoding, temperature."""

import math
import random
from typing import Any

import numpy as np
import torch

from course_utils.grading.judges.numbers import (
    EXACT,
    Wrong,
    entry,
    judge_number,
    lie_apart,
    written_down,
)
from course_utils.grading.questions import PUBLIC_SEED, Instance, Verdict

# Parameters of a Transformer

_PUBLIC_SIZES = {
    "width": 64,
    "num_heads": 4,
    "hidden": 192,
    "num_blocks": 3,
    "num_symbols": 50,
    "context": 32,
}
SIZES = tuple(_PUBLIC_SIZES)
"""The inputs a student is shown for the count of parameters."""

_PARTS = ("attention", "feed_forward", "block", "model")


def draw_parameters(seed: int) -> list[Instance]:
    """The sizes of a Transformer; the hidden width is never four times the width."""
    rng = random.Random(f"parameters {seed}")
    args = dict(_PUBLIC_SIZES)
    while seed != PUBLIC_SEED:
        heads = rng.choice((2, 3, 4, 6, 8))
        width = heads * rng.randint(6, 16)
        args = {
            "width": width,
            "num_heads": heads,
            "hidden": rng.choice((2, 3, 5)) * width,
            "num_blocks": rng.randint(2, 6),
            "num_symbols": rng.randint(30, 90),
            "context": rng.randint(16, 64),
        }
        if all(_told_apart(part, args) for part in _PARTS):
            break
    weights = (0.3, 0.2, 0.2, 0.3)
    return [Instance(part, args, weight) for part, weight in zip(_PARTS, weights, strict=True)]


def _told_apart(part: str, args: dict[str, int]) -> bool:
    values = [_count(part, args), *(value for _, _, value in _wrong_counts(part, args))]
    return len(set(values)) == len(values) and values[0] != _count(part, _PUBLIC_SIZES)


def examine_parameters(answer: Any, instance: Instance) -> Verdict:
    """Compare one of the four counts with a list of the tensors' shapes."""
    part = instance.name
    truth = _count(part, instance.args)
    wrong = _wrong_counts(part, instance.args)
    tip = f"{part} is not right: write down the shape of every matrix and every bias."
    value = entry(answer, part, _PARTS)
    return judge_number(part, value, truth, wrong, tip=tip, tolerance=EXACT)


def _shapes(part: str, args: dict[str, int]) -> list[tuple[int, ...]]:
    """The shape of every tensor of a part."""
    d, hidden = args["width"], args["hidden"]
    if part == "attention":
        return 4 * [(d, d), (d,)]
    if part == "feed_forward":
        return [(hidden, d), (hidden,), (d, hidden), (d,)]
    if part == "block":
        norms = 4 * [(d,)]
        return _shapes("attention", args) + _shapes("feed_forward", args) + norms
    tables = [(args["num_symbols"], d), (args["context"], d), (d,), (d,)]
    return tables + args["num_blocks"] * _shapes("block", args)


def _count(part: str, args: dict[str, int]) -> int:
    return sum(math.prod(shape) for shape in _shapes(part, args))


def _wrong_counts(part: str, args: dict[str, int]) -> Wrong:
    d, hidden, heads = args["width"], args["hidden"], args["num_heads"]
    shapes, truth = _shapes(part, args), _count(part, args)
    matrices = sum(math.prod(shape) for shape in shapes if len(shape) == 2)
    blocks, block = args["num_blocks"], _count("block", args)
    known: dict[str, Wrong] = {
        "attention": [
            ("no-bias", "attention lacks the biases of its four maps.", matrices),
            ("no-output", "attention lacks the map that mixes the heads.", 3 * (d * d + d)),
            ("heads", "attention counts every head at full width: they share it.", heads * truth),
            ("one-matrix", "attention is one map only: there are four.", d * d + d),
        ],
        "feed_forward": [
            ("no-bias", "feed_forward lacks its biases.", matrices),
            ("one-layer", "feed_forward is one of its two maps.", hidden * d + hidden),
            ("four-times", "feed_forward takes hidden to be 4 width.", 8 * d * d + 5 * d),
            ("square", "feed_forward holds a map from hidden to hidden.", truth + hidden**2),
        ],
        "block": [
            ("no-norms", "block lacks its two norms, a scale and a shift each.", truth - 4 * d),
            ("half-norms", "block has the scales of its norms and not the shifts.", truth - 2 * d),
            ("no-bias", "block holds the matrices alone.", matrices),
            ("four-times", "block takes hidden to be 4 width.", 12 * d * d + 13 * d),
        ],
        "model": [
            ("untied", "model counts the output map: it is the embedding again.",
             truth + args["num_symbols"] * d),
            ("no-positions", "model lacks the table of positions.", truth - args["context"] * d),
            ("no-last-norm", "model lacks the last norm.", truth - 2 * d),
            ("one-block", "model holds one block only.", truth - (blocks - 1) * block),
            ("no-tables", "model holds the blocks alone.", blocks * block),
        ],
    }  # fmt: skip
    return [*known[part], *written_down(part, _count(part, _PUBLIC_SIZES), truth)]


# Greedy decoding and the most probable sequence

_TABLES = ("first", "second", "third")
SEQUENCE_TABLES = _TABLES
"""The inputs a student is shown for the most probable sequence."""

_SEARCHES = ("greedy", "best")


def draw_sequences(seed: int) -> list[Instance]:
    """Conditionals of three symbols whose most probable sequence greedy does not find."""
    generator = torch.Generator().manual_seed(seed + 1414)
    while True:
        args = {
            name: torch.randn((3,) * (i + 1), generator=generator).double().mul(1.2).softmax(-1)
            for i, name in enumerate(_TABLES)
        }
        numbers = {
            name: [_found(name, args), *(value for _, _, value in _wrong_searches(name, args))]
            for name in _SEARCHES
        }
        if numbers["best"][0] - numbers["greedy"][0] > 0.05 and all(
            map(lie_apart, numbers.values())
        ):
            break
    return [Instance(name, args, 0.5) for name in _SEARCHES]


def examine_sequences(answer: Any, instance: Instance) -> Verdict:
    """Compare the probability of a sequence with the list of all 27."""
    name, args = instance.name, instance.args
    tips = {
        "greedy": "greedy is not right: follow the most probable symbol, and multiply its factors.",
        "best": "best is not right: which of the 27 products is the largest?",
    }
    value = entry(answer, name, _SEARCHES)
    return judge_number(
        name, value, _found(name, args), _wrong_searches(name, args), tip=tips[name]
    )


def _joint(args: dict[str, Any]) -> np.ndarray:
    first, second, third = (args[name].numpy() for name in _TABLES)
    return first[:, None, None] * second[:, :, None] * third


def _found(name: str, args: dict[str, Any]) -> float:
    joint = _joint(args)
    if name == "best":
        return float(joint.max())
    a = int(args["first"].argmax())
    b = int(args["second"][a].argmax())
    return float(joint[a, b].max())


def _wrong_searches(name: str, args: dict[str, Any]) -> Wrong:
    first, second, third = (args[table].numpy() for table in _TABLES)
    truth = _found(name, args)
    wrong: Wrong = [
        ("log", f"{name} is a logarithm: a probability is asked for.", math.log(truth)),
        (
            "bound",
            f"{name} multiplies the largest entries of the tables: no sequence has them all.",
            float(first.max() * second.max() * third.max()),
        ),
    ]
    a = int(first.argmax())
    b = int(second[a].argmax())
    if name == "greedy":
        wrong += [
            ("not-greedy", "greedy is the most probable sequence's.", _found("best", args)),
            ("sum", "greedy adds the factors: multiply them.",
             float(first[a] + second[a, b] + third[a, b].max())),
            ("first-factor", "greedy lacks the first factor.", truth / float(first[a])),
            ("last-factor", "greedy lacks the last factor.", float(first[a] * second[a, b])),
        ]  # fmt: skip
    else:
        wrong += [
            ("greedy", "best is greedy's sequence: another one is more probable.",
             _found("greedy", args)),
            ("first-factor", "best lacks the first factor.",
             float((second[:, :, None] * third).max())),
        ]  # fmt: skip
    return wrong


# Temperature, step by step and on the joint

_PUBLIC_TABLES = (
    (0.5, 0.3, 0.2),
    ((0.4, 0.3, 0.3), (0.9, 0.05, 0.05), (0.1, 0.1, 0.8)),
    0.5,
)
TEMPERED = ("first", "second", "temperature")
"""The inputs a student is shown for the temperature."""


def draw_tempered(seed: int) -> list[Instance]:
    """A law of pairs as two conditionals, and a temperature below one."""
    generator = torch.Generator().manual_seed(seed + 1515)
    args = _tempered_args()
    while seed != PUBLIC_SEED:
        first = torch.randn(3, generator=generator).double().softmax(-1)
        second = torch.randn(3, 3, generator=generator).double().mul(2).softmax(-1)
        degrees = round(0.3 + 0.4 * torch.rand(1, generator=generator).item(), 2)
        args = {"first": first, "second": second, "temperature": degrees}
        truth = _distance(args)
        wrong = [value for _, _, value in _wrong_distances(args)]
        if truth > 0.1 and lie_apart([truth, *wrong], gap=0.008):
            break
    return [Instance("pairs of three symbols", args)]


def _tempered_args() -> dict[str, Any]:
    first, second, degrees = _PUBLIC_TABLES
    first, second = torch.tensor(first).double(), torch.tensor(second).double()
    return {"first": first, "second": second, "temperature": degrees}


def examine_tempered(answer: Any, instance: Instance) -> Verdict:
    """Compare with half the sum of absolute differences over the nine pairs."""
    args = instance.args
    tip = "distance is not right: list the nine pairs under both laws, each summing to one."
    return judge_number("distance", answer, _distance(args), _wrong_distances(args), tip=tip)


def _laws(args: dict[str, Any], power: float) -> tuple[np.ndarray, np.ndarray]:
    """Each conditional to a power and normalised; the joint to that power, not normalised."""
    first, second = args["first"].numpy() ** power, args["second"].numpy() ** power
    by_step = (first / first.sum())[:, None] * (second / second.sum(1, keepdims=True))
    return by_step, first[:, None] * second


def _distance(args: dict[str, Any]) -> float:
    by_step, joint = _laws(args, 1 / args["temperature"])
    return 0.5 * float(np.abs(by_step - joint / joint.sum()).sum())


def _wrong_distances(args: dict[str, Any]) -> Wrong:
    degrees, truth = args["temperature"], _distance(args)
    by_step, raw = _laws(args, 1 / degrees)
    joint = raw / raw.sum()
    inverse_step, inverse = _laws(args, degrees)
    plain = _laws(args, 1.0)[0]

    def half(p: np.ndarray, q: np.ndarray) -> float:
        return 0.5 * float(np.abs(p - q).sum())

    wrong: Wrong = [
        ("doubled", "distance is the sum of absolute differences: total variation is half.",
         2 * truth),
        ("inverse", "distance raises to the power T: it is 1 / T.",
         half(inverse_step, inverse / inverse.sum())),
        ("unnormalised", "distance uses a tempered joint that does not sum to one.",
         half(by_step, raw)),
        ("largest", "distance is the largest single difference: add them up.",
         float(np.abs(by_step - joint).max())),
        ("untempered", "distance compares with the law without temperature.", half(plain, joint)),
        ("untempered", "distance compares the law without temperature with the tempered steps.",
         half(plain, by_step)),
        ("divergence", "distance is a Kullback-Leibler divergence.",
         float((by_step * np.log(by_step / joint)).sum())),
    ]  # fmt: skip
    return [*wrong, *written_down("distance", _public_distance(), truth)]


def _public_distance() -> float:
    return _distance(_tempered_args())
