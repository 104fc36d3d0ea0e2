"""Transitions, against Hastings' ratio, exact kernels, order and reversal of the integrator."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch.distributions import MultivariateNormal

from course_utils.arguments import ArgumentError
from course_utils.samplers.mcmc import gibbs_sweep, hamiltonian, langevin, leapfrog, random_walk
from course_utils.worlds.plane import Banana

COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
GAUSSIAN = MultivariateNormal(MEAN, COVARIANCE)

CONTINUOUS = {
    "random walk": partial(random_walk, step_size=0.8),
    "langevin": partial(langevin, step_size=0.15),
    "hamiltonian": partial(hamiltonian, step_size=0.35, num_steps=5),
}


def within_four(samples, truth):
    """Whether the mean of independent samples is within 4 standard errors, entry by entry."""
    error = samples.std(0) / math.sqrt(len(samples))
    return bool(((samples.mean(0) - truth).abs() < 4 * error).all())


@pytest.mark.parametrize("transition", CONTINUOUS.values(), ids=CONTINUOUS)
def test_gaussian_is_invariant(generator, transition):
    """40,000 exact draws, 15 transitions: first and second moments within 4 standard errors."""
    noise = torch.randn(40_000, 2, generator=generator, dtype=torch.float64)
    state = MEAN + noise @ torch.linalg.cholesky(COVARIANCE).T
    for _ in range(15):
        state, accepted, log_acceptance = transition(state, GAUSSIAN.log_prob, generator=generator)
    assert 0.2 < accepted.double().mean().item() < 0.99
    assert within_four(accepted.double() - log_acceptance.exp(), 0)
    centred = state - MEAN
    assert within_four(state, MEAN)
    assert within_four(centred[:, :, None] * centred[:, None, :], COVARIANCE)


@pytest.mark.parametrize("transition", CONTINUOUS.values(), ids=CONTINUOUS)
def test_far_start_forgets(generator, transition):
    """From a point 3 standard deviations away the chains come to the same moments."""
    state = (MEAN + 3).expand(4000, 2)
    for _ in range(200):
        state = transition(state, GAUSSIAN.log_prob, generator=generator).state
    centred = state - MEAN
    assert within_four(state, MEAN)
    assert within_four(centred[:, :, None] * centred[:, None, :], COVARIANCE)


@pytest.mark.parametrize("transition", CONTINUOUS.values(), ids=CONTINUOUS)
def test_banana_is_invariant(generator, transition):
    """A law whose curvature varies; the coordinates that make it normal keep their moments."""
    world = Banana(dtype=torch.float64)
    state = world.sample(20_000, generator=generator)
    for _ in range(10):
        state = transition(state, world.log_prob, generator=generator).state
    z = world.inverse(state)
    assert within_four(
        torch.cat([z, z.square(), z[:, :1] * z[:, 1:]], 1), torch.tensor([0.0, 0, 1, 1, 0])
    )


def test_langevin_is_hastings(generator):
    """Acceptance p(y) g(y → x) / (p(x) g(x → y)) with the two proposal densities, to 1e-10."""
    step = 0.3
    state = torch.randn(50, 2, generator=generator, dtype=torch.float64)
    seed = generator.get_state()
    noise = torch.randn(50, 2, generator=generator, dtype=torch.float64)
    generator.set_state(seed)
    found = langevin(state, GAUSSIAN.log_prob, step_size=step, generator=generator)

    def drifted(x):
        return x - step * (x - MEAN) @ torch.linalg.inv(COVARIANCE)

    def log_proposal(x, y):
        return -(y - drifted(x)).square().sum(-1) / (4 * step)

    proposal = drifted(state) + math.sqrt(2 * step) * noise
    log_ratio = GAUSSIAN.log_prob(proposal) + log_proposal(proposal, state)
    log_ratio -= GAUSSIAN.log_prob(state) + log_proposal(state, proposal)
    torch.testing.assert_close(found.log_acceptance, log_ratio.clamp_max(0), rtol=0, atol=1e-10)
    taken = torch.where(found.accepted[:, None], proposal, state)
    torch.testing.assert_close(found.state, taken, rtol=0, atol=1e-12)
    assert found.accepted.any() and not found.accepted.all()


def test_random_walk_satisfies_detailed_balance(generator):
    """g is symmetric, so p(x) a(x → y) = p(y) a(y → x) for a proposal and its reverse, to 1e-12."""
    x, y = torch.randn(2, 30, 1, generator=generator, dtype=torch.float64)

    def log_density(state):
        return -(state**4).sum(-1) + state.sum(-1)

    def acceptance(start, end):
        """What the function says when its noise happens to lead from start to end."""
        values = iter((log_density(end), log_density(start)))
        return random_walk(start, lambda _: next(values), step_size=1.0).log_acceptance

    there = log_density(x) + acceptance(x, y)
    back = log_density(y) + acceptance(y, x)
    torch.testing.assert_close(there, back, rtol=0, atol=1e-12)


def test_gibbs_leaves_a_table_invariant(generator):
    """The kernel counted from 20,000 sweeps out of each of 8 states has the table's rows.

    The truth is the product of three conditional updates, whose left eigenvector is the table.
    """
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)
    table = torch.rand(8, generator=generator, dtype=torch.float64) + 0.1
    powers = torch.tensor([4, 2, 1])

    def log_density(x):
        return table.log()[(x.long() * powers).sum(-1)]

    kernel = torch.eye(8, dtype=torch.float64)
    for i in range(3):
        differs = states[:, None] != states
        differs[..., i] = False
        partner = ~differs.any(-1)
        kernel = kernel @ (partner * table / (partner * table).sum(1, keepdim=True))
    torch.testing.assert_close(table @ kernel, table, rtol=0, atol=1e-14)
    sweep = gibbs_sweep(states.repeat(20_000, 1, 1), log_density, generator=generator)
    assert bool(sweep.accepted.all()) and sweep.accepted.shape == (20_000, 8)
    index = (sweep.state.long() * powers).sum(-1)
    counts = torch.nn.functional.one_hot(index, 8).double()
    assert within_four(counts, kernel)


def test_leapfrog_reverses_and_keeps_volume(generator):
    """Flip the momentum and run again: back at the start to 1e-12; |det| of the map is 1."""
    x, v = torch.randn(2, 10, 2, generator=generator, dtype=torch.float64)

    def log_density(state):
        return -(state**4).sum(-1) / 4 - state.prod(-1).sin()

    run = partial(leapfrog, log_density=log_density, step_size=0.1, num_steps=7)
    end, momentum = run(x, v)
    back, reversed_momentum = run(end, -momentum)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-12)
    torch.testing.assert_close(-reversed_momentum, v, rtol=0, atol=1e-12)

    h = 1e-5
    columns = []
    for axis in range(4):
        offset = h * torch.eye(4, dtype=torch.float64)[axis]
        ends = [torch.cat(run(x + s * offset[:2], v + s * offset[2:]), -1) for s in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * h))
    determinant = torch.linalg.det(torch.stack(columns, -1))
    torch.testing.assert_close(determinant, torch.ones(10, dtype=torch.float64), rtol=0, atol=1e-7)


def test_leapfrog_is_of_order_two():
    """Exact flow of the unit normal is a rotation; halving the step divides both errors by 4."""
    x, v = torch.tensor([[[1.0]], [[0.3]]], dtype=torch.float64)
    errors, drifts = [], []
    for num_steps in (20, 40, 80):
        end, momentum = leapfrog(
            x, v, lambda s: -s.square().sum(-1) / 2, step_size=2 / num_steps, num_steps=num_steps
        )
        errors.append((end - (x * math.cos(2) + v * math.sin(2))).abs().item())
        drifts.append((end**2 + momentum**2 - x**2 - v**2).abs().item())
    for sequence in (errors, drifts):
        for coarse, fine in itertools.pairwise(sequence):
            assert math.log2(coarse / fine) == pytest.approx(2, abs=0.05)


def test_axes_precision_and_support(generator):
    """Two axes of chains, images as events, single precision; no step leaves the support."""

    def log_density(x):
        value = -x.square().sum((-1, -2)) / 2
        return torch.where((x > 0).all(-1).all(-1), value, -torch.inf)

    start = torch.rand(3, 4, 2, 2, generator=generator) + 0.1
    for transition in CONTINUOUS.values():
        state = start
        for _ in range(20):
            state, accepted, log_acceptance = transition(state, log_density, generator=generator)
        assert state.dtype == torch.float32 and state.shape == start.shape
        assert accepted.shape == log_acceptance.shape == (3, 4)
        assert bool((state > 0).all()) and not state.requires_grad
        assert bool((state != start).any())


def test_bad_arguments(as_user):
    x = torch.zeros(3, 2)

    def quadratic(state):
        return -state.square().sum(-1)

    cases = [
        (lambda: random_walk(x, quadratic, step_size=0.0),
         "step_size: expected a number > 0, got 0.0"),
        (lambda: langevin(x, quadratic, step_size=-1.0),
         "step_size: expected a number > 0, got -1.0"),
        (lambda: hamiltonian(x, quadratic, step_size=1.0, num_steps=0),
         "num_steps: expected a whole number >= 1, got 0"),
        (lambda: random_walk(x / 0, quadratic, step_size=1.0),
         "state: expected finite values, got 6 NaN or infinite of 6"),
        (lambda: random_walk(x, lambda s: s.sum(-1) / 0, step_size=1.0),
         "log_density(state): expected numbers or -inf, got NaN or +inf"),
        (lambda: random_walk(x, lambda s: s.sum(0), step_size=1.0),
         "log_density(state): expected the leading axes of the state's (3, 2), got shape (2,)"),
        (lambda: gibbs_sweep(x + 2, quadratic),
         "state: expected zeros and ones, got other values"),
        (lambda: leapfrog(x, x[:2], quadratic, step_size=1.0, num_steps=1),
         "momentum: expected shape (3, 2), got shape (2, 2)"),
    ]  # fmt: skip
    for call, message in cases:
        with pytest.raises(ArgumentError) as error:
            call()
        assert str(error.value) == message
