"""Bounds from minibatches against the whole data set, by enumeration and closed forms, float64."""

import itertools
import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.objectives.svi import minibatch_elbo, minibatch_variance, robbins_monro

F64 = {"dtype": torch.float64}
NUM_DATA, NOISE = 7, 0.8


@pytest.fixture
def data():
    """Slopes: y_n = w x_n + 0.8 ε_n, with the prior w ~ N(0, 1)."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(NUM_DATA, generator=generator, **F64)
    return x, 0.9 * x + NOISE * torch.randn(NUM_DATA, generator=generator, **F64)


def log_likelihood(w, x, y):
    """log p(y_n | w), shape (samples, data)."""
    return -0.5 * ((y - w[:, None] * x) / NOISE) ** 2 - math.log(NOISE * math.sqrt(2 * math.pi))


def kl(mean, std):
    return 0.5 * (mean**2 + std**2 - 1) - std.log()


def parameters():
    return torch.tensor(0.3, requires_grad=True, **F64), torch.tensor(
        0.5, requires_grad=True, **F64
    )


def closed_form_gradient(mean, std, x, y):
    """Of the ELBO by μ and σ: the likelihood is a parabola in w."""
    precision = (x**2).sum() / NOISE**2
    by_mean = (x * (y - mean * x)).sum() / NOISE**2 - mean
    return by_mean.item(), (-std * precision - std + 1 / std).item()


@pytest.mark.concept("vae.svi")
@pytest.mark.parametrize("batch_size", [1, 2, 5, 7])
def test_gradients_averaged_over_all_minibatches_are_the_full_gradient(data, batch_size):
    x, y = data
    noise = torch.tensor([-1.3, 0.2, 0.9], **F64)

    def gradient(index):
        mean, std = parameters()
        w = mean + std * noise
        elbo = minibatch_elbo(log_likelihood(w, x[index], y[index]), kl(mean, std), NUM_DATA)
        return torch.stack(torch.autograd.grad(elbo, (mean, std)))

    batches = map(list, itertools.combinations(range(NUM_DATA), batch_size))
    averaged = torch.stack([gradient(index) for index in batches]).mean(0)
    torch.testing.assert_close(averaged, gradient(slice(None)), rtol=1e-10, atol=1e-10)


@pytest.mark.concept("vae.svi")
def test_gradient_is_that_of_the_closed_form(data):
    """Noise ±1 has the first two moments of the normal law, all that a parabola asks for."""
    x, y = data
    mean, std = parameters()
    w = mean + std * torch.tensor([-1.0, 1.0], **F64)
    elbo = minibatch_elbo(log_likelihood(w, x, y), kl(mean, std), NUM_DATA)
    found = torch.stack(torch.autograd.grad(elbo, (mean, std)))
    expected = torch.tensor(closed_form_gradient(mean, std, x, y), **F64)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_bound_is_the_evidence_when_q_is_the_posterior(data):
    x, y = data
    precision = 1 + (x**2).sum() / NOISE**2
    mean, std = (x * y).sum() / NOISE**2 / precision, precision**-0.5
    w = mean + std * torch.tensor([-1.0, 1.0], **F64)
    bound = minibatch_elbo(log_likelihood(w, x, y), kl(mean, std), NUM_DATA)
    covariance = torch.outer(x, x) + NOISE**2 * torch.eye(NUM_DATA, **F64)
    law = torch.distributions.MultivariateNormal(torch.zeros(NUM_DATA, **F64), covariance)
    assert math.isclose(bound, law.log_prob(y), rel_tol=1e-10)


@pytest.mark.concept("vae.svi")
def test_variance_falls_as_one_over_the_number_of_samples(data, generator):
    """Var = (Σ_n x_n²/s² · σ)² / L by μ with the full batch, within 4 standard errors."""
    x, y = data
    mean, std = parameters()
    truth = (std * (x**2).sum() / NOISE**2).item() ** 2
    for num_samples in (1, 4, 16):
        repeats = 20_000
        noise = torch.randn(repeats, num_samples, generator=generator, **F64)
        copies = mean.detach().expand(repeats).clone().requires_grad_()
        w = copies[:, None] + std * noise
        terms = log_likelihood(w.flatten(), x, y).reshape(repeats, num_samples, NUM_DATA)
        elbos = repeats * minibatch_elbo(terms, 0.0, NUM_DATA)  # the sum of all repeats
        (each,) = torch.autograd.grad(elbos, copies)
        scaled = num_samples * each.var().item() / truth
        assert abs(scaled - 1) < 4 * math.sqrt(2 / repeats)


@pytest.mark.parametrize("batch_size", [1, 3, 6, 7])
def test_variance_over_all_minibatches_is_the_formula(batch_size, generator):
    terms = torch.randn(NUM_DATA, 2, generator=generator, **F64)
    batches = map(list, itertools.combinations(range(NUM_DATA), batch_size))
    sums = torch.stack([NUM_DATA / batch_size * terms[index].sum(0) for index in batches])
    expected = sums.var(0, correction=0)
    torch.testing.assert_close(
        minibatch_variance(terms, batch_size), expected, rtol=1e-10, atol=1e-12
    )


def test_steps_one_over_t_are_a_running_mean():
    """With curvature 1 and steps 1/(t+1), θ_T is the mean of the noisy optima."""
    draws = iter(torch.linspace(-3, 5, 9, **F64))
    path = robbins_monro(lambda w: next(draws) - w, torch.tensor(7.0, **F64), num_steps=9)
    expected = torch.linspace(-3, 5, 9, **F64).cumsum(0) / torch.arange(1, 10, **F64)
    torch.testing.assert_close(path[1:], expected, rtol=1e-12, atol=1e-12)
    assert path[0] == 7


def test_steps_follow_scale_delay_and_power():
    path = robbins_monro(
        torch.ones_like, torch.zeros(2, **F64), num_steps=3, scale=3.0, delay=2.0, power=0.5
    )
    steps = torch.tensor([3 / math.sqrt(t + 2) for t in range(3)], **F64)
    torch.testing.assert_close(path[1:, 0], steps.cumsum(0), rtol=1e-12, atol=1e-12)
    assert path.shape == (4, 2)


@pytest.mark.concept("vae.svi")
def test_falling_steps_find_the_posterior_and_constant_ones_do_not(data, generator):
    """500 runs, one datum and one sample a step, directions divided by the curvature.

    A step 1/(k + t₀) shrinks the expected distance of μ by 1 − 1/(k + t₀), and the product of
    these up to t is (t₀ − 1)/(t + t₀ − 1).
    """
    x, y = data
    precision = (1 + (x**2).sum() / NOISE**2).item()
    truth = torch.tensor([((x * y).sum() / NOISE**2 / precision).item(), precision**-0.5], **F64)

    def direction(theta):
        """The pathwise gradient by (μ, log σ), divided by the curvature at the optimum."""
        n = torch.randint(NUM_DATA, (500,), generator=generator)
        mean, std = theta[:, 0], theta[:, 1].exp()
        noise = torch.randn(500, generator=generator, **F64)
        slope = NUM_DATA * x[n] * (y[n] - (mean + std * noise) * x[n]) / NOISE**2
        return torch.stack([(slope - mean) / precision, (slope * std * noise + 1 - std**2) / 2], 1)

    def run(num_steps, **steps):
        path = robbins_monro(direction, torch.zeros(500, 2, **F64), num_steps=num_steps, **steps)
        return torch.stack([path[..., 0], path[..., 1].exp()], -1) - truth

    falling, constant = run(4000, delay=50.0), run(1000, scale=0.1, power=0.0)
    for t in (20, 400, 4000):
        expected = -truth[0] * 49 / (t + 49)
        error = falling[t, :, 0].std() / math.sqrt(500)
        assert abs(falling[t, :, 0].mean() - expected) < 4 * error
    spread, constant_spread = falling.std(1), constant.std(1)
    assert (falling[-1].square().mean(0).sqrt() < 0.05).all()
    assert ((spread[1000] / spread[4000] - math.sqrt(4050 / 1050)).abs() < 0.4).all()
    assert (constant_spread[-1] > 0.8 * constant_spread[500]).all()
    assert (constant_spread[-1] > 3 * spread[1000]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minibatch_elbo(torch.zeros(2, 3), 0.0, 2), "num_data: expected"),
        (lambda: minibatch_variance(torch.zeros(1), 1), "terms: expected at least two"),
        (lambda: minibatch_variance(torch.zeros(3), 4), "batch_size: expected"),
        (lambda: robbins_monro(torch.ones_like, torch.zeros(1), num_steps=0), "num_steps: exp"),
        (
            lambda: robbins_monro(torch.ones_like, torch.zeros(1), num_steps=1, power=1.5),
            "power: expected",
        ),
        (
            lambda: robbins_monro(torch.ones_like, torch.zeros(1), num_steps=1, delay=0.0),
            "delay: expected",
        ),
        (
            lambda: robbins_monro(lambda w: torch.ones(2), torch.zeros(1), num_steps=1),
            "direction: expected the shape",
        ),
    ],
)
def test_bad_arguments_are_named(call, message, as_user):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        call()
