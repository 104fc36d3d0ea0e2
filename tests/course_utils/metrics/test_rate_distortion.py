"""Reverse water-filling against convex optimisation, Blahut-Arimoto and its own slope."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from course_utils.arguments import ArgumentError
from course_utils.metrics.rate_distortion import (
    blahut_arimoto,
    gaussian_rate_distortion,
    reverse_water_filling,
)

VARIANCES = torch.tensor([0.35, 6.0, 1.5, 0.15, 3.0, 0.7], dtype=torch.float64)


@pytest.mark.parametrize("distortion", [0.3, 1.0, 2.5, 6.0, 11.0])
@pytest.mark.concept("vae.information-bottleneck")
def test_curve_is_the_minimum_of_the_convex_program(distortion):
    """Least Σ ½ log(λ_i / D_i) with Σ D_i = D and D_i ≤ λ_i, by a general solver."""
    variances = VARIANCES.numpy()
    found = minimize(
        lambda d: 0.5 * np.log(variances / d).sum(),
        variances * distortion / variances.sum(),
        jac=lambda d: -0.5 / d,
        bounds=[(1e-9, v) for v in variances],
        constraints={"type": "eq", "fun": lambda d: d.sum() - distortion},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    point = gaussian_rate_distortion(VARIANCES, distortion)
    assert point.rate == pytest.approx(found.fun, abs=1e-6)
    assert point.distortion == pytest.approx(distortion, abs=1e-12)
    np.testing.assert_allclose(point.distortions.numpy(), found.x, atol=2e-4)


@pytest.mark.parametrize("slope", [0.8, 2.0])
def test_one_component_is_what_blahut_and_arimoto_compute(slope):
    """A Gaussian of variance 1.5 on a fine grid; the grid and 400 rounds cost below 1e-3."""
    points = torch.linspace(-6, 6, 241, dtype=torch.float64)
    weights = (-(points**2) / 3).softmax(0)
    squares = (points[:, None] - points).square()
    coded = blahut_arimoto(weights, squares, slope, num_steps=400)
    point = gaussian_rate_distortion(torch.tensor([1.5], dtype=torch.float64), coded.distortion)
    assert point.rate == pytest.approx(coded.rate, abs=1e-3)
    assert point.level == pytest.approx(1 / (2 * slope), abs=2e-3)


def test_both_functions_name_the_same_point_and_the_slope_is_half_over_the_level():
    for level in (0.1, 0.15, 0.5, 2.0, 5.9, 6.0):
        point = reverse_water_filling(VARIANCES, level)
        again = gaussian_rate_distortion(VARIANCES, point.distortion)
        assert again.rate == pytest.approx(point.rate, abs=1e-12)
        assert again.num_active == point.num_active == int((level < VARIANCES).sum())
    step = 1e-5
    high, low = (gaussian_rate_distortion(VARIANCES, 2.0 + d).rate for d in (step, -step))
    level = gaussian_rate_distortion(VARIANCES, 2.0).level
    assert (high - low) / (2 * step) == pytest.approx(-1 / (2 * level), rel=1e-6)


def test_ends_of_the_curve():
    total = float(VARIANCES.sum())
    for distortion in (total, 2 * total):
        point = gaussian_rate_distortion(VARIANCES, distortion)
        assert (point.rate, point.num_active) == (0.0, 0)
        assert point.distortion == pytest.approx(total)
    tiny = gaussian_rate_distortion(VARIANCES, 6e-6)
    assert tiny.rate == pytest.approx(0.5 * float((VARIANCES / 1e-6).log().sum()))
    assert reverse_water_filling(VARIANCES.float(), 1.0).rates.dtype == torch.float32
    assert reverse_water_filling(VARIANCES, 1.5).rate == pytest.approx(
        0.5 * (math.log(4) + math.log(2))
    )


def test_wrong_input_is_one_line(as_user):
    for call, message in (
        (lambda: reverse_water_filling(VARIANCES, 0.0), r"level: expected"),
        (lambda: reverse_water_filling(-VARIANCES, 1.0), r"variances: expected"),
        (lambda: reverse_water_filling(torch.ones(2, 2), 1.0), r"variances: expected shape"),
        (lambda: gaussian_rate_distortion(VARIANCES, -1.0), r"distortion: expected"),
        (lambda: gaussian_rate_distortion(0 * VARIANCES, 1.0), r"variances: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
