r"""The straight-through estimator: a step forward, the identity backward [bengio2013estimating].

A rounding q = Q(z) has derivative zero wherever it has one, so nothing behind it would teach what
lies before it. The estimator keeps the value and replaces the derivative:

    value q,    d value / d z := identity.
"""

from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_tensor


def straight_through(
    soft: Float[Tensor, "*shape"], hard: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Return the value of ``hard`` with the gradient of ``soft``: hard + (soft - sg[soft]).

    The bracket is exactly zero, so the value is that of ``hard`` bit for bit; the common form
    soft + sg[hard - soft] rounds.

    Args:
        soft: z, where the gradient goes.
        hard: q, what is passed on; no gradient reaches it.

    Raises:
        ArgumentError: The shapes differ.

    Accuracy:
        The value is exact. The gradient is biased: it is that of the identity in place of Q.

    Source:
        [bengio2013estimating].
    """
    check_tensor("hard", hard, shape=tuple(soft.shape), dtype=soft.dtype, finite=False)
    return hard.detach() + (soft - soft.detach())
