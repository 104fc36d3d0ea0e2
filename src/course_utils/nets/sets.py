r"""Networks on sets of points, whose order means nothing [zaheer2017deep; qi2017pointnet].

A function of a set may not change when its points are listed in another order. Two parts suffice:

    SetLayer   y_i = W x_i + V (1/n) \sum_j x_j + b      equivariant: permuted with its input
    SetNet     rho( pool_i phi(x_i) )                    invariant: the same for every order

phi and rho are perceptrons, and the pool is a mean, a sum or a maximum over the points. Of all
linear maps from R^n to R^n only a I + b 1 1^T commute with every permutation, so ``SetLayer`` is
the most general linear layer there is, one such pair (a, b) for each pair of channels.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_utils.arguments import check_choice, check_int
from course_utils.nets.mlp import mlp

_POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda h: h.amax(-2),
    "mean": lambda h: h.mean(-2),
    "sum": lambda h: h.sum(-2),
}
POOLS = tuple(_POOLS)
"""How the points' features are pooled."""


class SetLayer(nn.Module):
    r"""y_i = W x_i + V (1/n) \sum_j x_j + b, the general permutation-equivariant linear layer.

    Args:
        num_inputs: Channels of a point.
        num_outputs: Channels of a point afterwards.

    Raises:
        ArgumentError: A size is not a positive whole number.

    Source:
        [zaheer2017deep].
    """

    def __init__(self, num_inputs: int, num_outputs: int):
        super().__init__()
        check_int("num_inputs", num_inputs, low=1)
        check_int("num_outputs", num_outputs, low=1)
        self.own = nn.Linear(num_inputs, num_outputs)
        self.all = nn.Linear(num_inputs, num_outputs, bias=False)

    def forward(
        self, x: Float[Tensor, "*batch points inputs"]
    ) -> Float[Tensor, "*batch points outputs"]:
        """Return y for every point."""
        return self.own(x) + self.all(x.mean(-2, keepdim=True))


class SetNet(nn.Module):
    """rho(pool_i phi(x_i)): the same for every order of the points, for any number of them.

    With the maximum this is the core of PointNet, with the sum it is Deep Sets.

    Args:
        num_inputs: Coordinates of a point.
        hidden: Widths of phi; the last one is the number of pooled features.
        num_outputs: Size of the result.
        pool: ``"max"``, ``"mean"`` or ``"sum"``.

    Raises:
        ArgumentError: A size or the pool is out of range.

    Source:
        [qi2017pointnet], [zaheer2017deep].
    """

    def __init__(
        self, num_inputs: int, hidden: Sequence[int], num_outputs: int, *, pool: str = "max"
    ):
        super().__init__()
        check_choice("pool", pool, POOLS)
        width = check_int("hidden", hidden[-1] if hidden else 0, low=1)
        self.points = mlp(num_inputs, hidden[:-1], width)
        self.pool = pool
        self.whole = mlp(width, [width], num_outputs)

    def forward(self, x: Float[Tensor, "*batch points inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return the result for each set."""
        return self.whole(_POOLS[self.pool](torch.nn.functional.silu(self.points(x))))
