"""Derivatives of samples by their law's parameters, against quadrature and moved quantiles."""

import math

import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
import torch

from course_utils.distributions import gaussian_log_prob
from course_utils.objectives.stochastic_gradients import implicit_sample

F64 = {"dtype": torch.float64}


@pytest.mark.concept("vae.reparam")
@pytest.mark.parametrize("shape", [0.5, 2.0, 7.5])
def test_gamma_samples_of_torch_carry_the_implicit_derivative(shape, generator):
    """∂z/∂α = −∫_0^z (log t − ψ(α)) p(t) dt / p(z), by adaptive quadrature.

    PyTorch approximates the derivative; 1e-3 leaves room for that and for no other mistake.
    """
    alpha = torch.full((12,), shape, requires_grad=True, **F64)
    z = torch._standard_gamma(alpha.detach(), generator=generator)
    found = torch._standard_gamma_grad(alpha.detach(), z)
    law = scipy.stats.gamma(shape)
    for value, slope in zip(z.tolist(), found.tolist(), strict=True):
        integral, _ = scipy.integrate.quad(
            lambda u: math.log(law.ppf(u)) - scipy.special.digamma(shape), 0, law.cdf(value)
        )
        assert math.isclose(slope, -integral / law.pdf(value), rel_tol=1e-3)


@pytest.mark.concept("vae.reparam")
def test_implicit_samples_follow_their_quantiles():
    """Mixture of two Gaussians: the derivative by its weight against differences of quantiles."""
    means, stds = torch.tensor([-1.0, 1.5], **F64), torch.tensor([0.6, 1.1], **F64)
    z = torch.linspace(-2.5, 4, 14, **F64)

    def parts(weight):
        shares = torch.stack([weight, 1 - weight])
        cdf = torch.special.ndtr((z[:, None] - means) / stds)
        density = gaussian_log_prob(z[:, None], means, stds.log()).exp()
        return (cdf * shares).sum(1), (density * shares).sum(1).log()

    weight = torch.tensor(0.3, requires_grad=True, **F64)
    moved = implicit_sample(z, *parts(weight))
    torch.testing.assert_close(moved, z, rtol=0, atol=0)
    slopes = [torch.autograd.grad(m, weight, retain_graph=True)[0].item() for m in moved]

    def quantile(u, share):
        def excess(x):
            both = scipy.stats.norm.cdf(x, means.numpy(), stds.numpy())
            return share * both[0] + (1 - share) * both[1] - u

        return scipy.optimize.brentq(excess, -20, 20, xtol=1e-13)

    for slope, u in zip(slopes, parts(weight)[0].tolist(), strict=True):
        difference = (quantile(u, 0.3 + 1e-4) - quantile(u, 0.3 - 1e-4)) / 2e-4
        assert math.isclose(slope, difference, rel_tol=1e-5)
