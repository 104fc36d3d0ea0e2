r"""Waiting times: how long is left, given how long one has waited already.

A waiting time X forgets if P(X >= s + t | X >= s) = P(X >= t) for all s and t. Its survival
function G(t) = P(X >= t) then turns sums into products, G(s + t) = G(s) G(t), and the only such
functions are powers: q^t on whole numbers (geometric), exp(-rate t) on the half-line
(exponential). All other waiting times age.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from course_utils.arguments import check_number


def survival(law: Distribution, time: float) -> Float[Tensor, ""]:
    """Survival function G(t) = P(X ≥ t) of a waiting time.

    Args:
        law: Of ``torch.distributions``, scalar, on t ≥ 0. Counting laws are those of the number
            of trials *before* the last one, so that X ≥ t says: not over after t trials.
        time: t ≥ 0.

    Returns:
        A probability.

    Accuracy:
        Exact up to rounding, which is of size 10⁻¹⁶ and not relative to G.
    """
    check_number("time", time, low=0)
    if not law.support.is_discrete:
        return 1 - law.cdf(law.mean.new_tensor(float(time)))
    earlier = torch.arange(0, time).to(law.mean)
    return 1 - law.log_prob(earlier).exp().sum() if len(earlier) else law.mean.new_ones(())


def remaining_survival(law: Distribution, age: float, time: float) -> Float[Tensor, ""]:
    """P(X ≥ s + t | X ≥ s): the wait goes on for another t, having lasted s.

    Args:
        law: As in ``survival``.
        age: s ≥ 0, with a positive probability of lasting so long.
        time: t ≥ 0.

    Returns:
        A probability; G(t) for every s if and only if the law is geometric or exponential.

    Accuracy:
        A quotient of two values of ``survival``.
    """
    lasted = survival(law, age)
    check_number("P(X ≥ age)", lasted.item(), low=0, open_low=True)
    return survival(law, age + check_number("time", time, low=0)) / lasted


def hazard(law: Distribution, time: float) -> Float[Tensor, ""]:
    """Hazard p(t) / G(t): how readily the wait ends at t, given that it has lasted so long.

    Returns:
        A probability for a counting law, otherwise a rate per unit of time. It is constant if
        and only if the law forgets, and increases if the wait ages.
    """
    return law.log_prob(law.mean.new_tensor(float(time))).exp() / survival(law, time)
