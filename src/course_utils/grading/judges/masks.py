"""Judge of ``made_masks(order, degrees)``: which weights a MADE keeps.

The truth is a double loop over units. What a wrong mask does is seen in the product of all masks:
entry (i, j) of it counts the paths from input j to output i.
"""

import itertools
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right


def draw(seed: int) -> list[Instance]:
    """The natural order with one hidden layer, and a shuffled order with two."""
    generator = torch.Generator().manual_seed(seed + 303)
    first = {"order": torch.arange(5), "degrees": [_degrees(5, 8, generator)]}
    layers = [_degrees(6, width, generator) for width in (9, 7)]
    second = {"order": _not_its_own_inverse(6, generator), "degrees": layers}
    return [
        Instance("natural order, one hidden layer", first, 0.5),
        Instance("shuffled order, two hidden layers", second, 0.5),
    ]


def _degrees(num_variables: int, width: int, generator: torch.Generator) -> Tensor:
    """Random degrees, each of 1 .. D - 1 at least once."""
    every = torch.arange(1, num_variables)
    more = torch.randint(1, num_variables, (width - len(every),), generator=generator)
    together = torch.cat([every, more])
    return together[torch.randperm(width, generator=generator)]


def _not_its_own_inverse(size: int, generator: torch.Generator) -> Tensor:
    while True:
        order = torch.randperm(size, generator=generator)
        if not torch.equal(order, order.argsort()):
            return order


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare mask by mask, then with the masks of known mistakes."""
    order, degrees = instance.args["order"], instance.args["degrees"]
    name = answers.name_of(answer)
    value = answers.call(answer, instance.args)
    truth = _masks(order, degrees)
    if not isinstance(value, list | tuple) or len(value) != len(truth):
        got = f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
        raise Mistake("type", f"{name}: expected a list of {len(truth)} masks, got {got}.")
    masks = [_read(name, k, m, t) for k, (m, t) in enumerate(zip(value, truth, strict=True))]
    if not _equal(masks, truth):
        _explain(masks, order, degrees)
    return right("every mask is right, for the natural order and for a shuffled one.")


def _read(name: str, k: int, mask: Any, truth: Tensor) -> Tensor:
    if isinstance(mask, Tensor) and mask.shape == truth.T.shape != truth.shape:
        raise Mistake(
            "transposed",
            f"{name}: mask {k} is transposed: a layer's mask has shape (outputs, inputs).",
            "a mask is transposed: a layer's mask has shape (outputs, inputs).",
        )
    value = answers.expect_tensor(f"mask {k}", mask, tuple(truth.shape))
    if not bool(((value == 0) | (value == 1)).all()):
        raise Mistake("dtype", f"{name}: mask {k} holds values other than true and false.")
    return value.bool()


def _equal(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def _masks(
    order: Tensor,
    degrees: list[Tensor],
    *,
    order_as_rank: bool = False,
    first_rank: int = 1,
    strict_hidden: bool = False,
    strict_output: bool = True,
) -> list[Tensor]:
    sequence = order.tolist()
    where = (lambda d: sequence[d]) if order_as_rank else sequence.index
    rank = [where(d) + first_rank for d in range(len(sequence))]
    layers = [rank, *(m.tolist() for m in degrees)]
    masks = [
        [[u > v if strict_hidden else u >= v for v in earlier] for u in later]
        for earlier, later in itertools.pairwise(layers)
    ]
    last = [[r > v if strict_output else r >= v for v in layers[-1]] for r in rank]
    return [torch.tensor(mask) for mask in [*masks, last]]


def _explain(masks: list[Tensor], order: Tensor, degrees: list[Tensor]) -> None:
    suspects = [
        (
            "order-as-rank",
            "order[k] is the variable that comes at step k; the step at which variable d comes is "
            "its inverse.",
            _masks(order, degrees, order_as_rank=True),
        ),
        (
            "off-by-one",
            "degrees run from 1 to D - 1, so the first variable of the order has rank 1, not 0.",
            _masks(order, degrees, first_rank=0),
        ),
        (
            "strict-hidden",
            "a unit may look at units of its own degree: before the last layer the comparison is "
            "not strict.",
            _masks(order, degrees, strict_hidden=True),
        ),
        (
            "strict-output",
            "outputs depend on their own input: into the output layer the comparison is strict.",
            _masks(order, degrees, strict_output=False),
        ),
        (
            "reversed",
            "every mask is the wrong way round: it is true where a weight is kept.",
            [~mask for mask in _masks(order, degrees)],
        ),
        (
            "reversed-order",
            "the order runs backwards: an output may see what comes before it, not after.",
            _masks(order.flip(0), degrees),
        ),
    ]
    for category, message, wrong in suspects:
        if _equal(masks, wrong):
            raise Mistake(category, message, message)
    message, plain = _paths(masks, order)
    raise Mistake("other", message, plain)


def _paths(masks: list[Tensor], order: Tensor) -> tuple[str, str]:
    """What the paths from inputs to outputs show, with and without the units it is about."""
    paths = torch.eye(len(order))
    for mask in masks:
        paths = mask.float() @ paths
    step = {d: k for k, d in enumerate(order.tolist())}
    for i in step:
        for j in step:
            if paths[i, j] > 0 and step[j] >= step[i]:
                late = "itself" if i == j else f"input {j}, which comes later in the order"
                message = f"output {i} depends on {late}: follow the degrees along that path."
                return message, "an output depends on itself or on a later variable."
    for i in step:
        for j in step:
            if paths[i, j] == 0 and step[j] < step[i]:
                message = (
                    f"no path leads from input {j} to output {i}, though {j} comes before {i}."
                )
                return message, "an output misses a variable that comes before it."
    message = "nothing looks ahead, but some masks keep too few or too many weights."
    return message, message
