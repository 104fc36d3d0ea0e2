"""Drawing sequences from a chain of conditionals, one variable at a time."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number
from course_utils.nets.masked import ranks


@runtime_checkable
class Head(Protocol):
    """What a sampler needs of an output head: how to draw a value from its parameters."""

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw one value for every vector of parameters on the last axis."""
        ...


@torch.no_grad()
def ancestral(
    conditionals: Callable[
        [Shaped[Tensor, "samples length"]], Float[Tensor, "samples length params"]
    ],
    head: Head,
    num_samples: int,
    length: int,
    *,
    order: Int[Tensor, " length"] | None = None,
    prefix: Shaped[Tensor, "samples given"] | None = None,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Shaped[Tensor, "samples length"]:
    r"""Draw x ~ p(x) = \prod_k p(x_{o_k} | x_{o_1}, ..., x_{o_{k-1}}) by drawing x_{o_1} first.

    Each step calls ``conditionals`` once, on all samples together, and uses the row of the
    variable whose turn it is. That row may depend only on variables drawn before; the others
    still hold zeros. A sequence of length T with g given variables costs exactly T - g calls.

    Args:
        conditionals: Maps values (samples, length) to parameters of every conditional.
        head: Turns one conditional's parameters into a draw.
        num_samples: Number of independent samples.
        length: T, the number of variables.
        order: order[k] is the variable drawn at step k; left to right if ``None``.
        prefix: Values of the first g variables of the order, one row per sample.
        generator: Source of randomness.
        device: Where the samples live when no prefix says so.

    Returns:
        Samples (samples, length), in the variables' own positions.

    Raises:
        ArgumentError: ``order`` is not a permutation of the right length, or ``prefix`` does not
            have one row per sample and at most T columns.

    Accuracy:
        Exact: the samples follow the model's own distribution.
    """
    check_int("num_samples", num_samples, low=1)
    check_int("length", length, low=1)
    order = _checked_order(order, length, device)
    given = checked_prefix(prefix, num_samples, length)
    dtype = torch.int64 if prefix is None else prefix.dtype
    where = order.device if prefix is None else prefix.device
    x = torch.zeros(num_samples, length, dtype=dtype, device=where)
    if prefix is not None:
        x[:, order[:given]] = prefix
    for variable in order[given:].tolist():
        drawn = head.sample(conditionals(x)[:, variable], generator=generator)
        x = x.to(drawn.dtype)
        x[:, variable] = drawn
    return x


def tempered(
    conditionals: Callable[
        [Shaped[Tensor, "samples length"]], Float[Tensor, "samples length params"]
    ],
    temperature: float,
) -> Callable[[Shaped[Tensor, "samples length"]], Float[Tensor, "samples length params"]]:
    r"""Return conditionals q(x_i | x_{<i}) \propto p(x_i | x_{<i})^{1/T}: logits divided by T.

    Each conditional is tempered by itself. Their product is not the tempered joint
    p(x)^{1/T} / Z, which would need a sum over all sequences.

    Args:
        conditionals: Maps values to the logits of discrete conditionals.
        temperature: T > 0; below 1 sharper, above 1 flatter. T = 0 is a limit, not a value.

    Raises:
        ArgumentError: ``temperature`` is not a finite number above zero.

    Accuracy:
        Exact for logits; a Gaussian head's parameters are not logits.
    """
    check_number("temperature", temperature, low=0, open_low=True)
    return lambda x: conditionals(x) / temperature


def _checked_order(order: Tensor | None, length: int, device: torch.device | None) -> Tensor:
    if order is None:
        return torch.arange(length, device=device)
    if len(order) != length:
        raise ArgumentError(f"order: expected {length} variables, got {len(order)}")
    ranks(order)
    return order.to(device)


def checked_prefix(prefix: Tensor | None, num_samples: int, length: int) -> int:
    """Return how many variables ``prefix`` gives: its columns, 0 for none.

    Raises:
        ArgumentError: It does not have one row per sample and at most ``length`` columns.
    """
    if prefix is None:
        return 0
    rows, given = prefix.shape
    if rows != num_samples or given > length:
        raise ArgumentError(
            f"prefix: expected {num_samples} rows of at most {length} values, "
            f"got shape {tuple(prefix.shape)}"
        )
    return given
