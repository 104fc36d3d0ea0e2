"""FactorVAE: shuffling, the estimate of the total correlation, and who learns from what."""

import math

import pytest
import torch

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead
from course_utils.gaussians import FixedNoiseHead
from course_utils.metrics.total_correlation import gaussian_total_correlation
from course_utils.models.latent import DensityRatio, FactorVAE, LinearGaussian, permuted


def test_shuffling_keeps_columns_and_breaks_rows(generator):
    z = torch.randn(4000, 1, generator=generator, dtype=torch.float64).expand(-1, 3)
    shuffled = permuted(z, generator)
    torch.testing.assert_close(shuffled.sort(0).values, z.sort(0).values, rtol=0, atol=0)
    correlation = torch.corrcoef(shuffled.mT) - torch.eye(3, dtype=torch.float64)
    assert float(correlation.abs().max()) < 4 / math.sqrt(4000)
    assert float((shuffled == z).double().mean()) < 0.01


@pytest.mark.concept("vae.factor")
def test_estimate_is_the_closed_form_within_five_per_cent(generator):
    """Correlated Gaussian codes in three dimensions, judged on codes not trained on."""
    factor = torch.tensor([[1.0, 0, 0], [0.9, 0.4, 0], [-0.5, 0.3, 0.7]])
    codes = torch.randn(60_000, 3, generator=generator) @ factor.mT
    truth = float(gaussian_total_correlation((factor @ factor.mT).double()))
    torch.manual_seed(0)
    ratio = DensityRatio(3)
    training.fit(
        ratio,
        codes[:30_000],
        num_steps=500,
        batch_size=512,
        learning_rate=1e-2,
        generator=generator,
        progress=False,
    )
    with torch.no_grad():
        found = float(ratio.total_correlation(codes[30_000:]))
        guess = float(ratio.loss(codes[30_000:])["total"])
    assert truth > 1  # out of reach for a probability
    assert found == pytest.approx(truth, rel=0.05)
    assert guess < math.log(2)


@pytest.mark.concept("vae.factor")
def test_logit_is_the_log_ratio_of_densities(generator):
    """Two codes with correlation 0.8: the classifier's logit against the two normal densities."""
    codes = torch.randn(40_000, 2, generator=generator)
    codes[:, 1] = 0.8 * codes[:, 0] + 0.6 * codes[:, 1]
    torch.manual_seed(0)
    ratio = DensityRatio(2)
    training.fit(
        ratio,
        codes,
        num_steps=300,
        batch_size=512,
        learning_rate=1e-2,
        generator=generator,
        progress=False,
    )
    points = torch.cartesian_prod(*[torch.linspace(-1.5, 1.5, 7)] * 2)
    covariance = torch.tensor([[1, 0.8], [0.8, 1]])
    whole = torch.distributions.MultivariateNormal(torch.zeros(2), covariance)
    alone = torch.distributions.Normal(0.0, 1.0)
    truth = whole.log_prob(points) - alone.log_prob(points).sum(1)
    seen = whole.log_prob(points) > -4
    with torch.no_grad():
        gap = (ratio(points) - truth)[seen]
    assert float(gap.square().mean().sqrt()) < 0.15


def a_model(gamma=2.0) -> FactorVAE:
    torch.manual_seed(0)
    return FactorVAE.of_perceptrons((3,), 2, BernoulliHead(), (5,), gamma=gamma).double()


BATCH = torch.tensor([[0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]])


def test_total_is_the_penalised_bound():
    model = a_model()
    torch.manual_seed(1)
    terms = model.loss(BATCH)
    torch.manual_seed(1)
    torch.testing.assert_close(terms["negative_elbo"], -model.elbo(BATCH).mean())
    expected = terms["negative_elbo"] + 2 * terms["total_correlation"]
    torch.testing.assert_close(terms["total"], expected)
    torch.manual_seed(1)
    z = model.posterior(BATCH).sample(1)[0]
    torch.testing.assert_close(terms["total_correlation"], model.ratio(z).mean())


def test_each_player_learns_from_its_own_loss():
    """The total's gradient: the classifier's loss for it, the penalised bound for the rest."""
    model = a_model()
    judge, others = (
        list(model.ratio.parameters()),
        [p for name, p in model.named_parameters() if not name.startswith("ratio.")],
    )

    def gradients(term, parameters):
        torch.manual_seed(2)
        return torch.autograd.grad(term(model.loss(BATCH)), parameters)

    for found, expected in (
        (gradients(lambda t: t["total"], judge), gradients(lambda t: t["classifier"], judge)),
        (
            gradients(lambda t: t["total"], others),
            gradients(lambda t: t["negative_elbo"] + 2 * t["total_correlation"], others),
        ),
    ):
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)
    assert model.loss(BATCH)["classifier"].requires_grad
    with pytest.raises(RuntimeError, match="not have been used"):
        gradients(lambda t: t["total_correlation"], judge)


def test_the_penalty_removes_a_correlation(generator):
    """Two correlated pixels, little noise: with γ the codes' correlation falls."""
    weight = torch.tensor([[1.0, 0.0], [0.9, 0.5]])
    data = LinearGaussian(weight, torch.zeros(2), 0.1).sample(2000, generator=generator)
    found = []
    for gamma in (0.0, 20.0):
        torch.manual_seed(0)
        model = FactorVAE(
            _Scaled(), torch.nn.Linear(2, 2), FixedNoiseHead(0.3), 2, (2,), gamma=gamma
        )
        training.fit(
            model,
            data,
            num_steps=250,
            batch_size=128,
            learning_rate=0.02,
            generator=generator,
            progress=False,
        )
        with torch.no_grad():
            codes = model.posterior(data).sample(1, generator)[0]
        found.append(float(gaussian_total_correlation(torch.cov(codes.mT).double())))
    assert found[1] < 0.5 * found[0]


class _Scaled(torch.nn.Module):
    """A weak encoder: one shear of the pixels and fixed noise, so that the prior cannot help."""

    def __init__(self):
        super().__init__()
        self.shear = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x):
        mean = torch.stack([x[:, 0], x[:, 1] - self.shear * x[:, 0]], 1)
        return torch.cat([mean, torch.full_like(mean, -1.5)], 1)


def test_wrong_input_is_one_line(as_user):
    for call, message in (
        (lambda: a_model(-1.0), r"gamma: expected"),
        (lambda: DensityRatio(1), r"latent_dim: expected"),
        (lambda: permuted(torch.zeros(3)), r"z: expected shape"),
        (lambda: a_model().loss(torch.zeros(4, 5)), r"batch: expected shape"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
