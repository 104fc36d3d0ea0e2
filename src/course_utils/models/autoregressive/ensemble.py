r"""Several models asked together: each conditional is the mean of theirs.

A mean of distributions over one variable is a distribution over it, so the product of the mean
conditionals is again an autoregressive model, exact like its members:

    p(x_i | x_{<i}) = (1/N) \sum_n p_n(x_i | x_{<i}).

By Jensen's inequality log of the mean is at least the mean of the logs, term by term, so on every
example the ensemble's loss is at most the average of its members' losses. What it gains is large
where the members disagree.

The geometric mean is no distribution yet, and is divided by its sum Z over the levels:

    p(x_i | x_{<i}) = (1/Z) \prod_n p_n(x_i | x_{<i})^{1/N}.

A geometric mean is at most the arithmetic one, so Z <= 1, and log p is the mean of the logs plus
log 1/Z >= 0: the same guarantee. A level has to be likely for all members to be likely now.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_choice
from course_utils.distributions import CategoricalHead
from course_utils.logistic_mixtures import DiscretisedLogisticMixture
from course_utils.models.autoregressive.base import AutoregressiveModel

LevelHead = CategoricalHead | DiscretisedLogisticMixture
"""Heads whose probabilities of all levels can be written down and averaged."""

Mean = Literal["arithmetic", "geometric"]
"""Which mean of the members' probabilities is taken."""


class Ensemble(AutoregressiveModel):
    """Mean of the conditionals of models with the same variables, levels and order.

    Args:
        members: The models; their heads are categorical or mixtures of discretised logistics.
        mean: ``"arithmetic"``, or ``"geometric"``, which is divided by its sum.

    Raises:
        ArgumentError: No members, or they differ in variables, levels or order, or have another
            kind of head.

    Accuracy:
        Exact for its own distribution; one pass of every member for all conditionals.
    """

    def __init__(self, members: Sequence[AutoregressiveModel], mean: Mean = "arithmetic"):
        if not members:
            raise ArgumentError("members: expected at least one model, got none")
        first = members[0]
        for model in members:
            if not isinstance(model.head, LevelHead):
                raise ArgumentError(f"members: expected heads over levels, got {model.head!r}")
            if model.head.num_levels != first.head.num_levels:
                raise ArgumentError("members: expected models with the same number of levels")
            if not torch.equal(model.order, first.order):
                raise ArgumentError("members: expected models with the same order of variables")
        super().__init__(first.num_variables, CategoricalHead(first.head.num_levels), first.order)
        self.mean: Mean = check_choice("mean", mean, ("arithmetic", "geometric"))
        self.members = nn.ModuleList(members)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length levels"]:
        """Return the logarithms of the mean probabilities."""
        each = torch.stack([_log_probs(model, x) for model in self.members])
        if self.mean == "geometric":
            return each.mean(0).log_softmax(-1)
        return each.logsumexp(0) - math.log(len(self.members))


def _log_probs(model: AutoregressiveModel, x: Tensor) -> Tensor:
    params = model.conditionals(x)
    if isinstance(model.head, DiscretisedLogisticMixture):
        return model.head.log_pmf(params)
    return params.log_softmax(-1)
