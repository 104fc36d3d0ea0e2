"""Logistic regression against the Gaussian posterior it imitates, and against scikit-learn."""

import math

import pytest
import torch
from sklearn import linear_model

from course_utils.arguments import ArgumentError
from course_utils.models.logistic_regression import LogisticRegression
from course_utils.worlds.plane import PlaneMixture

MEANS = torch.tensor([[0.0, 0.0], [1.5, 0.5]], dtype=torch.float64)
SHARED = torch.tensor([[1.0, 0.4], [0.4, 0.8]], dtype=torch.float64)
PRIOR = torch.tensor([0.6, 0.4], dtype=torch.float64)
WORLD = PlaneMixture(MEANS, SHARED.expand(2, 2, 2), PRIOR)


def truth():
    """w = S⁻¹(μ₁ − μ₀), b = ½ (μ₀ᵀS⁻¹μ₀ − μ₁ᵀS⁻¹μ₁) + log π₁/π₀."""
    precision = torch.linalg.inv(SHARED)
    weights = precision @ (MEANS[1] - MEANS[0])
    squares = torch.einsum("ki,ij,kj->k", MEANS, precision, MEANS)
    return weights, (squares[0] - squares[1]) / 2 + (PRIOR[1] / PRIOR[0]).log()


@pytest.mark.concept("found.gen-vs-disc")
def test_the_generative_posterior_is_a_logistic_function(generator):
    weights, bias = truth()
    x = 3 * torch.randn(100, 2, generator=generator, dtype=torch.float64)
    expected = (x @ weights + bias).sigmoid()
    torch.testing.assert_close(WORLD.posterior(x)[:, 1], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.concept("found.gen-vs-disc")
def test_newton_recovers_its_weights(generator):
    x, y = WORLD.sample_with_index(100_000, generator=generator)
    fit = LogisticRegression.fit(x, y)
    weights, bias = truth()
    errors = fit.covariance.diagonal().sqrt()
    assert ((fit.weights - weights).abs() < 3 * errors[:2]).all()
    assert abs(fit.bias - bias) < 3 * errors[2]
    assert errors.max() < 0.05


@pytest.mark.concept("found.gen-vs-disc")
@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_scikit_learn_finds_the_same(generator, penalty):
    x, y = WORLD.sample_with_index(500, generator=generator)
    fit = LogisticRegression.fit(x, y, penalty=penalty)
    peer = linear_model.LogisticRegression(
        C=1 / penalty if penalty else math.inf, tol=1e-10, max_iter=1000
    ).fit(x.numpy(), y.numpy())
    assert abs(fit.weights - torch.from_numpy(peer.coef_[0])).max() < 1e-5
    assert abs(fit.bias - float(peer.intercept_[0])) < 1e-5
    scored = fit.log_prob(y, x).exp()
    expected = torch.from_numpy(peer.predict_proba(x.numpy()))[torch.arange(500), y]
    torch.testing.assert_close(scored, expected, rtol=0, atol=1e-5)


@pytest.mark.concept("found.gen-vs-disc")
def test_covariance_is_the_inverse_of_the_curvature(generator):
    x, y = WORLD.sample_with_index(300, generator=generator)
    fit = LogisticRegression.fit(x, y, penalty=0.5)
    inputs = torch.cat([x, torch.ones(300, 1, dtype=torch.float64)], 1)

    def loss(theta):
        signs = 2 * y.double() - 1
        fits = -torch.nn.functional.logsigmoid(signs * (inputs @ theta)).sum()
        return fits + 0.25 * theta[:2].square().sum()

    theta = torch.cat([fit.weights, fit.bias[None]])
    hessian = torch.autograd.functional.hessian(loss, theta)
    torch.testing.assert_close(fit.covariance @ hessian, torch.eye(3).double(), atol=1e-8, rtol=0)


def test_labels_that_a_line_separates_have_no_maximum(as_user):
    x = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 1, 1])
    with pytest.raises(ArgumentError, match="x, y: expected labels that no line separates"):
        LogisticRegression.fit(x, y)
    assert LogisticRegression.fit(x, y, penalty=1.0).weights > 0
    with pytest.raises(ArgumentError, match="y: expected values <= 1, got a value of 2"):
        LogisticRegression.fit(x, torch.tensor([0, 1, 2, 0]))
    with pytest.raises(ArgumentError, match="penalty: expected a number >= 0, got -1"):
        LogisticRegression.fit(x, y, penalty=-1)
