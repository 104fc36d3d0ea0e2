"""Refining q for each example against the linear-Gaussian model and quadrature."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent import VAE, LinearGaussian, bound_at, refine


def axis_aligned(generator) -> tuple[LinearGaussian, torch.Tensor]:
    """A model whose W has orthogonal columns, so that the posterior is a diagonal Gaussian."""
    columns = torch.linalg.qr(torch.randn(5, 2, generator=generator, dtype=torch.float64))[0]
    scale = torch.tensor([2.0, 0.8], dtype=torch.float64)
    model = LinearGaussian(columns * scale, torch.zeros(5, dtype=torch.float64), 0.6)
    return model, model.sample(20, generator=generator)


def closed_bound(model: LinearGaussian, x: torch.Tensor):
    """The ELBO of a diagonal q, one covariance for each example, by ``LinearGaussian.elbo``."""

    def bound(law: DiagonalGaussian) -> torch.Tensor:
        each = [
            model.elbo(x[i : i + 1], law.mean[i : i + 1], torch.diag((2 * law.log_std[i]).exp()))
            for i in range(len(x))
        ]
        return torch.cat(each)

    return bound


@pytest.mark.concept("vae.amortised")
def test_refining_closes_the_gap_to_the_exact_log_density(generator):
    model, x = axis_aligned(generator)
    x = x[:3]
    start = DiagonalGaussian(
        torch.randn(3, 2, generator=generator).double(), torch.zeros(1, 2).double()
    )
    found = refine(start, closed_bound(model, x), num_steps=300, learning_rate=0.1)
    truth = model.log_prob(x)
    assert bool((truth - found.before > 0.01).all())
    torch.testing.assert_close(found.after, truth, rtol=0, atol=1e-6)
    exact = model.posterior(x)
    torch.testing.assert_close(found.law.mean, exact.mean, rtol=0, atol=1e-3)
    spread = exact.covariance.diagonal().sqrt().expand(3, 2)
    torch.testing.assert_close(found.law.log_std.exp(), spread, rtol=0, atol=1e-3)


@pytest.mark.concept("vae.amortised")
@pytest.mark.parametrize("learning_rate", [0.03, 100.0])
def test_the_bound_never_falls_however_wild_the_steps(learning_rate, generator):
    torch.manual_seed(0)
    model = VAE.of_perceptrons((2, 2), 2, BernoulliHead(), (6,)).double()
    x = torch.randint(2, (30, 2, 2), generator=generator)
    noise = torch.randn(64, 30, 2, generator=generator, dtype=torch.float64)
    bound = bound_at(model, x, noise)
    found = refine(model.posterior(x), bound, num_steps=15, learning_rate=learning_rate)
    with torch.no_grad():
        torch.testing.assert_close(found.before, bound(model.posterior(x)), rtol=1e-12, atol=0)
        torch.testing.assert_close(found.after, bound(found.law), rtol=1e-12, atol=0)
    assert bool((found.gain >= 0).all())
    if learning_rate < 1:
        assert float(found.gain.mean()) > 1e-3
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_bound_at_a_law_is_the_elbo_on_average(generator):
    """E log p(x | z) by quadrature over the one latent coordinate, minus the divergence."""
    torch.manual_seed(0)
    model = VAE.of_perceptrons((2, 2), 1, BernoulliHead(), (6,)).double()
    x = torch.randint(2, (3, 2, 2), generator=generator)
    law = DiagonalGaussian(
        torch.tensor([[0.4], [-1.0], [0.0]]).double(), torch.tensor([[-0.5]]).double()
    )
    grid = torch.linspace(-9, 9, 2001, dtype=torch.float64)
    z = grid[:, None, None].expand(-1, 3, 1)
    with torch.no_grad():
        weighted = law.log_prob(z).exp() * model.log_likelihood(x, z)
        truth = torch.trapezoid(weighted, grid, dim=0) - law.kl(model.prior)
        values = torch.stack(
            [
                bound_at(model, x, torch.randn(50, 3, 1, generator=generator).double())(law)
                for _ in range(200)
            ]
        )
    error = values.std(0) / math.sqrt(len(values))
    assert bool(((values.mean(0) - truth).abs() < 4 * error).all())


def test_wrong_input_is_one_line(as_user):
    law = DiagonalGaussian(torch.zeros(3, 2), torch.zeros(3, 2))
    model = VAE.of_perceptrons((2,), 2, BernoulliHead(), (3,))
    for call, message in (
        (lambda: refine(law, lambda q: torch.zeros(3)), r"bound: expected a differentiable"),
        (lambda: refine(law, lambda q: q.mean), r"bound\(law\): expected shape \(3\)|bound\(law\)"),
        (lambda: refine(law, lambda q: q.mean.sum(-1), num_steps=0), r"num_steps: expected"),
        (lambda: refine(law, lambda q: q.mean.sum(-1), learning_rate=0), r"learning_rate: exp"),
        (
            lambda: bound_at(model, torch.zeros(3, 2), torch.zeros(4, 3, 1)),
            r"noise: expected shape",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
