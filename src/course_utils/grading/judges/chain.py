"""Judge of ``log_prob(scores, x)``: the chain rule over tables of scores.

``scores[i]`` has a row for each of the V^i possible pasts (x_0 .. x_{i-1}) and a column per next
symbol; the softmax of a row is the conditional. An error in the chain rule nearly always breaks
the sum over all sequences, so the sentence opens with that sum.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_SYMBOLS, _LENGTH = 3, 4


def draw(seed: int) -> list[Instance]:
    """All sequences under moderate scores, and under scores whose exponential overflows."""
    generator = torch.Generator().manual_seed(seed + 101)
    shapes = [(_SYMBOLS,) * (i + 1) for i in range(_LENGTH)]
    tables = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    x = torch.tensor(list(itertools.product(range(_SYMBOLS), repeat=_LENGTH)))
    large = [(300 * table).float() for table in tables]
    return [
        Instance("every sequence", {"scores": tables, "x": x}, 0.8),
        Instance("large scores in single precision", {"scores": large, "x": x}, 0.2),
    ]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare with the sum of log-softmax rows, one sequence at a time."""
    scores, x = instance.args["scores"], instance.args["x"]
    name = answers.name_of(answer)
    hint = "One log-probability per sequence is asked for: is there a sum or mean over the batch?"
    value = answers.call(answer, instance.args)
    value = answers.expect_floats(f"{name}(scores, x)", value, (len(x),), hint)
    hint = "Exponentials of large scores overflow and those of small ones vanish: use log_softmax."
    stressed = instance.weight < 0.5
    if stressed:
        answers.expect_finite(f"{name}(scores, x)", value, hint, "overflow")
    answers.expect_finite(f"{name}(scores, x)", value)
    if stressed:
        truth = _terms(scores, x).sum(1)
        otherwise = "right for moderate scores, wrong for large ones: is precision lost on the way?"
        line_up(value, truth, (), tolerance=1e-4, otherwise=otherwise, plain=otherwise)
    else:
        _compare(value, scores, x)
    return right("the probabilities of all sequences sum to one, and each one is the chain rule's.")


def _compare(value: Tensor, scores: list[Tensor], x: Tensor) -> None:
    terms = _terms(scores, x)
    total = value.exp().sum().item()
    plain = "take the log-softmax of each row, and add one term per position."
    opening = f"the probabilities of all {len(x)} sequences sum to {total:.4g}, not 1"
    if abs(total - 1) > 1e-6:
        otherwise = f"{opening}: {plain}"
    else:
        plain = "the probabilities sum to 1, but they are not the chain rule's."
        off = int((value - terms.sum(1)).abs().gt(1e-6).sum())
        otherwise = (
            f"the probabilities sum to 1, but {off} of {len(x)} sequences have another one than "
            "the chain rule gives: which row belongs to which past?"
        )
    suspects = _suspects(opening, terms, scores, x)
    truth = terms.sum(1)
    line_up(value, truth, suspects, tolerance=1e-6, otherwise=otherwise, plain=plain)


def _terms(scores: list[Tensor], x: Tensor, *, axis: int = -1, past: int = 0) -> Tensor:
    """log p(x_i | x_<i) for each sequence and position.

    Args:
        scores: The tables.
        x: Sequences (batch, length).
        axis: Axis of the table that is normalised; -1 is right.
        past: 0: the true past; 1: the past read backwards; 2: the target one position early.
    """
    rows = []
    for sequence in x.tolist():
        row = []
        for i, table in enumerate(scores):
            before, target = sequence[:i], sequence[i]
            if past == 1:
                before = before[::-1]
            if past == 2 and i:
                target = sequence[i - 1]
            place = (*before, target)
            along = list(place)
            along[axis] = slice(None)
            row.append(float(table[place]) - _log_sum_exp(table[tuple(along)].tolist()))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def _log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def _suspects(opening: str, terms: Tensor, scores: list[Tensor], x: Tensor) -> Iterator[Suspect]:
    truth = terms.sum(1)
    raw = sum(table[tuple(x[:, : i + 1].T)] for i, table in enumerate(scores))
    yield Suspect("first-factor", "is the first factor missing?", terms[:, 1:].sum(1), opening)
    yield Suspect("last-factor", "is the last factor missing?", terms[:, :-1].sum(1), opening)
    yield Suspect("sign", "right magnitude, wrong sign: a log-probability is never > 0.", -truth)
    yield Suspect("mean", "a mean over positions where a sum belongs?", terms.mean(1), opening)
    yield Suspect("bits", "logarithms to base 2? Nats are asked for.", truth / _LN2, opening)
    yield Suspect("no-log", "these are probabilities; their logarithm is asked for.", truth.exp())
    yield Suspect("unnormalised", "the scores of a row are not yet normalised.", raw, opening)
    yield Suspect(
        "wrong-axis",
        "are the tables normalised over the past instead of the next symbol?",
        _terms(scores, x, axis=0).sum(1),
        opening,
    )
    yield Suspect(
        "off-by-one",
        "position i seems to score the symbol before it, not its own.",
        _terms(scores, x, past=2).sum(1),
        opening,
    )
    yield Suspect(
        "reversed-past",
        "each row is looked up with the past read backwards: the oldest symbol comes first.",
        _terms(scores, x, past=1).sum(1),
    )


_LN2 = math.log(2.0)
