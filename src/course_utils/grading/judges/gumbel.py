"""Judge of Gumbel noise on logits: a race of exponential clocks, which needs no second logarithm.

With u uniform, the clock t_k = -log(u_k) / p_k rings after an exponential time of rate p_k. The
first to ring is k with probability p_k, and logits plus Gumbel noise is -log t_k up to a constant.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

_PARTS = ("the symbols drawn", "the relaxed draws")


def draw(seed: int) -> list[Instance]:
    """A moderate temperature, and a very low one in single precision."""
    generator = torch.Generator().manual_seed(seed + 4404)
    while True:
        logits = torch.randn(12, 4, generator=generator, dtype=torch.float64)
        uniform = 0.02 + 0.96 * torch.rand(12, 4, generator=generator, dtype=torch.float64)
        args = {"logits": logits, "uniform": uniform, "temperature": 0.7}
        indices, relaxed = _truth(**args)
        margin = relaxed.topk(2).values.log()
        closest = float((margin[:, 0] - margin[:, 1]).min())  # near enough for a low temperature
        clear = 0.02 < closest < 0.4
        wrong_rows, wrong_relaxed = _wrong_indices(**args), _wrong_relaxed(**args)
        if clear and told_apart(indices, wrong_rows) and told_apart(relaxed, wrong_relaxed):
            break
    cold = {"logits": logits.float(), "uniform": uniform.float(), "temperature": 0.005}
    return [
        Instance("a moderate temperature", args, 0.8),
        Instance("a very low temperature in single precision", cold, 0.2),
    ]


def _truth(logits: Tensor, uniform: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logits, uniform = logits.double(), uniform.double()
    rates = logits.softmax(-1)
    clocks = -uniform.log() / rates
    powers = (clocks.amin(-1, keepdim=True) / clocks) ** (1 / temperature)
    return clocks.argmin(-1), powers / powers.sum(-1, keepdim=True)


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare the symbols and the relaxed draws with the race."""
    args = instance.args
    shape, cold = tuple(args["logits"].shape), args["logits"].dtype == torch.float32
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    indices, relaxed = _truth(**args)
    hint = "One symbol for each row is asked for, as its number."
    rows = answers.expect_tensor(_PARTS[0], parts[0], shape[:1], hint)
    plain = "the symbols are not those with the largest sum of logit and Gumbel noise."
    line_up(rows, indices, () if cold else _wrong_indices(**args), tolerance=1e-9,
            otherwise=plain, plain=plain)  # fmt: skip
    value = answers.expect_floats(_PARTS[1], parts[1], shape)
    if cold and not bool(value.isfinite().all()):
        text = "exponentials of logits over a low temperature overflow: use softmax."
        raise Mistake("overflow", text, text)
    answers.expect_finite(_PARTS[1], value)
    plain = "the relaxed draws are not the softmax of logits plus noise over the temperature."
    if cold:
        plain = "the relaxed draws are right at a moderate temperature, wrong at a very low one."
    known, tolerance = ((), 2e-2) if cold else (_wrong_relaxed(**args), 1e-6)
    line_up(value, relaxed, known, tolerance=tolerance, otherwise=plain, plain=plain)
    return right("symbols and relaxed draws belong to the given noise.")


def _noise(uniform: Tensor) -> Tensor:
    return -(-uniform.log()).log()


def _wrong_indices(logits: Tensor, uniform: Tensor, temperature: float) -> Iterator[Suspect]:
    rows = {
        "no-noise": ("the symbols are the most probable ones: where is the noise?", logits),
        "one-log": ("the noise is -log u: take the logarithm of that again.",
                    logits - uniform.log()),
        "noise-sign": ("the noise has the wrong sign: it is -log(-log u).",
                       logits - _noise(uniform)),
        "uniform": ("the noise is uniform: turn it into Gumbel noise first.", logits + uniform),
        "noise-alone": ("the symbols depend on the noise alone: add the logits.", uniform),
        "probabilities": ("the noise is added to probabilities: add it to their logarithms.",
                          logits.softmax(-1) + _noise(uniform)),
        "smallest": ("the symbols have the smallest sum: the largest is wanted.",
                     -logits - _noise(uniform)),
    }  # fmt: skip
    for category, (message, scores) in rows.items():
        yield Suspect(category, message, scores.argmax(-1))


def _wrong_relaxed(logits: Tensor, uniform: Tensor, temperature: float) -> Iterator[Suspect]:
    noise = _noise(uniform)
    indices, relaxed = _truth(logits, uniform, temperature)
    yield Suspect(
        "no-noise", "the relaxed draws have no noise in them.", (logits / temperature).softmax(-1)
    )
    yield Suspect(
        "no-temperature", "the relaxed draws leave out the temperature.",
        (logits + noise).softmax(-1),
    )  # fmt: skip
    yield Suspect(
        "inverse", "the sum is multiplied by the temperature: divide by it.",
        ((logits + noise) * temperature).softmax(-1),
    )  # fmt: skip
    yield Suspect(
        "only-logits", "the logits are divided by the temperature and the noise is not.",
        (logits / temperature + noise).softmax(-1),
    )  # fmt: skip
    yield Suspect(
        "only-noise", "the noise is divided by the temperature and the logits are not.",
        (logits + noise / temperature).softmax(-1),
    )  # fmt: skip
    yield Suspect(
        "wrong-axis", "the softmax runs over the rows: it runs over the symbols.",
        ((logits + noise) / temperature).softmax(0),
    )  # fmt: skip
    yield Suspect(
        "hard", "the relaxed draws are one-hot: the softmax is asked for.",
        torch.eye(logits.shape[1]).double()[indices],
    )  # fmt: skip
    yield Suspect("log", "logarithms of the relaxed draws are returned.", relaxed.log())
