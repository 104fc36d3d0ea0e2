"""Judges of numbers: an entropy rate, and likelihoods in the units people print.

Every wrong unit and every wrong average is a suspect, so the sentence says which one it was. The
data follow the seed: other data are drawn until the truth and all suspects lie apart from each
other, so that a hidden instance names a mistake as surely as the public one. A number that is
right for the public data only was written down instead of computed, and is told so.
"""

import math
import random
from typing import Any

import numpy as np
import torch

from course_utils.grading.judges.numbers import Wrong, judge_number, lie_apart, written_down
from course_utils.grading.questions import PUBLIC_SEED, Instance, Mistake, Verdict

_LN2 = math.log(2.0)

# The entropy rate of a Markov chain

_TRANSITION = ((0.80, 0.15, 0.05), (0.30, 0.40, 0.30), (0.05, 0.05, 0.90))


def draw_entropy_rate(seed: int) -> list[Instance]:
    """A chain of three symbols; the public one stays and leaves its states at unequal rates."""
    rng = random.Random(f"entropy-rate {seed}")
    table = torch.tensor(_TRANSITION).double()
    while seed != PUBLIC_SEED:
        weights = [[rng.uniform(0.05, 1.0) ** 2 for _ in range(3)] for _ in range(3)]
        table = torch.tensor(weights).double()
        table = table / table.sum(1, keepdim=True)
        if table.min() > 0.02 and lie_apart(_rates(table.numpy())):
            break
    return [Instance("three symbols", {"transition": table})]


def examine_entropy_rate(answer: Any, instance: Instance) -> Verdict:
    """Compare with H(X_1, X_2) - H(X_1) of the stationary chain."""
    table = instance.args["transition"].numpy()
    wrong = _wrong_rates(table)
    rate = _entropy_rate(table)
    tip = "entropy_rate is not right: weigh each row's entropy by the stationary distribution."
    return judge_number("entropy_rate", answer, rate, wrong, tip=tip)


def _entropy_rate(table: np.ndarray) -> float:
    law = _stationary(table)
    return _entropy(law[:, None] * table) - _entropy(law)


def _rates(table: np.ndarray) -> list[float]:
    return [_entropy_rate(table), *(value for _, _, value in _wrong_rates(table))]


def _wrong_rates(table: np.ndarray) -> Wrong:
    rate, one = _entropy_rate(table), _entropy(_stationary(table))
    rows = np.array([_entropy(row) for row in table])
    return [
        ("bits", "entropy_rate is in bits per symbol: nats are asked for.", rate / _LN2),
        ("sign", "entropy_rate has the right magnitude and the wrong sign.", -rate),
        (
            "unweighted",
            "entropy_rate is the plain mean over the rows: weigh each row's entropy by how often "
            "the chain is in that state.",
            rows.mean(),
        ),
        ("sum", "entropy_rate is the sum over the rows: take their weighted mean.", rows.sum()),
        (
            "marginal",
            "entropy_rate is the entropy of one symbol alone: given the previous symbol it is "
            "smaller.",
            one,
        ),
        (
            "joint",
            "entropy_rate is the entropy of a pair of symbols: only the second one's is asked for.",
            rate + one,
        ),
        ("perplexity", "entropy_rate is a perplexity: take its logarithm.", math.exp(rate)),
        (
            "uniform",
            "entropy_rate is log V, the rate of a source whose symbols are uniform.",
            math.log(len(table)),
        ),
        *written_down("entropy_rate", _entropy_rate(np.array(_TRANSITION)), rate),
    ]


def _stationary(table: np.ndarray) -> np.ndarray:
    size = len(table)
    equations = np.vstack([table.T - np.eye(size), np.ones(size)])
    return np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]


def _entropy(probabilities: np.ndarray) -> float:
    return -math.fsum(p * math.log(p) for p in probabilities.ravel() if p > 0)


# Nats, bits per dimension, perplexity

_PUBLIC_UNITS = {
    "nats_per_image": 97.5,
    "num_pixels": 64,
    "highest_level": 16,
    "nats_per_text": 3880.0,
    "num_characters": 2000,
    "num_symbols": 30,
}
UNIT_DATA = tuple(_PUBLIC_UNITS)
_UNIT_NAMES = ("bits_per_dim", "uniform_bits_per_dim", "perplexity")


def draw_units(seed: int) -> list[Instance]:
    """The three conversions, of other images and another text for every seed."""
    rng = random.Random(f"units {seed}")
    args = dict(_PUBLIC_UNITS)
    while seed != PUBLIC_SEED:
        args = _images_and_text(rng)
        judged = [(_truth(name, args), _wrong_units(name, args)) for name in _UNIT_NAMES]
        if all(lie_apart([truth, *(v for _, _, v in wrong)]) for truth, wrong in judged):
            break
    weights = (0.4, 0.3, 0.3)
    return [Instance(name, args, weight) for name, weight in zip(_UNIT_NAMES, weights, strict=True)]


