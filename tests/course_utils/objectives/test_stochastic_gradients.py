"""Gradient estimators against closed forms and Gauss-Hermite quadrature, in float64.

Where the truth is an integral of a polynomial and a Gaussian the nodes of the quadrature serve as
samples, weighted afterwards; the result is exact, so 1e-10 suffices. Sampled means have to lie
within 4 standard errors.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import gaussian_log_prob
from course_utils.objectives.stochastic_gradients import (
    best_baseline,
    implicit_sample,
    leave_one_out,
    pathwise_gradients,
    score_function_gradients,
    score_function_surrogate,
)

MU, SIGMA = 1.0, 1.0
F64 = {"dtype": torch.float64}


def nodes(count=40):
    """Gauss-Hermite nodes and weights of the standard normal law."""
    x, w = np.polynomial.hermite_e.hermegauss(count)
    return torch.tensor(x, **F64), torch.tensor(w / w.sum(), **F64)


def shift_and_scale(noise, mean, std):
    return mean + std * noise


def log_normal(z, mean, std):
    return gaussian_log_prob(z, mean, std.log())


def square(z):
    return z**2


def both(f, mean, std, noise, baseline=0.0):
    parameters = [torch.tensor(mean, **F64), torch.tensor(std, **F64)]
    path = pathwise_gradients(f, shift_and_scale, parameters, noise)
    z = shift_and_scale(noise, *parameters)
    return path, score_function_gradients(f, log_normal, parameters, z, baseline)


def moments(estimates, weights):
    mean = (weights * estimates).sum()
    return mean.item(), ((weights * estimates**2).sum() - mean**2).item()


@pytest.mark.parametrize(("mean", "std"), [(1.0, 1.0), (0.3, 2.0), (-2.0, 0.5)])
@pytest.mark.concept("vae.reparam")
@pytest.mark.concept("vae.score-function")
def test_means_and_variances_of_both_estimators_in_closed_form(mean, std):
    """F = μ² + σ². At μ = σ = 1 the variances by μ are 4 and 30, by σ 12 and 136."""
    noise, weights = nodes()
    (path_mean, path_std), (score_mean, score_std) = both(square, mean, std, noise)
    m, s = mean**2, std**2
    expected = {
        "pathwise by μ": (path_mean, 2 * mean, 4 * s),
        "pathwise by σ": (path_std, 2 * std, 4 * m + 8 * s),
        "score by μ": (score_mean, 2 * mean, m**2 / s + 14 * m + 15 * s),
        "score by σ": (score_std, 2 * std, 2 * m**2 / s + 60 * m + 74 * s),
    }
    for estimates, *closed in expected.values():
        np.testing.assert_allclose(moments(estimates, weights), closed, rtol=1e-10)


@pytest.mark.concept("vae.reparam")
def test_pathwise_estimates_average_to_two_mu_and_two_sigma(generator):
    noise = torch.randn(100_000, generator=generator, **F64)
    path, _ = both(square, 0.7, 1.3, noise)
    for estimates, truth in zip(path, (1.4, 2.6), strict=True):
        assert abs(estimates.mean() - truth) < 4 * estimates.std() / math.sqrt(100_000)


@pytest.mark.concept("vae.reparam")
def test_differentiating_samples_gives_no_gradient():
    mean = torch.tensor(1.0, requires_grad=True)
    z = torch.distributions.Normal(mean, 1.0).sample((5,))
    assert not z.requires_grad
    torch.normal(mean.expand(5), torch.ones(5)).square().sum().backward()
    assert mean.grad == 0


@pytest.mark.concept("vae.score-function")
def test_score_function_is_unbiased_with_variance_30_against_4(generator):
    noise = torch.randn(200_000, generator=generator, **F64)
    (path, _), (score, _) = both(square, MU, SIGMA, noise)
    error = score.std() / math.sqrt(len(score))
    assert abs(score.mean() - 2) < 4 * error
    for estimates, variance in ((path, 4.0), (score, 30.0)):
        squares = (estimates - 2) ** 2
        assert abs(squares.mean() - variance) < 4 * squares.std() / math.sqrt(len(squares))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_variance_grows_with_the_square_of_the_dimension_and_linearly_with_a_baseline(dim):
    """Var by μ_1 for f = ‖z‖²; the truth is the formula, the way there a grid of nodes."""
    mean, std = 0.5, 1.5
    x, w = nodes(8)
    noise = torch.cartesian_prod(*[x] * dim).reshape(-1, dim)
    weights = torch.stack(list(map(torch.prod, torch.cartesian_prod(*[w] * dim).reshape(-1, dim))))
    parameters = [torch.full((dim,), mean, **F64)]

    def log_prob(z, mu):
        return gaussian_log_prob(z, mu, torch.tensor(std, **F64).log()).sum(-1)

    def cost(z):
        return z.square().sum(-1)

    def variance(baseline):
        z = mean + std * noise
        (g,) = score_function_gradients(cost, log_prob, parameters, z, baseline)
        return moments(g[:, 0], weights)[1]

    m, s = mean**2, std**2
    rest_mean, rest_var = (dim - 1) * (m + s), (dim - 1) * (4 * m * s + 2 * s**2)
    alone = m**2 / s + 14 * m + 15 * s
    plain = alone + 2 * rest_mean * (m + 3 * s) / s + (rest_mean**2 + rest_var) / s
    assert math.isclose(variance(0.0), plain, rel_tol=1e-10)
    best = dim * (m + s) + 2 * s
    assert math.isclose(variance(best), 8 * m + 6 * s + rest_var / s, rel_tol=1e-10)
    (path,) = pathwise_gradients(cost, lambda e, mu: mu + std * e, parameters, noise)
    assert math.isclose(moments(path[:, 0], weights)[1], 4 * s, rel_tol=1e-10)


def test_best_baseline_is_the_vertex_of_the_parabola():
    """For z² it is μ² + 3σ² by μ; weights are whole multiples here, by repeating states."""
    mean, std = 0.4, 1.1
    x, w = nodes(3)
    noise = x.repeat_interleave((w * 6).round().long())  # three nodes: 1/6, 4/6, 1/6
    parameters = [torch.tensor(mean, **F64)]

    def log_prob(z, mu):
        return log_normal(z, mu, torch.full_like(mu, std))

    z = mean + std * noise
    scores = score_function_gradients(torch.ones_like, log_prob, parameters, z)
    found = best_baseline(square(z), scores)
    spread = [
        score_function_gradients(square, log_prob, parameters, z, found + d)[0].var().item()
        for d in (-0.01, 0.0, 0.01)
    ]
    assert spread[1] < min(spread[0], spread[2])
    assert math.isclose(spread[0], spread[2], rel_tol=1e-9)
    x, w = nodes(20)
    z, root = mean + std * x, w.sqrt()
    weighted = best_baseline(square(z), [root * x / std])
    assert math.isclose(weighted, mean**2 + 3 * std**2, rel_tol=1e-10)


def test_best_baseline_adds_the_components_of_all_parameters():
    values = torch.tensor([1.0, 4.0], **F64)
    scores = [torch.tensor([[1.0, 2.0], [0.0, 1.0]], **F64), torch.tensor([2.0, 1.0], **F64)]
    assert math.isclose(best_baseline(values, scores), (9 * 1 + 2 * 4) / 11, rel_tol=1e-12)


def test_leave_one_out_is_the_mean_of_the_others():
    values = torch.tensor([1.0, 2.0, 6.0], **F64)
    assert leave_one_out(values).tolist() == [4.0, 3.5, 1.5]
    assert not leave_one_out(values.requires_grad_()).requires_grad


@pytest.mark.concept("vae.score-function")
def test_leave_one_out_is_unbiased_and_its_variance_that_of_a_covariance():
    """Every draw of L = 3 states of a law of three nodes, weighted by its probability."""
    mean, std, count = 0.6, 1.2, 3
    x, w = nodes(5)
    parameters = [torch.tensor(mean, **F64), torch.tensor(std, **F64)]
    results, weights = [], []
    for index in itertools.product(range(5), repeat=count):
        z = mean + std * x[list(index)]
        (g, _) = score_function_gradients(square, log_normal, parameters, z, leave_one_out)
        results.append(g.mean().item())
        weights.append(w[list(index)].prod().item())
    found = moments(torch.tensor(results, **F64), torch.tensor(weights, **F64))
    m, s = mean**2, std**2
    fourth, product, square_mean = 12 * m + 10 * s, 4 * m + 2 * s, 4 * m
    variance = (fourth - (count - 2) / (count - 1) * square_mean + product / (count - 1)) / count
    np.testing.assert_allclose(found, (2 * mean, variance), rtol=1e-10)


def test_a_jump_makes_pathwise_wrong_and_leaves_the_score_function_right(generator):
    """f = z² + 3 [z > 0]: the path misses 3 N(0; μ, σ²), which the score function finds."""
    mean, std = 0.4, 0.8
    noise = torch.randn(400_000, generator=generator, **F64)

    def cost(z):
        return z**2 + 3 * (z > 0)

    (path, _), (score, _) = both(cost, mean, std, noise, 4.0)
    jump = 3 * scipy.stats.norm.pdf(0, mean, std)
    assert abs(path.mean() - 2 * mean) < 4 * path.std() / math.sqrt(len(path))
    assert abs(score.mean() - 2 * mean - jump) < 4 * score.std() / math.sqrt(len(score))
    assert jump > 50 * score.std() / math.sqrt(len(score))


def test_surrogate_has_the_value_of_f_and_the_gradient_of_the_estimator(generator):
    noise = torch.randn(50, generator=generator, **F64)
    mean, std = (torch.tensor(v, requires_grad=True, **F64) for v in (0.3, 1.2))
    z = shift_and_scale(noise, mean, std).detach()
    for baseline in (0.0, 0.7, leave_one_out, torch.linspace(0, 1, 50, **F64)):
        surrogate = score_function_surrogate(square(z), log_normal(z, mean, std), baseline)
        torch.testing.assert_close(surrogate, square(z), rtol=0, atol=0)
        grads = torch.autograd.grad(surrogate.mean(), (mean, std))
        _, each = both(square, 0.3, 1.2, noise, baseline)
        for grad, estimates in zip(grads, each, strict=True):
            torch.testing.assert_close(grad, estimates.mean(), rtol=1e-10, atol=1e-12)


def test_surrogate_keeps_the_derivative_of_f_itself():
    """d/dμ E[μ z] = 2μ: half comes from the factor, half from the law."""
    noise, weights = nodes()
    mean = torch.tensor(0.7, requires_grad=True, **F64)
    z = (mean + noise).detach()
    surrogate = score_function_surrogate(mean * z, log_normal(z, mean, torch.ones_like(z)), 0.2)
    (grad,) = torch.autograd.grad((weights * surrogate).sum(), mean)
    assert math.isclose(grad, 1.4, rel_tol=1e-10)


def test_parameters_with_axes_get_one_gradient_per_sample(generator):
    """A Gaussian layer z = W ε + c: the gradient by W is the outer product of f' and ε."""
    weight, shift = torch.randn(2, 3, generator=generator, **F64), torch.randn(2, **F64)
    noise = torch.randn(7, 3, generator=generator, **F64)

    def layer(e, w, c):
        return torch.einsum("lij,lj->li", w, e) + c

    by_w, by_c = pathwise_gradients(lambda z: z.square().sum(1), layer, [weight, shift], noise)
    slope = 2 * (noise @ weight.T + shift)
    torch.testing.assert_close(by_c, slope)
    torch.testing.assert_close(by_w, slope[:, :, None] * noise[:, None])


