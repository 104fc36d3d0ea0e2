r"""The two simplest generative models: a bell curve for heights, a coin for tosses.

Both are fitted by maximum likelihood in closed form. Setting the derivatives of the log-likelihood
to zero gives the mean and the mean squared deviation for the normal law, and the share of heads
for the coin. The variance is biased, E = (n - 1) / n sigma^2, since the deviations are taken from
the mean that fits these very data best.
"""

from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from course_utils.arguments import ArgumentError, check_tensor


def fit_normal(x: Float[Tensor, " n"]) -> Normal:
    """Normal law of maximal likelihood: μ = (1/n) Σ x_i, σ² = (1/n) Σ (x_i − μ)².

    Args:
        x: At least two values, not all equal.

    Raises:
        ArgumentError: All values are equal; the likelihood then has no maximum.

    Accuracy:
        The maximum is exact. As an estimate of the truth μ is unbiased and σ² is too small by the
        factor (n − 1)/n on average.

    Source:
        [bishop2006pattern].
    """
    check_tensor("x", x, shape=("n",), dtype="float")
    std = x.std(correction=0)
    if not bool(std > 0):
        raise ArgumentError("x: expected at least two different values, got one")
    return Normal(x.mean(), std)


def fit_bernoulli(x: Int[Tensor, "n *event"]) -> Bernoulli:
    """Coins of maximal likelihood: ρ = (1/n) Σ x_i, one for each place of the event.

    Args:
        x: Tosses 0 or 1, the first axis their number.

    Returns:
        A law in float64. A ρ of 0 or 1 says that the other side can never come up.

    Accuracy:
        The maximum is exact, and ρ is unbiased.
    """
    check_tensor("x", x, shape=("n", *map(str, x.shape[1:])), dtype="integer", low=0, high=1)
    return Bernoulli(x.double().mean(0))
