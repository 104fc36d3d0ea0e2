"""Bias and variance of polynomial fits against their closed forms and a measured test error."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.bias_variance import bias_variance

POINTS = torch.linspace(-1, 1, 15, dtype=torch.float64)
TEST = torch.linspace(-0.9, 0.9, 25, dtype=torch.float64)
NOISE = 0.4


def curve(x):
    return torch.sin(3 * x)


def powers(x, degree):
    return x[:, None] ** torch.arange(degree + 1)


@pytest.mark.concept("found.tradeoffs")
@pytest.mark.parametrize("degree", [0, 1, 3, 5, 8])
def test_parts_are_the_closed_form_and_add_up_to_the_test_error(degree, generator):
    smoother = powers(TEST, degree) @ torch.linalg.pinv(powers(POINTS, degree))
    bias = ((smoother @ curve(POINTS) - curve(TEST)) ** 2).mean()
    variance = NOISE**2 * smoother.square().sum(1).mean()

    fits = 4000
    noise = torch.randn(fits, len(POINTS), generator=generator, dtype=torch.float64)
    predictions = (curve(POINTS) + NOISE * noise) @ smoother.mT
    parts = bias_variance(predictions, curve(TEST))
    for estimate, exact in ((parts.bias_squared, bias), (parts.variance, variance)):
        assert abs(estimate.value - float(exact)) < 4 * estimate.standard_error + 1e-12
    total = parts.bias_squared.value + parts.variance.value
    assert parts.excess.value == pytest.approx(total, abs=1e-12)

    fresh = curve(TEST) + NOISE * torch.randn(
        fits, len(TEST), generator=generator, dtype=torch.float64
    )
    measured = (fresh - predictions).square().mean(1)
    error = math.hypot(float(measured.std()) / math.sqrt(fits), parts.excess.standard_error)
    assert abs(float(measured.mean()) - NOISE**2 - parts.excess.value) < 3 * error


def test_small_numbers_by_hand():
    predictions = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    parts = bias_variance(predictions, torch.zeros(1, dtype=torch.float64))
    assert parts.variance.value == pytest.approx(7.0)
    assert parts.bias_squared.value == pytest.approx(9 - 7 / 3)
    assert parts.excess.value == pytest.approx(41 / 3)
    without = torch.tensor([40 / 2, 37 / 2, 5 / 2])
    jackknife = math.sqrt(2 / 3 * float((without - without.mean()).square().sum()))
    assert parts.excess.standard_error == pytest.approx(jackknife, rel=1e-6)


def test_bias_is_not_inflated_by_few_fits(generator):
    """Over many repetitions with 3 fits each, the mean of the squared bias is right."""
    values = [
        bias_variance(1 + torch.randn(3, 1, generator=generator).double(), torch.zeros(1).double())
        for _ in range(300)
    ]
    bias = torch.tensor([v.bias_squared.value for v in values])
    assert abs(float(bias.mean()) - 1) < 4 * float(bias.std()) / math.sqrt(300)


def test_wrong_input_is_one_line(as_user):
    with pytest.raises(ArgumentError, match="predictions: expected at least 3 fits, got 2"):
        bias_variance(torch.ones(2, 4), torch.ones(4))
    with pytest.raises(ArgumentError, match=r"truth: expected shape \(4\)"):
        bias_variance(torch.ones(3, 4), torch.ones(5))
