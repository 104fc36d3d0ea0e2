"""The linear β-VAE against water-filling, gradient descent on the closed form, and brute force."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.disentanglement import mutual_information_gap
from course_utils.metrics.rate_distortion import reverse_water_filling
from course_utils.models.latent import LinearBetaVAE, LinearGaussian

EIGENVALUES = torch.tensor([6.0, 3.0, 1.5, 0.7, 0.35, 0.15], dtype=torch.float64)
NOISE = math.sqrt(0.5)
BETAS = (0.5, 1.0, 2.0, 4.0, 8.0)


@pytest.fixture
def covariance(generator):
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    return (basis * EIGENVALUES) @ basis.mT


def optimal(covariance, beta, latent=6):
    return LinearBetaVAE.optimal(torch.zeros(6).double(), covariance, latent, NOISE, beta)


def trained_terms(covariance, beta, latent=6):
    """Rate of each latent and squared error after descent on D + β R with a diagonal encoder.

    The loss is written out anew from moments of z = A x + σ ε: no code of the package.
    """
    torch.manual_seed(1)
    weight, gain = (0.5 * torch.randn(*shape).double() for shape in ((6, latent), (latent, 6)))
    log_std = torch.zeros(latent, dtype=torch.float64)
    parameters = [p.requires_grad_() for p in (weight, gain, log_std)]

    def terms():
        variance = (2 * log_std).exp()
        second = variance + (gain @ covariance * gain).sum(1)
        rates = 0.5 * (second - 1) - log_std
        left = torch.eye(6, dtype=torch.float64) - weight @ gain
        error = (left @ covariance * left).sum() + (weight**2 * variance).sum()
        return rates, error

    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=500,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-9,
        tolerance_change=1e-13,
    )

    def closure():
        optimiser.zero_grad()
        rates, error = terms()
        loss = error / (2 * NOISE**2) + beta * rates.sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return terms()


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.concept("vae.beta")
def test_active_latents_are_the_eigenvalues_above_beta_times_the_noise(covariance, beta):
    """Counted three ways: eigenvalues, rank of the closed form, rates after gradient descent."""
    count = int((beta * NOISE**2 < EIGENVALUES).sum())
    assert optimal(covariance, beta).num_active() == count
    rates, error = trained_terms(covariance, beta)
    assert int((rates > 0.01).sum()) == count
    best = optimal(covariance, beta).rate_distortion(covariance)
    assert float(rates.sum()) == pytest.approx(best.rate, abs=1e-4)
    assert float(error) == pytest.approx(best.squared_error, abs=1e-4)


def test_the_five_counts_differ():
    counts = [int((beta * NOISE**2 < EIGENVALUES).sum()) for beta in BETAS]
    assert counts == [5, 4, 3, 2, 1]


@pytest.mark.concept("vae.information-bottleneck")
def test_points_lie_on_the_water_filling_curve_and_information_falls(covariance):
    before = math.inf
    for beta in (0.1, 0.3, *BETAS, 11.9, 12.1, 20.0):
        found = optimal(covariance, beta).rate_distortion(covariance)
        truth = reverse_water_filling(EIGENVALUES, beta * NOISE**2)
        assert found.rate == pytest.approx(truth.rate, abs=1e-10)
        assert found.squared_error == pytest.approx(truth.distortion, abs=1e-10)
        assert found.information == pytest.approx(found.rate, abs=1e-10)
        assert found.information <= before + 1e-12
        before = found.information


def test_moments_are_those_of_samples(covariance, generator):
    """Rate, error and information of a decoder that is not optimal, by Monte Carlo."""
    decoder = LinearGaussian.random(6, 3, 0.8, generator)
    model = LinearBetaVAE(LinearGaussian(decoder.weight, torch.zeros(6).double(), 0.8), 3.0)
    data = torch.distributions.MultivariateNormal(torch.zeros(6).double(), covariance)
    torch.manual_seed(0)
    x = data.sample((40_000,))
    posterior = model.posterior(x)
    z = posterior.sample(1, generator)[0]
    unit = torch.distributions.MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double())
    each = torch.distributions.MultivariateNormal(posterior.mean, posterior.covariance)
    rates = torch.distributions.kl_divergence(each, unit)
    errors = (x - z @ model.decoder.weight.mT).square().sum(1)
    found = model.rate_distortion(covariance)
    gain = torch.linalg.lstsq(x, posterior.mean).solution.mT
    codes = gain @ covariance @ gain.mT + posterior.covariance
    aggregate = torch.distributions.MultivariateNormal(torch.zeros(3).double(), codes)
    gains = each.log_prob(z) - aggregate.log_prob(z)
    for value, draws in (
        (found.rate, rates),
        (found.squared_error, errors),
        (found.information, gains),
    ):
        assert abs(value - draws.mean()) < 4 * draws.std() / 200


def test_encoder_is_the_best_for_its_decoder(covariance, generator):
    """D + β R of the encoder, by autograd: flat in its means and covariance."""
    beta, decoder = 3.0, LinearGaussian.random(6, 3, 0.8, generator)
    x = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    best = LinearBetaVAE(decoder, beta).posterior(x)
    mean, spread = best.mean.clone().requires_grad_(), best.covariance.clone().requires_grad_()
    error = (x - mean @ decoder.weight.mT - decoder.bias).square().sum(1)
    error = error + (decoder.weight @ spread * decoder.weight).sum()
    rate = 0.5 * (spread.trace() + mean.square().sum(1) - 3 - torch.logdet(spread))
    loss = (error / (2 * 0.8**2) + beta * rate).sum()
    for gradient in torch.autograd.grad(loss, (mean, spread)):
        assert float(gradient.abs().max()) < 1e-8


def test_beta_one_is_the_posterior_and_maximum_likelihood(generator):
    data = LinearGaussian.random(5, 2, 0.5, generator).sample(300, generator=generator)
    best = LinearGaussian.fitted(data, 2)
    model = LinearBetaVAE.optimal(data.mean(0), torch.cov(data.mT, correction=0), 2, best.noise, 1)
    torch.testing.assert_close(model.decoder.marginal.covariance, best.marginal.covariance)
    torch.testing.assert_close(
        model.decoder.log_prob(data), best.log_prob(data), rtol=1e-10, atol=1e-10
    )
    torch.testing.assert_close(
        model.posterior(data).log_prob(torch.zeros(300, 2).double()),
        model.decoder.posterior(data).log_prob(torch.zeros(300, 2).double()),
    )
    mean = model.posterior(data).mean
    expected = mean @ model.decoder.weight.mT + data.mean(0)
    torch.testing.assert_close(model.reconstruct(data), expected)


@pytest.mark.concept("vae.beta")
def test_a_turned_code_has_the_same_likelihood_and_a_smaller_gap(generator):
    """W R for a rotation R: log p(x) equal to 1e-10, the mutual information gap falls."""
    factors = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    clean = (factors.double() - 2.5) @ torch.tensor([[2.0, 0.0, 0.5], [0.0, 1.2, 0.0]]).double()
    x = clean + 0.1 * torch.randn(36, 3, generator=generator, dtype=torch.float64)
    x = x.repeat(20, 1)
    model = LinearBetaVAE.optimal(x.mean(0), torch.cov(x.mT, correction=0), 2, 0.3, 1.0)
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    decoder = model.decoder
    turned = LinearBetaVAE(LinearGaussian(decoder.weight @ turn, decoder.bias, decoder.noise), 1.0)
    torch.testing.assert_close(turned.decoder.log_prob(x), decoder.log_prob(x), rtol=0, atol=1e-10)
    covariance = torch.cov(x.mT, correction=0)
    assert turned.rate_distortion(covariance).rate == pytest.approx(
        model.rate_distortion(covariance).rate, abs=1e-10
    )
    gaps = [
        mutual_information_gap(
            m.posterior(x).mean, factors.repeat(20, 1), num_bins=6, num_resamples=2
        ).value.value
        for m in (model, turned)
    ]
    assert gaps[0] > 0.9 and gaps[1] < 0.3


def test_wrong_input_is_one_line(as_user):
    eye, zero = torch.eye(3), torch.zeros(3)
    for call, message in (
        (lambda: LinearBetaVAE.optimal(zero, eye, 2, 1.0, 0.0), r"beta: expected"),
        (lambda: LinearBetaVAE.optimal(zero, eye, 4, 1.0, 1.0), r"latent_dim: expected"),
        (lambda: LinearBetaVAE.optimal(zero, torch.eye(2), 2, 1.0, 1.0), r"covariance: expected"),
        (lambda: LinearBetaVAE.optimal(zero, eye, 2, 0.0, 1.0), r"noise: expected"),
        (lambda: LinearBetaVAE(LinearGaussian(eye, zero, 1.0), -1.0), r"beta: expected"),
        (
            lambda: LinearBetaVAE(LinearGaussian(eye, zero, 1.0), 1.0).rate_distortion(
                torch.eye(2)
            ),
            r"covariance: expected shape",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
