"""Gaussian laws against torch.distributions, quadrature and Monte Carlo."""

import math

import pytest
import torch
from torch import distributions

from course_utils.arguments import ArgumentError
from course_utils.gaussians import DiagonalGaussian, FixedNoiseHead, Gaussian


def diagonal(generator, *shape) -> DiagonalGaussian:
    mean, log_std = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return DiagonalGaussian(mean, 0.5 * log_std)


def full(generator, dim, *batch) -> Gaussian:
    factor = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    mean = torch.randn(*batch, dim, generator=generator, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.mT + 0.1 * torch.eye(dim, dtype=torch.float64))


def as_torch(law: DiagonalGaussian) -> distributions.Independent:
    return distributions.Independent(distributions.Normal(law.mean, law.log_std.exp()), 1)


@pytest.mark.concept("vae.gaussian-kl")
def test_diagonal_divergence_equals_torch_and_the_sum_over_coordinates(generator):
    p, q = diagonal(generator, 5, 3), diagonal(generator, 5, 3)
    expected = distributions.kl_divergence(as_torch(p), as_torch(q))
    torch.testing.assert_close(p.kl(q), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(p.kl_terms(q).sum(-1), expected, rtol=1e-12, atol=1e-12)


def test_each_coordinate_of_the_divergence_by_quadrature(generator):
    p, q = diagonal(generator, 4), diagonal(generator, 4)
    z = torch.linspace(-30, 30, 200001, dtype=torch.float64)
    for j in range(4):
        law_p, law_q = (distributions.Normal(g.mean[j], g.log_std[j].exp()) for g in (p, q))
        integrand = law_p.log_prob(z).exp() * (law_p.log_prob(z) - law_q.log_prob(z))
        assert abs(float(torch.trapezoid(integrand, z) - p.kl_terms(q)[j])) < 1e-9


@pytest.mark.concept("vae.gaussian-kl")
def test_divergence_is_a_mean_of_log_ratios(generator):
    for p, q in (
        (diagonal(generator, 3), diagonal(generator, 3)),
        (full(generator, 3), full(generator, 3)),
    ):
        z = p.sample(200_000, generator)
        ratios = p.log_prob(z) - q.log_prob(z)
        error = float(ratios.std() / math.sqrt(len(ratios)))
        assert abs(float(ratios.mean() - p.kl(q))) < 4 * error


@pytest.mark.concept("vae.gaussian-kl")
def test_full_divergence_equals_torch(generator):
    p, q = full(generator, 4, 6), full(generator, 4, 6)
    laws = [distributions.MultivariateNormal(g.mean, g.covariance) for g in (p, q)]
    expected = distributions.kl_divergence(*laws)
    torch.testing.assert_close(p.kl(q), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(p.kl(p), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-12)


def test_mean_square_of_a_ratio_by_quadrature_and_draws(generator):
    z = torch.linspace(-40, 40, 400_001, dtype=torch.float64)[:, None]
    for scale, offset in ((1.3, 0.2), (0.8, -0.4), (3.0, 1.0)):
        p = Gaussian(torch.tensor([0.4]).double(), torch.tensor([[0.5]]).double())
        q = Gaussian(p.mean + offset, scale**2 * p.covariance)
        square = (2 * p.log_prob(z) - q.log_prob(z)).exp()
        assert abs(float(torch.trapezoid(square, z[:, 0]).log() - p.renyi(q))) < 1e-9
    p = full(generator, 3, 2)
    q = Gaussian(p.mean + 0.1, 1.5 * p.covariance + 0.3 * torch.eye(3, dtype=torch.float64))
    z = q.sample(200_000, generator)
    square = (2 * (p.log_prob(z) - q.log_prob(z))).exp()
    error = square.std(0) / math.sqrt(len(square))
    assert bool(((square.mean(0) - p.renyi(q).exp()).abs() < 4 * error).all())
    assert bool((p.renyi(q) > p.kl(q)).all())
    assert bool(p.renyi(Gaussian(p.mean, 0.49 * p.covariance)).isposinf().all())


def test_nearest_independent_laws_of_both_divergences(generator):
    """No other scale does better, and what is lost is what the closed forms say."""
    p = full(generator, 3)
    precision = torch.linalg.inv(p.covariance)

    def as_full(law):
        return Gaussian(law.mean, torch.diag((2 * law.log_std).exp()))

    for law, cost, diagonal_of in (
        (p.mean_field(), lambda q: q.kl(p), precision),
        (p.marginals(), p.kl, p.covariance),
    ):
        least = cost(as_full(law))
        closed = 0.5 * (diagonal_of.diagonal().log().sum() - torch.logdet(diagonal_of))
        torch.testing.assert_close(least, closed, rtol=1e-10, atol=1e-10)
        for _ in range(20):
            shift = 0.05 * torch.randn(2, 3, generator=generator, dtype=torch.float64)
            other = DiagonalGaussian(law.mean + shift[0], law.log_std + shift[1])
            assert cost(as_full(other)) > least


def test_densities_and_entropies_equal_torch(generator):
    d, g = diagonal(generator, 5, 3), full(generator, 3, 5)
    z = torch.randn(7, 5, 3, generator=generator, dtype=torch.float64)
    law = distributions.MultivariateNormal(g.mean, g.covariance)
    torch.testing.assert_close(d.log_prob(z), as_torch(d).log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(g.log_prob(z), law.log_prob(z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(d.entropy(), as_torch(d).entropy(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(g.entropy(), law.entropy()[0], rtol=1e-12, atol=1e-12)


def test_entropy_counts_every_coordinate_when_a_scale_is_shared():
    law = DiagonalGaussian(torch.zeros(2, 5), torch.zeros(1))
    expected = torch.full((2,), 2.5 * math.log(2 * math.pi * math.e))
    torch.testing.assert_close(law.entropy(), expected)


def test_draws_have_the_law_s_moments_and_carry_gradients(generator):
    g = full(generator, 3)
    x = g.sample(100_000, generator)
    error = (g.covariance.diagonal() / len(x)).sqrt()
    assert bool(((x.mean(0) - g.mean).abs() < 4 * error).all())
    spread = g.covariance.diagonal()
    tolerance = 4 * ((spread[:, None] * spread + g.covariance**2) / len(x)).sqrt()
    assert bool(((torch.cov(x.mT) - g.covariance).abs() < tolerance).all())

    mean = torch.zeros(2, requires_grad=True)
    log_std = torch.tensor([0.0, 1.0], requires_grad=True)
    draws = DiagonalGaussian(mean, log_std).sample(4, generator)
    assert draws.shape == (4, 2)
    draws.sum().backward()
    torch.testing.assert_close(mean.grad, torch.full((2,), 4.0))
    torch.testing.assert_close(log_std.grad, draws.detach().sum(0))


def test_standard_follows_type_and_wrong_input_is_one_line(as_user):
    assert DiagonalGaussian.standard(3, torch.zeros(1).double()).mean.dtype == torch.float64
    for call, message in (
        (lambda: DiagonalGaussian.standard(0), r"dim: expected"),
        (lambda: DiagonalGaussian.standard(2).sample(0), r"num_samples: expected"),
        (lambda: Gaussian(torch.zeros(2), -torch.eye(2)), r"covariance: expected a positive"),
        (lambda: Gaussian(torch.zeros(2), torch.eye(3)), r"covariance: expected shape \(2, 2\)"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_head_with_known_noise_is_the_normal_law(generator, as_user):
    head = FixedNoiseHead(0.7)
    mean, x = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    expected = torch.distributions.Normal(mean, 0.7).log_prob(x)
    torch.testing.assert_close(head.log_prob(mean[:, None], x), expected)
    assert torch.equal(head.mean(mean[:, None]), mean)
    draws = head.sample(mean[:1, None].expand(20_000, 1), generator)
    assert abs(float(draws.mean() - mean[0])) < 4 * 0.7 / math.sqrt(20_000)
    assert abs(float(draws.var()) - 0.49) < 4 * 0.49 * math.sqrt(2 / 20_000)
    for call, message in (
        (lambda: FixedNoiseHead(0.0), "noise: expected"),
        (lambda: head.mean(torch.zeros(3, 2)), "params: expected shape"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_fisher_divergence_by_autograd_and_draws(generator):
    """Scores by differentiation of torch.distributions, averaged over draws of the first law."""
    p, q = full(generator, 3), full(generator, 3)
    z = p.sample(200_000, generator).requires_grad_()
    laws = [distributions.MultivariateNormal(g.mean, g.covariance) for g in (p, q)]
    scores = [torch.autograd.grad(law.log_prob(z).sum(), z)[0] for law in laws]
    values = (scores[0] - scores[1]).square().sum(1)
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean() - p.fisher(q))) < 4 * error
    assert abs(float(p.fisher(p))) < 1e-12
    line = [Gaussian(torch.tensor([m]), torch.tensor([[v]])) for m, v in ((0.0, 4.0), (1.0, 1.0))]
    assert float(line[0].fisher(line[1])) == pytest.approx((1 - 0.25) ** 2 * 4 + 1, rel=1e-6)
