"""The Kolmogorov-Smirnov test: the largest gap between two distribution functions."""

import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from course_utils.arguments import check_tensor
from course_utils.metrics.two_sample.verdict import Verdict


def kolmogorov_smirnov(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Verdict:
    """Kolmogorov-Smirnov test on the line, D = sup_t |F(t) − G(t)|.

    Args:
        x: First sample, n numbers.
        y: Second sample, m numbers.

    Returns:
        D, between 0 and 1, and the probability of a D at least as large if both are of one law.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact for continuous laws up to 10,000 numbers a side, where scipy counts lattice paths;
        beyond, the p-value is Kolmogorov's limit. With ties it is too large.
    """
    check_tensor("x", x, shape=("n",), dtype="float")
    check_tensor("y", y, shape=("m",), dtype="float", device=x.device)
    x, y = x.double().sort().values, y.double().sort().values
    points = torch.cat([x, y])
    below_x = torch.searchsorted(x, points, right=True) * len(y)
    below_y = torch.searchsorted(y, points, right=True) * len(x)
    distance = (below_x - below_y).abs().max().item() / (len(x) * len(y))
    return Verdict(distance, float(stats.ks_2samp(x.cpu().numpy(), y.cpu().numpy()).pvalue))
