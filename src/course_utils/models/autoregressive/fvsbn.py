r"""The fully visible sigmoid belief network [neal1992connectionist]: one regression per variable.

    p(x_i = 1 | variables before i) = sigmoid(b_i + \sum_{j before i} W_ij x_j)

Every conditional has weights of its own, so d variables need d(d-1)/2 weights and d biases: the
number of parameters grows with the square of d.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.distributions import BernoulliHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.nets.masked import ranks


class FVSBN(AutoregressiveModel):
    """Joint distribution of d binary variables by d logistic regressions.

    Args:
        num_variables: d.
        order: order[k] is the variable at step k; 0 .. d - 1 if ``None``.

    Raises:
        ArgumentError: ``num_variables`` is not positive or ``order`` is not a permutation.

    Accuracy:
        Exact for its own distribution.

    Source:
        [neal1992connectionist; frey1998graphical].
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, num_variables: int, order: Int[Tensor, " length"] | None = None):
        super().__init__(num_variables, BernoulliHead(), order)
        rank = ranks(self.order)
        rows, columns = torch.nonzero(rank[:, None] > rank[None, :], as_tuple=True)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)
        self.weights = nn.Parameter(torch.zeros(len(rows), device=self.order.device))
        self.bias = nn.Parameter(torch.zeros(num_variables, device=self.order.device))

    def weight_matrix(self) -> Float[Tensor, "length length"]:
        """Return W, with W_ij = 0 unless j comes before i."""
        d = self.num_variables
        full = self.weights.new_zeros(d, d)
        return full.index_put((self.rows, self.columns), self.weights)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length 1"]:
        r"""Return the logits b_i + \sum_j W_ij x_j."""
        return (x.to(self.bias.dtype) @ self.weight_matrix().T + self.bias)[..., None]
