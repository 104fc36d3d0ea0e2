"""The logistic-normal law against quadrature and a count of its humps."""

import math

import pytest
import scipy.integrate
import torch

from course_utils.arguments import ArgumentError
from course_utils.families import logistic_normal, logistic_normal_modes, modes


@pytest.mark.concept("dist.logistic-normal")
@pytest.mark.parametrize(("mean", "variance"), [(0, 1.9), (0.7, 0.3), (0, 9), (1, 4)])
def test_density_integrates_to_one(mean, variance):
    law = logistic_normal(float(mean), math.sqrt(variance))

    def density(p):
        return law.log_prob(torch.tensor(p, dtype=torch.float64)).exp().item()

    ends = [scipy.integrate.quad(density, *piece)[0] for piece in ((0, 1e-3), (1 - 1e-3, 1))]
    middle, _ = scipy.integrate.quad(density, 1e-3, 1 - 1e-3, limit=200)
    assert abs(sum(ends) + middle - 1) < 1e-6


@pytest.mark.concept("dist.logistic-normal")
@pytest.mark.parametrize("variance", [0.5, 1.9, 2.0, 2.1, 9.0])
def test_there_are_two_modes_if_and_only_if_the_variance_exceeds_two(variance):
    std = math.sqrt(variance)
    solved = logistic_normal_modes(0.0, std)
    counted = modes(logistic_normal(0.0, std), 1e-5, 1 - 1e-5, num_points=20_000)
    assert len(solved) == len(counted) == (2 if variance > 2 else 1)
    assert max(abs(a - b) for a, b in zip(solved, counted, strict=True)) < 1e-4
    assert abs(sum(solved) / len(solved) - 0.5) < 1e-6


@pytest.mark.concept("dist.logistic-normal")
@pytest.mark.parametrize("mean", [-1.5, 0.4, 3.0])
@pytest.mark.parametrize("std", [0.5, 1.6, 3.0])
def test_modes_off_centre_are_where_a_grid_finds_them(mean, std):
    low, high = 1e-9, 1 - 1e-9
    z = torch.linspace(-20, 20, 200_001, dtype=torch.float64)
    inside = (z.sigmoid() > low) & (z.sigmoid() < high)
    heights = logistic_normal(mean, std).log_prob(z[inside].sigmoid())
    peaks = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
    expected = z[inside][1:-1][peaks].sigmoid().tolist()
    solved = [p for p in logistic_normal_modes(mean, std) if low < p < high]
    assert len(solved) == len(expected)
    assert max(abs(a - b) for a, b in zip(solved, expected, strict=True)) < 1e-4


@pytest.mark.concept("dist.logistic-normal")
def test_draws_are_squeezed_normal_numbers(generator):
    drawn = logistic_normal(0.5, 2.0).sample(40_000, generator=generator).logit()
    assert abs(drawn.mean() - 0.5) < 4 * 2 / 200
    assert abs(drawn.std() - 2) < 4 * 2 / math.sqrt(80_000)


def test_bad_arguments_get_one_line(as_user):
    for call in (logistic_normal, logistic_normal_modes):
        with pytest.raises(ArgumentError, match="std: expected a number > 0, got 0"):
            call(0.0, 0)
        with pytest.raises(ArgumentError, match="mean: expected a number, got nan"):
            call(math.nan, 1.0)