def one(*values):
    return torch.tensor(values, **F64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: both(lambda z: (z > 0).double(), 0.0, 1.0, one(0.1, 0.2)),
            r"f\(z\): expected val",
        ),
        (lambda: both(lambda z: z.sum(), 0.0, 1.0, one(0.1, 0.2)), r"f\(z\): expected shape"),
        (lambda: both(square, 0.0, 1.0, torch.tensor(1.0, **F64)), "samples: expected a leading"),
        (lambda: both(square, 0.0, 1.0, one(0.1, 0.2), one(1, 2, 3)), "baseline: expected"),
        (lambda: leave_one_out(one(1.0)), "values: expected at least two"),
        (lambda: best_baseline(one(1.0, 2.0), [one(1.0)]), "scores: expected shape"),
        (lambda: score_function_surrogate(one(1.0), one(1.0, 2.0)), "log_probs: expected shape"),
        (lambda: implicit_sample(one(1.0), one(0.5), one(0.0)), "cdf: expected the graph"),
        (lambda: implicit_sample(one(1.0), one(1.5), one(0.0)), "cdf: expected values <= 1"),
        (
            lambda: pathwise_gradients(square, shift_and_scale, [torch.tensor(1)], one(1.0)),
            "parameters: expected dtype",
        ),
    ],
)
def test_bad_arguments_are_named(call, message, as_user):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        call()
