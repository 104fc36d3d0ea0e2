"""AR(p) against the multivariate normal it is, its spectrum, and least squares."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import multivariate_gaussian_log_prob
from course_utils.models.autoregressive.arp import ARProcess, toeplitz

AR2 = torch.tensor([0.5, -0.7], dtype=torch.float64)
AR3 = torch.tensor([0.4, 0.3, -0.5], dtype=torch.float64)


@pytest.mark.concept("ar.arp")
@pytest.mark.parametrize("coefficients", [AR2, AR3, AR2[:1]])
@pytest.mark.parametrize("length", [1, 2, 3, 12])
def test_chain_rule_equals_the_multivariate_normal(coefficients, length, generator):
    """Autocovariances from the moving-average form, so that nothing of the model is reused."""
    noise_std = 1.3
    x = torch.randn(6, length, generator=generator, dtype=torch.float64)
    impulse = [1.0]
    for _ in range(600):
        recent = impulse[::-1][: len(coefficients)]
        impulse.append(sum(a * b for a, b in zip(coefficients.tolist(), recent, strict=False)))
    psi = torch.tensor(impulse, dtype=torch.float64)
    gamma = torch.stack([(psi[k:] * psi[: len(psi) - k]).sum() for k in range(length)])
    covariance = toeplitz(gamma * noise_std**2)
    truth = multivariate_gaussian_log_prob(x, torch.zeros(length, dtype=x.dtype), covariance)
    model = ARProcess(coefficients, noise_std)
    torch.testing.assert_close(model.log_prob(x), truth, atol=1e-8, rtol=0)
    torch.testing.assert_close(model.autocovariance(length), covariance[0], atol=1e-10, rtol=0)


@pytest.mark.concept("ar.arp")
def test_yule_walker_recovers_the_coefficients(generator):
    """Asymptotic covariance of the estimate: sigma^2 Gamma_p^{-1} / T."""
    process = ARProcess(AR2, 0.8)
    x = process.sample(20, length=400, generator=generator).detach()
    fitted = ARProcess.yule_walker(x, 2)
    covariance = 0.8**2 * toeplitz(process.autocovariance(2)).inverse() / 8000
    standard_error = covariance.diagonal().sqrt()
    assert ((fitted.coefficients - AR2).abs() < 3 * standard_error).all()
    assert fitted.log_noise_std.exp().item() == pytest.approx(0.8, abs=3 * 0.8 / 16000**0.5)


@pytest.mark.concept("ar.arp")
def test_sampled_autocovariances_are_those_of_the_process(generator):
    """Stationary from the first value: every pair (t, t + k) has covariance gamma_k."""
    process = ARProcess(AR2, 1.0)
    x = process.sample(40_000, length=4, generator=generator)
    products = x[:, :, None] * x[:, None, :]
    standard_error = products.std(0) / 40_000**0.5
    gap = products.mean(0) - toeplitz(process.autocovariance(4))
    assert (gap.abs() < 4 * standard_error).all()


def test_spectrum_integrates_to_the_variance_and_transforms_to_the_autocovariance():
    process = ARProcess(AR3, 0.7)
    f = torch.arange(2048, dtype=torch.float64) / 2048 - 0.5
    density = process.spectral_density(f)
    for lag in range(4):
        integral = (density * torch.cos(2 * torch.pi * f * lag)).mean()
        assert integral.item() == pytest.approx(process.autocovariance(4)[lag].item(), rel=1e-10)


def test_gradient_reaches_the_coefficients_through_the_stationary_start(generator):
    model = ARProcess(AR2.clone(), 1.0)
    x = torch.randn(3, 2, generator=generator, dtype=torch.float64)

    model.loss(x)["total"].backward()
    step = 1e-6
    for k in range(2):
        shifted = [AR2.clone(), AR2.clone()]
        shifted[0][k] += step
        shifted[1][k] -= step
        high, low = (ARProcess(c, 1.0).loss(x)["total"].item() for c in shifted)
        assert model.coefficients.grad[k].item() == pytest.approx(
            (high - low) / (2 * step), abs=1e-7
        )


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^coefficients: expected a stationary process .* 1\."):
        ARProcess(torch.tensor([1.1]))
    with pytest.raises(ArgumentError, match=r"^noise_std: expected a number > 0, got 0"):
        ARProcess(torch.tensor([0.5]), 0.0)
    with pytest.raises(ArgumentError, match=r"^num_lags: expected a whole number >= 1 and <= 3"):
        ARProcess.yule_walker(torch.ones(1, 4), 4)
    with pytest.raises(ArgumentError, match=r"^x: expected finite values, got 1 NaN"):
        ARProcess(AR2).log_prob(torch.tensor([[0.0, torch.nan]]))
