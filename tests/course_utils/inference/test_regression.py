"""Ridge and lasso against the mode of the posterior, scikit-learn and the optimality conditions."""

import pytest
import torch
from sklearn import linear_model

from course_utils.arguments import ArgumentError
from course_utils.inference import find_mode, lasso, ridge, soft_threshold
from course_utils.models.latent import LinearGaussian


def problem(generator, examples=30, weights=5):
    design = torch.randn(examples, weights, generator=generator, dtype=torch.float64)
    true = torch.tensor([2.0, -1.0, 0.0, 0.5, 0.0], dtype=torch.float64)[:weights]
    noise = torch.randn(examples, generator=generator, dtype=torch.float64)
    return design, design @ true + 0.7 * noise


@pytest.mark.concept("inf.map")
def test_ridge_is_the_mode_of_the_posterior_under_a_gaussian_prior(generator):
    design, targets = problem(generator)
    noise, std = 0.7, 0.4

    def log_posterior(w):
        misfit = (targets - design @ w).square().sum() / (2 * noise**2)
        return -misfit - w.square().sum() / (2 * std**2)

    mode = find_mode(log_posterior, torch.zeros(5, dtype=torch.float64))
    closed = ridge(design, targets, noise**2 / std**2)
    torch.testing.assert_close(mode.point, closed, rtol=0, atol=1e-10)
    model = LinearGaussian(std * design, torch.zeros(30, dtype=torch.float64), noise)
    mean = std * model.posterior(targets[None]).mean[0]
    torch.testing.assert_close(mean, closed, rtol=0, atol=1e-10)
    peer = linear_model.Ridge(noise**2 / std**2, fit_intercept=False).fit(design, targets)
    torch.testing.assert_close(torch.as_tensor(peer.coef_), closed, rtol=0, atol=1e-9)


@pytest.mark.concept("inf.map")
def test_lasso_on_orthonormal_columns_is_the_soft_threshold(generator):
    design, targets = problem(generator)
    columns = torch.linalg.qr(design).Q
    for strength in (0.0, 0.3, 1.5, 50.0):
        found = lasso(columns, targets, strength)
        torch.testing.assert_close(
            found, soft_threshold(columns.mT @ targets, strength), rtol=0, atol=1e-8
        )


@pytest.mark.concept("inf.map")
def test_lasso_is_the_mode_under_a_laplace_prior(generator):
    """Subgradient conditions, scikit-learn, and no better point nearby."""
    design, targets = problem(generator)
    strength = 4.0
    found = lasso(design, targets, strength)
    assert 0 < int((found == 0).sum()) < 5
    pull = design.mT @ (targets - design @ found)
    active = found != 0
    torch.testing.assert_close(pull[active], strength * found[active].sign(), rtol=0, atol=1e-9)
    assert bool((pull[~active].abs() <= strength).all())
    peer = linear_model.Lasso(strength / 30, fit_intercept=False, tol=1e-12).fit(design, targets)
    torch.testing.assert_close(torch.as_tensor(peer.coef_), found, rtol=0, atol=1e-7)

    def log_posterior(w):
        return -(targets - design @ w).square().sum() / 2 - strength * w.abs().sum()

    for _ in range(100):
        step = 0.05 * torch.randn(5, generator=generator, dtype=torch.float64)
        assert log_posterior(found + step) < log_posterior(found)


def test_soft_threshold_minimises_on_a_grid():
    w = torch.linspace(-4, 4, 80001, dtype=torch.float64)
    for v in (-2.3, -0.4, 0.0, 0.9, 3.1):
        value = torch.tensor(v, dtype=torch.float64)
        best = w[(0.5 * (value - w) ** 2 + 0.8 * w.abs()).argmin()]
        assert abs(float(soft_threshold(value, 0.8) - best)) <= 1e-4


def test_strength_zero_is_least_squares(generator):
    design, targets = problem(generator)
    expected = torch.linalg.lstsq(design, targets[:, None]).solution[:, 0]
    torch.testing.assert_close(ridge(design, targets, 0), expected)
    torch.testing.assert_close(lasso(design, targets, 0.0), expected)


def test_wrong_input_is_one_line(as_user):
    design, targets = torch.ones(3, 2), torch.ones(3)
    with pytest.raises(ArgumentError, match="design: expected independent columns"):
        ridge(design, targets, 0)
    with pytest.raises(ArgumentError, match="strength: expected a number >= 0"):
        ridge(design, targets, -1)
    with pytest.raises(ArgumentError, match=r"targets: expected shape \(3\)"):
        lasso(design, torch.ones(2), 1.0)
    with pytest.raises(ArgumentError, match="design: expected columns that are not zero"):
        lasso(torch.zeros(3, 2), targets, 1.0)