def _images_and_text(rng: random.Random) -> dict[str, float]:
    pixels, characters = rng.randint(5, 16) ** 2, 100 * rng.randint(8, 60)
    return {
        "nats_per_image": round(pixels * rng.uniform(0.8, 2.4), 1),
        "num_pixels": pixels,
        "highest_level": rng.randint(10, 24),
        "nats_per_text": round(characters * rng.uniform(1.3, 2.6), 1),
        "num_characters": characters,
        "num_symbols": rng.randint(26, 90),
    }


def examine_units(answer: Any, instance: Instance) -> Verdict:
    """Look up one of the three entries and compare."""
    if not isinstance(answer, dict):
        kind = type(answer).__name__
        raise Mistake("type", f"expected a dict with {', '.join(_UNIT_NAMES)}, got a {kind}.")
    name = instance.name
    value = answer.get(name)
    if value is None:
        message = f"the entry {name!r} is still to be filled in."
        raise Mistake("blank", message, message)
    if name == "perplexity" and value == math.inf:
        raise Mistake("no-mean", _WHOLE_TEXT, _WHOLE_TEXT)
    wrong = _wrong_units(name, instance.args)
    return judge_number(name, value, _truth(name, instance.args), wrong, tip=_TIPS[name])


_WHOLE_TEXT = "perplexity is of the whole text: it is the exponential of the mean over characters."
_TIPS = {
    "bits_per_dim": "bits_per_dim is not right: how many dimensions has an image, how many nats "
    "has a bit?",
    "uniform_bits_per_dim": "uniform_bits_per_dim is not right: what is the entropy of one uniform "
    "pixel, in bits?",
    "perplexity": "perplexity is not right: it is the exponential of the mean number of nats per "
    "character.",
}


def _truth(name: str, args: dict[str, Any]) -> float:
    if name == "bits_per_dim":
        return args["nats_per_image"] / args["num_pixels"] / _LN2
    if name == "uniform_bits_per_dim":
        return math.log2(args["highest_level"] + 1)
    return math.exp(args["nats_per_text"] / args["num_characters"])


def _wrong_units(name: str, args: dict[str, Any]) -> Wrong:
    known = {
        "bits_per_dim": _wrong_bits,
        "uniform_bits_per_dim": _wrong_uniform,
        "perplexity": _wrong_perplexity,
    }
    public = _truth(name, _PUBLIC_UNITS)
    return [*known[name](args), *written_down(name, public, _truth(name, args))]


def _wrong_bits(args: dict[str, Any]) -> Wrong:
    nats, pixels = args["nats_per_image"], args["num_pixels"]
    return [
        ("nats", "bits_per_dim is in nats: a bit is log 2 nats.", nats / pixels),
        ("no-mean", "bits_per_dim is for the whole image: divide by its pixels.", nats / _LN2),
        (
            "inverted",
            "bits_per_dim is multiplied by log 2 where it should be divided.",
            nats * _LN2 / pixels,
        ),
        ("sign", "bits_per_dim has the wrong sign.", -nats / pixels / _LN2),
        (
            "levels",
            "bits_per_dim is divided by the number of levels: a dimension is a pixel.",
            nats / pixels / _LN2 / (args["highest_level"] + 1),
        ),
    ]


def _wrong_uniform(args: dict[str, Any]) -> Wrong:
    highest = args["highest_level"]
    return [
        ("nats", "uniform_bits_per_dim is in nats: bits are asked for.", math.log(highest + 1)),
        (
            "off-by-one",
            "uniform_bits_per_dim is for one level too few: 0 to n are one more than n.",
            math.log2(highest),
        ),
        (
            "no-mean",
            "uniform_bits_per_dim is for the whole image: one pixel is asked for.",
            math.log2(highest + 1) * args["num_pixels"],
        ),
        ("levels", "uniform_bits_per_dim is a number of levels: take its logarithm.", highest + 1),
    ]


def _wrong_perplexity(args: dict[str, Any]) -> Wrong:
    mean = args["nats_per_text"] / args["num_characters"]
    return [
        ("nats", "perplexity is still a logarithm, in nats: take its exponential.", mean),
        ("bits", "perplexity is still a logarithm, in bits: raise 2 to it.", mean / _LN2),
        (
            "mixed-base",
            "perplexity mixes bases: 2 to a number of nats. Nats go with e, bits with 2.",
            2**mean,
        ),
        ("sign", "perplexity is below one: the sign is wrong.", math.exp(-mean)),
        ("uniform", "perplexity is that of a uniform model.", args["num_symbols"]),
    ]
