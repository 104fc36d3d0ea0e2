"""Metropolis-Hastings and Gibbs as whole kernels: matrices put together from the code itself."""

import itertools
import math
from functools import partial

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.gaussians import Gaussian
from course_utils.metrics.chains import autocorrelation
from course_utils.samplers.chains import gaussian_gibbs, run_chains
from course_utils.samplers.mcmc import gibbs_sweep, metropolis_hastings, random_walk
from course_utils.worlds.tables import TableWorld


@pytest.fixture
def six(generator):
    """A law over six states, a lopsided proposal, and its logarithm; every move is possible."""
    target, *rows = torch.rand(7, 6, generator=generator, dtype=torch.float64) + 0.05
    proposal = torch.stack(rows)
    return target / target.sum(), proposal / proposal.sum(-1, keepdim=True)


def kernel(target, proposal, *, hastings=True):
    """K_ij = g_ij a_ij for i ≠ j, with the acceptance a_ij that the code reports for the move."""
    states = torch.arange(6)
    log_proposal = (lambda x, y: proposal.log()[x, y]) if hastings else None
    moves = torch.zeros(6, 6, dtype=torch.float64)
    for j in range(6):
        step = metropolis_hastings(
            states,
            lambda x: target.log()[x],
            propose=lambda x, generator, j=j: torch.full_like(x, j),
            log_proposal=log_proposal,
        )
        moves[:, j] = proposal[:, j] * step.log_acceptance.exp()
    moves.fill_diagonal_(0)
    return moves + torch.diag(1 - moves.sum(1))


@pytest.mark.concept("mcmc.metropolis-hastings")
def test_kernel_of_six_states_satisfies_detailed_balance(six):
    """π_i K_ij = π_j K_ji to 1e-12, π K = π; and K is not the proposal."""
    target, proposal = six
    matrix = kernel(target, proposal)
    flow = target[:, None] * matrix
    torch.testing.assert_close(flow, flow.mT, rtol=0, atol=1e-12)
    torch.testing.assert_close(target @ matrix, target, rtol=0, atol=1e-12)
    torch.testing.assert_close(matrix.sum(1), torch.ones(6).double(), rtol=0, atol=1e-12)
    assert (matrix - proposal).abs().max() > 0.05
    powers = torch.linalg.matrix_power(matrix, 200)
    torch.testing.assert_close(powers, target.expand(6, 6), rtol=0, atol=1e-9)


@pytest.mark.concept("mcmc.metropolis-hastings")
def test_without_the_hastings_ratio_balance_and_target_are_lost(six):
    target, proposal = six
    matrix = kernel(target, proposal, hastings=False)
    flow = target[:, None] * matrix
    assert (flow - flow.mT).abs().max() > 0.01
    assert (target @ matrix - target).abs().max() > 0.01


@pytest.mark.concept("mcmc.metropolis-hastings")
def test_moves_are_taken_as_often_as_the_kernel_says(six, generator):
    """The counted kernel of 60,000 steps from each state, within 4 standard errors."""
    target, proposal = six
    matrix = kernel(target, proposal)
    states = torch.arange(6).repeat(60_000, 1)
    step = metropolis_hastings(
        states,
        lambda x: target.log()[x],
        propose=lambda x, g: (
            torch.multinomial(proposal[x[0]], len(x), replacement=True, generator=g).T
        ),
        log_proposal=lambda x, y: proposal.log()[x, y],
        generator=generator,
    )
    counts = torch.nn.functional.one_hot(step.state, 6).double()
    error = (matrix * (1 - matrix) / 60_000).sqrt()
    assert ((counts.mean(0) - matrix).abs() <= 4 * error + 1e-12).all()


def test_a_proposal_without_a_density_is_refused():
    """NaN at the proposal: the chain stays, with acceptance probability zero."""

    def log_density(x):
        return torch.where(x > 0, math.nan, 0.0)

    start = torch.tensor([-1.0, -2.0])
    step = metropolis_hastings(start, log_density, propose=lambda x, generator: -x)
    assert torch.equal(step.state, start) and not step.accepted.any()
    assert (step.log_acceptance == -math.inf).all()


