"""Means of random draws, each with the error that chance alone gives it.

The mean of N independent values has the standard deviation σ/√N, whatever their number of
dimensions: four times the draws halve the error. σ is estimated from the same values.
"""

import math

from jaxtyping import Float
from scipy.stats import norm
from torch import Tensor

from course_utils.arguments import ArgumentError, check_number, check_tensor
from course_utils.metrics.likelihood import Estimate


def sample_mean(values: Float[Tensor, " samples"]) -> Estimate:
    """Mean of independent values and its standard error s/√N, s² with divisor N − 1.

    Args:
        values: At least two.

    Returns:
        Estimate of the expectation, in the unit of the values.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased; the standard error needs values of finite variance.
    """
    check_tensor("values", values, shape=("samples",), dtype="float")
    if len(values) < 2:
        raise ArgumentError(f"values: expected at least 2, got {len(values)}")
    values = values.detach().double()
    return Estimate(values.mean().item(), values.std().item() / math.sqrt(len(values)))


def weighted_mean(
    values: Float[Tensor, " samples"], log_weights: Float[Tensor, " samples"]
) -> Estimate:
    r"""Self-normalised importance estimate Σ_s w̄_s f_s, w̄ = w / Σ w.

    The standard error √(Σ_s w̄_s² (f_s − mean)²) is that of the ratio of two means, to first order.

    Args:
        values: f_s at draws of the proposal, at least two.
        log_weights: log w_s in nats, up to a constant; −inf is a weight of 0.

    Returns:
        Estimate of E_p[f], in the unit of the values.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Bias of order 1/N. Value and error are worth little when few weights carry the sum.

    Source:
        [owen2013monte].
    """
    check_tensor("values", values, shape=("samples",), dtype="float")
    if len(values) < 2:
        raise ArgumentError(f"values: expected at least 2, got {len(values)}")
    check_tensor("log_weights", log_weights, shape=values.shape, dtype="float", finite=False)
    if bool((log_weights.isnan() | log_weights.isposinf()).any() | log_weights.isneginf().all()):
        raise ArgumentError("log_weights: expected numbers, not all -inf, got others")
    shares = log_weights.detach().double().softmax(0)
    values = values.detach().double()
    mean = (shares * values).sum()
    error = (shares * (values - mean)).square().sum().sqrt()
    return Estimate(mean.item(), error.item())


def normal_interval(estimate: Estimate, level: float = 0.95) -> tuple[float, float]:
    """Interval mean ± q · standard error, q the normal quantile of (1 + level)/2.

    Args:
        estimate: A mean of many draws.
        level: Share of repetitions in which the interval should hold the truth, in (0, 1).

    Returns:
        Lower and upper end.

    Raises:
        ArgumentError: The level is out of range.

    Accuracy:
        Right in the limit of many draws, by the central limit theorem.
    """
    check_number("level", level, low=0, high=1, open_low=True, open_high=True)
    reach = float(norm.ppf((1 + level) / 2)) * estimate.standard_error
    return estimate.value - reach, estimate.value + reach
