"""Means of draws: coverage of their intervals, the rate of their error, exact ratios."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.monte_carlo import normal_interval, sample_mean, weighted_mean


@pytest.mark.concept("mcmc.monte-carlo")
def test_intervals_hold_the_truth_as_often_as_they_say(generator):
    """E x² = 1 under N(0, 1): 95 % ± 1 % of 10⁴ intervals from 1000 draws hold it."""
    held = 0
    for _ in range(10):
        values = torch.randn(1000, 1000, generator=generator, dtype=torch.float64).square()
        for row in values:
            low, high = normal_interval(sample_mean(row))
            held += low < 1 < high
    assert held / 10_000 == pytest.approx(0.95, abs=0.01)


@pytest.mark.concept("mcmc.monte-carlo")
def test_four_times_the_draws_halve_the_error(generator):
    """Root mean square error of 10⁴ means of x², n = 50 and 200: ratio 2 within 5 %."""
    errors = []
    for count in (50, 200):
        values = torch.randn(10_000, count, generator=generator, dtype=torch.float64).square()
        errors.append((values.mean(1) - 1).square().mean().sqrt().item())
        estimates = [sample_mean(row).standard_error for row in values[:500]]
        exact = math.sqrt(2 / count)
        assert errors[-1] == pytest.approx(exact, rel=0.05)
        assert sum(estimates) / 500 == pytest.approx(exact, rel=0.1)
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)


def test_small_sample_by_hand():
    found = sample_mean(torch.tensor([1.0, 2.0, 6.0]))
    assert found.value == pytest.approx(3)
    assert found.standard_error == pytest.approx(math.sqrt(7 / 3))


def test_equal_weights_are_no_weights():
    values = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    found = weighted_mean(values, torch.full((3,), -700.0, dtype=torch.float64))
    assert found.value == pytest.approx(3)
    assert found.standard_error == pytest.approx(math.sqrt(14) / 3)


def test_weights_by_hand():
    """Weights 3, 1 and 0 of the values 2, 6 and 9: mean 3, error √(9·1 + 1·9)/4."""
    log_weights = torch.tensor([math.log(3), 0.0, -math.inf], dtype=torch.float64)
    found = weighted_mean(torch.tensor([2.0, 6.0, 9.0], dtype=torch.float64), log_weights)
    assert found.value == pytest.approx(3)
    assert found.standard_error == pytest.approx(math.sqrt(18) / 4)


def test_weighted_error_is_the_spread_of_repetitions(generator):
    """Target N(1, 1), proposal N(0, 1.5²), 2000 repetitions of 500 draws, within 5 %."""
    x = 1.5 * torch.randn(2000, 500, generator=generator, dtype=torch.float64)
    log_weights = -((x - 1) ** 2) / 2 + x**2 / 4.5
    found = [weighted_mean(*pair) for pair in zip(x, log_weights, strict=True)]
    values = torch.tensor([one.value for one in found])
    said = torch.tensor([one.standard_error for one in found])
    assert said.mean().item() == pytest.approx(values.std().item(), rel=0.05)
    assert abs(values.mean() - 1) < 4 * values.std() / math.sqrt(2000) + 2 / 500


def test_interval_of_another_level():
    low, high = normal_interval(Estimate(1.0, 2.0), level=0.6827)
    assert (low, high) == pytest.approx((-1, 3), abs=1e-3)


def test_wrong_input_is_one_line(as_user):
    one = torch.ones(1)
    for call, message in (
        (lambda: sample_mean(one), "values: expected at least 2"),
        (lambda: sample_mean(torch.tensor([1.0, math.nan])), "values: expected finite"),
        (lambda: weighted_mean(one, one), "values: expected at least 2"),
        (lambda: weighted_mean(torch.ones(2), torch.ones(3)), "log_weights: expected shape"),
        (lambda: weighted_mean(torch.ones(2), -torch.ones(2) * math.inf), "log_weights: expected"),
        (lambda: normal_interval(Estimate(0.0, 1.0), 1.0), "level: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
