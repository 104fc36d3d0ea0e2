"""Judge of ``ngram_table(x, num_symbols, context, smoothing)``: counting with smoothing."""

import itertools
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_SYMBOLS = 3


def draw(seed: int) -> list[Instance]:
    """A smoothed bigram, a smoothed trigram, and a trigram by maximum likelihood."""
    generator = torch.Generator().manual_seed(seed + 202)
    x = torch.randint(_SYMBOLS, (6, 11), generator=generator)
    few = torch.randint(_SYMBOLS - 1, (5, 6), generator=generator)

    def instance(name: str, x: Tensor, context: int, smoothing: float, weight: float) -> Instance:
        args = {"x": x, "num_symbols": _SYMBOLS, "context": context, "smoothing": smoothing}
        return Instance(name, args, weight)

    return [
        instance("bigram", x, 1, 0.5, 0.5),
        instance("trigram", x, 2, 0.25, 0.3),
        instance("contexts that were never seen", few, 2, 0.0, 0.2),
    ]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare with a table counted one window at a time."""
    args = instance.args
    name, shape = answers.name_of(answer), (_SYMBOLS,) * (args["context"] + 1)
    hint = "One axis for each symbol of the context, oldest first, then one for the next symbol."
    value = answers.call(answer, args)
    value = answers.expect_floats(f"{name}(...)", value, shape, hint)
    if args["smoothing"] == 0:
        hint = "A context that was never seen gets the uniform distribution, not 0 / 0."
        answers.expect_finite(f"{name}(...) with smoothing 0", value, hint, "unseen")
    answers.expect_finite(f"{name}(...)", value)
    off = int((value.sum(-1) - 1).abs().gt(1e-6).sum())
    rows = value[..., 0].numel()
    otherwise = f"with context {args['context']}, {off} of {rows} rows do not sum to one."
    plain = "some rows do not sum to one."
    if off == 0:
        wrong = int((value - _truth(args)).abs().gt(1e-6).any(-1).sum())
        otherwise = (
            f"with context {args['context']} the rows sum to one, but {wrong} of {rows} differ "
            "from the counts: which windows are counted, and how often?"
        )
        plain = "the rows sum to one, but differ from the counts: which windows are counted?"
    truth, suspects = _truth(args), _suspects(args)
    line_up(value, truth, suspects, tolerance=1e-6, otherwise=otherwise, plain=plain)
    return right("every row sums to one and equals the smoothed counts.")


def _windows(rows: list[list[int]], context: int, *, lag: int = 0, drop: int = 0) -> Counter:
    """Count (context, next symbol); ``lag`` moves the context back, ``drop`` omits the last."""
    seen: Counter = Counter()
    for row in rows:
        for t in range(context + lag, len(row) - drop):
            seen[(*row[t - context - lag : t - lag], row[t])] += 1
    return seen


def _table(seen: Counter, context: int) -> Tensor:
    table = torch.zeros((_SYMBOLS,) * (context + 1), dtype=torch.float64)
    for place in itertools.product(range(_SYMBOLS), repeat=context + 1):
        table[place] = seen[place]
    return table


def _smoothed(table: Tensor, smoothing: float, *, axis: int = -1) -> Tensor:
    cells = table + smoothing
    total = cells.sum(axis, keepdim=True)
    return torch.where(total > 0, cells / total, torch.full_like(cells, 1 / _SYMBOLS))


def _truth(args: dict[str, Any]) -> Tensor:
    seen = _windows(args["x"].tolist(), args["context"])
    return _smoothed(_table(seen, args["context"]), args["smoothing"])


def _suspects(args: dict[str, Any]) -> list[Suspect]:
    rows, context, a = args["x"].tolist(), args["context"], args["smoothing"]
    counts = _table(_windows(rows, context), context)
    running = [[symbol for row in rows for symbol in row]]
    total = counts.sum(-1, keepdim=True)
    backwards = _truth(args).permute(*reversed(range(context)), context)

    def recounted(seen: Counter) -> Tensor:
        return _smoothed(_table(seen, context), a)

    return [
        Suspect("no-smoothing", "the smoothing is missing.", _smoothed(counts, 0.0)),
        Suspect(
            "denominator",
            "rows sum to more than one: with a added to each of the V cells, the total grows by "
            "V a, not by a.",
            (counts + a) / (total + a),
        ),
        Suspect(
            "denominator",
            "rows sum to more than one: a is added to the cells but not to their total.",
            (counts + a) / total,
        ),
        Suspect("counts", "these are counts: each row has to be divided by its sum.", counts + a),
        Suspect("counts", "these are counts: smooth them, then divide by the row's sum.", counts),
        Suspect(
            "joint",
            "the whole table sums to one: a conditional has every row sum to one.",
            (counts + a) / (counts + a).sum(),
        ),
        Suspect(
            "wrong-axis",
            "normalised over the wrong axis: each row, along the last axis, has to sum to one.",
            _smoothed(counts, a, axis=0),
        ),
        Suspect(
            "off-by-one",
            "the context ends one symbol too early: it is the symbols directly before the next.",
            recounted(_windows(rows, context, lag=1)),
        ),
        Suspect(
            "last-window",
            "the last window of every sequence is not counted.",
            recounted(_windows(rows, context, drop=1)),
        ),
        Suspect(
            "across-sequences",
            "windows run from the end of one sequence into the next: count each row on its own.",
            recounted(_windows(running, context)),
        ),
        Suspect(
            "reversed-past",
            "the axes of the context are the wrong way round: the oldest symbol comes first.",
            backwards,
        ),
    ]
