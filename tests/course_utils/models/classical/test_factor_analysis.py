"""Factor analysis and principal components, against joint Gaussians, autograd, closed forms."""

import math

import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal

from course_utils.arguments import ArgumentError
from course_utils.models.classical import (
    FactorAnalysis,
    PrincipalComponents,
    factor_analysis_step,
    fit_factor_analysis,
)
from course_utils.models.latent import LinearGaussian


@pytest.fixture
def model(generator) -> FactorAnalysis:
    weight, bias = torch.randn(5, 3, generator=generator, dtype=torch.float64).split((2, 1), 1)
    noise = torch.rand(5, generator=generator, dtype=torch.float64) + 0.2
    return FactorAnalysis(weight, bias[:, 0], noise)


def joint_covariance(model):
    """Covariance of (z, x), written down block by block."""
    eye = torch.eye(model.latent_dim).double()
    seen = model.weight @ model.weight.mT + torch.diag(model.noise_variances)
    return torch.cat([torch.cat([eye, model.weight.mT], 1), torch.cat([model.weight, seen], 1)])


@pytest.mark.concept("found.fa-pca")
def test_density_and_posterior_are_those_of_the_joint_gaussian(model, generator):
    """Marginal and conditional of one big Gaussian over (z, x), to 1e-12."""
    x = model.sample(7, generator=generator)
    joint = joint_covariance(model)
    law = MultivariateNormal(model.bias, joint[2:, 2:])
    torch.testing.assert_close(model.log_prob(x), law.log_prob(x), rtol=0, atol=1e-12)
    gain = joint[:2, 2:] @ torch.linalg.inv(joint[2:, 2:])
    posterior = model.posterior(x)
    torch.testing.assert_close(posterior.mean, (x - model.bias) @ gain.mT, rtol=0, atol=1e-12)
    left = joint[:2, :2] - gain @ joint[2:, :2]
    torch.testing.assert_close(posterior.covariance, left, rtol=0, atol=1e-12)


@pytest.mark.concept("found.fa-pca")
def test_draws_have_the_covariance_and_a_condition_fixes_the_mean(model, generator):
    x = model.sample(60_000, generator=generator)
    centred = x - model.bias
    products = centred[:, :, None] * centred[:, None]
    error = products.std(0) / math.sqrt(len(x))
    assert ((products.mean(0) - joint_covariance(model)[2:, 2:]).abs() < 4 * error).all()
    z = torch.tensor([1.0, -2.0]).double()
    given = model.sample(20_000, condition=z.expand(20_000, 2), generator=generator)
    error = (model.noise_variances / 20_000).sqrt()
    assert ((given.mean(0) - model.weight @ z - model.bias).abs() < 4 * error).all()
    spread = (given - given.mean(0)).square()
    error = spread.std(0) / math.sqrt(20_000)
    assert ((spread.mean(0) - model.noise_variances).abs() < 4 * error).all()


@pytest.mark.concept("found.em")
@pytest.mark.parametrize("isotropic", [False, True])
def test_step_maximises_the_expected_log_joint(model, generator, isotropic):
    """Its gradient by autograd over W and log ψ, posterior moments held, vanishes at the result."""
    x = torch.randn(40, 5, generator=generator, dtype=torch.float64) @ torch.randn(
        5, 5, generator=generator, dtype=torch.float64
    )
    bias = x.mean(0)
    noise = model.noise_variances
    now = FactorAnalysis(model.weight, bias, noise.mean().expand(5) if isotropic else noise)
    covariance = torch.cov(x.T, correction=0)
    following, value = factor_analysis_step(now, covariance, isotropic=isotropic)
    torch.testing.assert_close(value, now.log_prob(x).mean(), rtol=0, atol=1e-10)
    posterior = now.posterior(x)
    weight = following.weight.clone().requires_grad_()
    psi = following.noise_variances[: 1 if isotropic else 5].log().clone().requires_grad_()
    variances = psi.exp().expand(5)
    left = x - bias - posterior.mean @ weight.mT
    spread = ((weight @ posterior.covariance) * weight).sum(-1)
    expected = -0.5 * ((left.square() + spread) / variances + variances.log()).sum(-1).mean()
    for gradient in torch.autograd.grad(expected, (weight, psi)):
        assert gradient.abs().max() < 1e-9


