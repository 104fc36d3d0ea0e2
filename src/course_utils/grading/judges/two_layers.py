"""Judge of a pass back through two layers: derivatives by a step in the imaginary direction.

For a function that is analytic, Im f(w + i h) / h is the derivative up to h^2, with no difference
of nearly equal numbers. With h = 1e-30 it is exact to the last digit.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

_PARTS = ("by_w1", "by_b1", "by_w2", "by_b2")
_STEP = 1e-30


def draw(seed: int) -> list[Instance]:
    """A batch of four examples, and a single one."""
    generator = torch.Generator().manual_seed(seed + 3003)
    shapes = {"x": (4, 3), "target": (4, 2), "w1": (5, 3), "b1": (5,), "w2": (2, 5), "b2": (2,)}
    while True:
        args = {
            name: torch.randn(shape, generator=generator, dtype=torch.float64)
            for name, shape in shapes.items()
        }
        if all(map(told_apart, truth(**args), _wrong(**args))):
            break
    one = {**args, "x": args["x"][:1], "target": args["target"][:1]}
    return [Instance("a batch of four", args, 0.8), Instance("a single example", one, 0.2)]


def loss(x: Any, target: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    """Mean over the batch of half the squared error, for real or complex numbers."""
    y = np.tanh(x @ w1.T + b1) @ w2.T + b2
    return 0.5 * ((y - target) ** 2).sum() / len(x)


def truth(
    x: Tensor, target: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
) -> tuple[Tensor, ...]:
    """All derivatives, one number at a time."""
    parameters = [p.numpy().astype(complex) for p in (w1, b1, w2, b2)]
    found = []
    for parameter in parameters:
        slopes = np.zeros(parameter.shape)
        for place in np.ndindex(*parameter.shape):
            parameter[place] += 1j * _STEP
            slopes[place] = loss(x.numpy(), target.numpy(), *parameters).imag / _STEP
            parameter[place] -= 1j * _STEP
        found.append(torch.from_numpy(slopes))
    return tuple(found)


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare the four derivatives, those of the last layer first."""
    args = instance.args
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    hint = "The derivative by an array has the shape of the array."
    known = _wrong(**args) if len(args["x"]) > 1 else ((),) * 4
    checks = list(zip(_PARTS, parts, truth(**args), known, strict=True))
    for name, part, wanted, suspects in checks[2:] + checks[:2]:
        value = answers.expect_floats(name, part, tuple(wanted.shape), hint)
        answers.expect_finite(name, value)
        plain = f"{name} is not the derivative of the loss."
        line_up(value, wanted, suspects, tolerance=1e-6, otherwise=plain, plain=plain)
    return right("all four derivatives are right.")


def _wrong(
    x: Tensor, target: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
) -> tuple[list[Suspect], ...]:
    a = x @ w1.T + b1
    h, count = a.tanh(), len(x)
    by_y = (h @ w2.T + b2 - target) / count
    back = by_y @ w2

    def first(by_a: Tensor) -> tuple[Tensor, Tensor]:
        return by_a.T @ x, by_a.sum(0)

    def everywhere(category: str, text: str, factor: float) -> None:
        for part, value in zip(found, right_ones, strict=True):
            part.append(Suspect(category, text, factor * value))

    right_ones = (*first(back * (1 - h.square())), by_y.T @ h, by_y.sum(0))
    found: tuple[list[Suspect], ...] = ([], [], [], [])
    everywhere("sign", "it has the wrong sign: the derivative of (y - t)^2 / 2 is y - t.", -1)
    everywhere("sum", "it is a sum over the batch: the loss is a mean.", count)
    everywhere("twice", "it is twice as large: the half in the loss is lost.", 2)
    everywhere("mean", "it is divided by the number of outputs: the loss sums over them.", 0.5)
    slopes = (
        ("no-slope", "the slope of tanh is left out.", torch.ones_like(h)),
        ("slope-at-h", "the slope of tanh is taken at h, not at the sum before it: it is 1 - h^2.",
         1 - h.tanh().square()),
        ("slope-of-a", "the slope of tanh is 1 - h^2 with h = tanh(a), not 1 - a^2.",
         1 - a.square()),
        ("tanh", "tanh stands where its slope belongs.", h),
    )  # fmt: skip
    for category, text, slope in slopes:
        for part, value in zip(found[:2], first(back * slope), strict=True):
            part.append(Suspect(category, text, value))
    found[2].append(Suspect("not-bent", "it is formed with the sums of the first layer, not with "
                            "tanh of them.", by_y.T @ a))  # fmt: skip
    found[1].append(Suspect("bias-mean", "it is a mean over the batch of what is divided already.",
                            right_ones[1] / count))  # fmt: skip
    found[3].append(Suspect("bias-mean", "it is a mean over the batch of what is divided already.",
                            right_ones[3] / count))  # fmt: skip
    return found
