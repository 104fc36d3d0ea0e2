"""Filter and smoother against conditioning one long Gaussian vector by its Schur complement.

The long vector is built here by drawing the recursion out, not with the model's own ``stacked``.
Tolerance 1e-9: the conditioned covariance comes from solving a system of 12 equations.
"""

import pytest
import torch
from torch.distributions import MultivariateNormal

from course_utils.arguments import ArgumentError
from course_utils.gaussians import Gaussian
from course_utils.models.graphical import StateSpace, constant_velocity

LENGTH, STATE, SEEN = 6, 3, 2


def positive(size, generator, scale=1.0):
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return scale * (root @ root.mT + 0.2 * torch.eye(size, dtype=torch.float64))


@pytest.fixture
def model(generator) -> StateSpace:
    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return StateSpace(
        0.6 * normal(STATE, STATE),
        positive(STATE, generator, 0.5),
        normal(SEEN, STATE),
        positive(SEEN, generator, 0.7),
        Gaussian(normal(STATE), positive(STATE, generator)),
    )


def long_vector(model, length):
    """Mean and covariance of (z_1 … z_T, y_1 … y_T), covariance block by covariance block."""
    a, c = model.transition, model.emission
    means, blocks = [model.initial.mean], {(0, 0): model.initial.covariance}
    for t in range(1, length):
        means.append(a @ means[-1])
        for s in range(t):
            blocks[t, s] = a @ blocks[t - 1, s]
            blocks[s, t] = blocks[t, s].mT
        blocks[t, t] = a @ blocks[t - 1, t - 1] @ a.mT + model.transition_noise
    zz = torch.cat([torch.cat([blocks[t, s] for s in range(length)], 1) for t in range(length)])
    yy = torch.block_diag(*[model.emission_noise] * length)
    see = torch.block_diag(*[c] * length)
    covariance = torch.cat(
        [torch.cat([zz, zz @ see.mT], 1), torch.cat([see @ zz, see @ zz @ see.mT + yy], 1)]
    )
    mean = torch.cat(means)
    return torch.cat([mean, see @ mean]), covariance


def conditioned(model, y, seen_steps):
    """Mean and covariance of all states given the first steps of y."""
    mean, covariance = long_vector(model, LENGTH)
    z = slice(0, LENGTH * STATE)
    seen = slice(LENGTH * STATE, LENGTH * STATE + seen_steps * SEEN)
    gain = torch.linalg.solve(covariance[seen, seen], covariance[seen, z]).mT
    error = y[:, :seen_steps].flatten(1) - mean[seen]
    return mean[z] + error @ gain.mT, covariance[z, z] - gain @ covariance[seen, z]


@pytest.mark.concept("pgm.kalman")
def test_filter_is_the_conditional_of_the_joint_gaussian(model, generator):
    y = model.sample(4, length=LENGTH, generator=generator)
    found = model.filter(y)
    for t in range(LENGTH):
        here = slice(t * STATE, (t + 1) * STATE)
        for law, seen in ((found.updated, t + 1), (found.predicted, t)):
            mean, covariance = conditioned(model, y, seen)
            torch.testing.assert_close(law.mean[:, t], mean[:, here], rtol=0, atol=1e-9)
            torch.testing.assert_close(law.covariance[t], covariance[here, here], rtol=0, atol=1e-9)


@pytest.mark.concept("pgm.kalman")
def test_smoother_is_the_conditional_given_everything(model, generator):
    y = model.sample(4, length=LENGTH, generator=generator)
    mean, covariance = conditioned(model, y, LENGTH)
    found = model.posterior(y)
    torch.testing.assert_close(found.mean.flatten(1), mean, rtol=0, atol=1e-9)
    for t in range(LENGTH):
        here = slice(t * STATE, (t + 1) * STATE)
        torch.testing.assert_close(found.covariance[t], covariance[here, here], rtol=0, atol=1e-9)
        assert torch.allclose(found.std()[t], covariance[here, here].diagonal().sqrt())


def test_density_is_that_of_the_joint_gaussian(model, generator):
    y = model.sample(5, length=LENGTH, generator=generator)
    mean, covariance = long_vector(model, LENGTH)
    seen = slice(LENGTH * STATE, None)
    truth = MultivariateNormal(mean[seen], covariance[seen, seen]).log_prob(y.flatten(1))
    torch.testing.assert_close(model.log_prob(y), truth, rtol=1e-10, atol=0)


def test_stacked_law_is_the_recursion_drawn_out(model):
    mean, covariance = long_vector(model, LENGTH)
    found = model.stacked(LENGTH)
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.covariance, covariance)


def test_draws_have_the_stacked_mean_and_covariance(model, generator):
    """Each of 30 · 31 / 2 whitened moments within five standard errors of the identity's."""
    y, z = model.sample_with_states(20_000, length=LENGTH, generator=generator)
    mean, covariance = long_vector(model, LENGTH)
    rows = torch.cat([z.flatten(1), y.flatten(1)], 1) - mean
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), rows.mT, upper=False)
    assert float(white.mean(1).abs().max()) < 5 / 20_000**0.5
    moments = white @ white.mT / 20_000 - torch.eye(len(white), dtype=torch.float64)
    assert float(moments.abs().max()) < 5 * (2 / 20_000) ** 0.5


def test_constant_velocity_is_two_half_steps():
    """The noise of one step is that of two half steps: A Q Aᵀ + Q of the half."""
    whole, half = constant_velocity(1.0, 0.3, 0.5), constant_velocity(0.5, 0.3, 0.5)
    a, q = half.transition, half.transition_noise
    torch.testing.assert_close(whole.transition, a @ a)
    torch.testing.assert_close(whole.transition_noise, a @ q @ a.mT + q)
    assert whole.emission_noise.tolist() == [[0.25]]


def test_a_state_that_is_exactly_known_stays_so(generator):
    """Without process noise the smoother is a regression: all states follow from the first."""
    still = constant_velocity(1.0, 0.3, 0.5)
    zero = torch.zeros_like(still.transition_noise)
    model = StateSpace(still.transition, zero, still.emission, still.emission_noise, still.initial)
    y, _ = model.sample_with_states(3, length=8, generator=generator)
    mean = model.smooth(y).mean
    torch.testing.assert_close(mean[:, 1:], mean[:, :-1] @ still.transition.mT)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m.filter(torch.zeros(1, 2, 3, dtype=torch.float64)),
            "y: expected shape (batch, length, 2), got shape (1, 2, 3)",
        ),
        (lambda m: m.sample(1, length=0), "length: expected a whole number >= 1, got 0"),
        (
            lambda m: StateSpace(
                m.transition, m.transition_noise, m.emission, -m.emission_noise, m.initial
            ),
            "covariance: expected a positive definite matrix, got one that is not",
        ),
        (
            lambda m: StateSpace(
                m.transition, m.emission_noise, m.emission, m.emission_noise, m.initial
            ),
            "transition_noise: expected shape (3, 3), got shape (2, 2)",
        ),
        (lambda m: constant_velocity(0.0, 1.0, 1.0), "step: expected a number > 0, got 0.0"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, model, as_user):
    with pytest.raises(ArgumentError) as caught:
        call(model)
    assert str(caught.value) == message
