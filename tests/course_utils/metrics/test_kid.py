"""KID, against moment tensors, quadrature, the shared estimate and torchmetrics."""

import itertools
import math

import numpy as np
import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.kid import gaussian_kid, kid, subset_kids
from course_utils.metrics.two_sample.contrast import contrast, row_sums


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def random_law(generator, dim):
    factor = normal(generator, dim, dim) / math.sqrt(dim)
    return normal(generator, dim), factor @ factor.T


def polynomial(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def moments(mean, covariance):
    """E X, E X⊗X and E X⊗X⊗X of a normal law, by products of its mean and covariance."""
    second = covariance + torch.outer(mean, mean)
    third = torch.einsum("i,j,k->ijk", mean, mean, mean)
    for pattern in ("i,jk->ijk", "j,ik->ijk", "k,ij->ijk"):
        third = third + torch.einsum(pattern, mean, covariance)
    return mean, second, third


def quadrature(mean, covariance):
    """Points and weights that integrate polynomials up to degree 7 exactly, on a grid."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    grid = torch.tensor(list(itertools.product(nodes, repeat=len(mean))), dtype=torch.float64)
    mass = torch.tensor(list(itertools.product(weights, repeat=len(mean)))).prod(1)
    return mean + grid @ torch.linalg.cholesky(covariance).T, mass / mass.sum()


@pytest.mark.concept("metric.kid")
@pytest.mark.parametrize("dim", [1, 3, 6])
def test_closed_form_by_moment_tensors(generator, dim):
    """Σ_j C(3, j) d^(−j) ‖difference of the j-th moments‖²; rounding only."""
    laws = random_law(generator, dim), random_law(generator, dim)
    pairs = zip(moments(*laws[0]), moments(*laws[1]), strict=True)
    truth = sum(
        math.comb(3, j) * (p - q).square().sum().item() / dim**j
        for j, (p, q) in enumerate(pairs, start=1)
    )
    assert gaussian_kid(*laws[0], *laws[1]) == pytest.approx(truth, rel=1e-10)
    assert gaussian_kid(*laws[0], *laws[0]) == pytest.approx(0, abs=1e-10)


def test_closed_form_by_quadrature(generator):
    """The kernel itself, summed over 4³ Gauss-Hermite points each, exact for degree 3."""
    laws = random_law(generator, 3), random_law(generator, 3)
    (x, p), (y, q) = quadrature(*laws[0]), quadrature(*laws[1])
    truth = p @ polynomial(x, x) @ p + q @ polynomial(y, y) @ q - 2 * p @ polynomial(x, y) @ q
    assert gaussian_kid(*laws[0], *laws[1]) == pytest.approx(truth.item(), rel=1e-9)


@pytest.mark.parametrize("sizes", [(3, 5), (700, 1100)])
def test_piecewise_sums_equal_whole_matrices(generator, sizes):
    """The larger sizes need several pieces, none of equal size; rounding only."""
    x, y = normal(generator, sizes[0], 4), normal(generator, sizes[1], 4) * 1.5 + 0.3
    truth = contrast(*row_sums(polynomial(x, x), polynomial(x, y), polynomial(y, y)))
    found = kid(x, y)
    assert found.value == pytest.approx(truth.value, rel=1e-10)
    assert found.standard_error == pytest.approx(truth.standard_error, rel=1e-10)
    single = kid(x.float(), y.float())
    assert single.value == pytest.approx(truth.value, rel=1e-5)


def test_value_by_loops_over_different_points(generator):
    """The definition: averages over ordered pairs of different points; rounding only."""
    x, y = normal(generator, 4, 2), normal(generator, 5, 2) + 1

    def mean_kernel(pairs):
        values = [(sum(s * t for s, t in zip(a, b, strict=True)) / 2 + 1) ** 3 for a, b in pairs]
        return sum(values) / len(values)

    first, second = x.tolist(), y.tolist()
    within = [mean_kernel(list(itertools.permutations(points, 2))) for points in (first, second)]
    truth = sum(within) - 2 * mean_kernel(list(itertools.product(first, second)))
    assert kid(x, y).value == pytest.approx(truth, rel=1e-12)


@pytest.mark.concept("metric.kid")
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_mean_and_error_over_repeated_samples(generator, shift):
    """200 runs with fewer points than features: the mean is the closed form's within 4 standard
    errors, and the stated error that of the runs (its own relative error is 1/√400 = .05, four of
    them .2), but for the known excess, up to √2, between equal laws.
    """
    dim = 24
    mean, covariance = torch.zeros(dim).double(), torch.eye(dim).double()
    truth = gaussian_kid(mean, covariance, mean + shift, covariance)
    runs = [kid(normal(generator, 20, dim), normal(generator, 15, dim) + shift) for _ in range(200)]
    values = torch.tensor([r.value for r in runs], dtype=torch.float64)
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(200)
    ratio = sum(r.standard_error for r in runs) / 200 / values.std().item()
    assert 0.8 < ratio < (1 if shift else math.sqrt(2)) + 0.2
    if not shift:
        assert truth == pytest.approx(0, abs=1e-12)
        assert values.min() < 0 < values.max()


def test_agrees_with_torchmetrics(generator):
    """The same two functions in float64 on equal sample sizes; rounding only."""
    peer = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed")
    x, y = normal(generator, 300, 16), normal(generator, 300, 16) * 1.2 + 0.1
    assert kid(x, y).value == pytest.approx(peer.poly_mmd(x, y).item(), rel=1e-10)
    within, between = polynomial(x, x), polynomial(x, y)
    other = peer.maximum_mean_discrepancy(within, between, polynomial(y, y)).item()
    assert kid(x, y).value == pytest.approx(other, rel=1e-10)


def test_whole_sets_are_their_only_subset(generator):
    """Subsets as large as the clouds only shuffle them; rounding only."""
    x, y = normal(generator, 30, 3), normal(generator, 30, 3) + 1
    found = subset_kids(x, y, subset_size=30, num_subsets=4, generator=generator)
    torch.testing.assert_close(found, torch.full_like(found, kid(x, y).value), rtol=1e-10, atol=0)


def test_subsets_have_the_same_mean(generator):
    """Given the clouds, a random subset is unbiased for all pairs; 4 standard errors of 400."""
    x, y = normal(generator, 60, 3), normal(generator, 80, 3) + 0.5
    found = subset_kids(x, y, subset_size=10, num_subsets=400, generator=generator)
    assert abs(found.mean() - kid(x, y).value) < 4 * found.std() / 20
    assert found.std() > 2 * kid(x, y).standard_error


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: kid(x[:2], x), "x: expected at least 3 points, got 2"),
        (lambda x: kid(x, x[:, :2]), "y: expected shape (m, 3), got shape (10, 2)"),
        (lambda x: kid(x * math.nan, x), "x: expected finite values, got 30 NaN or infinite of 30"),
        (lambda x: kid(x, x.long()), "y: expected dtype float, got dtype torch.int64"),
        (
            lambda x: subset_kids(x, x[:8], subset_size=9),
            "subset_size: expected a whole number >= 3 and <= 8, got 9",
        ),
        (
            lambda x: subset_kids(x, x, subset_size=5, num_subsets=0),
            "num_subsets: expected a whole number >= 1, got 0",
        ),
        (
            lambda x: gaussian_kid(x[0], x[:3], x[0], x[:3]),
            "covariance_x: expected a symmetric matrix, got one off by",
        ),
        (
            lambda x: gaussian_kid(x[0], x[:3], x[0, :2], x[:3]),
            "mean_y: expected shape (3), got shape (2,)",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError) as error:
        call(normal(generator, 10, 3))
    said = str(error.value)
    assert said.startswith(message) if message.endswith("by") else said == message
    assert "\n" not in said
