"""Draws of a variational fit, moved by Markov chains to the exact posterior."""

import pytest
import torch

from course_utils.gaussians import Gaussian
from course_utils.models.latent import LinearGaussian
from course_utils.samplers import mcmc


@pytest.mark.concept("vae.mcmc-vi")
def test_hamiltonian_chains_take_a_mean_field_fit_to_the_correlated_posterior(generator):
    """The divergence of the moment fit falls from ½ (Σ log Λ_jj − log det Λ) below 0.01 nats."""
    weight = torch.tensor([[2.0, 1.8], [0.3, -0.2]], dtype=torch.float64)
    model = LinearGaussian(weight, torch.zeros(2, dtype=torch.float64), 1.0)
    x = torch.tensor([[1.0, -0.5]], dtype=torch.float64)
    exact, inverse = model.posterior(x), model.precision
    target = Gaussian(exact.mean[0], exact.covariance)
    lost = 0.5 * (inverse.diagonal().log().sum() - torch.logdet(inverse))
    state = exact.mean_field().sample(8000, generator)
    divergences = []
    for _ in range(13):
        fit = Gaussian(state[:, 0].mean(0), torch.cov(state[:, 0].mT))
        divergences.append(float(fit.kl(target)))
        state = mcmc.hamiltonian(
            state,
            lambda z: model.log_joint(x, z),
            step_size=0.3,
            num_steps=6,
            generator=generator,
        ).state
    assert abs(divergences[0] - float(lost)) < 0.03 < 0.2 < float(lost)
    assert divergences[3] < divergences[0] / 2
    assert max(divergences[-3:]) < 0.01
