"""Densities and heads against SciPy, torch.distributions, quadrature and enumeration.

Tolerances: 1e-12 where both roads are a few float64 operations; 4 standard errors for samples.
"""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import (
    BernoulliHead,
    CategoricalHead,
    GaussianHead,
    categorical_entropy,
    categorical_kl,
    check_probabilities,
    gaussian_log_prob,
    multivariate_gaussian_log_prob,
    sample_categorical,
    sample_dirichlet,
)

DISCRETE_HEADS = [BernoulliHead(), CategoricalHead(2), CategoricalHead(17)]


def random_params(head, generator, scale=3.0):
    shape = (50, head.num_params)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def all_levels(head, params):
    """Log probabilities of every level, axes (batch, level)."""
    columns = [torch.full((len(params),), k) for k in range(head.num_levels)]
    return torch.stack([head.log_prob(params, x) for x in columns], -1)


@pytest.mark.concept("ar.conditional-heads")
@pytest.mark.parametrize("head", DISCRETE_HEADS)
def test_discrete_heads_sum_to_one(head, generator):
    total = all_levels(head, random_params(head, generator)).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.conditional-heads")
def test_gaussian_head_integrates_to_one():
    params = torch.tensor([1.3, -0.7], dtype=torch.float64)

    def density(x):
        return GaussianHead().log_prob(params, torch.tensor(x, dtype=torch.float64)).exp().item()

    total, _ = scipy.integrate.quad(density, 1.3 - 12, 1.3 + 12, points=[1.3])
    assert abs(total - 1) < 1e-6  # the concept's tolerance; the quadrature's own error is 1e-8


@pytest.mark.concept("ar.conditional-heads")
def test_heads_equal_torch_distributions(generator):
    bernoulli = random_params(BernoulliHead(), generator)
    categorical = random_params(CategoricalHead(5), generator)
    gaussian = random_params(GaussianHead(), generator, scale=1.0)
    bits = torch.randint(2, (50,), generator=generator)
    levels = torch.randint(5, (50,), generator=generator)
    reals = torch.randn(50, generator=generator, dtype=torch.float64)
    for head, params, x, reference in [
        (BernoulliHead(), bernoulli, bits, torch.distributions.Bernoulli(logits=bernoulli[:, 0])),
        (
            CategoricalHead(5),
            categorical,
            levels,
            torch.distributions.Categorical(None, categorical),
        ),
        (
            GaussianHead(),
            gaussian,
            reals,
            torch.distributions.Normal(gaussian[:, 0], gaussian[:, 1].exp()),
        ),
    ]:
        wanted = reference.log_prob(x.to(params.dtype))
        torch.testing.assert_close(head.log_prob(params, x), wanted, atol=1e-12, rtol=1e-12)


