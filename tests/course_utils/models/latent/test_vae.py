"""The variational autoencoder against quadrature over its latent variable."""

import itertools
import math

import pytest
import torch
from torch import nn

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.distributions import (
    BernoulliHead,
    CategoricalHead,
    GaussianHead,
    gaussian_log_prob,
)
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent import VAE, LatentVariableModel, LinearGaussian
from course_utils.tasks import Intractable

GRID = torch.linspace(-10, 10, 4001, dtype=torch.float64)


def a_model(head=BernoulliHead(), event=(2, 2), latent=1) -> VAE:  # noqa: B008 - frozen
    torch.manual_seed(0)
    model = VAE.of_perceptrons(event, latent, head, (6,)).double()
    for part, scale in ((model.encoder, 0.2), (model.decoder, 0.7)):  # q must cover the posterior
        for parameter in part.parameters():
            nn.init.normal_(parameter, std=scale)
    return model


def all_events(num_levels: int, event: tuple[int, ...]) -> torch.Tensor:
    size = math.prod(event)
    values = list(itertools.product(range(num_levels), repeat=size))
    return torch.tensor(values).reshape(-1, *event)


def log_prob(model: LatentVariableModel, x: torch.Tensor) -> torch.Tensor:
    """log p(x) of a model with one latent variable, by the trapezoidal rule."""
    z = GRID[:, None, None].expand(-1, len(x), 1)
    with torch.no_grad():
        return torch.trapezoid(model.log_joint(x, z).exp(), GRID, dim=0).log()


@pytest.mark.parametrize("head", [BernoulliHead(), CategoricalHead(3)])
def test_joint_sums_and_integrates_to_one(head):
    events = all_events(head.num_levels, (2, 2))
    total = log_prob(a_model(head), events).logsumexp(0)
    assert abs(float(total)) < 1e-8


def test_gap_of_the_bound_is_the_divergence_by_quadrature():
    model = a_model()
    x = all_events(2, (2, 2))
    truth, posterior = log_prob(model, x), model.posterior(x)
    z = GRID[:, None, None].expand(-1, len(x), 1)
    with torch.no_grad():
        log_q, log_p = posterior.log_prob(z), model.log_joint(x, z) - truth
        divergence = torch.trapezoid(log_q.exp() * (log_q - log_p), GRID, dim=0)
        terms = model.bound_terms(x, 20_000, torch.Generator().manual_seed(1))
    error = terms.log_likelihood.std(0) / math.sqrt(20_000)
    assert bool(((truth - terms.elbo - divergence).abs() < 4 * error).all())
    assert bool((divergence > 0.01).any())


def test_weights_average_to_the_probability(generator):
    model = a_model()
    x = all_events(2, (2, 2))
    with torch.no_grad():
        weights = model.log_weights(x, 50_000, generator).exp()
    error = weights.std(0) / math.sqrt(len(weights))
    assert bool(((weights.mean(0) - log_prob(model, x).exp()).abs() < 4 * error).all())


def test_samples_follow_the_integrated_law(generator):
    model = a_model()
    events = all_events(2, (2, 2))
    x = model.sample(20_000, generator=generator)
    counts = (x[:, None] == events).flatten(2).all(2).sum(0)
    probs = log_prob(model, events).exp()
    error = (20_000 * probs * (1 - probs)).sqrt()
    assert bool(((counts - 20_000 * probs).abs() < 4 * error).all())


def test_loss_is_minus_the_bound_and_its_parts_add_up():
    model = a_model()
    x = all_events(2, (2, 2))
    torch.manual_seed(5)
    loss = model.loss(x)
    torch.manual_seed(5)
    torch.testing.assert_close(loss["total"], -model.elbo(x).mean())
    torch.testing.assert_close(loss["total"], loss["distortion"] + loss["rate"])


def test_linear_autoencoder_reaches_probabilistic_pca(generator):
    """The likelihood within 0.01 nats and the subspace within 0.01 rad of the closed form."""
    source = LinearGaussian.random(6, 2, 0.5, generator)
    data = source.sample(500, generator=generator)
    best = LinearGaussian.fitted(data, 2)
    torch.manual_seed(0)
    model = _LinearVAE(6, 2).double()
    training.fit(
        model,
        data,
        num_steps=800,
        batch_size=500,
        learning_rate=0.03,
        generator=generator,
        progress=False,
    )
    with torch.no_grad():
        found = LinearGaussian(model.decode.weight, model.decode.bias, float(model.log_noise.exp()))
        gap = best.log_prob(data).mean() - found.log_prob(data).mean()
        bases = [torch.linalg.qr(m.weight)[0] for m in (best, found)]
        cosines = torch.linalg.svdvals(bases[0].mT @ bases[1]).clamp(max=1)
    assert 0 <= float(gap) < 0.01
    assert float(cosines.min().arccos()) < 0.01


class _LinearVAE(LatentVariableModel):
    """Affine decoder with one noise level, affine encoder with one scale for each coordinate."""

    num_samples = 4

    def __init__(self, dim: int, latent: int):
        super().__init__(latent, (dim,))
        self.decode, self.encode = nn.Linear(latent, dim), nn.Linear(dim, latent)
        self.log_std, self.log_noise = (
            nn.Parameter(torch.zeros(latent)),
            nn.Parameter(torch.zeros(1)),
        )

    def posterior(self, x):
        return DiagonalGaussian(self.encode(x), self.log_std)

    def log_likelihood(self, x, z):
        return gaussian_log_prob(x, self.decode(z), self.log_noise).sum(-1)

    def sample_given(self, z, generator=None):
        raise NotImplementedError


@pytest.mark.parametrize("head", [BernoulliHead(), CategoricalHead(17), GaussianHead()])
def test_shapes_of_every_head(head, generator):
    model = VAE.of_perceptrons((3, 2), 4, head, (8, 5))
    x = model.sample(7, generator=generator)
    assert x.shape == (7, 3, 2)
    assert model.decode(torch.zeros(2, 5, 4)).shape == (2, 5, 3, 2, head.num_params)
    assert model.elbo(x, num_samples=3, generator=generator).shape == (7,)
    assert model.reconstruct(x).shape == (7, 3, 2)
    z = torch.zeros(7, 4)
    assert model.sample(7, condition=z, generator=generator).shape == (7, 3, 2)


def test_wrong_input_is_one_line(as_user, generator):
    model = a_model()
    with pytest.raises(Intractable, match=r"VAE cannot score: its density is an integral"):
        model.log_prob(torch.zeros(1, 2, 2))
    for call, message in (
        (lambda: model.elbo(torch.zeros(3, 5).long()), r"x: expected shape \('batch', 2, 2\), got"),
        (lambda: model.sample(2, condition=torch.zeros(2, 3)), r"condition: expected shape \(2, 1"),
        (lambda: VAE(nn.Identity(), nn.Identity(), BernoulliHead(), 0, (2,)), r"latent_dim: exp"),
        (lambda: model.decode(torch.zeros(3, 2)), r"z: expected shape \(\.\.\., 1\), got"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
