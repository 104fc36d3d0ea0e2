"""Bins of logistic variables, against SciPy's distribution function and 60-digit arithmetic."""

from decimal import Decimal, localcontext
from itertools import product

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.logistic_mixtures import (
    LOG_SCALES,
    DiscretisedLogisticMixture,
    logistic_log_pmf,
    num_pixel_params,
    whole_pixel_conditionals,
)


def _random_params(head, generator, shape=(50,), dtype=torch.float64):
    """Locations in and beyond the range of levels, scales from far below a bin to the range."""
    params = torch.randn(*shape, 3, head.num_components, generator=generator, dtype=dtype)
    params[..., 2, :] = (3 * params[..., 2, :] - 2).clamp(-8.5, 8.5)
    return params.flatten(-2)


def _levels(num_levels):
    return torch.linspace(-1, 1, num_levels, dtype=torch.float64)


@pytest.mark.concept("ar.dlm")
@pytest.mark.parametrize("num_levels", [2, 3, 17, 256])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_masses_of_all_levels_sum_to_one(num_levels, dtype, tolerance, generator):
    """float64 far inside the 1e-6 asked for; float32 carries the rounding of (y - mu)/s."""
    head = DiscretisedLogisticMixture(num_levels, 4)
    total = head.log_pmf(_random_params(head, generator, dtype=dtype)).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total), atol=tolerance, rtol=0)


@pytest.mark.concept("ar.dlm")
@pytest.mark.parametrize("num_levels", [2, 5, 256])
def test_masses_are_differences_of_scipys_distribution_function(num_levels, generator):
    head = DiscretisedLogisticMixture(num_levels, 3)
    params = _random_params(head, generator)
    logits, mean, log_scale = (part.numpy() for part in head.split(params))
    edges = (_levels(num_levels)[:-1] + 1 / (num_levels - 1)).numpy()
    below = stats.logistic.cdf(edges[:, None, None], mean, torch.from_numpy(log_scale).exp())
    below = torch.cat([torch.zeros(1, 50, 3), torch.from_numpy(below), torch.ones(1, 50, 3)])
    wanted = (below.diff(dim=0) * torch.from_numpy(logits).softmax(-1)).sum(-1).T
    torch.testing.assert_close(head.log_pmf(params).exp(), wanted, atol=1e-12, rtol=0)


def _log_mass(level, mean, log_scale, num_levels):
    """log of the bin's mass with 60 digits, by plain subtraction."""
    with localcontext() as context:
        context.prec = 200
        centre = Decimal(2 * level) / (num_levels - 1) - 1
        half = Decimal(1) / (num_levels - 1)
        scale = Decimal(log_scale).exp()

        def cdf(edge):
            return 1 / (1 + (-(edge - Decimal(mean)) / scale).exp())

        low = Decimal(0) if level == 0 else cdf(centre - half)
        high = Decimal(1) if level == num_levels - 1 else cdf(centre + half)
        return float((high - low).ln())


@pytest.mark.concept("ar.dlm")
@pytest.mark.parametrize("log_scale", [-5.0, -3.0, 0.0, 8.0])
@pytest.mark.parametrize("mean", [-1.5, -0.25, 1.25])
def test_logarithms_in_the_tails_equal_those_of_long_arithmetic(log_scale, mean):
    """float32 keeps six digits of every log mass, where the difference itself would be zero."""
    levels = torch.tensor([0, 1, 100, 254, 255])
    found = logistic_log_pmf(levels, torch.tensor(mean), torch.tensor(log_scale), 256)
    wanted = [_log_mass(k, mean, log_scale, 256) for k in levels.tolist()]
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=2e-5, atol=1e-6)


@pytest.mark.concept("ar.dlm")
@pytest.mark.parametrize(("beyond", "bound"), [(-300.0, -9.0), (300.0, 9.0)])
def test_scales_beyond_the_bounds_count_as_the_bound_and_stay_finite(beyond, bound):
    assert bound in LOG_SCALES
    params = torch.tensor([0.3, -0.1, 0.2, 0.9, beyond, -1.0], requires_grad=True)
    head = DiscretisedLogisticMixture(256, 2)
    log_pmf = head.log_pmf(params)
    assert log_pmf.isfinite().all()
    log_pmf.sum().backward()
    assert params.grad.isfinite().all()
    at_bound = params.detach().clone()
    at_bound[4] = bound
    torch.testing.assert_close(head.log_pmf(at_bound), log_pmf.detach())


