"""Frechet distance, against scipy's matrix square root and closed forms."""

import math

import pytest
import torch
from scipy.linalg import sqrtm

from course_utils.arguments import ArgumentError
from course_utils.metrics.frechet import (
    feature_statistics,
    frechet_bias,
    frechet_distance,
    gaussian_frechet_distance,
)
from course_utils.metrics.transport import wasserstein_1d


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def random_covariance(generator, dim):
    factor = normal(generator, dim, dim)
    return factor @ factor.T + 0.1 * torch.eye(dim, dtype=torch.float64)


def by_square_root(mean_x, covariance_x, mean_y, covariance_y):
    """The definition, with scipy's square root of the unsymmetric product."""
    root = torch.from_numpy(sqrtm((covariance_x @ covariance_y).numpy()).real)
    shift = (mean_x - mean_y).square().sum()
    return (shift + covariance_x.trace() + covariance_y.trace() - 2 * root.trace()).item()


@pytest.mark.concept("metric.fid")
@pytest.mark.parametrize("dim", [1, 5, 64])
def test_agrees_with_the_matrix_square_root(generator, dim):
    """Relative 1e-8: the square root of an unsymmetric matrix loses half the digits at worst."""
    a, b = random_covariance(generator, dim), random_covariance(generator, dim)
    mean_x, mean_y = normal(generator, dim), normal(generator, dim)
    truth = by_square_root(mean_x, a, mean_y, b)
    assert gaussian_frechet_distance(mean_x, a, mean_y, b) == pytest.approx(truth, rel=1e-8)
    assert gaussian_frechet_distance(mean_y, b, mean_x, a) == pytest.approx(truth, rel=1e-8)
    assert gaussian_frechet_distance(mean_x, a, mean_x, a) == pytest.approx(0, abs=1e-9 * dim**2)


def test_commuting_covariances_in_closed_form(generator):
    """Same eigenvectors: d² = ‖μ − ν‖² + Σ (σ_i − τ_i)²; one of the laws may be a point."""
    basis = torch.linalg.qr(normal(generator, 4, 4)).Q
    sigma = torch.tensor([1.0, 2.0, 3.0, 0.5], dtype=torch.float64)
    tau = torch.tensor([2.0, 0.5, 0.0, 1.0], dtype=torch.float64)
    mean = torch.zeros(4, dtype=torch.float64)
    a, b = basis @ torch.diag(sigma**2) @ basis.T, basis @ torch.diag(tau**2) @ basis.T
    truth = 4 + (sigma - tau).square().sum().item()
    for point, distance in ((b, truth), (0 * b, 4 + sigma.square().sum().item())):
        for pair in ((a, point), (point, a)):
            found = gaussian_frechet_distance(mean, pair[0], mean + 1, pair[1])
            assert found == pytest.approx(distance, rel=1e-7)


def test_one_feature_is_the_transport_cost_of_normals():
    """On the line d² is W_2² of the two normals, here from 20,000 quantiles; 1e-3 for the tails."""
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    z = torch.special.ndtri(u)
    truth = wasserstein_1d(3 * z - 1, 0.5 * z + 1, 2) ** 2
    found = frechet_distance((3 * z - 1)[:, None], (0.5 * z + 1)[:, None]).value
    assert found == pytest.approx(truth, rel=1e-3)


