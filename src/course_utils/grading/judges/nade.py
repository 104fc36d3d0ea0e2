r"""Judge of ``nade_log_prob(x, W, V, b, c)``: right for every binary vector, and in O(dH) work.

    h_i = \sigma(c + W_{:, <i} x_{<i}),    p(x_i = 1 | x_{<i}) = \sigma(b_i + V_i h_i)

The truth evaluates this as it stands, anew for each i, in double loops. The work of an answer is
counted where it runs in this process, and timed from outside where it does not (``work``).
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from course_utils.grading import answers
from course_utils.grading.judges import work
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_LN2 = math.log(2.0)
_ON_PAPER = "write h_i and p(x_i = 1) for i = 0, 1 and 2 on paper and compare."


def draw(seed: int) -> list[Instance]:
    """All binary vectors; two sizes whose work is compared; weights that saturate."""
    generator = torch.Generator().manual_seed(seed + 404)
    small = _weights(6, 4, generator)
    small["x"] = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6))).double()
    # Weights of this size drive the logits past the range of single precision's sigmoid.
    large = {key: (60 * value).float() for key, value in _weights(6, 4, generator).items()}
    large["x"] = small["x"].float()
    return [
        Instance("every vector", small, 0.5),
        Instance("work", _weights(64, 16, generator), 0.3),
        Instance("large weights in single precision", large, 0.2),
    ]


def _weights(d: int, hidden: int, generator: torch.Generator) -> dict[str, Tensor]:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = (normal(4, d) > 0).double()
    return {
        "x": x,
        "W": normal(hidden, d),
        "V": normal(d, hidden),
        "b": normal(d),
        "c": normal(hidden),
    }


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare values; for the work instance compare how work grows when d doubles."""
    args = instance.args
    name, x = answers.name_of(answer), args["x"]
    value = answers.call(answer, args)
    hint = "One log-probability per vector is asked for: is there a sum or mean over the batch?"
    value = answers.expect_floats(f"{name}(...)", value, (len(x),), hint)
    hint = "Logs of 0: use logsigmoid of the logit, and of minus the logit, never log(sigmoid)."
    stressed = instance.name.startswith("large")
    if stressed:
        answers.expect_finite(f"{name}(...)", value, hint, "overflow")
    answers.expect_finite(f"{name}(...)", value)
    terms = _terms(args)
    total = value.exp().sum().item()
    opening, plain = "the log-probabilities are wrong", _ON_PAPER
    if instance.name == "every vector" and abs(total - 1) > 1e-6:
        opening = f"the probabilities of all {len(x)} vectors sum to {total:.4g}, not 1"
    otherwise = f"{opening}: {plain}"
    if stressed:
        otherwise = plain = (
            "right for moderate weights, wrong for large ones: is a small number added inside a "
            "logarithm? Use logsigmoid of the logit, and of minus the logit."
        )
    tolerance = 1e-4 if stressed else 1e-6
    suspects = _suspects(opening, args) if instance.name == "every vector" else ()
    truth = terms.sum(1)
    line_up(value, truth, suspects, tolerance=tolerance, otherwise=otherwise, plain=plain)
    if instance.name == "work":
        _check_work(answer, args)
    return right("the value is right for every vector, and the work grows as d H.")


def _terms(
    args: dict[str, Tensor],
    *,
    unit: Callable[[float], float] | None = None,
    shift: int = 0,
    late: bool = False,
) -> Tensor:
    """log p(x_i | x_<i) for each vector and i, by the definition.

    Args:
        args: x and the weights.
        unit: Replaces the hidden sigmoid.
        shift: How many more variables h_i sees than it should.
        late: Whether h_i sees the variables after i in place of those before it.
    """
    unit = unit or _sigmoid
    W, V, b, c = (args[key].tolist() for key in "WVbc")

    @functools.cache
    def logit(i: int, first: int, past: tuple[float, ...]) -> float:
        sums = [sum(w * x for w, x in zip(row[first:], past, strict=False)) for row in W]
        hidden = [unit(bias + s) for bias, s in zip(c, sums, strict=True)]
        return b[i] + sum(v * h for v, h in zip(V[i], hidden, strict=True))

    rows = []
    for x in args["x"].tolist():
        row = []
        for i, value in enumerate(x):
            first, last = (i + 1, len(x)) if late else (0, max(0, i + shift))
            score = logit(i, first, tuple(x[first:last]))
            row.append(-_softplus(-score if value else score))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _sigmoid(value: float) -> float:
    return math.exp(-_softplus(-value))


