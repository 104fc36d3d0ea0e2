"""Judge of an importance-weighted bound: sums of weights in decimal numbers of any size."""

import decimal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart


def draw(seed: int) -> list[Instance]:
    """Groups of three, groups of one, one group, and weights far below what exp can hold."""
    generator = torch.Generator().manual_seed(seed + 3404)
    while True:
        log_weights = 1.5 * torch.randn(12, 4, generator=generator, dtype=torch.float64) - 3
        args = {"log_weights": log_weights, "k": 3}
        if told_apart(_truth(**args), _suspects(**args)):
            break
    tiny = (4 * log_weights - 2000).float()
    return [
        Instance("groups of three", args, 0.5),
        Instance("groups of one", {**args, "k": 1}, 0.15),
        Instance("a single group", {**args, "k": 12}, 0.15),
        Instance("very small weights in single precision", {"log_weights": tiny, "k": 4}, 0.2),
    ]


def _truth(log_weights: Tensor, k: int) -> Tensor:
    """Mean over groups of log((w_1 + ... + w_k) / k), weights added as they are."""
    with decimal.localcontext(prec=40):
        columns = [[Decimal(v) for v in column] for column in log_weights.double().T.tolist()]
        bounds = []
        for column in columns:
            groups = [column[i : i + k] for i in range(0, len(column), k)]
            logs = [(sum(v.exp() for v in group) / k).ln() for group in groups]
            bounds.append(float(sum(logs) / len(logs)))
    return torch.tensor(bounds, dtype=torch.float64)


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare with weights that are added up without a logarithm."""
    log_weights, k = instance.args["log_weights"], instance.args["k"]
    name = f"{answers.name_of(answer)}(log_weights, k)"
    value = answers.call(answer, instance.args)
    hint = "One bound for each example is asked for."
    value = answers.expect_floats(name, value, (log_weights.shape[1],), hint)
    small = log_weights.dtype == torch.float32
    if small and not bool(value.isfinite().all()):
        text = "the weights vanish before they are added: take out the largest first."
        raise Mistake("overflow", text, text)
    answers.expect_finite(name, value)
    plain = "it is not the mean over groups of the logarithm of the mean weight."
    if small:
        plain = "right for moderate weights, wrong for very small ones."
    suspects = () if small or k != 3 else _suspects(log_weights, k)
    tolerance = 1e-5 if small else 1e-6
    line_up(value, _truth(log_weights, k), suspects, tolerance=tolerance, otherwise=plain,
            plain=plain)  # fmt: skip
    return right("the bound is right for every example.")


def _suspects(log_weights: Tensor, k: int) -> Iterator[Suspect]:
    count, batch = log_weights.shape
    truth, weights = _truth(log_weights, k), log_weights.exp()
    groups = weights.reshape(count // k, k, batch)
    log_k = torch.tensor(float(k)).double().log()
    yield Suspect(
        "no-divisor", "the weights of a group are added and not divided by k.", truth + log_k
    )
    yield Suspect(
        "all-draws", "it is divided by the number of all draws, not by that of a group.",
        groups.sum(1).log().mean(0) - torch.tensor(float(count)).double().log(),
    )  # fmt: skip
    yield Suspect(
        "elbo", "the logarithms are averaged: that is the ELBO, k = 1.", log_weights.mean(0)
    )
    yield Suspect(
        "one-group", "all draws form one group: that is the bound of k = 12.",
        weights.mean(0).log(),
    )  # fmt: skip
    yield Suspect(
        "exchanged", "there are k groups: there should be groups of k.",
        weights.reshape(k, count // k, batch).mean(1).log().mean(0),
    )  # fmt: skip
    yield Suspect(
        "interleaved", "a group takes every so many-th draw: it should take neighbours.",
        weights.reshape(k, count // k, batch).mean(0).log().mean(0),
    )  # fmt: skip
    yield Suspect(
        "sum", "the groups are added: take their mean.", count // k * truth
    )  # fmt: skip
    yield Suspect(
        "best", "only the largest weight of each group counts.", groups.amax(1).log().mean(0)
    )  # fmt: skip
    yield Suspect("sign", "it has the wrong sign: the bound is asked for, not a loss.", -truth)
    yield Suspect("not-log", "the mean weight itself is returned, not its logarithm.",
                  groups.mean(1).mean(0))  # fmt: skip
    yield Suspect(
        "batch", "the mean runs over the examples too: one bound for each is asked for.",
        truth.mean().expand(batch),
    )  # fmt: skip