def test_statistics_are_the_mean_and_covariance(generator):
    features = normal(generator, 50, 4).float()
    mean, covariance = feature_statistics(features)
    assert mean.dtype == covariance.dtype == torch.float64
    torch.testing.assert_close(mean, features.double().mean(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(covariance, features.double().T.cov(), rtol=0, atol=1e-12)


def test_a_shift_costs_its_square(generator):
    """The covariances are equal, so d² = |s|²; rounding only."""
    x = normal(generator, 100, 3)
    shift = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    assert frechet_distance(x, x + shift).value == pytest.approx(9, rel=1e-9)


def test_standard_error_by_the_transport_map(generator):
    """The derivative of W_2² is the transport potential: 2(μ−ν)·c + cᵀ(I − T)c, c = x − μ.

    T = A^{−½} (A^½ B A^½)^½ A^{−½} maps N(0, A) to N(0, B), and its inverse maps back. The
    clouds are skewed, so that the two terms are correlated. Rounding only.
    """
    x, y = normal(generator, 30, 3).exp(), 2 - 0.5 * normal(generator, 50, 3).exp()
    a, b = x.T.cov(), y.T.cov()
    root = torch.from_numpy(sqrtm(a.numpy()).real)
    inner = torch.from_numpy(sqrtm((root @ b @ root).numpy()).real)
    forward = torch.linalg.inv(root) @ inner @ torch.linalg.inv(root)
    variance = 0.0
    for cloud, other, matrix in ((x, y, forward), (y, x, torch.linalg.inv(forward))):
        centred = cloud - cloud.mean(0)
        linear = 2 * centred @ (cloud.mean(0) - other.mean(0))
        influence = linear + ((centred - centred @ matrix) * centred).sum(1)
        variance += influence.var().item() / len(cloud)
    truth = math.sqrt(variance)
    assert frechet_distance(x, y).standard_error == pytest.approx(truth, rel=1e-8)


def test_standard_error_is_the_spread_over_samples(generator):
    """200 runs: their spread has relative error 1/√400 = .05, four of them .2.

    The distance is that of the truth, N(0, I) and N(1, diag(4, 4)): 2 + 2 = 4, within 4 standard
    errors of the mean; the bias 1/n is below that at n = 400.
    """
    runs = [
        frechet_distance(normal(generator, 400, 2), 1 + 2 * normal(generator, 300, 2))
        for _ in range(200)
    ]
    values = torch.tensor([r.value for r in runs], dtype=torch.float64)
    stated = sum(r.standard_error for r in runs) / 200
    assert stated == pytest.approx(values.std().item(), rel=0.2)
    assert abs(values.mean() - 4) < 4 * values.std() / math.sqrt(200)


@pytest.mark.concept("metric.fid")
def test_bias_of_a_white_law_in_closed_form():
    """For Σ = c I the sums are c d and c d(d + 1)/4; the textbook case is 33 at 1000 images."""
    white = torch.eye(256, dtype=torch.float64)
    truth = (256 + 256 * 257 / 4) / 500
    assert frechet_bias(white, 1000, 1000) == pytest.approx(truth, rel=1e-10)
    assert frechet_bias(3 * white, 500, 2000) == pytest.approx(3 * truth * 1.25, rel=1e-10)
    assert frechet_bias(white, 10_000, 10_000) == pytest.approx(truth / 10, rel=1e-10)
    assert truth == pytest.approx(33.4, abs=0.05)


def test_bias_by_the_second_derivative_of_the_distance(generator):
    """½ tr H V, H the Hessian of d² in (x's mean, covariance) and V their sampling covariance.

    H comes from automatic differentiation, V from Wishart's moments; 1e-6 for the square roots.
    """
    dim, n = 3, 50
    covariance = random_covariance(generator, dim)
    mean = normal(generator, dim)

    def distance(moments):
        a = moments[dim:].reshape(dim, dim)
        a = (a + a.T) / 2
        root = torch.linalg.cholesky(covariance)
        overlap = torch.linalg.eigvalsh(root.T @ a @ root).sqrt().sum()
        shift = (moments[:dim] - mean).square().sum()
        return shift + a.trace() + covariance.trace() - 2 * overlap

    at = torch.cat([mean, covariance.flatten()])
    hessian = torch.autograd.functional.hessian(distance, at)
    sampling = torch.zeros_like(hessian)
    sampling[:dim, :dim] = covariance / n
    wishart = torch.einsum("ik,jl->ijkl", covariance, covariance)
    wishart = (wishart + wishart.transpose(2, 3)) / n
    sampling[dim:, dim:] = wishart.reshape(dim**2, dim**2)
    one_side = 0.5 * (hessian * sampling).sum().item()
    assert frechet_bias(covariance, n, n) == pytest.approx(2 * one_side, rel=1e-6)


@pytest.mark.concept("metric.fid")
def test_bias_is_the_mean_distance_of_equal_laws(generator):
    """60 pairs of n = 300, m = 200 from one 8-dimensional law, within 4 standard errors.

    Of 256 features and 1000 samples one pair is enough: it is .7 % off on average, here within 3 %.
    """
    covariance = random_covariance(generator, 8)
    root = torch.linalg.cholesky(covariance)
    values = torch.tensor(
        [
            frechet_distance(
                normal(generator, 300, 8) @ root.T, normal(generator, 200, 8) @ root.T
            ).value
            for _ in range(60)
        ]
    )
    truth = frechet_bias(covariance, 300, 200)
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(60)
    many = frechet_distance(normal(generator, 1000, 256), normal(generator, 1000, 256)).value
    assert many == pytest.approx(33.4, rel=0.03)


def test_agrees_with_torchmetrics(generator):
    """Their eigenvalues of the unsymmetric product lose digits: relative 1e-8."""
    peer = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    moments = [
        normal(generator, 64),
        random_covariance(generator, 64),
        normal(generator, 64),
        random_covariance(generator, 64),
    ]
    truth = peer._compute_fid(*moments).item()
    assert gaussian_frechet_distance(*moments) == pytest.approx(truth, rel=1e-8)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: frechet_distance(x[:3], x), "x: expected more samples than the 3 features, got"),
        (lambda x: frechet_distance(x, x[:2]), "y: expected more samples than the 3 features, got"),
        (lambda x: frechet_distance(x, x[:, :2]), r"y: expected shape \(m, 3\), got shape"),
        (lambda x: frechet_distance(0 * x, 0 * x), "covariance: expected at least one of the two"),
        (lambda x: frechet_distance(x * math.nan, x), "x: expected finite values, got 30 NaN"),
        (lambda x: frechet_bias(x[:3], 9, 9), "covariance: expected a symmetric matrix, got one"),
        (lambda x: frechet_bias(torch.eye(3), 3, 9), "num_x: expected a whole number >= 4, got 3"),
        (lambda x: feature_statistics(x[0]), r"features: expected shape \(n, dim\), got shape"),
        (
            lambda x: gaussian_frechet_distance(x[0], x[:3], x[0], x[:3]),
            "covariance_x: expected a symmetric matrix, got one off by",
        ),
        (
            lambda x: gaussian_frechet_distance(
                x[0], torch.eye(3).double(), x[0], torch.diag(torch.tensor([1.0, 1, -1])).double()
            ),
            "covariance: expected no negative variance",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError, match=message) as error:
        call(normal(generator, 10, 3))
    assert "\n" not in str(error.value)
