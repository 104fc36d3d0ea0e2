"""The closest Gaussian against moments, the modes, and a brute-force search."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import gaussian_log_prob
from course_utils.divergences import FAMILY, KL, REVERSE_KL, TOTAL_VARIATION, alpha_divergence
from course_utils.inference import closest_gaussian


def two_modes(distance: float, std: float = 1.0):
    """Equal mixture of N(−d, s²) and N(d, s²)."""

    def log_density(x):
        centers = x.new_tensor([-distance, distance])
        terms = gaussian_log_prob(x.unsqueeze(-1), centers, x.new_tensor(math.log(std)))
        return terms.logsumexp(-1) - math.log(2)

    return log_density


SPAN = {"low": -25.0, "high": 25.0}


@pytest.mark.concept("div.forward-reverse-kl")
def test_forward_matches_moments_and_reverse_locks_on_a_mode():
    p = two_modes(4.0)
    forward = closest_gaussian(p, KL, start_mean=0.7, start_std=1.0, **SPAN)
    assert forward.mean == pytest.approx(0, abs=1e-4)
    assert forward.std == pytest.approx(math.sqrt(1 + 16), abs=1e-4)
    for sign in (-1, 1):
        reverse = closest_gaussian(p, REVERSE_KL, start_mean=sign * 3.0, start_std=1.0, **SPAN)
        assert reverse.mean == pytest.approx(sign * 4, rel=0.02)
        assert reverse.std == pytest.approx(1, rel=0.02)
        assert reverse.divergence == pytest.approx(math.log(2), rel=0.02)


def test_reverse_has_a_third_valley_that_covers_and_is_higher():
    p = two_modes(3.0)
    middle = closest_gaussian(p, REVERSE_KL, start_mean=0.3, start_std=1.0, **SPAN)
    mode = closest_gaussian(p, REVERSE_KL, start_mean=2.5, start_std=1.0, **SPAN)
    assert middle.mean == pytest.approx(0, abs=1e-6) and middle.std > 2
    assert middle.divergence > mode.divergence + 0.1


def brute_force(p, divergence):
    """Smallest divergence over a grid of means and widths."""
    x = torch.linspace(-25, 25, 501, dtype=torch.float64)
    means = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None, None]
    log_stds = torch.linspace(0, 1.4, 29, dtype=torch.float64)[:, None]
    log_q = gaussian_log_prob(x, means, log_stds)
    values = divergence.terms(p(x).expand_as(log_q), log_q).sum(-1) * 0.1
    return float(values.min())


@pytest.mark.concept("div.forward-reverse-kl")
@pytest.mark.parametrize(
    "divergence",
    [d for d in FAMILY if d not in (TOTAL_VARIATION,)] + [alpha_divergence(0.3)],
    ids=lambda d: d.name,
)
def test_no_gaussian_of_a_fine_grid_is_closer(divergence):
    p = two_modes(1.8)
    found = min(
        closest_gaussian(p, divergence, start_mean=m, start_std=2.0, **SPAN).divergence
        for m in (0.3, 1.5)
    )
    best = brute_force(p, divergence)
    assert best - 0.01 < found <= best + 1e-9


def test_a_gaussian_finds_itself():
    def log_density(x):
        return gaussian_log_prob(x, x.new_tensor(1.2), x.new_tensor(math.log(0.7)))

    for divergence in (KL, REVERSE_KL, alpha_divergence(0.5)):
        fit = closest_gaussian(log_density, divergence, start_mean=0.0, start_std=2.0, **SPAN)
        assert (fit.mean, fit.std) == pytest.approx((1.2, 0.7), abs=1e-6)
        assert fit.divergence == pytest.approx(0, abs=1e-12)


def test_wrong_input_is_one_line(as_user):
    p = two_modes(3.0)
    with pytest.raises(ArgumentError, match="start_std: expected a number > 0"):
        closest_gaussian(p, KL, start_mean=0.0, start_std=0.0, **SPAN)
    with pytest.raises(ArgumentError, match="high: expected a number > 1"):
        closest_gaussian(p, KL, start_mean=0.0, start_std=1.0, low=1.0, high=1.0)