@pytest.mark.concept("ar.conditional-heads")
@pytest.mark.parametrize("head", DISCRETE_HEADS)
def test_means_equal_enumeration(head, generator):
    params = random_params(head, generator)
    levels = torch.arange(head.num_levels, dtype=torch.float64)
    wanted = (all_levels(head, params).exp() * levels).sum(-1)
    torch.testing.assert_close(head.mean(params), wanted, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("head", DISCRETE_HEADS)
def test_discrete_samples_pass_chi_square(head, generator):
    params = random_params(head, generator, scale=1.0)[:1]
    draws = head.sample(params.expand(20_000, -1), generator)
    assert draws.dtype == torch.int64
    counts = np.bincount(draws.numpy(), minlength=head.num_levels)
    expected = 20_000 * all_levels(head, params)[0].exp().numpy()
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-4


def test_gaussian_samples_have_the_mean_and_variance(generator):
    params = torch.tensor([1.3, -0.7], dtype=torch.float64)
    draws = GaussianHead().sample(params.expand(20_000, -1), generator)
    assert scipy.stats.kstest(draws.numpy(), "norm", (1.3, math.exp(-0.7))).pvalue > 1e-4
    assert GaussianHead().mean(params) == params[0]


def test_extreme_logits_give_finite_gradients():
    for head in DISCRETE_HEADS:
        params = torch.zeros(2, head.num_params, dtype=torch.float64)
        params[:, 0] = torch.tensor([1e4, -1e4])
        params.requires_grad_()
        log_probs = all_levels(head, params)
        log_probs.sum().backward()
        assert torch.isfinite(log_probs).all() and torch.isfinite(params.grad).all()


def test_entropy_and_divergence_equal_scipy():
    p = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    q = np.array([[0.25, 0.5, 0.25], [0.6, 0.3, 0.1]])
    log_p, log_q = torch.from_numpy(p).log(), torch.from_numpy(q).log()
    entropy, divergence = categorical_entropy(log_p), categorical_kl(log_p, log_q)
    np.testing.assert_allclose(entropy, scipy.stats.entropy(p, axis=1), atol=1e-14)
    np.testing.assert_allclose(divergence, scipy.stats.entropy(p, q, axis=1), atol=1e-14)
    assert categorical_kl(log_q, log_p)[0] == torch.inf
    np.testing.assert_allclose(categorical_entropy(log_p.T, axis=0), entropy, atol=0)
    np.testing.assert_allclose(categorical_kl(log_p.T, log_q.T, axis=0), divergence, atol=0)


def test_multivariate_gaussian_equals_scipy(generator):
    root = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    covariance, mean = root @ root.T + torch.eye(4), torch.arange(4.0, dtype=torch.float64)
    x = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    wanted = scipy.stats.multivariate_normal(mean, covariance).logpdf(x)
    np.testing.assert_allclose(
        multivariate_gaussian_log_prob(x, mean, covariance), wanted, rtol=1e-12
    )


def test_diagonal_gaussian_is_the_product_of_univariate_ones(generator):
    log_std = torch.randn(4, generator=generator, dtype=torch.float64)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    mean = torch.ones(4, dtype=torch.float64)
    joint = multivariate_gaussian_log_prob(x, mean, torch.diag((2 * log_std).exp()))
    torch.testing.assert_close(joint, gaussian_log_prob(x, mean, log_std).sum(-1))


def test_impossible_levels_are_never_drawn(generator):
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf]).expand(10_000, 3)
    assert bool((sample_categorical(logits, generator) == 1).all())


@pytest.mark.parametrize("concentration", [0.3, 1.0, 5.0])
def test_dirichlet_has_its_mean_and_variance(concentration, generator):
    draws = sample_dirichlet((20_000, 4), concentration, generator)
    wanted = scipy.stats.dirichlet([concentration] * 4)
    first = draws[:, 0]
    assert abs(first.mean() - 0.25) < 4 * first.std() / math.sqrt(20_000)
    squared = (first - 0.25).square()
    assert abs(squared.mean() - wanted.var()[0]) < 4 * squared.std() / math.sqrt(20_000)
    torch.testing.assert_close(draws.sum(-1), torch.ones(20_000, dtype=torch.float64))


def test_same_seed_same_draw():
    first, second = (
        sample_dirichlet((5, 3), 1.0, torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CategoricalHead(1), "num_levels: expected a whole number >= 2, got 1"),
        (
            lambda: CategoricalHead(3).log_prob(torch.zeros(5, 4), torch.zeros(5).long()),
            "params: expected shape (..., 3), got shape (5, 4)",
        ),
        (
            lambda: sample_dirichlet((3,), 0.0),
            "concentration: expected a number > 0, got 0.0",
        ),
        (
            lambda: check_probabilities("p", torch.tensor([0.5, 0.75])),
            "p: expected probabilities that sum to 1, got a sum of 1.25",
        ),
        (
            lambda: check_probabilities("p", torch.tensor([1.5, -0.5])),
            "p: expected values >= 0, got a value of -0.5",
        ),
        (
            lambda: multivariate_gaussian_log_prob(torch.zeros(2), torch.zeros(2), -torch.eye(2)),
            "covariance: expected a positive definite matrix, got one that is not",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
