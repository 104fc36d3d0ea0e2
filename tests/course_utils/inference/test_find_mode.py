"""Newton's method, Laplace's approximation and maximum likelihood against closed forms."""

import math

import pytest
import torch
from scipy import special, stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import categorical_kl
from course_utils.gaussians import Gaussian
from course_utils.inference import find_mode, fisher_information
from course_utils.metrics.bootstrap import bootstrap


def random_gaussian(generator, dim) -> Gaussian:
    factor = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    mean = torch.randn(dim, generator=generator, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.mT + 0.2 * torch.eye(dim, dtype=torch.float64))


def test_a_gaussian_is_found_exactly(generator):
    law = random_gaussian(generator, 4)
    mode = find_mode(lambda z: law.log_prob(z) + 3.0, torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(mode.point, law.mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mode.gaussian.covariance, law.covariance, rtol=1e-9, atol=1e-9)
    assert float(mode.log_evidence) == pytest.approx(3.0, abs=1e-9)
    errors = law.covariance.diagonal().sqrt()
    torch.testing.assert_close(mode.standard_errors, errors, rtol=1e-9, atol=1e-9)


def test_laplace_of_the_gamma_integral_is_stirlings_formula():
    """∫ t^n e^−t dt = n! with t = e^u: mode u = log(n + 1), curvature n + 1."""
    n = 9.0
    mode = find_mode(lambda u: (n + 1) * u[0] - u[0].exp(), torch.zeros(1, dtype=torch.float64))
    assert float(mode.point) == pytest.approx(math.log(n + 1), abs=1e-10)
    stirling = (n + 1) * math.log(n + 1) - (n + 1) + 0.5 * math.log(2 * math.pi / (n + 1))
    assert float(mode.log_evidence) == pytest.approx(stirling, abs=1e-10)
    gap = float(special.gammaln(n + 1)) - stirling
    assert gap == pytest.approx(1 / (12 * (n + 1)), rel=0.01)


def test_a_start_where_newton_alone_would_diverge_still_arrives():
    """Cauchy: the curvature has the wrong sign beyond one, and a plain Newton step runs away."""
    mode = find_mode(
        lambda z: -torch.log1p((z - 2) ** 2).sum(), torch.full((2,), 9.0, dtype=torch.float64)
    )
    torch.testing.assert_close(mode.point, torch.full_like(mode.point, 2.0), rtol=0, atol=1e-14)
    torch.testing.assert_close(mode.precision, 2 * torch.eye(2, dtype=torch.float64))


@pytest.mark.concept("learn.mle-kl")
def test_gradient_of_the_divergence_is_minus_that_of_the_likelihood(generator):
    counts = torch.tensor([3.0, 5.0, 1.0, 11.0], dtype=torch.float64)
    data = torch.repeat_interleave(torch.arange(4), counts.long())
    logits = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    empirical = (counts / counts.sum()).log()
    (of_kl,) = torch.autograd.grad(categorical_kl(empirical, logits.log_softmax(-1)), logits)
    (of_likelihood,) = torch.autograd.grad(logits.log_softmax(-1)[data].mean(), logits)
    torch.testing.assert_close(of_kl, -of_likelihood, rtol=0, atol=1e-12)
    torch.testing.assert_close(of_kl, logits.softmax(-1) - empirical.exp(), rtol=0, atol=1e-12)


@pytest.mark.concept("learn.mle-kl")
def test_the_likeliest_categorical_is_the_vector_of_frequencies():
    counts = torch.tensor([3.0, 5.0, 1.0, 11.0], dtype=torch.float64)

    def log_likelihood(free):
        return counts @ torch.cat([free, free.new_zeros(1)]).log_softmax(-1)

    mode = find_mode(log_likelihood, torch.zeros(3, dtype=torch.float64))
    found = torch.cat([mode.point, mode.point.new_zeros(1)]).softmax(-1)
    torch.testing.assert_close(found, counts / counts.sum(), rtol=0, atol=1e-14)


@pytest.mark.concept("learn.mle-asymptotics")
def test_exponential_rate_over_5000_samples(generator):
    """n Var → λ² = 1/I, mean n λ/(n − 1); 1/mean is the estimate Newton finds."""
    rate = 2.0
    x = torch.empty(5000, 400, dtype=torch.float64).exponential_(rate, generator=generator)
    estimates = 1 / x.mean(1)
    assert 400 * float(estimates.var()) == pytest.approx(rate**2, rel=0.05)
    few = 1 / torch.empty(20000, 5, dtype=torch.float64).exponential_(
        rate, generator=generator
    ).mean(1)
    error = float(few.std()) / math.sqrt(len(few))
    assert abs(float(few.mean()) - rate * 5 / 4) < 4 * error
    assert float(few.mean()) - rate > 20 * error
    coverage = ((estimates - rate).abs() < 1.645 * estimates / 20).double().mean()
    assert float(coverage) == pytest.approx(0.9, abs=0.02)


@pytest.mark.concept("learn.mle-asymptotics")
def test_estimate_error_and_invariance_of_one_exponential_sample(generator):
    x = torch.empty(50, dtype=torch.float64).exponential_(3.0, generator=generator)

    def plain(rate):
        return (rate.log() - rate * x).sum()

    mode = find_mode(plain, torch.ones(1, dtype=torch.float64))
    assert float(mode.point) == pytest.approx(1 / float(x.mean()), rel=1e-14)
    assert float(mode.standard_errors) == pytest.approx(
        1 / float(x.mean()) / math.sqrt(50), rel=1e-9
    )
    in_logs = find_mode(lambda eta: plain(eta.exp()), torch.zeros(1, dtype=torch.float64))
    assert float(in_logs.point.exp()) == pytest.approx(float(mode.point), rel=1e-10)
    assert float(in_logs.standard_errors) == pytest.approx(1 / math.sqrt(50), rel=1e-9)


@pytest.mark.concept("learn.mle-asymptotics")
def test_bootstrap_agrees_with_the_information(generator):
    x = torch.empty(400, dtype=torch.float64).exponential_(3.0, generator=generator)
    values = bootstrap(lambda c: c.sum() / (c @ x), len(x), num_resamples=2000, generator=generator)
    standard_error = 1 / float(x.mean()) / 20
    spread = float(x.std(correction=0) / x.mean())  # one for an exact exponential
    assert float(values.std()) == pytest.approx(standard_error * spread, rel=0.1)


@pytest.mark.concept("learn.mle-asymptotics")
def test_fisher_information_of_known_laws():
    chance = torch.tensor([0.3], dtype=torch.float64)

    def bernoulli(theta):
        return torch.cat([(1 - theta).log(), theta.log()])

    info = fisher_information(bernoulli, chance, bernoulli(chance).exp())
    assert float(info) == pytest.approx(1 / (0.3 * 0.7), rel=1e-12)

    logits = torch.tensor([0.2, -1.0, 0.7], dtype=torch.float64)
    probs = logits.softmax(-1)
    info = fisher_information(lambda a: a.log_softmax(-1), logits, probs)
    torch.testing.assert_close(info, probs.diag() - torch.outer(probs, probs))

    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    parameters = torch.tensor([0.5, math.log(1.5)], dtype=torch.float64)

    def gaussian(theta):
        return -0.5 * ((x - theta[0]) / theta[1].exp()) ** 2 - theta[1]

    weights = torch.as_tensor(stats.norm.pdf(x.numpy(), 0.5, 1.5)) * (x[1] - x[0])
    info = fisher_information(gaussian, parameters, weights)
    expected = torch.tensor([1 / 1.5**2, 2.0], dtype=torch.float64).diag()
    torch.testing.assert_close(info, expected, rtol=1e-6, atol=1e-8)


def test_information_is_the_expected_curvature():
    """Mean outer product of scores = minus mean Hessian, for the law itself."""
    theta = torch.tensor([0.4, -0.3], dtype=torch.float64)

    def log_prob(t):
        return torch.stack([t[0], t[1] * t[0], t[1] ** 2, t[0] * 0]).log_softmax(-1)

    probs = log_prob(theta).exp()
    curvature = torch.autograd.functional.hessian(lambda t: probs @ log_prob(t), theta)
    torch.testing.assert_close(fisher_information(log_prob, theta, probs), -curvature)


def test_wrong_input_is_one_line(as_user):
    start = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(ArgumentError, match="expected a maximum, got a point that is flat"):
        find_mode(lambda z: z[0] ** 2 - z[1] ** 2, start)
    with pytest.raises(ArgumentError, match="expected a maximum"):
        find_mode(lambda z: z.sum(), start, num_steps=20)
    with pytest.raises(ArgumentError, match="expected a finite scalar"):
        find_mode(lambda z: z.log().sum(), start)
    with pytest.raises(ArgumentError, match="start: expected shape"):
        find_mode(lambda z: -(z**2).sum(), torch.zeros(2, 2))
    with pytest.raises(ArgumentError, match=r"log_prob: expected shape \(3,\), one per weight"):
        fisher_information(lambda t: t, start, torch.full((3,), 1 / 3, dtype=torch.float64))
