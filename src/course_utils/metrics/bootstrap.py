"""The bootstrap: how far would a number move if the examples were drawn again?

A statistic T of n examples is computed anew on B resamples, each n draws from the examples with
replacement; the standard deviation of the B values estimates that of T over fresh samples. A
resample is described by how often it holds each example, counts c_1 … c_n that sum to n, so that
a statistic made of sums Σ_i s_i only has to compute Σ_i c_i s_i.

What the bootstrap cannot repair is bias: a statistic that is too large on n examples is larger
still on resamples, which repeat themselves. Use the spread of the values, not their mean.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int


def bootstrap(
    statistic: Callable[[Float[Tensor, " n"]], Float[Tensor, "*shape"]],
    num_examples: int,
    *,
    num_resamples: int = 200,
    generator: torch.Generator | None = None,
    device: str | torch.device = "cpu",
) -> Float[Tensor, "num_resamples *shape"]:
    """Values T(c⁽¹⁾) … T(c⁽ᴮ⁾) of a statistic on B resamples of n examples.

    Args:
        statistic: T, from the counts c (how often each example is drawn; float64, ≥ 0, sum n) to
            a number or a tensor.
        num_examples: n ≥ 2.
        num_resamples: B ≥ 2; the standard deviation of the values has relative error 1/√(2B).
        generator: Source of randomness on ``device``.
        device: Where the counts live.

    Returns:
        The values, axis 0 the resamples; ``.std(0)`` is the standard error.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        For a mean the standard error is that of the sample with divisor n instead of n − 1, up
        to the B draws; for smooth statistics it is right as n grows; for maxima it is not.

    Source:
        [efron1979bootstrap].
    """
    n = check_int("num_examples", num_examples, low=2)
    check_int("num_resamples", num_resamples, low=2)
    values = []
    for _ in range(num_resamples):
        drawn = torch.randint(n, (n,), generator=generator, device=device)
        values.append(statistic(drawn.bincount(minlength=n).double()))
    return torch.stack(values)