@pytest.mark.concept("ar.dlm")
def test_gradient_is_that_of_finite_differences(generator):
    head = DiscretisedLogisticMixture(5, 2)
    params = _random_params(head, generator, (5,)).clamp(-2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: head.log_prob(p, torch.arange(5)), params)


@pytest.mark.concept("ar.dlm")
@pytest.mark.parametrize("num_levels", [2, 7])
def test_samples_follow_the_masses(num_levels, generator):
    head = DiscretisedLogisticMixture(num_levels, 3)
    params = torch.tensor([0.5, -0.5, 0.0, -0.7, 0.2, 1.3, -2.0, -1.0, 0.3]).double()
    drawn = head.sample(params.expand(200_000, -1), generator)
    counts = torch.bincount(drawn, minlength=num_levels)
    assert drawn.dtype == torch.int64
    assert len(counts) == num_levels
    expected = 200_000 * head.log_pmf(params).exp()
    assert stats.chisquare(counts, expected * 200_000 / expected.sum()).pvalue > 1e-3


def test_mean_is_that_of_the_masses_and_of_the_samples(generator):
    head = DiscretisedLogisticMixture(6, 2)
    params = _random_params(head, generator, (4,))
    wanted = sum(k * head.log_prob(params, torch.full((4,), k)).exp() for k in range(6))
    torch.testing.assert_close(head.mean(params), wanted)
    sampled = head.sample(params.expand(100_000, 4, -1), generator).double()
    error = (sampled.mean(0) - wanted) / (sampled.std(0) / 100_000**0.5 + 1e-9)
    assert error.abs().max() < 4


def _explicit(params, pixel, num_levels, components):
    """p(x_1 .. x_C) from the mixture's definition, one component after the other."""
    channels, total = len(pixel), 0.0
    rows = params.reshape(-1, components)
    weights = rows[0].softmax(-1)
    for m in range(components):
        term, slope = weights[m], 1 + 2 * channels
        for c in range(channels):
            mean = rows[1 + c, m]
            for b in range(c):
                mean = mean + torch.tanh(rows[slope, m]) * _levels(num_levels)[pixel[b]]
                slope += 1
            level = torch.tensor(pixel[c])
            log_scale = rows[1 + channels + c, m]
            term = term * logistic_log_pmf(level, mean, log_scale, num_levels).exp()
        total = total + term
    return total


@pytest.mark.concept("ar.dlm")
@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_conditionals_of_the_channels_multiply_to_the_mixture_over_whole_pixels(
    channels, generator
):
    head = DiscretisedLogisticMixture(4, 3)
    size = num_pixel_params(3, channels)
    params = torch.randn(size, generator=generator, dtype=torch.float64)
    pixels = torch.tensor(list(product(range(4), repeat=channels)))
    each = whole_pixel_conditionals(params.expand(len(pixels), -1), pixels, head)
    joint = head.log_prob(each, pixels).sum(-1).exp()
    wanted = torch.stack([_explicit(params, p, 4, 3) for p in pixels.tolist()])
    torch.testing.assert_close(joint, wanted, rtol=1e-12, atol=0)
    assert joint.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.concept("ar.pixelcnnpp")
def test_a_channels_conditional_sees_the_channels_before_it_and_no_others(generator):
    head = DiscretisedLogisticMixture(5, 2)
    params = torch.randn(num_pixel_params(2, 3), generator=generator, dtype=torch.float64)
    pixel = torch.tensor([1, 3, 2])
    before = whole_pixel_conditionals(params, pixel, head)
    for changed in range(3):
        other = pixel.clone()
        other[changed] = 4
        moved = (whole_pixel_conditionals(params, other, head) != before).any(-1)
        assert moved.tolist() == [c > changed for c in range(3)]


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^num_levels: expected a whole number >= 2, got 1$"):
        DiscretisedLogisticMixture(1)
    with pytest.raises(ArgumentError, match=r"^num_components: expected a whole number >= 1"):
        DiscretisedLogisticMixture(4, 0)
    with pytest.raises(ArgumentError, match=r"^params: expected shape \(\.\.\., 6\), got shape"):
        DiscretisedLogisticMixture(4, 2).log_prob(torch.zeros(3, 5), torch.zeros(3).long())
    with pytest.raises(ArgumentError, match=r"^params: expected 20 numbers for each pixel, got 19"):
        whole_pixel_conditionals(
            torch.zeros(19), torch.zeros(3).long(), DiscretisedLogisticMixture(4, 2)
        )
