"""Two-class Gaussian classifiers, against Φ, quadrature, Newton's logistic regression, sklearn."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from course_utils.arguments import ArgumentError
from course_utils.models.classical import GaussianMixture, bayes_error, fit_labelled, logistic_form


def two_bells(weight=0.5, variance=1.0) -> GaussianMixture:
    """Class 0 around −1 and class 1 around +1."""
    weights = torch.tensor([1 - weight, weight], dtype=torch.float64)
    means = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    return GaussianMixture(weights, means, torch.full((2, 1, 1), variance, dtype=torch.float64))


@pytest.fixture
def slanted(generator) -> GaussianMixture:
    """Two classes in three dimensions with one slanted covariance and unequal shares."""
    factor = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    means = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    covariance = (factor @ factor.mT / 4).expand(2, 3, 3)
    return GaussianMixture(torch.tensor([0.7, 0.3]).double(), means, covariance)


@pytest.mark.concept("found.bayes-classifier")
def test_error_of_the_standard_pair_is_phi_of_minus_one(generator):
    """Φ(−1) = 0.1587 exactly, and within 4 binomial standard errors on 10⁵ draws."""
    model = two_bells()
    truth = norm.cdf(-1)
    assert bayes_error(model) == pytest.approx(truth, abs=1e-15)
    x, y = model.sample_with_index(100_000, generator=generator)
    wrong = (model.posterior(x).argmax(-1) != y).double().mean().item()
    assert abs(wrong - truth) < 4 * math.sqrt(truth * (1 - truth) / 100_000)


@pytest.mark.concept("found.bayes-classifier")
@pytest.mark.parametrize("weight", [0.5, 0.2, 0.9])
def test_error_is_the_integral_of_the_smaller_joint_density(weight):
    """∫ min_y π_y N(x; μ_y, σ²) dx by quadrature on both sides of the boundary, to 1e-10."""
    model = two_bells(weight, 0.8)
    form = logistic_form(model)
    edge = float(-form.bias / form.weight[0])

    def density(x, y):
        return float(model.log_joint(torch.tensor([[x]], dtype=torch.float64))[0, y].exp())

    close = {"epsabs": 1e-13, "epsrel": 1e-12, "limit": 200}
    missed = quad(density, -15, edge, args=(1,), **close)[0]
    false = quad(density, edge, 15, args=(0,), **close)[0]
    assert bayes_error(model) == pytest.approx(missed + false, abs=1e-10)


@pytest.mark.concept("found.bayes-classifier")
def test_posterior_is_the_ratio_with_the_evidence_from_quadrature():
    """p(y = 1 | x in a thin bin): integrals of the joint densities over the bin, to 1e-9."""
    model = two_bells(0.3)
    for x in (-2.0, 0.1, 1.7):
        half = 1e-5
        bins = [norm.cdf(x + half, m) - norm.cdf(x - half, m) for m in (-1, 1)]
        parts = [0.7 * bins[0], 0.3 * bins[1]]
        found = model.posterior(torch.tensor([[x]], dtype=torch.float64))[0, 1].item()
        assert found == pytest.approx(parts[1] / sum(parts), abs=1e-9)


@pytest.mark.concept("found.bayes-classifier")
def test_posterior_is_a_logistic_function(slanted, generator):
    """σ(wᵀx + b) equals Bayes' rule to 1e-12; Newton's method finds w from the labels."""
    x, y = slanted.sample_with_index(100_000, generator=generator)
    form = logistic_form(slanted)
    torch.testing.assert_close(
        form.log_odds(x).sigmoid(), slanted.posterior(x)[:, 1], rtol=0, atol=1e-12
    )
    design = torch.cat([x, torch.ones(len(x), 1).double()], 1)
    found = torch.zeros(4).double()
    for _ in range(20):
        p = (design @ found).sigmoid()
        hessian = (design * (p * (1 - p))[:, None]).mT @ design
        found = found + torch.linalg.solve(hessian, design.mT @ (y - p))
    errors = torch.linalg.inv(hessian).diagonal().sqrt()
    truth = torch.cat([form.weight, form.bias[None]])
    assert ((found - truth).abs() < 4 * errors).all()


@pytest.mark.concept("found.bayes-classifier")
def test_labelled_fit_is_class_by_class_and_agrees_with_discriminant_analysis(slanted, generator):
    """Shares, means, covariances by selection; scikit-learn's posteriors to 1e-8."""
    x, y = slanted.sample_with_index(400, generator=generator)
    free, tied = (fit_labelled(x, y, 2, tied=tied) for tied in (False, True))
    for k in range(2):
        mine = x[y == k]
        torch.testing.assert_close(free.weights[k].item(), len(mine) / 400)
        torch.testing.assert_close(free.means[k], mine.mean(0), rtol=0, atol=1e-12)
        inner = torch.cov(mine.T, correction=0)
        torch.testing.assert_close(free.covariances[k], inner, rtol=0, atol=1e-12)
    pooled = torch.einsum("k,kij->ij", free.weights, free.covariances)
    torch.testing.assert_close(tied.covariances[1], pooled, rtol=0, atol=1e-12)
    peer = LinearDiscriminantAnalysis(solver="lsqr").fit(x.numpy(), y.numpy())
    theirs = torch.from_numpy(peer.predict_proba(x.numpy()))
    torch.testing.assert_close(tied.posterior(x), theirs, rtol=0, atol=1e-8)


def test_error_counts_on_data_with_unequal_shares(slanted, generator):
    x, y = slanted.sample_with_index(100_000, generator=generator)
    wrong = (slanted.posterior(x).argmax(-1) != y).double()
    assert abs(wrong.mean() - bayes_error(slanted)) < 4 * wrong.std() / math.sqrt(len(wrong))


def test_error_without_any_information_is_the_smaller_share():
    means = torch.zeros(2, 1).double()
    same = GaussianMixture(torch.tensor([0.7, 0.3]).double(), means, torch.ones(2, 1, 1).double())
    assert bayes_error(same) == pytest.approx(0.3)


def test_wrong_input_is_one_line(as_user):
    x = torch.randn(4, 1).double()
    model = two_bells()
    uneven = GaussianMixture(model.weights, model.means, torch.tensor([[[1.0]], [[2.0]]]).double())
    three = GaussianMixture(torch.ones(3).double() / 3, x[:3], torch.ones(3, 1, 1).double())
    for call, message in (
        (lambda: fit_labelled(x, torch.tensor([0, 0, 0, 0]), 2), "labels: expected every class"),
        (lambda: fit_labelled(x, torch.tensor([0, 1, 2, 0]), 2), "labels: expected values <= 1"),
        (lambda: fit_labelled(x, torch.tensor([0, 1]), 2), "labels: expected shape"),
        (lambda: fit_labelled(x, torch.tensor([0, 1, 1, 0]), 0), "num_classes: expected"),
        (lambda: logistic_form(uneven), "model: expected one covariance"),
        (lambda: bayes_error(three), "model: expected two classes"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
