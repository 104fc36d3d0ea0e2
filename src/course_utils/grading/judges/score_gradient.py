"""Judge of a score-function gradient with a leave-one-out baseline, on every outcome of the draws.

A law on few symbols is drawn from two or three times. All tuples of draws can be listed, so that
the estimate's expectation is a sum, and is compared with the exact gradient.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, close, line_up, told_apart


def draw(seed: int) -> list[Instance]:
    """All triples of draws from three symbols, and all pairs with large values."""
    generator = torch.Generator().manual_seed(seed + 3303)
    while True:
        logits, values = torch.randn(2, 3, generator=generator, dtype=torch.float64)
        args = {"logits": logits, "values": 2 * values + 1, "draws": _tuples(3, 3)}
        if told_apart(_truth(**args), _suspects(**args)):
            break
    pairs = {"logits": logits, "values": args["values"] + 1e4, "draws": _tuples(3, 2)}
    return [
        Instance("all triples of draws", args, 0.7),
        Instance("all pairs of draws, large values", pairs, 0.3),
    ]


def _tuples(num_symbols: int, count: int) -> Tensor:
    return torch.tensor(list(itertools.product(range(num_symbols), repeat=count)))


def _truth(logits: Tensor, values: Tensor, draws: Tensor) -> Tensor:
    """Each row of draws by itself: every draw against the mean of the others."""
    probs, f = _probs(logits), values.numpy()
    out = np.zeros((len(draws), len(probs)))
    for row, drawn in enumerate(draws.tolist()):
        for i, symbol in enumerate(drawn):
            others = [f[other] for j, other in enumerate(drawn) if j != i]
            score = np.eye(len(probs))[symbol] - probs
            out[row] += (f[symbol] - np.mean(others)) * score / len(drawn)
    return torch.from_numpy(out)


def _probs(logits: Tensor) -> np.ndarray:
    weights = np.exp(logits.numpy() - logits.max().item())
    return weights / weights.sum()


def expectation(estimates: Tensor, logits: Tensor, draws: Tensor) -> Tensor:
    """Mean of the rows of estimates, each weighed by the probability of its draws."""
    return torch.from_numpy(_probs(logits))[draws].prod(1) @ estimates


def exact_gradient(logits: Tensor, values: Tensor) -> Tensor:
    """Gradient of sum_k p_k f_k by the logits, from the derivative of each p_k by each logit."""
    probs = _probs(logits)
    jacobian = np.diag(probs) - np.outer(probs, probs)
    return torch.from_numpy(jacobian @ values.numpy())


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare each row, and say whether the rows are right on average."""
    args = instance.args
    logits, values, draws = args["logits"], args["values"], args["draws"]
    name = f"{answers.name_of(answer)}(logits, values, draws)"
    hint = "One gradient for each row of draws is asked for."
    value = answers.call(answer, args)
    value = answers.expect_floats(name, value, (len(draws), len(logits)), hint)
    answers.expect_finite(name, value)
    mean = expectation(value, logits, draws)
    tolerance = 1e-6
    unbiased = close(mean, exact_gradient(logits, values), tolerance)
    plain = "averaged over all outcomes of the draws it is not the gradient: it is biased."
    if unbiased:
        plain = "it is right on average, but not the estimate with the mean of the other draws."
    suspects = _suspects(**args) if draws.shape[1] == 3 else _large_suspects(**args)
    line_up(value, _truth(**args), suspects, tolerance=tolerance, otherwise=plain, plain=plain)
    if not unbiased:
        raise Mistake("biased", plain, plain)
    return right("averaged over all outcomes of the draws it is the exact gradient.")


def _pieces(logits: Tensor, values: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    probs = torch.from_numpy(_probs(logits))
    return values[draws], torch.eye(len(probs)).double()[draws] - probs, probs


def _mean_of(weights: Tensor, scores: Tensor) -> Tensor:
    return (weights[..., None] * scores).mean(1)


def _suspects(logits: Tensor, values: Tensor, draws: Tensor) -> Iterator[Suspect]:
    f, scores, probs = _pieces(logits, values, draws)
    truth, count = _truth(logits, values, draws), draws.shape[1]
    others = (f.sum(1, keepdim=True) - f) / (count - 1)
    yield from _large_suspects(logits, values, draws)
    yield Suspect("sign", "it has the wrong sign.", -truth)
    yield Suspect("sum", "it is a sum over the draws: divide by their number.", count * truth)
    yield Suspect(
        "exact", "every row is the exact gradient: estimate it from the row's draws.",
        exact_gradient(logits, values).expand(len(draws), -1),
    )  # fmt: skip
    yield Suspect(
        "known-mean", "the baseline is the exact mean of f, which a sampler does not know.",
        _mean_of(f - probs @ values, scores),
    )  # fmt: skip
    yield Suspect(
        "not-log", "the gradient of p stands where that of log p belongs.",
        _mean_of((f - others) * probs[draws], scores),
    )  # fmt: skip
    yield Suspect(
        "added", "the baseline is added: subtract it.", _mean_of(f + others, scores)
    )  # fmt: skip
    yield Suspect(
        "neighbour", "the baseline is a single other draw: take the mean of all others.",
        _mean_of(f - f.roll(1, 1), scores),
    )  # fmt: skip
    yield Suspect(
        "divisor", "the mean of the other draws is divided by the number of all.",
        _mean_of(f - others * (count - 1) / count, scores),
    )  # fmt: skip


def _large_suspects(logits: Tensor, values: Tensor, draws: Tensor) -> Iterator[Suspect]:
    f, scores, _ = _pieces(logits, values, draws)
    yield Suspect("no-baseline", "there is no baseline.", _mean_of(f, scores))
    yield Suspect(
        "own-value", "the baseline of a draw contains the draw itself, which biases it.",
        _mean_of(f - f.mean(1, keepdim=True), scores),
    )  # fmt: skip