@pytest.mark.concept("found.em")
@pytest.mark.concept("found.fa-pca")
def test_em_reaches_the_closed_form_of_probabilistic_pca(generator):
    """Within 1e-6 of Tipping and Bishop's likelihood and 1e-5 rad of the SVD's subspace."""
    scales = torch.tensor([4.0, 2.5, 1.6, 0.6, 0.5, 0.4]).double()
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    x = torch.randn(500, 6, generator=generator, dtype=torch.float64) * scales @ turn + 3
    run = fit_factor_analysis(x, 3, num_steps=400, isotropic=True, generator=generator)
    truth = LinearGaussian.fitted(x, 3)
    assert run.log_likelihoods.diff().min() > -1e-10
    assert run.log_likelihoods[-1].item() == pytest.approx(
        truth.log_prob(x).mean().item(), abs=1e-6
    )
    assert run.model.noise_variances.sqrt().mean().item() == pytest.approx(truth.noise, abs=1e-5)
    leading = torch.linalg.svd(x - x.mean(0), full_matrices=False)[2][:3].T
    angles = subspace_angles(run.model.weight.numpy(), leading.numpy())
    assert angles.max() < 1e-5


@pytest.mark.concept("found.fa-pca")
def test_unequal_noise_fools_principal_components_and_not_factors(generator):
    """A common factor and a loud private coordinate: W follows the factor, u_1 does not."""
    truth = torch.tensor([[1.0], [1.0], [1.0], [0.0]]).double()
    world = FactorAnalysis(
        truth, torch.zeros(4).double(), torch.tensor([0.3, 0.3, 0.3, 9]).double()
    )
    x = world.sample(4000, generator=generator)
    run = fit_factor_analysis(x, 1, num_steps=500, generator=generator)
    assert run.log_likelihoods.diff().min() > -1e-10
    gap = world.log_prob(x).mean() - run.log_likelihoods[-1]
    assert -10 / 4000 < gap < 0
    direction = run.model.weight[:, 0] / run.model.weight.norm()
    along = truth[:, 0] / truth.norm()
    assert (direction @ along).abs() > 0.99
    assert (PrincipalComponents.fitted(x, 1).directions[:, 0] @ along).abs() < 0.3
    error = 4 * math.sqrt(2 / 4000) * run.model.noise_variances[3]
    assert (run.model.noise_variances[3] - 9).abs() < error


@pytest.mark.concept("found.fa-pca")
@pytest.mark.parametrize("shape", [(50, 6), (4, 6)])
def test_components_agree_with_scikit_learn(shape, generator):
    """Directions up to sign, variances (divisor N), reconstruction and its error, to 1e-10."""
    scales = torch.tensor([3.0, 2, 1.5, 1, 0.7, 0.3]).double()
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * scales + 1
    found = PrincipalComponents.fitted(x, 2)
    peer = PCA(2, svd_solver="full").fit(x.numpy())
    theirs = torch.from_numpy(peer.components_).T
    same = (found.directions * theirs).sum(0).abs()
    torch.testing.assert_close(same, torch.ones(2).double(), rtol=0, atol=1e-10)
    scale = (shape[0] - 1) / shape[0]
    variances = torch.from_numpy(peer.explained_variance_) * scale
    torch.testing.assert_close(found.variances[:2], variances, rtol=0, atol=1e-10)
    back = found.decode(found.encode(x))
    again = torch.from_numpy(peer.inverse_transform(peer.transform(x.numpy())))
    torch.testing.assert_close(back, again, rtol=0, atol=1e-10)
    assert found.discarded == pytest.approx((x - back).square().sum(1).mean().item(), abs=1e-10)
    largest = found.directions.abs().argmax(0)
    assert (found.directions[largest, torch.arange(2)] > 0).all()
    full = PrincipalComponents.fitted(x, 6)
    torch.testing.assert_close(full.decode(full.encode(x)), x, rtol=0, atol=1e-10)


def test_floor_keeps_a_constant_coordinate_from_ending_the_fit(generator):
    x = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    x[:, 2] = 1
    run = fit_factor_analysis(x, 1, num_steps=50, floor=1e-4, generator=generator)
    assert run.model.noise_variances[2].item() == pytest.approx(1e-4)
    assert torch.isfinite(run.log_likelihoods).all()


def test_wrong_input_is_one_line(as_user, model):
    x = torch.zeros(4, 5).double()
    for call, message in (
        (lambda: FactorAnalysis(model.weight, model.bias[:3], model.noise_variances), "bias: exp"),
        (
            lambda: FactorAnalysis(model.weight, model.bias, -model.noise_variances),
            "noise_variances",
        ),
        (
            lambda: model.sample(2, condition=torch.zeros(3, 2).double()),
            "condition: expected shape",
        ),
        (lambda: model.sample(0), "num_samples: expected"),
        (lambda: factor_analysis_step(model, torch.eye(4).double()), "covariance: expected shape"),
        (lambda: factor_analysis_step(model, torch.eye(5).double(), floor=0.0), "floor: expected"),
        (lambda: fit_factor_analysis(x, 6), "latent_dim: expected"),
        (lambda: PrincipalComponents.fitted(x, 0), "num_kept: expected"),
        (lambda: PrincipalComponents.fitted(x * math.nan, 1), "x: expected finite"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
