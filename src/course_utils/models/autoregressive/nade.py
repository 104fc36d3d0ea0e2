r"""NADE: one hidden layer shared by all conditionals [larochelle2011neural].

    h_i = sigmoid(c + \sum_{j before i} W_j x_j),      logits_i = b_i + V_i h_i

The sums share their terms: the one for the next variable is the one for this variable plus a
single column of W. So all d hidden layers cost O(dH) together, as much as one of them costs when
it is computed alone, and the d conditionals share O(dH) parameters.
"""

from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_choice, check_int
from course_utils.distributions import BernoulliHead, CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.models.autoregressive.inputs import Encoding, encode, num_features


class NADE(AutoregressiveModel):
    """Neural autoregressive distribution estimator for binary or categorical variables.

    Args:
        num_variables: d.
        hidden: H, the number of hidden units.
        num_levels: K, values per variable; 2 uses Bernoulli conditionals.
        encoding: How the inputs are read when K > 2: ``"one-hot"`` or ``"scaled"``.
        order: order[k] is the variable at step k; 0 .. d - 1 if ``None``.

    Raises:
        ArgumentError: A size is out of range or ``order`` is not a permutation.

    Accuracy:
        Exact for its own distribution.

    Source:
        [larochelle2011neural]; categorical variables as in [uria2016neural].
    """

    def __init__(
        self,
        num_variables: int,
        hidden: int,
        *,
        num_levels: int = 2,
        encoding: Encoding = "one-hot",
        order: Int[Tensor, " length"] | None = None,
    ):
        check_int("num_levels", num_levels, low=2)
        check_choice("encoding", encoding, ("one-hot", "scaled"))
        head = BernoulliHead() if num_levels == 2 else CategoricalHead(num_levels)
        super().__init__(num_variables, head, order)
        self.num_levels = num_levels
        self.encoding: Encoding = "scaled" if num_levels == 2 else encoding
        check_int("hidden", hidden, low=1)
        features = num_features(num_levels, self.encoding)
        device = self.order.device
        reads = torch.randn(num_variables, features, hidden, device=device)
        writes = torch.randn(num_variables, head.num_params, hidden, device=device)
        self.input_weights = nn.Parameter(reads / sqrt(num_variables))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, device=device))
        self.output_weights = nn.Parameter(writes / sqrt(hidden))
        self.output_bias = nn.Parameter(torch.zeros(num_variables, head.num_params, device=device))

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length params"]:
        """Return the logits of every conditional by one running sum along the order."""
        units = encode(x, self.num_levels, self.encoding, self.hidden_bias.dtype)
        terms = torch.einsum("bdf,dfh->bdh", units, self.input_weights)[:, self.order]
        before = functional.pad(terms.cumsum(1)[:, :-1], (0, 0, 1, 0))
        hidden = torch.empty_like(before)
        hidden[:, self.order] = torch.sigmoid(self.hidden_bias + before)
        return torch.einsum("bdh,dph->bdp", hidden, self.output_weights) + self.output_bias
