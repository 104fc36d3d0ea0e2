"""The mu-law against its inverse, its slope, and the noise it leaves."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.companding import (
    compress,
    dequantise,
    edges,
    expand,
    quantise,
)


def test_expand_inverts_compress_and_both_are_odd_and_rising():
    x = torch.linspace(-1, 1, 401, dtype=torch.float64)
    y = compress(x)
    torch.testing.assert_close(expand(y), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(y.flip(0), -y, atol=1e-12, rtol=0)
    assert bool((y.diff() > 0).all())
    assert y[0].item() == -1 and y[-1].item() == 1


def test_the_slope_at_zero_is_mu_over_log_one_plus_mu():
    x = torch.tensor(1e-9, dtype=torch.float64)
    assert compress(x).item() / 1e-9 == pytest.approx(255 / math.log(256), rel=1e-6)


@pytest.mark.parametrize("num_levels", [2, 16, 256])
def test_the_middle_of_a_level_has_that_level_and_lies_between_its_edges(num_levels):
    levels = torch.arange(num_levels)
    middle, edge = dequantise(levels, num_levels), edges(num_levels)
    assert torch.equal(quantise(middle, num_levels), levels)
    assert bool(((edge[:-1] < middle) & (middle < edge[1:])).all())
    assert (edge[1:] - edge[:-1]).sum().item() == pytest.approx(2)


def test_levels_are_found_between_the_edges(generator):
    x = 2 * torch.rand(5000, generator=generator, dtype=torch.float64) - 1
    edge = edges(32, dtype=torch.float64)
    assert torch.equal(quantise(x, 32), torch.bucketize(x, edge, right=True) - 1)


def test_values_outside_get_the_last_levels():
    x = torch.tensor([-3.0, -1.0, 1.0, 3.0])
    assert quantise(x, 16).tolist() == [0, 0, 15, 15]


def test_quiet_sounds_keep_more_of_themselves(generator):
    quiet = 0.01 * torch.randn(5000, generator=generator)
    bent = (dequantise(quantise(quiet, 256), 256) - quiet).square().mean()
    straight = (dequantise(quantise(quiet, 256, 1e-6), 256, 1e-6) - quiet).square().mean()
    assert straight.item() == pytest.approx((2 / 256) ** 2 / 12, rel=0.05)
    assert bent < straight / 100


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^mu: expected a number > 0, got 0$"):
        compress(torch.zeros(1), 0)
    with pytest.raises(ArgumentError, match=r"^num_levels: expected a whole number >= 2, got 1$"):
        quantise(torch.zeros(1), 1)
    with pytest.raises(ArgumentError, match=r"^levels: expected values <= 15, got a value of 16$"):
        dequantise(torch.tensor([16]), 16)
    with pytest.raises(ArgumentError, match=r"^x: expected finite values, got 1 NaN or infinite"):
        quantise(torch.tensor([math.nan]))