def _suspects(opening: str, args: dict[str, Tensor]) -> Iterator[Suspect]:
    terms = _terms(args)
    total = terms.sum(1)
    yield Suspect("sign", "right magnitude, wrong sign: log-probabilities are <= 0.", -total)
    yield Suspect("no-log", "these are probabilities; their logarithm is asked.", total.exp())
    flipped = torch.log(-torch.expm1(terms))
    known = (
        ("mean", "a mean over i where a sum belongs?", terms.mean(1)),
        ("bits", "logarithms to base 2? Nats asked.", total / _LN2),
        ("zeros-lost", "the terms with x_i = 0 are missing.", (terms * args["x"]).sum(1)),
        ("flipped", "p(x_i = 1) is used where x_i is 0.", flipped.sum(1)),
        ("first-factor", "is the first factor missing?", terms[:, 1:].sum(1)),
    )
    for category, message, value in known:
        yield Suspect(category, message, value, opening)
    for category, message, other in _other_conditionals(args):
        yield Suspect(category, message, other.sum(1), opening)


def _other_conditionals(args: dict[str, Tensor]) -> Iterator[tuple[str, str, Tensor]]:
    yield (
        "sees-itself",
        "h_i already contains x_i. Use it first, then add the column of x_i.",
        _terms(args, shift=1),
    )
    yield "off-by-one", "h_i misses the variable directly before i.", _terms(args, shift=-1)
    yield "later-variables", "h_i looks at the variables after i.", _terms(args, late=True)
    yield "no-hidden-bias", "is c missing in h_i?", _without(args, "c")
    yield "no-bias", "is b_i missing in the logit?", _without(args, "b")
    linear = _terms(args, unit=lambda value: value)
    yield "no-sigmoid", "the sigmoid of the hidden units is missing.", linear
    yield "tanh", "the hidden units are sigmoids, not tanh.", _terms(args, unit=math.tanh)


def _without(args: dict[str, Tensor], key: str) -> Tensor:
    return _terms({**args, key: torch.zeros_like(args[key])})


# Work

_SIZES = ((64, 64), (256, 256), (256, 512))
"""Variables and hidden units of the small input at which a function elsewhere is timed."""

_TIMES = 8
"""How many times as many variables the large input has."""

_MOST_DOUBLED = 2.8
"""Counted work for twice as many variables: between 2, its growth in O(dH), and 4, in O(d^2 H)."""

_MOST_TIMED = 2.8
"""Time for eight times as many variables, by that of eight small calls: between 1 and 8. The limit
is as far from the one as from the other, since memory that is far away costs time as well."""


def _check_work(answer: Callable[..., Any], args: dict[str, Tensor]) -> None:
    if work.runs_here(answer):
        half = _first_variables(args, len(args["b"]) // 2)
        growth = work.work_of(answer, args) / max(work.work_of(answer, half), 1)
        found = growth > _MOST_DOUBLED and f"twice as many variables cost {growth:.1f} times"
    else:
        growth = work.growth_of_seconds(
            answer, _pairs(), _check_large, times=_TIMES, limit=_MOST_TIMED
        )
        cost = _TIMES * growth
        found = growth > _MOST_TIMED and f"{_TIMES} times as many variables cost {cost:.0f} times"
    if found:
        advice = (
            "carry c + W x_<i along from one i to the next instead of computing it anew: twice as "
            "many variables may cost twice the work, not four times."
        )
        message = f"right, but {found} the work: {advice}"
        raise Mistake("quadratic", message, f"right, but too much work: {advice}")


def _first_variables(args: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    cut = {"x": args["x"][:, :count], "W": args["W"][:, :count], "V": args["V"][:count]}
    return {**args, **cut, "b": args["b"][:count]}


def _pairs() -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    for d, hidden in _SIZES:
        generator = torch.Generator().manual_seed(d)
        both = _weights(_TIMES * d, hidden, generator)
        both["W"], both["V"] = both["W"] / d**0.5, both["V"] / hidden**0.5
        both["x"] = torch.cat([both["x"][:1], 1 - both["x"][:1]])
        yield _first_variables(both, d), both


def _check_large(value: Any, args: dict[str, Tensor]) -> None:
    """Compare with the cumulative sum of the columns of W, weighted by x."""
    x, W, V, b, c = args.values()
    value = answers.expect_floats("the result for many variables", value, (len(x),))
    columns = x[:, :, None] * W.T
    hidden = (c + columns.cumsum(1) - columns).sigmoid()
    logits = b + (hidden * V).sum(-1)
    truth = -functional.softplus(torch.where(x > 0, -logits, logits)).sum(1)
    otherwise = f"right for 6 variables, wrong for {x.shape[1]}: is a size fixed somewhere?"
    line_up(value, truth, (), tolerance=1e-6, otherwise=otherwise, plain=otherwise)
