r"""Where a squared error comes from: noise, variance, bias.

Fit a model to many training sets of one size. At a point whose expected target is f, with noise of
variance σ² on it, the mean squared error of the prediction f̂ is

    E (f̂ + noise − f)² = σ² + Var f̂ + (E f̂ − f)²,

because the noise of the test target is independent of the training set, and the deviation of f̂
from its mean has mean zero. Noise nobody can remove; the other two pull in different directions.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor
from course_utils.metrics.likelihood import Estimate


class BiasVariance(NamedTuple):
    """Parts of a mean squared error, each averaged over the points.

    Attributes:
        bias_squared: (E f̂ − f)²; the estimate may be slightly negative by chance.
        variance: Var f̂ over training sets.
        excess: E (f̂ − f)² = bias_squared + variance, with a standard error over training sets.
    """

    bias_squared: Estimate
    variance: Estimate
    excess: Estimate


def bias_variance(
    predictions: Float[Tensor, "fits points"], truth: Float[Tensor, " points"]
) -> BiasVariance:
    """Split the error of fits to independent training sets.

    Args:
        predictions: f̂_r(x_i) of fit r at point i, at least 3 fits.
        truth: f(x_i), the expected target, without noise.

    Returns:
        The parts in squared units of the target.

    Raises:
        ArgumentError: Fewer than three fits, or shapes that do not fit.

    Accuracy:
        Unbiased: the squared mean over R fits exceeds the squared bias by variance/R, which is
        taken off. Standard errors by the jackknife over fits.

    Source:
        [geman1992neural].
    """
    check_tensor("predictions", predictions, shape=("fits", "points"), dtype="float")
    check_tensor("truth", truth, shape=(predictions.shape[1],), dtype="float")
    fits = len(predictions)
    if fits < 3:
        raise ArgumentError(f"predictions: expected at least 3 fits, got {fits}")
    errors = predictions - truth
    sums, squares = errors.sum(0), errors.square().sum(0)

    def parts(total: Tensor, square: Tensor, count: int) -> Tensor:
        mean = total / count
        spread = (square - count * mean.square()) / (count - 1)
        return torch.stack([mean.square() - spread / count, spread, square / count], -1).mean(-2)

    whole = parts(sums, squares, fits)
    without = parts(sums - errors, squares - errors.square(), fits - 1)
    variance = (fits - 1) * (without - without.mean(0)).square().mean(0)
    return BiasVariance(
        *(Estimate(float(v), float(e)) for v, e in zip(whole, variance.sqrt(), strict=True))
    )
