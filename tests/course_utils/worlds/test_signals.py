"""Signals against multivariate normals whose covariance is found without the Toeplitz formulas.

Float64; tolerance 1e-9 relative, since the covariances have condition numbers below 10⁴.
"""

import math

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.tasks import Intractable
from course_utils.worlds.signals import AutoregressiveSource, NoisySignal, SinusoidSource

CLOSE = {"rtol": 1e-9, "atol": 1e-10}
LENGTH = 9


def autoregressive(dtype=torch.float64):
    return AutoregressiveSource(torch.tensor([0.9, -0.5, 0.2], dtype=dtype), 0.7)


def sinusoids(dtype=torch.float64):
    frequencies = torch.tensor([0.11, 0.23], dtype=dtype)
    return SinusoidSource(frequencies, torch.tensor([1.5, 0.6], dtype=dtype), 0.4)


MAKERS = {"autoregressive": autoregressive, "sinusoids": sinusoids}


@pytest.fixture(params=MAKERS)
def source(request):
    return MAKERS[request.param]()


def independent_covariance(source, length=LENGTH):
    """Covariance from the impulse response of the filter, or from the basis functions."""
    if isinstance(source, NoisySignal):
        clean = independent_covariance(source.clean, length)
        return clean + source.sigma**2 * torch.eye(length).double()
    if isinstance(source, SinusoidSource):
        t = torch.arange(length).double()
        total = source.noise_std**2 * torch.eye(length).double()
        for f, s in zip(source.frequencies, source.scales, strict=True):
            for wave in (torch.cos(2 * math.pi * f * t), torch.sin(2 * math.pi * f * t)):
                total = total + s**2 * torch.outer(wave, wave)
        return total
    impulse = np.zeros(2000)
    impulse[0] = source.noise_std
    response = scipy.signal.lfilter([1], np.r_[1, -source.coefficients.numpy()], impulse)
    gamma = [response[: 2000 - h] @ response[h:] for h in range(length)]
    return torch.tensor(scipy.linalg.toeplitz(gamma))


def normal(source, length=LENGTH):
    mean = torch.zeros(length).double()
    return torch.distributions.MultivariateNormal(mean, independent_covariance(source, length))


def draws(generator, shape=(5, LENGTH)):
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("length", [1, 2, 3, 4, LENGTH])
def test_density_and_entropy_are_those_of_the_multivariate_normal(source, length, generator):
    x = draws(generator, (5, length))
    truth = normal(source, length)
    torch.testing.assert_close(source.covariance(length), truth.covariance_matrix, **CLOSE)
    torch.testing.assert_close(source.log_prob(x), truth.log_prob(x), **CLOSE)
    torch.testing.assert_close(source.entropy(length), truth.entropy(), **CLOSE)
    scipy_truth = scipy.stats.multivariate_normal(cov=truth.covariance_matrix.numpy())
    np.testing.assert_allclose(source.log_prob(x).numpy(), scipy_truth.logpdf(x.numpy()), 1e-9)


def test_innovations_are_what_regression_on_the_past_leaves(source, generator):
    covariance = independent_covariance(source)
    x = draws(generator)
    for t in range(1, LENGTH):
        weights = torch.linalg.solve(covariance[:t, :t], covariance[:t, t])
        variance = covariance[t, t] - weights @ covariance[:t, t]
        torch.testing.assert_close(source.innovations(x)[:, t], x[:, t] - x[:, :t] @ weights)
        torch.testing.assert_close(source.innovation_variances(LENGTH)[t], variance)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 2.0])
def test_score_is_the_gradient_and_tweedie_gives_the_denoiser(source, sigma, generator):
    x = draws(generator).requires_grad_()
    noisy = source.noised(sigma)
    torch.testing.assert_close(noisy.log_prob(x), normal(NoisySignal(source, sigma)).log_prob(x))
    (gradient,) = torch.autograd.grad(noisy.log_prob(x).sum(), x)
    torch.testing.assert_close(source.score_function(x, sigma), gradient, **CLOSE)
    torch.testing.assert_close(source.denoiser(x, sigma), x + sigma**2 * gradient, **CLOSE)


def test_noise_levels_add_in_variance(source, generator):
    x = draws(generator)
    torch.testing.assert_close(
        source.noised(0.3).noised(0.4).log_prob(x), source.noised(0.5).log_prob(x), **CLOSE
    )


def test_entropy_grows_by_the_entropy_rate(source):
    """An AR(3) source does so from t = 4 on; sinusoids approach it from above, like 1 / t."""
    last = source.entropy(200) - source.entropy(199)
    slack = 1e-9 if isinstance(source, AutoregressiveSource) else 4 / 200
    assert -1e-9 <= last - source.entropy_rate() <= slack
    std = torch.tensor(source.noise_std, dtype=torch.float64)
    white = torch.distributions.Normal(torch.zeros_like(std), std).entropy()
    torch.testing.assert_close(source.entropy_rate(), white, **CLOSE)


def within_four_errors(samples, truth):
    error = samples.std(0) / len(samples) ** 0.5
    return bool(((samples.mean(0) - truth).abs() <= 4 * error + 1e-12).all())


