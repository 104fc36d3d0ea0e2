"""Judge of a reparameterised gradient: the chain rule written out, one draw at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

_PARTS = ("the estimate", "its gradient by mean", "its gradient by log_std")
_DIM = 3


def draw(seed: int) -> list[Instance]:
    """Several draws of the noise, and a single one."""
    generator = torch.Generator().manual_seed(seed + 3202)
    while True:
        mean, center = torch.randn(2, _DIM, generator=generator, dtype=torch.float64)
        log_std = 0.5 * torch.randn(_DIM, generator=generator, dtype=torch.float64)
        eps = torch.randn(5, _DIM, generator=generator, dtype=torch.float64)
        args = {"mean": mean, "log_std": log_std, "eps": eps, "center": center}
        if all(map(told_apart, _truth(**args), _suspects(**args))):
            break
    return [
        Instance("five draws of the noise", args, 0.8),
        Instance("a single draw", {**args, "eps": eps[:1]}, 0.2),
    ]


def _truth(
    mean: Tensor, log_std: Tensor, eps: Tensor, center: Tensor, *, power: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of f and of its derivatives, with f' = 2 (z - c) / (1 + |z - c|^2)."""
    m, std, c = mean.numpy(), np.exp(power * log_std.numpy()), center.numpy()
    value, by_mean, by_log_std = 0.0, np.zeros(_DIM), np.zeros(_DIM)
    for noise in eps.numpy():
        away = m + std * noise - c
        slope = 2 * away / (1 + away @ away)
        value += np.log1p(away @ away) / len(eps)
        by_mean += slope / len(eps)
        by_log_std += power * slope * std * noise / len(eps)
    return tuple(map(torch.as_tensor, (value, by_mean, by_log_std)))


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare the estimate and both gradients."""
    args = instance.args
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    hint = "One number is asked for, and a gradient with an entry for each coordinate."
    truths, suspects = _truth(**args), _suspects(**args)
    for what, part, truth, known in zip(_PARTS, parts, truths, suspects, strict=True):
        if part is None:
            text = f"{what} is None: the draws do not depend on the parameters."
            raise Mistake("detached", text, text)
        value = answers.expect_floats(what, part, tuple(truth.shape), hint)
        answers.expect_finite(what, value)
        plain = f"{what} is not right."
        known = () if len(args["eps"]) == 1 and what != _PARTS[0] else known
        line_up(value, truth, known, tolerance=1e-6, otherwise=plain, plain=plain)
    return right("the estimate and both gradients are those of the given noise.")


def _suspects(
    mean: Tensor, log_std: Tensor, eps: Tensor, center: Tensor
) -> tuple[list[Suspect], list[Suspect], list[Suspect]]:
    args = mean, log_std, eps, center
    value, by_mean, by_log_std = _truth(*args)
    std, count = log_std.exp(), len(eps)
    f = (mean + std * eps - center).square().sum(-1).log1p()
    centre = _truth(mean, log_std, 0 * eps[:1], center)
    variance, squared = _truth(*args, power=0.5), _truth(*args, power=2.0)
    other_rules = (
        ("log-var", "log_std is taken for the logarithm of a variance.", variance),
        ("variance", "the noise is multiplied by the variance, not the standard deviation.",
         squared),
        ("no-noise", "the draws are all at the mean: where is the noise?", centre),
    )  # fmt: skip

    def rules(part: int) -> Iterator[Suspect]:
        for category, text, truths in other_rules:
            if not (part == 2 and category == "no-noise"):
                yield Suspect(category, text, truths[part])

    def scaled(what: str, truth: Tensor) -> Iterator[Suspect]:
        yield Suspect("sum", f"{what} is a sum over the draws: a mean is asked for.", count * truth)
        yield Suspect("sign", f"{what} has the wrong sign.", -truth)

    def zero(what: str, truth: Tensor) -> Suspect:
        text = f"{what} is zero: the draws are cut off from the parameters."
        return Suspect("detached", text, 0 * truth)

    score = "it is the score-function estimate: differentiate along the draws instead."
    noise = eps * f[:, None]
    return (
        [*rules(0), *scaled(_PARTS[0], value)],
        [*rules(1), *scaled(_PARTS[1], by_mean), zero(_PARTS[1], by_mean),
         Suspect("score", score, (noise / std).mean(0))],
        [*rules(2), *scaled(_PARTS[2], by_log_std), zero(_PARTS[2], by_log_std),
         Suspect("by-std", "it is the gradient by the standard deviation, not by its logarithm.",
                 by_log_std / std),
         Suspect("by-mean", "it is the gradient by the mean again: multiply by the derivative "
                 "of the draw by log_std.", by_mean),
         Suspect("score", score, ((eps.square() - 1) * f[:, None]).mean(0))],
    )  # fmt: skip
