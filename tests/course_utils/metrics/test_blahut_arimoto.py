"""Blahut-Arimoto, against closed forms of two sources, a bound, and a general solver."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from course_utils.arguments import ArgumentError
from course_utils.metrics.rate_distortion import blahut_arimoto, gaussian_rate_distortion

HAMMING = 1 - torch.eye(2, dtype=torch.float64)


def binary_entropy(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


@pytest.mark.concept("found.rate-distortion")
@pytest.mark.parametrize("p", [0.5, 0.3, 0.1])
@pytest.mark.parametrize("slope", [2.5, 4.0, 7.0])
def test_bernoulli_source_under_hamming_distortion(p, slope):
    """R(D) = H(p) − H(D) and D = 1/(1 + e^β), to 1e-8."""
    point = blahut_arimoto(torch.tensor([1 - p, p], dtype=torch.float64), HAMMING, slope)
    assert point.distortion == pytest.approx(1 / (1 + math.exp(slope)), abs=1e-7)
    truth = binary_entropy(p) - binary_entropy(point.distortion)
    assert point.rate == pytest.approx(truth, abs=1e-8)
    assert 0 <= point.gap < 1e-9
    torch.testing.assert_close(point.channel.sum(1), torch.ones(2).double(), rtol=0, atol=1e-12)


@pytest.mark.concept("found.rate-distortion")
def test_too_cheap_a_distortion_is_worth_no_nats():
    """For p = 0.2 the curve ends at D = p with slope −log(0.8/0.2): below it the rate is 0."""
    point = blahut_arimoto(torch.tensor([0.8, 0.2], dtype=torch.float64), HAMMING, 1.0)
    assert point.rate == pytest.approx(0, abs=1e-6)
    assert point.distortion == pytest.approx(0.2, abs=1e-6)


@pytest.mark.concept("found.rate-distortion")
@pytest.mark.parametrize("distortion", [0.5, 0.25])
def test_gaussian_source_agrees_with_water_filling(distortion):
    """N(0, 1) on a grid of 121 points: R(D) = ½ log(1/D) within 2e-3 nats at the slope −1/2D."""
    grid = torch.linspace(-5, 5, 121, dtype=torch.float64)
    source = (-(grid**2) / 2).softmax(0)
    squared = (grid[:, None] - grid).square()
    point = blahut_arimoto(source, squared, 1 / (2 * distortion), num_steps=3000, tolerance=1e-4)
    truth = gaussian_rate_distortion(torch.ones(1).double(), point.distortion)
    assert point.distortion == pytest.approx(distortion, abs=5e-3)
    assert point.rate == pytest.approx(truth.rate, abs=2e-3)


@pytest.mark.concept("found.rate-distortion")
def test_rate_and_price_are_the_least_of_all_channels(generator):
    """A 3 × 4 problem without symmetry: a general solver over channels finds nothing lower."""
    source = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    distortion = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    point = blahut_arimoto(source, distortion, 6.0, tolerance=1e-10)

    def price(logits):
        rows = np.exp(logits.reshape(3, 4))
        rows /= rows.sum(1, keepdims=True)
        joint = source.numpy()[:, None] * rows
        information = (joint * np.log(rows / joint.sum(0))).sum()
        return information + 6.0 * (joint * distortion.numpy()).sum()

    found = min(
        minimize(price, start, method="BFGS", options={"gtol": 1e-9}).fun
        for start in np.random.default_rng(0).normal(size=(3, 12))
    )
    ours = point.rate + 6.0 * point.distortion
    assert ours == pytest.approx(found, abs=1e-6)


def test_an_early_stop_says_how_far_it_may_be_off():
    source = torch.tensor([0.7, 0.3], dtype=torch.float64)
    early = blahut_arimoto(source, HAMMING, 1.2, num_steps=4)
    truth = binary_entropy(0.3) - binary_entropy(early.distortion)
    assert truth <= early.rate <= truth + early.gap
    assert early.rate > truth + 1e-5


def test_wrong_input_is_one_line(as_user):
    half = torch.tensor([0.5, 0.5], dtype=torch.float64)
    for call, message in (
        (lambda: blahut_arimoto(2 * half, HAMMING, 1.0), "source: expected prob"),
        (lambda: blahut_arimoto(half, -HAMMING, 1.0), "distortion: expected"),
        (lambda: blahut_arimoto(half, torch.ones(3, 2).double(), 1.0), "distortion: expected sh"),
        (lambda: blahut_arimoto(half, HAMMING.float(), 1.0), "distortion: expected dtype"),
        (lambda: blahut_arimoto(half, HAMMING, 0.0), "slope: expected"),
        (lambda: blahut_arimoto(half, HAMMING, 1.0, num_steps=0), "num_steps: expected"),
        (lambda: blahut_arimoto(half, HAMMING, 1.0, tolerance=0.0), "tolerance: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
