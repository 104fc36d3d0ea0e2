"""Handed-in weights of a linear autoencoder: the distance from the entropy is a closed form."""

import math

import pytest
import torch
from safetensors.torch import save

from course_utils.grading import find_question
from course_utils.grading.judges.vae_weights import decoder_gap, encoder_gap
from course_utils.models.latent import LinearGaussian

INSTANCE = find_question("w03-vae").instances()[0]
MEAN, COVARIANCE = INSTANCE.args["mean"], INSTANCE.args["covariance"]


def optimum(*, turn=0.0, lose=0, noise=1.0):
    """The best decoder and encoder; turned, with latents switched off, or with other noise."""
    values, vectors = torch.linalg.eigh(COVARIANCE)
    variance = values[0] * noise**2
    gains = (values[-2:] - values[0]).clamp_min(0).sqrt()
    gains[:lose] = 0
    cos, sin = math.cos(turn), math.sin(turn)
    rotation = torch.tensor([[cos, -sin], [sin, cos]]).double()
    weight = vectors[:, -2:] * gains @ rotation
    precision = torch.eye(2).double() + weight.T @ weight / variance
    slope = torch.linalg.solve(precision, weight.T / variance)
    return {
        "decoder.weight": weight,
        "decoder.bias": MEAN,
        "log_noise": 0.5 * variance.log(),
        "encoder.weight": slope,
        "encoder.bias": -slope @ MEAN,
        "log_std": -0.5 * precision.diagonal().log(),
    }


def packed(weights):
    return save({name: value.contiguous().float() for name, value in weights.items()})


def test_the_optimum_has_no_gap_and_earns_everything():
    weights = optimum()
    assert decoder_gap(weights, MEAN, COVARIANCE) == pytest.approx(0, abs=1e-10)
    assert encoder_gap(weights, MEAN, COVARIANCE) == pytest.approx(0, abs=1e-10)
    assert find_question("w03-vae").assess(packed(weights)).fraction == 1


def test_both_gaps_agree_with_the_package_on_samples(generator):
    weights = {k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in optimum().items()}
    model = LinearGaussian(
        weights["decoder.weight"], weights["decoder.bias"], float(weights["log_noise"].exp())
    )
    root = torch.linalg.cholesky(COVARIANCE)
    x = MEAN + torch.randn(50_000, 6, generator=generator, dtype=torch.float64) @ root.T
    truth = torch.distributions.MultivariateNormal(MEAN, COVARIANCE).log_prob(x)
    center = x @ weights["encoder.weight"].T + weights["encoder.bias"]
    bound = model.elbo(x, center, weights["log_std"].mul(2).exp().diag())
    for samples, gap in (
        (truth - model.log_prob(x), decoder_gap(weights, MEAN, COVARIANCE)),
        (model.log_prob(x) - bound, encoder_gap(weights, MEAN, COVARIANCE)),
    ):
        assert abs(float(samples.mean()) - gap) < 4 * float(samples.std()) / 50_000**0.5


def test_a_turned_decoder_pays_for_its_factorised_encoder(fails):
    weights = optimum(turn=math.pi / 4)
    assert decoder_gap(weights, MEAN, COVARIANCE) == pytest.approx(0, abs=1e-10)
    assert 0.05 < encoder_gap(weights, MEAN, COVARIANCE) < 0.15
    fails("w03-vae", packed(weights), "gap", "encoder's gap")


def wider(weights):
    return {**weights, "log_std": weights["log_std"] + 0.8}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (optimum(lose=1), "tells nothing about x"),
        (optimum(lose=2), "mean over variables"),
        (wider(optimum()), "is its width learned"),
        (optimum(noise=2.0), "is log_noise learned"),
        ({**optimum(), "decoder.bias": MEAN + 1, "encoder.bias": optimum()["encoder.bias"]},
         "a learning rate that decays"),
        ({k: 0 * v for k, v in optimum().items()}, "tells nothing about x"),
    ],
)  # fmt: skip
def test_advice_fits_the_shortfall(weights, words, fails):
    assert fails("w03-vae", packed(weights), "gap", words).fraction == 0


def test_a_small_shortfall_earns_half(fails):
    weights = optimum()
    weights["log_std"] = weights["log_std"] + 0.2
    assert fails("w03-vae", packed(weights), "gap", "more than 0.05").fraction == 0.5


def broken(name, value):
    return {**optimum(), name: value}


@pytest.mark.parametrize(
    ("weights", "category", "words"),
    [
        (broken("log_std", torch.full((2,), math.nan)), "nan", "2 of 2 values"),
        (broken("log_std", torch.full((2,), 30.0)), "overflow", "beyond exp(20)"),
        (broken("log_noise", torch.zeros(1)), "shape", "log_noise: expected shape ()"),
        (broken("decoder.weight", torch.zeros(2, 6)), "shape", "expected shape (6, 2)"),
        ({"a": torch.zeros(1)}, "missing-tensor", "'decoder.weight'"),
    ],
)
def test_unusable_weights_are_named(weights, category, words, fails):
    fails("w03-vae", packed(weights), category, words)


@pytest.mark.parametrize("seed", [0, 7, 20_261, 2**31])
def test_the_source_is_that_of_the_examples(seed):
    args = find_question("w03-vae").instances(seed)[0].args
    torch.testing.assert_close(
        torch.cov(args["x"].double().T), args["covariance"], rtol=0.1, atol=0.3
    )
    values = torch.linalg.eigvalsh(args["covariance"])
    assert float(values[3] - values[0]) == pytest.approx(0, abs=1e-9) and values[4] > 2
