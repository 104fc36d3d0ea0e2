"""Frechet distance: two clouds of features, seen only through their means and covariances.

For normal laws the squared Wasserstein distance of order 2 has a closed form,

    d² = ‖μ − ν‖² + tr A + tr B − 2 tr (A B)^{1/2},

and the Frechet distance of two feature clouds is this number for the normals fitted to them. With
features of the Inception network it is the FID of Heusel and co-workers (2017). It sees nothing
of the features beyond two moments, and it is biased upwards, in proportion to 1/n and to the square
of the dimension (``frechet_bias``): compare only values at the same sample sizes, and with the
distance between two samples of the truth.

With A = L Lᵀ the eigenvalues of A B are those of the symmetric matrix Lᵀ B L, so one Cholesky
factorisation and one symmetric eigenproblem replace a matrix square root.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.metrics.likelihood import Estimate


def feature_statistics(
    features: Float[Tensor, "n dim"],
) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim dim"]]:
    """Mean μ and covariance A (divisor n − 1) of a cloud of features.

    Args:
        features: n samples of a feature vector; n > dim.

    Returns:
        μ and A, float64, on the device of ``features``.

    Raises:
        ArgumentError: If n ≤ dim: the fitted covariance would be singular whatever the truth.

    Accuracy:
        Unbiased.
    """
    return _statistics("features", features)


def gaussian_frechet_distance(
    mean_x: Float[Tensor, " dim"],
    covariance_x: Float[Tensor, "dim dim"],
    mean_y: Float[Tensor, " dim"],
    covariance_y: Float[Tensor, "dim dim"],
) -> float:
    """Squared distance d² = ‖μ − ν‖² + tr A + tr B − 2 tr (A B)^{1/2} of N(μ, A) and N(ν, B).

    Args:
        mean_x: μ.
        covariance_x: A, symmetric positive semi-definite.
        mean_y: ν.
        covariance_y: B, likewise; one of the two may be singular, not both.

    Returns:
        d² in the squared unit of the features, ≥ 0 up to rounding.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact, in float64.

    Source:
        [dowson1982frechet].
    """
    check_moments(mean_x, covariance_x, mean_y, covariance_y)
    moments = (mean_x, covariance_x, mean_y, covariance_y)
    with torch.no_grad():
        return _squared_distance(*(m.double() for m in moments)).item()


def frechet_distance(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Estimate:
    """Frechet distance d² of the normals fitted to two clouds of features.

    The standard error is that of the first-order expansion d² ≈ Σ_i φ(x_i)/n + Σ_j ψ(y_j)/m + …
    in the points, φ and ψ the derivatives with respect to the two laws: quadratic functions,
    here by automatic differentiation.

    Args:
        x: First cloud, n > dim samples of a feature vector.
        y: Second cloud, m > dim samples.

    Returns:
        d² in the squared unit of the features, ≥ 0 up to rounding. The standard error does not
        contain the bias, and is too small where the two clouds are of one law.

    Raises:
        ArgumentError: If a cloud has no more samples than feature dimensions, or both fitted
            covariances are singular.

    Accuracy:
        Consistent estimate for the laws the clouds came from; bias upwards, about 1/n + 1/m.
    """
    moments = [m.requires_grad_() for m in (*_statistics("x", x), *_statistics("y", y))]
    check_tensor("y", y, shape=("m", x.shape[1]), device=x.device)
    with torch.enable_grad():
        value = _squared_distance(*moments)
        slopes = torch.autograd.grad(value, moments)
    variance = 0.0
    for cloud, mean, slope, curvature in (
        (x, moments[0], slopes[0], slopes[1]),
        (y, moments[2], slopes[2], slopes[3]),
    ):
        centred = cloud.detach().double() - mean.detach()
        influence = centred @ slope + ((centred @ curvature) * centred).sum(-1)
        variance += influence.var().item() / len(cloud)
    return Estimate(value.item(), math.sqrt(variance))


def frechet_bias(covariance: Float[Tensor, "dim dim"], num_x: int, num_y: int) -> float:
    """Mean Frechet distance of two samples of one normal law N(μ, Σ), the floor of every FID.

    With λ_i the eigenvalues of Σ, to first order in 1/n and 1/m,

        E d² ≈ (1/n + 1/m) (Σ_i λ_i + ½ Σ_ij (1 + δ_ij) λ_i λ_j / (λ_i + λ_j)).

    The first sum is the error of the two means, the second that of the two covariances. For
    Σ = I it is (1/n + 1/m) (d + d(d + 1)/4): it grows with the square of the dimension.

    Args:
        covariance: Σ, symmetric positive semi-definite.
        num_x: n > dim, size of the first sample.
        num_y: m > dim, size of the second.

    Returns:
        The bias in the squared unit of the features, > 0.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        First order in 1/n: within 1 % of simulations for Σ = I from n = m = 2 d on. For normal
        features only; features with heavier tails have a larger bias.

    Source:
        Expand the closed form of d² to second order and insert the covariance of a Wishart matrix.
    """
    dim = _check_covariance("covariance", covariance)
    check_int("num_x", num_x, low=dim + 1)
    check_int("num_y", num_y, low=dim + 1)
    eigenvalues = torch.linalg.eigvalsh(covariance.detach().double()).clamp_min(0)
    products = eigenvalues[:, None] * eigenvalues
    sums = eigenvalues[:, None] + eigenvalues
    shares = torch.where(products > 0, products / sums, 0.0)
    spread = 0.5 * (shares.sum() + shares.trace())
    return ((1 / num_x + 1 / num_y) * (eigenvalues.sum() + spread)).item()


def check_moments(
    mean_x: Tensor, covariance_x: Tensor, mean_y: Tensor, covariance_y: Tensor
) -> None:
    """Refuse anything but two means (dim,) and two symmetric matrices (dim, dim) on one device."""
    dim = check_tensor("mean_x", mean_x, shape=("dim",), dtype="float").shape[0]
    device = mean_x.device
    check_tensor("mean_y", mean_y, shape=(dim,), dtype="float", device=device)
    for name, matrix in (("covariance_x", covariance_x), ("covariance_y", covariance_y)):
        check_tensor(name, matrix, shape=(dim, dim), dtype="float", device=device)
        _check_covariance(name, matrix)


def _check_covariance(name: str, matrix: Tensor) -> int:
    dim = check_tensor(name, matrix, shape=("dim", "dim"), dtype="float").shape[0]
    check_tensor(name, matrix, shape=(dim, dim))
    gap = (matrix - matrix.T).abs().max().item()
    if gap > 1e-5 * matrix.abs().max().item():
        raise ArgumentError(f"{name}: expected a symmetric matrix, got one off by {gap:.3g}")
    return dim


def _statistics(name: str, features: Tensor) -> tuple[Tensor, Tensor]:
    check_tensor(name, features, shape=("n", "dim"), dtype="float")
    count, dim = features.shape
    if count <= dim:
        raise ArgumentError(f"{name}: expected more samples than the {dim} features, got {count}")
    features = features.detach().double()
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (count - 1)


def _squared_distance(
    mean_x: Tensor, covariance_x: Tensor, mean_y: Tensor, covariance_y: Tensor
) -> Tensor:
    factor, failed = torch.linalg.cholesky_ex(covariance_x)
    other = covariance_y
    if bool(failed):
        factor, failed = torch.linalg.cholesky_ex(covariance_y)
        other = covariance_x
    if bool(failed):
        raise ArgumentError(
            "covariance: expected at least one of the two positive definite, got neither"
        )
    eigenvalues = torch.linalg.eigvalsh(factor.T @ other @ factor)
    scale = eigenvalues.abs().max()
    if bool(eigenvalues[0] < -1e-6 * scale):
        raise ArgumentError("covariance: expected no negative variance, got an indefinite matrix")
    smallest = torch.finfo(eigenvalues.dtype).tiny
    overlap = torch.where(eigenvalues > 0, eigenvalues.clamp_min(smallest).sqrt(), 0.0).sum()
    shift = (mean_x - mean_y).square().sum()
    return shift + covariance_x.trace() + covariance_y.trace() - 2 * overlap
