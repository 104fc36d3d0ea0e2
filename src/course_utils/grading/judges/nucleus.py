"""Judge of ``nucleus(logits, p)``: the truth is found by trying every subset of the symbols."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, close, line_up

_SYMBOLS, _ROWS = 6, 8


def draw(seed: int) -> list[Instance]:
    """Rows with a nucleus of several symbols, with one of one symbol, and two kinds of stress."""
    generator = torch.Generator().manual_seed(seed + 909)
    spread = _rows(generator, 0.8)
    sure = torch.randn(4, _SYMBOLS, generator=generator, dtype=torch.float64)
    sure[torch.arange(4), torch.randint(_SYMBOLS, (4,), generator=generator)] += 4.0
    large = (300 * spread).float()
    return [
        Instance("rows of six symbols", {"logits": spread, "p": 0.8}, 0.6),
        Instance("a symbol that alone reaches p", {"logits": sure, "p": 0.3}, 0.2),
        Instance("large logits in single precision", {"logits": large, "p": 0.8}, 0.1),
        Instance("p = 1", {"logits": spread, "p": 1.0}, 0.1),
    ]


def _rows(generator: torch.Generator, p: float) -> Tensor:
    """Rows with a nucleus of two to four symbols, in which every known mistake shows."""
    while True:
        logits = 1.5 * torch.randn(40, _SYMBOLS, generator=generator, dtype=torch.float64)
        sums = logits.softmax(-1).sort(descending=True).values.cumsum(-1)
        good = (
            ((sums - p).abs().amin(1) > 0.01)
            & (sums[:, 0] < p)
            & (sums[:, 3] > p)
            & (sums[:, 0] > 0.25)
        )
        logits = logits[good][:_ROWS]
        values = [smallest_set(logits, p), *(s.value for s in _suspects(logits, p))]
        apart = not any(close(a, b, 1e-3) for a, b in itertools.combinations(values, 2))
        if len(logits) == _ROWS and apart:
            return logits


def smallest_set(logits: Tensor, p: float) -> Tensor:
    """Probabilities on the smallest subset of mass at least p, by trying all subsets."""
    subsets = torch.cartesian_prod(*[torch.arange(2)] * _SYMBOLS)[1:].double()
    probs = logits.double().softmax(-1)
    masses = probs @ subsets.T
    sizes = subsets.sum(1).expand_as(masses)
    best = (sizes - masses).masked_fill(masses < p - 1e-12, torch.inf).argmin(-1)
    kept = probs * subsets[best]
    return kept / kept.sum(-1, keepdim=True)


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare with the smallest set of sufficient mass, row by row."""
    logits, p = instance.args["logits"], instance.args["p"]
    name = f"{answers.name_of(answer)}(logits, p)"
    value = answers.call(answer, instance.args)
    hint = "One probability for each symbol of each row is asked for."
    value = answers.expect_floats(name, value, tuple(logits.shape), hint)
    _check_values(value, large=logits.dtype == torch.float32)
    truth = smallest_set(logits, p)
    plain = "another set of symbols is kept than the smallest one of mass p."
    off = int(((value > 0) != (truth > 0)).any(-1).sum())
    otherwise = f"{off} of {len(logits)} rows keep another set than the smallest one of mass p."
    if not off:
        plain = otherwise = "the right symbols are kept, with other probabilities than the softmax."
    line_up(value, truth, _suspects(logits, p), tolerance=1e-5, otherwise=otherwise, plain=plain)
    return right("every row keeps the smallest set of mass p, renormalised.")


def _check_values(value: Tensor, *, large: bool) -> None:
    if bool(value.isinf().any()):
        text = "there are infinite values: probabilities are asked for, not logits or logarithms."
        raise Mistake("logits", text, text)
    if bool(value.isnan().any()) or bool((value.sum(-1) == 0).any()):
        category = "overflow" if large else "empty"
        text = "a row has no symbol left: the one with which the sum reaches p belongs to the set."
        if large:
            text = "there are NaN values: exponentials of large logits overflow; use softmax."
        raise Mistake(category, text, text)


def _suspects(logits: Tensor, p: float) -> Iterator[Suspect]:
    probs = logits.double().softmax(-1)
    ordered, order = probs.sort(dim=-1, descending=True, stable=True)
    sums = ordered.cumsum(-1)
    before = sums - ordered
    earlier = torch.cat([torch.zeros_like(before[:, :1]), before[:, :-1]], -1)

    def kept(in_order: Tensor) -> Tensor:
        mask = torch.zeros_like(probs).scatter(-1, order, in_order.double())
        return probs * mask / (probs * mask).sum(-1, keepdim=True)

    yield Suspect(
        "crossing",
        "the symbol with which the sum reaches p is dropped: it belongs to the set.",
        kept(sums <= p),
    )
    yield Suspect(
        "one-more",
        "one symbol more than needed is kept: the sum reaches p before.",
        kept(earlier < p),
    )
    yield Suspect(
        "unnormalised",
        "the right symbols are kept, but their probabilities do not sum to 1 any more.",
        probs * (kept(before < p) > 0),
    )
    yield Suspect(
        "not-undone",
        "the probabilities are still in sorted order: bring each back to its symbol.",
        kept(before < p).gather(-1, order),
    )
    in_place = probs * (probs.cumsum(-1) - probs < p)
    yield Suspect(
        "unsorted",
        "the sum runs over the symbols as they are numbered: sort them by probability first.",
        in_place / in_place.sum(-1, keepdim=True),
    )
    large = probs * (probs >= 1 - p)
    yield Suspect(
        "threshold",
        "p is used as a threshold for single probabilities: it is one for their sum.",
        large / large.sum(-1, keepdim=True),
    )
    yield Suspect("no-cut", "nothing is cut off.", probs)