def test_a_symmetric_proposal_is_the_random_walk(generator):
    """Same noise, same uniform: the same chain as ``random_walk``, bit for bit."""
    x = torch.randn(50, 2, generator=generator, dtype=torch.float64)
    log_density = lambda x: -(x**4).sum(-1)  # noqa: E731
    seed = generator.get_state()
    one = random_walk(x, log_density, step_size=0.7, generator=generator)
    generator.set_state(seed)
    other = metropolis_hastings(
        x,
        log_density,
        propose=lambda x, g: x + 0.7 * torch.randn(x.shape, generator=g, dtype=x.dtype),
        generator=generator,
    )
    assert torch.equal(one.state, other.state) and torch.equal(one.accepted, other.accepted)


@pytest.mark.concept("mcmc.metropolis-hastings")
def test_independent_proposals_need_the_ratio(generator):
    """Proposals N(0, 2²) for a target N(1, 1), 20,000 exact draws: moments stay only with g."""
    x = 1 + torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    moved = {}
    for name, log_proposal in (("with", lambda x, y: -(y**2).sum(-1) / 8), ("without", None)):
        state = x
        for _ in range(20):
            state = metropolis_hastings(
                state,
                lambda x: -((x - 1) ** 2).sum(-1) / 2,
                propose=lambda x, g: 2 * torch.randn(x.shape, generator=g, dtype=x.dtype),
                log_proposal=log_proposal,
                generator=generator,
            ).state
        moved[name] = float((state.mean() - 1).abs() / state.std() * math.sqrt(len(state)))
    assert moved["with"] < 4 < moved["without"]


def thresholds(sweep, states, forced):
    """The uniform at which a variable flips, after given outcomes of those before it.

    The variables before are forced by the uniforms 0 (always one) and 1 (always zero); the next
    one's probability of a one is found by halving, 50 times.
    """
    low = torch.zeros(len(states), dtype=torch.float64)
    high = torch.ones_like(low)
    for _ in range(50):
        middle = (low + high) / 2
        uniforms = [torch.full_like(low, float(1 - bit)) for bit in forced] + [middle]
        uniforms += [torch.zeros_like(low)] * (3 - len(uniforms))
        one = sweep(states, uniforms)[:, len(forced)] == 1
        low, high = torch.where(one, middle, low), torch.where(one, high, middle)
    return (low + high) / 2


@pytest.mark.concept("mcmc.gibbs")
def test_systematic_scan_leaves_a_table_invariant(generator, monkeypatch):
    """The 8 × 8 kernel read off the code by steering its uniforms: π K = π to 1e-12."""
    world = TableWorld.random((2, 2, 2), generator=generator)
    states = world.states().double()

    def sweep(states, uniforms):
        left = iter(uniforms)
        monkeypatch.setattr(torch, "rand", lambda *args, **kwargs: next(left))
        return gibbs_sweep(states, lambda x: world.log_prob(x.long())).state

    matrix = torch.ones(8, 8, dtype=torch.float64)
    for end, bits in enumerate(itertools.product((0, 1), repeat=3)):
        for i, bit in enumerate(bits):
            one = thresholds(sweep, states, bits[:i])
            matrix[:, end] *= one if bit else 1 - one
    torch.testing.assert_close(matrix.sum(1), torch.ones(8).double(), rtol=0, atol=1e-12)
    law = world.probs.flatten()
    torch.testing.assert_close(law @ matrix, law, rtol=0, atol=1e-12)
    flow = law[:, None] * matrix
    assert (flow - flow.mT).abs().max() > 1e-3  # a sweep in fixed order is not reversible


