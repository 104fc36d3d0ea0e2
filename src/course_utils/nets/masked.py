r"""Masks that make a fully connected network autoregressive [germain2015made].

Give every unit a degree: the number of the step, in the chosen order, up to which it may look.
Input d has its own place in the order, rank(d), counted from 1. A hidden unit k gets a degree m(k)
between 1 and D - 1. A weight survives only if it cannot carry information backwards:

    input d -> hidden k     kept if m(k) >= rank(d)
    hidden j -> hidden k    kept if m(k) >= m(j)
    hidden k -> output d    kept if rank(d) > m(k)      (strict: output d must not see input d)

Along any path from input j to output i the degrees never fall, and they rise at the last step,
so a path exists only if rank(i) > rank(j).
"""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int


def ranks(order: Int[Tensor, " length"]) -> Int[Tensor, " length"]:
    """Return rank(i), the step 0 .. length - 1 at which variable i comes: the inverse of order.

    Args:
        order: order[k] is the variable that comes at step k; a permutation of 0 .. length - 1.

    Raises:
        ArgumentError: ``order`` is not a permutation.
    """
    steps = torch.arange(len(order), device=order.device)
    if not torch.equal(order.sort().values, steps):
        raise ArgumentError(
            f"order: expected a permutation of 0 .. {len(order) - 1}, got {order.tolist()}"
        )
    return torch.empty_like(order).scatter_(0, order, steps)


def hidden_degrees(
    num_variables: int, width: int, *, generator: torch.Generator | None = None
) -> Int[Tensor, " width"]:
    """Return m(k) in 1 .. D - 1 for one hidden layer.

    Without a generator the degrees are spread evenly, which gives every conditional its share of
    the units; with one they are drawn uniformly.

    Args:
        num_variables: D, the number of variables.
        width: Number of hidden units.
        generator: Source of randomness for random degrees.

    Raises:
        ArgumentError: A size is not a positive whole number.
    """
    check_int("num_variables", num_variables, low=1)
    check_int("width", width, low=1)
    most = max(num_variables - 1, 1)
    if generator is not None:
        return torch.randint(1, most + 1, (width,), generator=generator, device=generator.device)
    return torch.arange(width) * most // width + 1


def made_masks(
    order: Int[Tensor, " length"],
    hidden: Sequence[int],
    *,
    num_inputs_each: int = 1,
    num_outputs_each: int = 1,
    generator: torch.Generator | None = None,
) -> list[Bool[Tensor, "outputs inputs"]]:
    """Return the masks of all layers, inputs to outputs, for one order.

    Args:
        order: order[k] is the variable that comes at step k.
        hidden: Width of each hidden layer.
        num_inputs_each: How many neighbouring input units belong to one variable (its one-hot
            code, say); they share its rank.
        num_outputs_each: How many neighbouring output units belong to one variable.
        generator: Draws random hidden degrees; ``None`` spreads them evenly.

    Returns:
        len(hidden) + 1 masks of shape (outputs, inputs); true where the weight is kept.

    Raises:
        ArgumentError: ``order`` is not a permutation, or a size is not positive.
    """
    rank = ranks(order) + 1
    degrees = [rank.repeat_interleave(check_int("num_inputs_each", num_inputs_each, low=1))]
    for width in hidden:
        drawn = hidden_degrees(len(order), width, generator=generator)
        degrees.append(drawn.to(order.device))
    masks = [later[:, None] >= earlier[None, :] for earlier, later in itertools.pairwise(degrees)]
    out = rank.repeat_interleave(check_int("num_outputs_each", num_outputs_each, low=1))
    return [*masks, out[:, None] > degrees[-1][None, :]]


class MaskedLinear(nn.Linear):
    """Affine map with some weights fixed at zero: y = (M * W) x + b.

    Args:
        mask: M of shape (outputs, inputs), true where the weight is kept.
        bias: Whether to add b.
    """

    mask: Tensor

    def __init__(self, mask: Bool[Tensor, "outputs inputs"], *, bias: bool = True):
        super().__init__(mask.shape[1], mask.shape[0], bias=bias, device=mask.device)
        self.register_buffer("mask", mask)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return (M * W) x + b."""
        return functional.linear(x, self.weight * self.mask, self.bias)
