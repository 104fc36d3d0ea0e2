"""The importance-weighted bound against quadrature, enumeration and closed forms."""

import itertools
import math

import pytest
import torch

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead, gaussian_log_prob, sample_categorical
from course_utils.gaussians import Gaussian
from course_utils.models.latent import (
    IWAE,
    VAE,
    LinearGaussian,
    expected_bound,
    importance_weighted_bound,
    importance_weighted_loss,
)

LOG_W = torch.tensor([-1.5, 0.3, 0.9], dtype=torch.float64)
LOG_MASS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()


def a_model(kind=IWAE) -> VAE:
    torch.manual_seed(3)
    model = kind.of_perceptrons((3,), 2, BernoulliHead(), (5,)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def a_problem(generator):
    """One example of a linear-Gaussian model with one hidden number, and its posterior."""
    model = LinearGaussian.random(3, 1, 0.7, generator)
    x = model.sample(1, generator=generator)
    return model, x, model.posterior(x)


def weight_law(model, x, q):
    """Values of log w on a grid and the logarithms of their masses under q."""
    z = torch.linspace(-9, 9, 2001, dtype=torch.float64)[:, None, None] * q.covariance.sqrt()
    z = z + q.mean
    log_mass = q.log_prob(z)[:, 0] + math.log(float(z[1] - z[0]))
    return (model.log_joint(x, z) - q.log_prob(z))[:, 0], log_mass


def test_groups_by_hand():
    log_w = torch.tensor([[1.0, 2.0, 3.0, 10.0]]).mT.log().double()
    expected = torch.tensor([[1.5], [6.5]], dtype=torch.float64).log()
    torch.testing.assert_close(importance_weighted_bound(log_w, 2), expected)
    torch.testing.assert_close(importance_weighted_bound(log_w, 1), log_w)
    huge = torch.tensor([1000.0, 1000.0 + math.log(3)], dtype=torch.float64)
    found = importance_weighted_bound(huge, 2)
    torch.testing.assert_close(found, torch.tensor([1000 + math.log(2)], dtype=torch.float64))


@pytest.mark.concept("vae.iwae")
@pytest.mark.parametrize("num_terms", [1, 2, 3, 6])
def test_exact_bound_equals_the_sum_over_all_outcomes(num_terms):
    total = 0.0
    for chosen in itertools.product(range(3), repeat=num_terms):
        index = list(chosen)
        mean = LOG_W[index].exp().mean().log()
        total += float(LOG_MASS[index].sum().exp() * mean)
    assert abs(float(expected_bound(LOG_W, LOG_MASS, num_terms)) - total) < 1e-9


def test_exact_bound_moves_with_the_weights_and_ignores_what_cannot_happen():
    base = expected_bound(LOG_W, LOG_MASS, 4)
    torch.testing.assert_close(expected_bound(LOG_W - 700, LOG_MASS, 4), base - 700)
    longer = torch.cat([LOG_W, torch.tensor([-5000.0], dtype=torch.float64)])
    masses = torch.cat([LOG_MASS, torch.tensor([-math.inf], dtype=torch.float64)])
    torch.testing.assert_close(expected_bound(longer, masses, 4), base)


@pytest.mark.concept("vae.iwae")
def test_bounds_of_a_linear_gaussian_model_climb_to_the_evidence(generator):
    """L_1 = ELBO ≤ L_5 ≤ L_50 ≤ log p(x), exactly and by draws; the gap is χ²/2K."""
    model, x, exact = a_problem(generator)
    q = Gaussian(exact.mean + 0.2, 2 * exact.covariance)
    law, truth = weight_law(model, x, q), float(model.log_prob(x))
    ladder = {k: float(expected_bound(*law, k)) for k in (1, 5, 50, 5000)}
    assert abs(ladder[1] - float(model.elbo(x, q.mean, q.covariance))) < 1e-9
    assert ladder[1] < ladder[5] < ladder[50] < ladder[5000] < truth
    chi = float(exact.renyi(q).exp() - 1)
    assert abs((truth - ladder[5000]) * 10_000 / chi - 1) < 1e-3
    z = q.sample(50_000, generator)
    log_w = (model.log_joint(x, z) - q.log_prob(z))[:, 0]
    for k in (1, 5, 50):
        found = importance_weighted_bound(log_w, k)
        assert abs(found.mean() - ladder[k]) < 4 * found.std() / math.sqrt(len(found))


@pytest.mark.concept("vae.importance-sampling")
def test_both_estimators_average_to_the_probability_and_their_logarithm_is_low(generator):
    """Prior and a rough proposal; the posterior has no variance at all."""
    model, x, exact = a_problem(generator)
    origin, one = torch.zeros(1, 1, dtype=torch.float64), torch.eye(1, dtype=torch.float64)
    rough = Gaussian(exact.mean + 0.1, 1.5 * exact.covariance)
    for q in (Gaussian(origin, one), rough, exact):
        z = q.sample(100_000, generator)
        log_ratio = (model.log_joint(x, z) - q.log_prob(z) - model.log_prob(x))[:, 0]
        estimates = importance_weighted_bound(log_ratio, 10).exp()
        error = estimates.std() / math.sqrt(len(estimates))
        assert abs(estimates.mean() - 1) <= 4 * error + 1e-12
        if q is exact:
            assert float(estimates.var()) < 1e-12
        else:
            low = estimates.log()
            assert low.mean() + 4 * low.std() / math.sqrt(len(low)) < 0
            bound = expected_bound(*weight_law(model, x, q), 10) - model.log_prob(x)
            assert abs(low.mean() - bound) < 4 * low.std() / math.sqrt(len(low))


def gradients(model, doubly, x, repetitions):
    """Mean gradients of the loss over independent repetitions, with their standard errors."""
    stacked = x.repeat_interleave(repetitions, 0)
    names, found = [n for n, _ in model.named_parameters()], []
    for part in range(40):
        model.zero_grad()
        generator = torch.Generator().manual_seed(part)
        loss = importance_weighted_loss(
            model, stacked, 3, doubly_reparameterised=doubly, generator=generator
        )
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    kept = [n.startswith("encoder") for n, p in model.named_parameters() for _ in p.flatten()]
    assert names
    found = torch.stack(found)
    return found.mean(0), found.std(0) / math.sqrt(len(found)), torch.tensor(kept)


@pytest.mark.concept("vae.iwae")
def test_both_gradients_have_one_expectation_and_the_decoder_s_are_equal():
    model = a_model()
    x = torch.tensor([[0, 1, 1], [1, 1, 0]])
    plain, plain_error, encoder = gradients(model, False, x, 100)
    doubly, doubly_error, _ = gradients(model, True, x, 100)
    assert bool(((plain - doubly).abs() <= 5 * (plain_error**2 + doubly_error**2).sqrt()).all())
    torch.testing.assert_close(plain[~encoder], doubly[~encoder])
    assert float((plain[encoder] - doubly[encoder]).abs().max()) > 1e-6


def test_doubly_reparameterised_gradient_by_its_formula(generator):
    """Σ w̃² (∂ log w / ∂z) (∂z / ∂φ) with the encoder's density held fixed."""
    model = a_model()
    x = torch.tensor([[0, 1, 1]])
    seed = torch.Generator().manual_seed(1)
    loss = importance_weighted_loss(model, x, 4, doubly_reparameterised=True, generator=seed)
    found = torch.autograd.grad(loss, list(model.encoder.parameters()))
    law = model.posterior(x)
    z = law.sample(4, torch.Generator().manual_seed(1))
    flat = z.detach().requires_grad_()
    log_w = model.log_joint(x, flat)
    log_w = log_w - gaussian_log_prob(flat, law.mean.detach(), law.log_std.detach()).sum(-1)
    slope = torch.autograd.grad(log_w.sum(), flat)[0] * log_w.softmax(0).square()[..., None]
    expected = torch.autograd.grad(-(slope.detach() * z).sum(), list(model.encoder.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(loss, -importance_weighted_bound(log_w, 4).mean())


@pytest.mark.parametrize("doubly", [False, True])
def test_loss_of_the_class_is_minus_the_bound(doubly):
    model = a_model()
    model.num_samples, model.doubly_reparameterised = 6, doubly
    x = torch.tensor([[0, 1, 1], [1, 0, 0]])
    torch.manual_seed(5)
    loss = model.loss(x)["total"]
    torch.manual_seed(5)
    expected = importance_weighted_bound(model.log_weights(x, 6), 6)
    torch.testing.assert_close(loss, -expected.mean())
    torch.manual_seed(5)
    same = importance_weighted_loss(model, x, 6, doubly_reparameterised=doubly)
    parameters = list(model.encoder.parameters())
    for found, other in zip(
        *(torch.autograd.grad(v, parameters) for v in (loss, same)), strict=True
    ):
        torch.testing.assert_close(found, other)
    torch.manual_seed(5)
    torch.testing.assert_close(model.elbo(x), expected[0])
    torch.manual_seed(5)
    one = model.elbo(x, num_samples=1)
    torch.manual_seed(5)
    torch.testing.assert_close(one, model.log_weights(x, 1)[0])


@pytest.mark.parametrize("doubly", [False, True])
def test_training_raises_the_evidence_of_an_enumerable_model(doubly, generator):
    """KL from a table of eight states, by quadrature over the plane of z."""
    table = torch.tensor([0.3, 0.02, 0.02, 0.16, 0.16, 0.02, 0.02, 0.3]).double()
    events = torch.tensor(list(itertools.product((0, 1), repeat=3)))
    index = sample_categorical(table.log().expand(2000, -1), generator)
    model = a_model()
    model.num_samples, model.doubly_reparameterised = 8, doubly
    training.fit(
        model.float(),
        events[index],
        num_steps=300,
        batch_size=128,
        learning_rate=0.02,
        generator=generator,
        progress=False,
    )
    axis = torch.linspace(-6, 6, 81)
    z = torch.cartesian_prod(axis, axis)[:, None].expand(-1, 8, -1)
    with torch.no_grad():
        log_p = model.log_joint(events, z).double().logsumexp(0) + 2 * math.log(0.15)
    assert abs(float(log_p.logsumexp(0))) < 1e-3
    assert float((table * (table.log() - log_p)).sum()) < 0.05


def test_wrong_input_is_one_line(as_user):
    six = torch.zeros(6)
    for call, message in (
        (lambda: importance_weighted_bound(six, 4), r"log_weights: expected a multiple of 4 sam"),
        (lambda: importance_weighted_bound(torch.tensor(0.0), 1), r"log_weights: expected a mult"),
        (lambda: importance_weighted_bound(six, 0), r"num_terms: expected"),
        (lambda: expected_bound(six, six, 2), r"log_masses: expected a sum of probabilities of 1"),
        (lambda: expected_bound(six, torch.zeros(5), 2), r"log_masses: expected shape"),
        (lambda: importance_weighted_loss(a_model(), torch.zeros(2, 3), 0), r"num_terms: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