@pytest.mark.concept("mcmc.gibbs")
@pytest.mark.parametrize("rho", [0.6, 0.95])
def test_gibbs_of_two_correlated_variables_is_an_autoregression(rho, generator):
    """Lag-1 autocorrelation ρ² of both variables, over 200 chains, within 4 standard errors."""
    law = Gaussian(
        torch.tensor([1.0, -2.0]).double(), torch.tensor([[4.0, 2 * rho], [2 * rho, 1.0]]).double()
    )
    state = law.sample(200, generator=generator)
    draws = []
    for _ in range(2000):
        state = gaussian_gibbs(state, law, generator=generator)
        draws.append(state)
    chains = torch.stack(draws, 1)
    lag = autocorrelation(chains - law.mean)[:, 1]
    bias = (1 + 4 * rho**2) / 2000  # of the estimate, to first order in 1/n
    error = lag.std(0) / math.sqrt(200)
    assert ((lag.mean(0) - rho**2).abs() < 4 * error + bias).all()
    wanted = torch.tensor([4.0, 1.0]).double()
    spread = (chains - law.mean).square().mean(1)
    assert ((spread.mean(0) - wanted).abs() < 4 * spread.std(0) / math.sqrt(200)).all()


@pytest.mark.concept("mcmc.gibbs")
def test_gibbs_sweep_of_a_gaussian_is_the_linear_map_it_should_be(generator, monkeypatch):
    """Without noise a sweep is −(D + L)⁻¹ U on x − μ (Gauss-Seidel), and it leaves Σ invariant."""
    factor = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    law = Gaussian(torch.arange(4).double(), factor @ factor.mT)
    x = law.sample(5, generator=generator)
    monkeypatch.setattr(torch.Tensor, "normal_", lambda self, generator=None: self.zero_())
    moved = gaussian_gibbs(x, law) - law.mean
    precision = torch.linalg.inv(law.covariance)
    lower, upper = precision.tril(), precision.triu(1)
    matrix = -torch.linalg.solve(lower, upper)
    torch.testing.assert_close(moved, (x - law.mean) @ matrix.mT, rtol=0, atol=1e-10)
    back = torch.linalg.inv(lower)
    noise = back @ precision.diagonal().diag() @ back.mT
    kept = matrix @ law.covariance @ matrix.mT + noise
    torch.testing.assert_close(kept, law.covariance, rtol=0, atol=1e-9)


def test_runner_keeps_what_comes_after_the_burn_in(generator):
    """A transition that counts: states 3, 4, 5, 6 after a burn-in of 2, from chains at 0 and 10."""

    def count(state, log_density, *, generator=None):
        step = metropolis_hastings(state, log_density, propose=lambda x, g: x + 1)
        return step._replace(accepted=torch.tensor([True, bool(step.state[0] % 2)]))

    flat = lambda x: torch.zeros(len(x))  # noqa: E731
    run = run_chains(count, torch.tensor([0, 10]), flat, num_draws=4, burn_in=2)
    assert run.draws.tolist() == [[3, 4, 5, 6], [13, 14, 15, 16]]
    assert run.acceptance.tolist() == [1.0, 0.5]


def test_wrong_input_is_one_line(as_user):
    law = Gaussian(torch.zeros(2), torch.eye(2))
    walk = partial(random_walk, step_size=1.0)
    x = torch.zeros(3, 2)
    normal = lambda x: -x.square().sum(-1)  # noqa: E731
    for call, message in (
        (lambda: run_chains(walk, x, normal, num_draws=0), "num_draws: expected"),
        (lambda: run_chains(walk, x, normal, num_draws=1, burn_in=-1), "burn_in: expected"),
        (lambda: run_chains(walk, x, lambda x: -x.square(), num_draws=1), "log_density: expected"),
        (lambda: gaussian_gibbs(torch.zeros(3, 4), law), "state: expected shape"),
        (
            lambda: metropolis_hastings(x, lambda x: x[:, 0] * math.nan, propose=lambda x, g: x),
            "log_density",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
