"""The β-VAE's loss against its parts, quadrature over the latent, and the linear closed form."""

import itertools
import math

import pytest
import torch
from torch import nn

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead
from course_utils.gaussians import FixedNoiseHead
from course_utils.metrics.rate_distortion import reverse_water_filling
from course_utils.models.latent import VAE, BetaVAE

EVENTS = torch.tensor(list(itertools.product((0, 1), repeat=3)))


def a_model(beta: float) -> BetaVAE:
    torch.manual_seed(0)
    return BetaVAE.of_perceptrons((3,), 1, BernoulliHead(), (5,), beta=beta).double()


def neg_log_prob(model: VAE) -> torch.Tensor:
    """−log p(x) of every event by the trapezoidal rule."""
    grid = torch.linspace(-10, 10, 2001, dtype=torch.float64)
    z = grid[:, None, None].expand(-1, len(EVENTS), 1)
    with torch.no_grad():
        return -torch.trapezoid(model.log_joint(EVENTS, z).exp(), grid, dim=0).log()


@pytest.mark.concept("vae.beta")
def test_loss_weighs_the_rate_and_its_gradient_by_beta():
    for beta in (0.5, 1.0, 4.0):
        model = a_model(beta)
        torch.manual_seed(3)
        terms = model.loss(EVENTS)
        torch.manual_seed(3)
        torch.testing.assert_close(terms["negative_elbo"], -model.elbo(EVENTS).mean())
        expected = terms["negative_elbo"] + (beta - 1) * terms["rate"]
        torch.testing.assert_close(terms["total"], expected)
        rate = terms["rate"].detach().requires_grad_()
        total = terms["distortion"].detach() + model.beta * rate
        assert float(torch.autograd.grad(total, rate)[0]) == beta


def test_the_law_of_beta_one_is_the_plain_autoencoder():
    torch.manual_seed(0)
    plain = VAE.of_perceptrons((3,), 1, BernoulliHead(), (5,)).double()
    torch.manual_seed(4)
    expected = plain.loss(EVENTS)["total"]
    model = a_model(1.0)
    torch.manual_seed(4)
    torch.testing.assert_close(model.loss(EVENTS)["total"], expected, rtol=0, atol=0)


def test_total_bounds_the_likelihood_where_it_says_so():
    """Against quadrature; without a bound below one, an overfull rate makes the total too small."""
    for beta in (1.0, 3.0):
        model = a_model(beta)
        truth = neg_log_prob(model).mean()
        torch.manual_seed(0)
        with torch.no_grad():
            totals = torch.stack([model.loss(EVENTS)["total"] for _ in range(100)])
        assert model.total_is_bound
        assert totals.mean() > truth - 4 * totals.std() / 10
    model = BetaVAE(_Wide(), nn.Linear(1, 3).double(), BernoulliHead(), 1, (3,), beta=0.01)
    with torch.no_grad():
        model.decoder.weight.copy_(torch.ones(3, 1))
        model.decoder.bias.zero_()
        total = model.loss(EVENTS[[0, 7]])
    assert not model.total_is_bound
    truth = neg_log_prob(model)[[0, 7]].mean()
    assert total["total"] < truth - 0.5 < total["negative_elbo"]


class _Wide(nn.Module):
    """An encoder that puts all zeros and all ones far apart, at −9 and 9."""

    def forward(self, x):
        side = 2.0 * x[:, :1].double() - 1
        return torch.cat([9 * side, torch.full_like(side, -2.0)], 1)


@pytest.mark.concept("vae.beta")
def test_a_trained_linear_model_uses_the_predicted_number_of_latents(generator):
    """The very class, with sampled noise and minibatches of all: counts and rates for two β."""
    values = torch.tensor([4.0, 1.6, 0.3], dtype=torch.float64)
    x = torch.randn(600, 3, generator=generator, dtype=torch.float64)
    x = torch.linalg.qr(x - x.mean(0))[0] * math.sqrt(600) * values.sqrt()
    for beta, count in ((1.0, 2), (4.0, 1)):
        torch.manual_seed(0)
        head = FixedNoiseHead(math.sqrt(0.5))
        model = BetaVAE(nn.Linear(3, 6), nn.Linear(3, 3), head, 3, (3,), beta=beta).double()
        training.fit(
            model,
            x,
            num_steps=300,
            batch_size=600,
            learning_rate=0.03,
            generator=generator,
            progress=False,
        )
        with torch.no_grad():
            terms = model.bound_terms(x, 20, generator)
        rates = terms.rate.mean(0)
        truth = reverse_water_filling(values, beta * 0.5)
        assert int((rates > 0.05).sum()) == count == truth.num_active
        assert float(rates.sum()) == pytest.approx(truth.rate, abs=0.05)


def test_wrong_input_is_one_line(as_user):
    for beta in (0.0, -1.0, math.inf):
        with pytest.raises(ArgumentError, match="beta: expected a number"):
            a_model(beta)
        with pytest.raises(ArgumentError, match="beta: expected a number"):
            BetaVAE(nn.Identity(), nn.Identity(), BernoulliHead(), 1, (3,), beta)