@pytest.mark.parametrize("sigma", [None, 0.8])
def test_samples_have_the_right_moments_and_entropy(source, sigma, generator):
    source = source if sigma is None else NoisySignal(source, sigma)
    x = source.sample(20_000, length=LENGTH, generator=generator)
    assert within_four_errors(x, torch.zeros(LENGTH))
    products = x[:, :, None] * x[:, None]
    assert within_four_errors(products, independent_covariance(source))
    assert within_four_errors(-source.log_prob(x), source.entropy(LENGTH))


def test_continuations_of_a_prefix_have_the_conditional_moments(source, generator):
    covariance, prefix = independent_covariance(source), draws(generator, (4,))
    x = source.sample(20_000, length=LENGTH, condition=prefix, generator=generator)
    assert bool((x[:, :4] == prefix).all())
    weights = torch.linalg.solve(covariance[:4, :4], covariance[:4, 4:])
    mean = prefix @ weights
    assert within_four_errors(x[:, 4:], mean)
    centred = x[:, 4:] - mean
    rest = covariance[4:, 4:] - covariance[4:, :4] @ weights
    assert within_four_errors(centred[:, :, None] * centred[:, None], rest)


def test_posterior_of_the_amplitudes_is_joint_gaussian_conditioning(generator):
    source, x = sinusoids(), draws(generator)
    t = torch.arange(LENGTH).double()[:, None] * 2 * math.pi * source.frequencies
    waves = torch.cat([t.cos(), t.sin()], 1)
    prior = torch.diag(source.scales.repeat(2) ** 2)
    gain = torch.linalg.solve(independent_covariance(source), waves @ prior).T
    found = source.posterior(x)
    torch.testing.assert_close(found.mean, x @ gain.T, **CLOSE)
    truth = (prior - gain @ waves @ prior).expand_as(found.covariance_matrix)
    torch.testing.assert_close(found.covariance_matrix, truth, **CLOSE)


def test_bayes_rule_holds_at_any_amplitudes(generator):
    source, x = sinusoids(), draws(generator)
    w = draws(generator, (5, 4))
    prior = torch.distributions.Normal(0, source.scales.repeat(2)).log_prob(w).sum(1)
    mean = w @ source.basis(LENGTH).T
    likelihood = torch.distributions.Normal(mean, source.noise_std).log_prob(x).sum(1)
    evidence = prior + likelihood - source.posterior(x).log_prob(w)
    torch.testing.assert_close(evidence, source.log_prob(x), **CLOSE)


def test_posterior_of_the_clean_signal_is_joint_gaussian_conditioning(source, generator):
    x, sigma = draws(generator), 0.8
    covariance = independent_covariance(source)
    gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(LENGTH).double())
    found = NoisySignal(source, sigma).posterior(x)
    torch.testing.assert_close(found.mean, x @ gain.T, **CLOSE)
    truth = (covariance - gain @ covariance).expand_as(found.covariance_matrix)
    torch.testing.assert_close(found.covariance_matrix, truth, **CLOSE)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_single_precision_agrees_with_double(make, generator):
    single, x = make(torch.float32), draws(generator)
    found = single.log_prob(x.float())
    assert found.dtype == single.sample(2, length=5, generator=generator).dtype == torch.float32
    torch.testing.assert_close(found.double(), make().log_prob(x), rtol=1e-4, atol=1e-4)
    denoised = single.denoiser(x.float(), 0.5).double()
    torch.testing.assert_close(denoised, make().denoiser(x, 0.5), rtol=1e-4, atol=1e-4)
    long = single.sample(3, length=64, generator=generator)
    found = NoisySignal(single, 0.5).posterior(long).mean
    torch.testing.assert_close(found, single.denoiser(long, 0.5))


def test_what_a_source_cannot_give_says_why(source, generator):
    with pytest.raises(Intractable, match="parameters are known"):
        source.loss(draws(generator))
    with pytest.raises(Intractable, match="every value"):
        autoregressive().posterior(draws(generator))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AutoregressiveSource(torch.tensor([1.0])), "coefficients: .* stationary"),
        (lambda: AutoregressiveSource(torch.tensor([0.5]), 0.0), "noise_std: expected .* > 0"),
        (lambda: SinusoidSource(torch.tensor([0.6]), torch.ones(1)), "frequencies: .* <= 0.5"),
        (lambda: SinusoidSource(torch.tensor([0.1]), torch.zeros(1)), "scales: .* > 0"),
        (lambda: SinusoidSource(torch.tensor([0.1]), torch.ones(2)), "scales: .* shape"),
        (lambda: autoregressive().log_prob(torch.ones(2, 5)), "x: expected dtype"),
        (lambda: sinusoids().log_prob(torch.full((2, 5), math.nan).double()), "x: .* finite"),
        (lambda: sinusoids().denoiser(torch.ones(2, 5).double(), -1.0), "sigma: .* >= 0"),
        (lambda: sinusoids().sample(0, length=3), "num_samples"),
        (lambda: NoisySignal(sinusoids(), 0.0).posterior(torch.ones(1, 2).double()), "sigma"),
    ],
)
def test_bad_input_gives_one_line(as_user, call, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
