"""Gumbel-max by chi-square, the relaxation by quadrature and against the enumerated gradient."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import sample_categorical
from course_utils.samplers.gumbel import gumbel_noise, gumbel_softmax

LOGITS = torch.tensor([0.3, -1.0, 1.2, 0.0], dtype=torch.float64)
VALUES = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.concept("vae.gumbel-softmax")
def test_noise_follows_the_gumbel_law(generator):
    noise = gumbel_noise(torch.empty(20_000, dtype=torch.float64), generator)
    assert stats.kstest(noise.numpy(), "gumbel_r").pvalue > 0.001


@pytest.mark.concept("vae.gumbel-softmax")
def test_the_argmax_is_a_draw_of_the_softmax(generator):
    many = LOGITS.expand(40_000, 4)
    largest = (many + gumbel_noise(many, generator)).argmax(-1)
    expected = 40_000 * LOGITS.softmax(-1)
    assert stats.chisquare(torch.bincount(largest), expected).pvalue > 0.001
    assert torch.equal(largest, sample_categorical(many, seeded(0)))


@pytest.mark.concept("vae.gumbel-softmax")
@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_hard_samples_are_exact_at_every_temperature(temperature, generator):
    many = LOGITS.expand(40_000, 4)
    hard = gumbel_softmax(many, temperature, hard=True, generator=generator)
    assert torch.equal(
        hard.sort(-1).values, torch.tensor([0.0, 0, 0, 1]).double().expand(40_000, 4)
    )
    assert stats.chisquare(hard.sum(0), 40_000 * LOGITS.softmax(-1)).pvalue > 0.001


@pytest.mark.concept("vae.gumbel-softmax")
def test_the_relaxation_tends_to_a_corner_as_the_temperature_falls(generator):
    many = LOGITS.expand(5000, 4)
    largest = [
        gumbel_softmax(many, tau, generator=seeded(3)).max(-1).values.mean().item()
        for tau in (4.0, 1.0, 0.25, 0.01, 1e-4)
    ]
    assert largest == sorted(largest)
    assert largest[-1] > 1 - 1e-3 and largest[0] < 0.6


def gradient(power, temperature, count, seed, hard=False):
    """Gradients of f(y) = (v . y)^power in the logits, one for each of ``count`` draws."""
    logits = LOGITS.expand(count, 4).clone().requires_grad_()
    y = gumbel_softmax(logits, temperature, hard=hard, generator=seeded(seed))
    return torch.autograd.grad(((y @ VALUES) ** power).sum(), logits)[0]


def enumerated(power):
    """The gradient of sum_k softmax(a)_k v_k^power."""
    logits = LOGITS.clone().requires_grad_()
    return torch.autograd.grad(logits.softmax(-1) @ VALUES**power, logits)[0]


@pytest.mark.concept("vae.gumbel-softmax")
def test_gradient_of_a_linear_function_is_within_two_per_cent_at_a_tenth():
    exact, found = enumerated(1), gradient(1, 0.1, 1_000_000, 5)
    error = (found.std(0) / math.sqrt(len(found))).norm()
    assert error < 0.01 * exact.norm()
    assert (found.mean(0) - exact).norm() < 0.02 * exact.norm()
    far = gradient(1, 4.0, 100_000, 6).mean(0)
    assert (far - exact).norm() > 0.2 * exact.norm()


@pytest.mark.concept("vae.gumbel-softmax")
def test_gradient_of_a_square_is_biased_in_proportion_to_the_temperature():
    """Between the corners a square is not what it is at them; halving tau halves the bias."""
    exact = enumerated(2)
    wide, narrow = (
        (gradient(2, tau, 1_000_000, 5).mean(0) - exact).norm() / exact.norm() for tau in (0.2, 0.1)
    )
    assert 0.04 < narrow < 0.1
    assert 1.7 < wide / narrow < 2.3


@pytest.mark.concept("vae.gumbel-softmax")
@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_two_levels_agree_with_quadrature(temperature):
    """y_1 = sigmoid((a + L) / tau) with L logistic; mean and variance of d (y_1^2) / d a."""
    a = 0.7
    logits = torch.tensor([a, 0.0], dtype=torch.float64).expand(400_000, 2).clone()
    logits.requires_grad_()
    y = gumbel_softmax(logits, temperature, generator=seeded(7))[:, 0]
    slopes = torch.autograd.grad(y.square().sum(), logits)[0][:, 0]

    def moment(power):
        def integrand(noise):
            y = 1 / (1 + np.exp(-(a + noise) / temperature))
            return (2 * y * y * (1 - y) / temperature) ** power * stats.logistic.pdf(noise)

        return integrate.quad(integrand, -40, 40, limit=400, points=[-a])[0]

    error = slopes.std().item() / math.sqrt(len(slopes))
    assert abs(slopes.mean().item() - moment(1)) < 4 * error
    variance = moment(2) - moment(1) ** 2
    assert slopes.var().item() == pytest.approx(variance, rel=0.03)


@pytest.mark.concept("vae.gumbel-softmax")
def test_a_hard_sample_has_the_slope_of_the_soft_one():
    """f is evaluated at the corner; with f linear the two gradients are the same."""
    logits = LOGITS.expand(100, 4).clone().requires_grad_()
    slopes = [
        torch.autograd.grad(
            (gumbel_softmax(logits, 0.7, hard=hard, generator=seeded(1)) @ VALUES).sum(), logits
        )[0]
        for hard in (False, True)
    ]
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-10, atol=1e-12)
    assert not torch.allclose(gradient(2, 0.7, 100, 1), gradient(2, 0.7, 100, 1, hard=True))


def test_the_temperature_is_positive(as_user):
    with pytest.raises(ArgumentError, match=r"^temperature: expected a number > 0.*, got 0"):
        gumbel_softmax(LOGITS, 0)
