"""Kernel distance between sets of images (KID): all moments of the features up to the third.

The squared maximum mean discrepancy E k(X, X') + E k(Y, Y') − 2 E k(X, Y) with the kernel

    k(a, b) = (a·b/d + 1)³

on d features. Written out, it is a sum over the moments of order j = 1, 2, 3,

    KID = Σ_j C(3, j) d^(−j) ‖E X^⊗j − E Y^⊗j‖²,

so it sees means, covariances and skewness and nothing else. Unlike the Frechet distance it has an
unbiased estimate at any number of samples, also below the number of features: the pairs of a point
with itself are left out. Estimates of a distance of zero then fall on both sides of zero.
Bińkowski and co-workers (2018).

Papers often report the mean and spread over random subsets instead, ``subset_kids``. The mean is
unbiased too, but the spread is that of a single subset, which is not the error of the mean: the
subsets share points. The kernel is not invariant: a change of the features' unit or origin changes
the value, so compare only values from one network.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int
from course_utils.metrics.frechet import check_moments
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.two_sample.contrast import RowSums, contrast
from course_utils.metrics.two_sample.samples import check_samples, shuffled

_ROWS_AT_ONCE = 512


def kid(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Estimate:
    """KID of two clouds of features, over all pairs of different points.

    Args:
        x: First cloud, n ≥ 3 samples of d features.
        y: Second cloud, m ≥ 3 samples.

    Returns:
        KID, in no unit; negative by chance where the clouds are of one law. The standard error is
        the jackknife's, too large by up to a factor √2 there.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased. Computed in float64, in memory proportional to n + m.

    Source:
        [binkowski2018demystifying].
    """
    check_samples(x, y, 3)
    return contrast(*_row_sums(x.detach().double(), y.detach().double()))


def subset_kids(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    *,
    subset_size: int,
    num_subsets: int = 100,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " num_subsets"]:
    """KID of random subsets of the two clouds, as other libraries report it.

    Args:
        x: First cloud.
        y: Second cloud.
        subset_size: Points drawn without replacement from each cloud for one value, 3 … min(n, m).
        num_subsets: How many values.
        generator: Source of randomness on the device of ``x``.

    Returns:
        One value for each subset, float64. Their mean estimates KID; their standard deviation is
        the spread of a KID from ``subset_size`` points, not the error of the mean.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Each value is unbiased.
    """
    check_samples(x, y, 3)
    check_int("subset_size", subset_size, low=3, high=min(len(x), len(y)))
    check_int("num_subsets", num_subsets, low=1)
    x, y = x.detach().double(), y.detach().double()
    values = []
    for _ in range(num_subsets):
        parts = [c[shuffled(len(c), c.device, generator)[:subset_size]] for c in (x, y)]
        values.append(contrast(*_row_sums(*parts)).value)
    return torch.tensor(values, dtype=torch.float64, device=x.device)


def gaussian_kid(
    mean_x: Float[Tensor, " dim"],
    covariance_x: Float[Tensor, "dim dim"],
    mean_y: Float[Tensor, " dim"],
    covariance_y: Float[Tensor, "dim dim"],
) -> float:
    """KID of the normal laws N(μ, A) and N(ν, B), the truth to hold estimates against.

    For independent X ~ N(μ, A) and Y ~ N(ν, B), with a = μ·ν,

        E X·Y   = a,
        E (X·Y)² = a² + μᵀBμ + νᵀAν + tr AB,
        E (X·Y)³ = a³ + 3a (μᵀBμ + νᵀAν + tr AB) + 6 νᵀABμ.

    Args:
        mean_x: μ.
        covariance_x: A, symmetric.
        mean_y: ν.
        covariance_y: B, symmetric.

    Returns:
        KID ≥ 0 up to rounding.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact, in float64.
    """
    check_moments(mean_x, covariance_x, mean_y, covariance_y)
    mu, a, nu, b = (m.detach().double() for m in (mean_x, covariance_x, mean_y, covariance_y))
    within = _expected_kernel(mu, a, mu, a) + _expected_kernel(nu, b, nu, b)
    return (within - 2 * _expected_kernel(mu, a, nu, b)).item()


def _expected_kernel(mu: Tensor, a: Tensor, nu: Tensor, b: Tensor) -> Tensor:
    """E (X·Y/d + 1)³ for independent X ~ N(mu, a) and Y ~ N(nu, b)."""
    d = len(mu)
    first = mu @ nu
    variance = mu @ b @ mu + nu @ a @ nu + (a * b).sum()
    third = first**3 + 3 * first * variance + 6 * (nu @ a @ b @ mu)
    return third / d**3 + 3 * (first**2 + variance) / d**2 + 3 * first / d + 1


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    shifted = (a @ b.T).div_(a.shape[1]).add_(1)
    return shifted.square().mul_(shifted)


def _row_sums(x: Tensor, y: Tensor) -> RowSums:
    """The sums ``contrast`` needs, a few rows of the kernel matrices at a time."""
    across_y = y.new_zeros(len(y))
    across_x = []
    for rows in x.split(_ROWS_AT_ONCE):
        block = _kernel(rows, y)
        across_x.append(block.sum(1))
        across_y += block.sum(0)
    return _within(x), _within(y), torch.cat(across_x), across_y


def _within(cloud: Tensor) -> Tensor:
    """Σ_{i' ≠ i} k(x_i, x_i') for every point, by the upper triangle of the kernel matrix."""
    sums = -((cloud.square().mean(1) + 1) ** 3)
    for start in range(0, len(cloud), _ROWS_AT_ONCE):
        stop = start + _ROWS_AT_ONCE
        block = _kernel(cloud[start:stop], cloud[start:])
        sums[start:stop] += block.sum(1)
        sums[stop:] += block[:, _ROWS_AT_ONCE:].sum(0)
    return sums
