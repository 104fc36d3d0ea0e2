"""The classical autoencoder against the eigenvalues of the data's covariance."""

import pytest
import torch

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.models.latent import Autoencoder, LinearGaussian, discarded_variance
from course_utils.tasks import Intractable


@pytest.fixture
def data(generator):
    return LinearGaussian.random(6, 3, 0.4, generator).sample(300, generator=generator)


@pytest.mark.concept("vae.autoencoder")
def test_best_linear_error_is_the_sum_of_discarded_eigenvalues(data, generator):
    """Closed form, singular values of the centred data, and training from random weights."""
    singular = torch.linalg.svdvals(data - data.mean(0))
    expected = singular[3:].square().sum() / len(data)
    torch.testing.assert_close(discarded_variance(data, 3), expected, rtol=1e-10, atol=0)
    best = Autoencoder.principal(data, 3)
    torch.testing.assert_close(best.loss(data)["total"], expected, rtol=1e-10, atol=0)

    torch.manual_seed(0)
    trained = Autoencoder.of_perceptrons((6,), 3, ()).double()
    training.fit(
        trained,
        data,
        num_steps=800,
        batch_size=300,
        learning_rate=0.05,
        clip_norm=None,
        generator=generator,
        progress=False,
    )
    gap = float(trained.loss(data)["total"].detach() - expected)
    assert -1e-10 < gap < 1e-4


def test_codes_of_the_principal_pair_are_uncorrelated_with_the_leading_variances(data):
    best = Autoencoder.principal(data, 3)
    codes = best.encode(data).detach()
    leading = torch.linalg.svdvals(data - data.mean(0))[:3].square() / len(data)
    torch.testing.assert_close(torch.cov(codes.mT, correction=0), torch.diag(leading))
    torch.testing.assert_close(codes.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-12)


@pytest.mark.concept("vae.autoencoder")
def test_standard_normal_codes_miss_the_covariance_by_a_known_amount(data):
    """‖UUᵀ − Σ‖² = Σ_{j ≤ k} (λ_j − 1)² + Σ_{j > k} λ_j², by decoding the unit vectors."""
    best = Autoencoder.principal(data, 2)
    columns = best.decode(torch.eye(2).double()) - best.decode(torch.zeros(1, 2).double())
    decoded = (columns.mT @ columns).detach()
    values = torch.linalg.svdvals(data - data.mean(0)).square() / len(data)
    expected = (values[:2] - 1).square().sum() + values[2:].square().sum()
    found = (decoded - torch.cov(data.mT, correction=0)).square().sum()
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


def test_shapes_and_the_sum_over_variables(generator):
    model = Autoencoder.of_perceptrons((3, 2), 4, (5,))
    x = torch.randn(7, 3, 2, generator=generator)
    assert model.encode(x).shape == (7, 4)
    assert model.decode(torch.zeros(2, 5, 4)).shape == (2, 5, 3, 2)
    flat = (x - model.reconstruct(x)).square().sum() / 7
    torch.testing.assert_close(model.loss(x)["total"], flat)


def test_what_it_cannot_do_and_wrong_input(as_user):
    model = Autoencoder.of_perceptrons((3,), 2, ())
    with pytest.raises(Intractable, match="Autoencoder cannot sample: nothing says which codes"):
        model.sample(3)
    for call, message in (
        (lambda: model.encode(torch.zeros(2, 4)), r"x: expected shape \(batch, 3\)"),
        (lambda: model.decode(torch.zeros(2, 3)), r"z: expected shape"),
        (lambda: Autoencoder.principal(torch.zeros(4, 3), 4), r"latent_dim: expected"),
        (lambda: discarded_variance(torch.zeros(4, 3), 3), r"latent_dim: expected less than 3"),
        (lambda: Autoencoder.of_perceptrons((3,), 0), r"latent_dim: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
