"""Judges of numbers: an entropy rate, and likelihoods in the units people print.

Every wrong unit and every wrong average is a suspect, so the sentence says which one it was.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_TOLERANCE = 1e-3
_LN2 = math.log(2.0)


def _judge_number(
    name: str, answer: Any, truth: float, wrong: list[tuple[str, str, float]], *, tip: str
) -> Verdict:
    value = answers.expect_number(name, answer)
    suspects = [Suspect(category, text, _scalar(v)) for category, text, v in wrong]
    if abs(value - truth) < 0.02 * abs(truth):
        tip = f"{name} is close, but not to 0.1 %: is something rounded on the way?"
    line_up(_scalar(value), _scalar(truth), suspects, tolerance=_TOLERANCE, otherwise=tip)
    return right(f"{name} agrees to 0.1 %.")


def _scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


# The entropy rate of a Markov chain

_TRANSITION = ((0.80, 0.15, 0.05), (0.30, 0.40, 0.30), (0.05, 0.05, 0.90))


def draw_entropy_rate(seed: int) -> list[Instance]:
    """One fixed chain of three symbols."""
    return [Instance("three symbols", {"transition": torch.tensor(_TRANSITION).double()})]


def examine_entropy_rate(answer: Any, instance: Instance) -> Verdict:
    """Compare with H(X_1, X_2) - H(X_1) of the stationary chain."""
    table = instance.args["transition"].numpy()
    law = _stationary(table)
    rate = _entropy(law[:, None] * table) - _entropy(law)
    rows = np.array([_entropy(row) for row in table])
    wrong = [
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
            _entropy(law),
        ),
        (
            "joint",
            "entropy_rate is the entropy of a pair of symbols: only the second one's is asked for.",
            rate + _entropy(law),
        ),
        ("perplexity", "entropy_rate is a perplexity: take its logarithm.", math.exp(rate)),
        (
            "uniform",
            "entropy_rate is log V, the rate of a source whose symbols are uniform.",
            math.log(len(table)),
        ),
    ]
    tip = "entropy_rate is not right: weigh each row's entropy by the stationary distribution."
    return _judge_number("entropy_rate", answer, rate, wrong, tip=tip)


def _stationary(table: np.ndarray) -> np.ndarray:
    size = len(table)
    equations = np.vstack([table.T - np.eye(size), np.ones(size)])
    return np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]


def _entropy(probabilities: np.ndarray) -> float:
    return -math.fsum(p * math.log(p) for p in probabilities.ravel() if p > 0)


# Nats, bits per dimension, perplexity

_IMAGE = {"nats_per_image": 97.5, "num_pixels": 64, "num_levels": 17}
_TEXT = {"nats_per_text": 3880.0, "num_characters": 2000, "num_symbols": 30}
_UNIT_NAMES = ("bits_per_dim", "uniform_bits_per_dim", "perplexity")


def draw_units(seed: int) -> list[Instance]:
    """The same three conversions for everybody."""
    args = {**_IMAGE, **_TEXT}
    weights = (0.4, 0.3, 0.3)
    return [Instance(name, args, weight) for name, weight in zip(_UNIT_NAMES, weights, strict=True)]


def examine_units(answer: Any, instance: Instance) -> Verdict:
    """Look up one of the three entries and compare."""
    if not isinstance(answer, dict):
        kind = type(answer).__name__
        raise Mistake("type", f"expected a dict with {', '.join(_UNIT_NAMES)}, got a {kind}.")
    name = instance.name
    if answer.get(name) is None:
        raise Mistake("blank", f"the entry {name!r} is still to be filled in.")
    judge = {"bits_per_dim": _bits, "uniform_bits_per_dim": _uniform, "perplexity": _perplexity}
    return judge[name](answer[name], instance.args)


def _bits(answer: Any, args: dict[str, Any]) -> Verdict:
    nats, pixels = args["nats_per_image"], args["num_pixels"]
    wrong = [
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
            nats / pixels / _LN2 / args["num_levels"],
        ),
    ]
    tip = "bits_per_dim is not right: how many dimensions has an image, how many nats has a bit?"
    return _judge_number("bits_per_dim", answer, nats / pixels / _LN2, wrong, tip=tip)


def _uniform(answer: Any, args: dict[str, Any]) -> Verdict:
    levels = args["num_levels"]
    wrong = [
        ("nats", "uniform_bits_per_dim is in nats: bits are asked for.", math.log(levels)),
        (
            "off-by-one",
            "uniform_bits_per_dim is for 16 levels: 0 to 16 are one more.",
            math.log2(levels - 1),
        ),
        (
            "no-mean",
            "uniform_bits_per_dim is for the whole image: one pixel is asked for.",
            math.log2(levels) * args["num_pixels"],
        ),
        ("levels", "uniform_bits_per_dim is a number of levels: take its logarithm.", levels),
    ]
    tip = "uniform_bits_per_dim is not right: what is the entropy of one uniform pixel, in bits?"
    return _judge_number("uniform_bits_per_dim", answer, math.log2(levels), wrong, tip=tip)


def _perplexity(answer: Any, args: dict[str, Any]) -> Verdict:
    nats, count = args["nats_per_text"], args["num_characters"]
    whole = "perplexity is of the whole text: it is the exponential of the mean over characters"
    if answer == math.inf:
        raise Mistake("no-mean", f"{whole}.")
    per_character = nats / count
    wrong = [
        ("nats", "perplexity is still a logarithm, in nats: take its exponential.", per_character),
        (
            "bits",
            "perplexity is still a logarithm, in bits: raise 2 to it.",
            per_character / _LN2,
        ),
        (
            "mixed-base",
            "perplexity mixes bases: 2 to a number of nats. Nats go with e, bits with 2.",
            2**per_character,
        ),
        ("sign", "perplexity is below one: the sign is wrong.", math.exp(-per_character)),
        ("uniform", "perplexity is that of a uniform model.", args["num_symbols"]),
    ]
    tip = "perplexity is not right: it is the exponential of the mean number of nats per character."
    return _judge_number("perplexity", answer, math.exp(per_character), wrong, tip=tip)
