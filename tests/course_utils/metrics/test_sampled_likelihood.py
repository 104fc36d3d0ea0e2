"""Sampled likelihoods, against a linear-Gaussian model, enumeration and known normalisers."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from course_utils.arguments import ArgumentError
from course_utils.metrics.sampled_likelihood import (
    annealed_log_weights,
    annealed_sandwich,
    importance_sampled_log_prob,
    log_mean_weight,
)
from course_utils.samplers.mcmc import Transition, gibbs_sweep, hamiltonian
from course_utils.worlds.plane import eight_gaussians

NOISE = 0.5
LOADINGS = torch.tensor([[1.0, 0.2], [0.3, -0.8], [0.5, 0.5]], dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)
PRECISION = EYE + LOADINGS.T @ LOADINGS / NOISE**2
MARGINAL = MultivariateNormal(
    torch.zeros(3, dtype=torch.float64),
    LOADINGS @ LOADINGS.T + NOISE**2 * torch.eye(3, dtype=torch.float64),
)


def log_joint(x, z):
    """z ~ N(0, I), x | z ~ N(A z, noise²)."""
    likelihood = Normal(z @ LOADINGS.T, NOISE).log_prob(x).sum(-1)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + likelihood


def posterior(x, widening=1.0):
    mean = x @ LOADINGS @ torch.linalg.inv(PRECISION) / NOISE**2
    return MultivariateNormal(mean, widening * torch.linalg.inv(PRECISION))


def proposal(law):
    """A proposal with the law's draws, from the generator it is given."""

    def draw(x, num_samples, generator):
        q = law(x)
        noise = torch.randn(num_samples, *q.loc.shape, generator=generator, dtype=torch.float64)
        z = q.loc + noise @ q.scale_tril[0].T
        return z, q.log_prob(z)

    return draw


def prior(x):
    return MultivariateNormal(torch.zeros(len(x), 2, dtype=torch.float64), EYE)


def wide(x):
    return posterior(x, 2.0)


@pytest.fixture
def examples(generator):
    z = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    return z, z @ LOADINGS.T + NOISE * noise


def test_mean_of_weights_by_hand():
    """Weights 1, 2, 3, 2: mean 2, (Σw)²/Σw² = 64/18, and fourfold copies pass the limit of 10."""
    weights = torch.tensor([1.0, 2, 3, 2], dtype=torch.float64)
    few = log_mean_weight(weights.log())
    assert few.value.item() == pytest.approx(math.log(2), rel=1e-14)
    assert few.effective_sample_size.item() == pytest.approx(64 / 18, rel=1e-13)
    assert math.isnan(few.standard_error.item())
    many = weights.repeat(4)
    error = log_mean_weight(many.log()[:, None] + 900).standard_error
    truth = (many.std() / many.mean() / 4).item()
    assert error.item() == pytest.approx(truth, rel=1e-10) and error.shape == (1,)


def test_weights_of_zero():
    """Half the weights are zero: S/2 count. If all are, the value is −inf and nothing counts."""
    log_weights = torch.zeros(40, 2, dtype=torch.float64)
    log_weights[20:, 0] = -torch.inf
    log_weights[:, 1] = -torch.inf
    found = log_mean_weight(log_weights)
    assert found.value.tolist() == pytest.approx([math.log(0.5), -math.inf])
    assert found.effective_sample_size.tolist() == pytest.approx([20, 0])
    assert found.standard_error[0].item() == pytest.approx(1 / math.sqrt(39))
    assert math.isnan(found.standard_error[1].item())


def test_posterior_as_proposal_is_exact(generator, examples):
    """All weights are p(x): no variance, ESS = S, whatever S. Rounding only."""
    x = examples[1]
    found = importance_sampled_log_prob(
        x, log_joint, proposal(posterior), num_samples=20, generator=generator
    )
    torch.testing.assert_close(found.value, MARGINAL.log_prob(x), rtol=0, atol=1e-11)
    assert found.standard_error.max().item() < 1e-6
    torch.testing.assert_close(found.effective_sample_size, torch.full_like(found.value, 20))


@pytest.mark.parametrize("law", [prior, wide], ids=["prior", "wide"])
def test_within_its_standard_error(generator, examples, law):
    """40 examples within the prior's reach: the errors in standard errors have mean 0, spread 1.

    The mean of 40 unit normals is within 4/√40; their spread within 4/√80 of 1; none beyond 4.5.
    """
    x = examples[1] / 2
    found = importance_sampled_log_prob(
        x, log_joint, proposal(law), num_samples=5000, samples_at_once=700, generator=generator
    )
    z = (found.value - MARGINAL.log_prob(x)) / found.standard_error
    assert abs(z.mean().item()) < 4 / math.sqrt(40)
    assert abs(z.std().item() - 1) < 4 / math.sqrt(80)
    assert z.abs().max().item() < 4.5


def test_weights_are_unbiased_and_their_logarithm_low(generator, examples):
    """4000 repeats: E p̂ = p(x) within 4 standard errors, and E log p̂ rises with S below log p.

    One sample is the ELBO, whose gap is KL(q ‖ p(z|x)), here in closed form.
    """
    x = examples[1][:1]
    repeated = x.expand(4000, 3)
    truth = MARGINAL.log_prob(x).item()
    draw = proposal(wide)
    z, log_q = draw(repeated, 1, generator)
    elbo = (log_joint(repeated, z) - log_q)[0]
    gap = torch.distributions.kl_divergence(wide(x), posterior(x)).item()
    error = elbo.std().item() / math.sqrt(4000)
    assert abs(elbo.mean().item() - (truth - gap)) < 4 * error
    means, errors = [elbo.mean().item()], [error]
    for num_samples in (2, 5, 20, 80):
        value = importance_sampled_log_prob(
            repeated, log_joint, draw, num_samples=num_samples, generator=generator
        ).value
        ratio = (value - truth).exp()
        assert abs(ratio.mean().item() - 1) < 4 * ratio.std().item() / math.sqrt(4000)
        means.append(value.mean().item())
        errors.append(value.std().item() / math.sqrt(4000))
    for (low, high), (a, b) in zip(
        itertools.pairwise(means), itertools.pairwise(errors), strict=True
    ):
        assert high - low > 4 * math.hypot(a, b) or high - low > 0.002
    assert means[-1] < truth


def test_bias_is_half_the_squared_error(generator):
    """Log-normal weights: Var w / (E w)² = e^{s²} − 1; 20,000 repeats with S = 100.

    The second order is smaller by 1/S, and a tenth covers it and the chance.
    """
    s = 0.7
    normal = torch.randn(100, 20_000, generator=generator, dtype=torch.float64)
    found = log_mean_weight(s * normal - s**2 / 2)
    truth = -math.expm1(s**2) / 200
    chance = 4 * found.value.std().item() / math.sqrt(20_000)
    assert found.value.mean().item() == pytest.approx(truth, abs=chance + 0.1 * abs(truth))
    assert truth < -chance
    spread = found.standard_error.square().mean().sqrt().item()
    assert spread == pytest.approx(found.value.std().item(), rel=0.05)


def test_pieces_do_not_change_the_result(generator, examples):
    """The same draws cut into pieces of any size give the same sums, to rounding."""
    x = examples[1]
    z, log_q = proposal(wide)(x, 30, generator)
    found = []
    for samples_at_once in (1, 7, 30, 100):
        parts = iter(zip(z.split(samples_at_once), log_q.split(samples_at_once), strict=True))
        found.append(
            importance_sampled_log_prob(
                x, log_joint, lambda *_, parts=parts: next(parts),
                num_samples=30, samples_at_once=samples_at_once,
            )
        )  # fmt: skip
    whole = log_mean_weight(log_joint(x, z) - log_q)
    for one in found:
        torch.testing.assert_close(one.value, whole.value, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            one.standard_error, whole.standard_error, rtol=0, atol=1e-10, equal_nan=True
        )


def test_nats_per_example(generator, examples):
    """The mean of −log p(x) with the spread over examples; refused where weights degenerate."""
    x = examples[1]
    found = importance_sampled_log_prob(
        x, log_joint, proposal(wide), num_samples=2000, generator=generator
    )
    nats, truth = found.nats_per_example(), -MARGINAL.log_prob(x)
    assert nats.value == pytest.approx(truth.mean().item(), abs=0.01)
    assert nats.standard_error == pytest.approx(truth.std().item() / math.sqrt(40), rel=0.02)
    with pytest.raises(ArgumentError) as error:
        log_mean_weight(torch.stack([torch.zeros(50), -100.0 * torch.arange(50)], 1)
                        ).nats_per_example()  # fmt: skip
    assert str(error.value) == (
        "effective_sample_size: expected at least 10 for every example, got less for 1 of 2, "
        "down to 1: take more samples or a proposal closer to the posterior"
    )


class Machine:
    """A restricted Boltzmann machine with 10 visible and 8 hidden units, log Z by enumeration."""

    def __init__(self, generator):
        self.weight, self.visible, self.hidden = (
            0.5 * torch.randn(*shape, generator=generator, dtype=torch.float64)
            for shape in ((10, 8), (10,), (8,))
        )

    def free(self, v):
        """log Σ_h exp(v W h + b v + c h)."""
        return v @ self.visible + torch.nn.functional.softplus(v @ self.weight + self.hidden).sum(
            -1
        )

    def joint(self, both):
        v, h = both[..., :10], both[..., 10:]
        return (v @ self.weight * h).sum(-1) + v @ self.visible + h @ self.hidden

    def block_gibbs(self, both, tempered, *, generator):
        """Visible given hidden and back, for the joint with all parameters times β."""
        v, beta = both[..., :10], tempered.beta
        h = torch.bernoulli((beta * (v @ self.weight + self.hidden)).sigmoid(), generator=generator)
        v = torch.bernoulli(
            (beta * (h @ self.weight.T + self.visible)).sigmoid(), generator=generator
        )
        none = torch.zeros(len(v), dtype=torch.float64)
        return Transition(torch.cat([v, h], -1), none == 0, none)

    def states(self):
        return torch.tensor(list(itertools.product([0.0, 1.0], repeat=10)), dtype=torch.float64)


def uniform(state):
    """Log probability of fair coins."""
    return torch.full(state.shape[:-1], -state.shape[-1] * math.log(2), dtype=state.dtype)


def coins(generator, *shape):
    return torch.randint(2, shape, generator=generator).double()


def test_enumerated_machine_by_block_gibbs(generator):
    """4000 chains, 1000 steps: log Z within 0.002 and 4 standard errors, w unbiased for Z."""
    machine = Machine(generator)
    truth = machine.free(machine.states()).logsumexp(0).item()
    log_weights = annealed_log_weights(
        coins(generator, 4000, 18), uniform, machine.joint, machine.block_gibbs,
        betas=torch.linspace(0, 1, 1001, dtype=torch.float64), generator=generator,
    )  # fmt: skip
    found = log_mean_weight(log_weights)
    assert abs(found.value.item() - truth) < 4 * found.standard_error.item()
    assert abs(found.value.item() - truth) < 0.002
    ratio = (log_weights - truth).exp()
    assert abs(ratio.mean().item() - 1) < 4 * ratio.std().item() / math.sqrt(4000)


def test_sandwich_of_an_enumerated_machine(generator):
    """Few temperatures, 300 groups of two chains: one side below, the other above, by 4 errors."""
    machine = Machine(generator)
    table = machine.free(machine.states())
    truth = table.logsumexp(0).item()
    index = torch.multinomial(table.softmax(0), 2 * 300, replacement=True, generator=generator)
    exact = machine.states()[index].reshape(2, 300, 10)
    found = annealed_sandwich(
        coins(generator, 2, 300, 10), exact, uniform, machine.free, gibbs_sweep,
        betas=torch.tensor([0, 0.1, 0.5, 1.0]), generator=generator,
    )  # fmt: skip
    for value, sign in ((found.lower.value, -1), (found.upper.value, 1)):
        gap = sign * (value - truth)
        assert gap.shape == (300,)
        assert gap.mean().item() > 4 * gap.std().item() / math.sqrt(300)
    back = (truth - found.upper.value).exp()
    assert abs(back.mean().item() - 1) < 4 * back.std().item() / math.sqrt(300)


def test_the_way_down_retraces_the_path(generator):
    """Counted from f_0, the weights of f_1 are the same on both ways, in opposite order."""
    seen = []

    def watch(state, tempered, *, generator):
        down = tempered.start is not uniform
        seen.append(1 - tempered.beta if down else tempered.beta)
        return gibbs_sweep(state, tempered, generator=generator)

    state = coins(generator, 2, 3)
    betas = torch.tensor([0, 0.1, 0.7, 1.0])
    annealed_sandwich(
        state, state, uniform, lambda s: s.sum(-1), watch, betas=betas, generator=generator
    )
    assert seen == pytest.approx([0.1, 0.7, 0.7, 0.1], abs=1e-6)


def test_plane_world_has_normaliser_one(generator):
    """From a wide normal to eight modes by Hamiltonian steps: log Z = 0 within 4 errors of 0.03."""
    world = eight_gaussians(dtype=torch.float64)

    def start(x):
        return Normal(0.0, 3.0).log_prob(x).sum(-1)

    state = 3 * torch.randn(1000, 2, generator=generator, dtype=torch.float64)
    found = log_mean_weight(
        annealed_log_weights(
            state, start, world.log_prob, partial(hamiltonian, step_size=0.2, num_steps=3),
            betas=torch.linspace(0, 1, 41), generator=generator,
        )
    )  # fmt: skip
    assert 4 * found.standard_error.item() < 0.2
    assert abs(found.value.item()) < 4 * found.standard_error.item()


def test_annealed_log_prob_of_every_example(generator, examples):
    """Prior to posterior for 40 examples at once, enclosed by the latents that made the data."""
    z, x = examples
    chains = 300
    noise = torch.randn(2, chains, 40, 2, generator=generator, dtype=torch.float64)
    exact = posterior(x).loc + noise[1] @ posterior(x).scale_tril[0].T

    def log_prior(state):
        return Normal(0.0, 1.0).log_prob(state).sum(-1)

    settings = (log_prior, partial(log_joint, x), partial(hamiltonian, step_size=0.4, num_steps=3))
    betas = torch.linspace(0, 1, 81)
    found = annealed_sandwich(noise[0], exact, *settings, betas=betas, generator=generator)
    truth = MARGINAL.log_prob(x)
    for side in (found.lower, found.upper):
        errors = (side.value - truth) / side.standard_error
        assert abs(errors.mean().item()) < 4 / math.sqrt(40)
        assert errors.abs().max().item() < 4.5
    one = annealed_log_weights(z[None], *reversed(settings[:2]), settings[2],
                               betas=betas, generator=generator)[0]  # fmt: skip
    gap = -one - truth
    assert gap.mean().item() > -4 * gap.std().item() / math.sqrt(40)


def test_two_temperatures_are_importance_sampling(generator):
    """With β = 0, 1 there is no transition: the weight is f_1/f_0 at the start."""
    state = torch.randn(5, 2, generator=generator)
    found = annealed_log_weights(
        state, uniform, lambda s: s.sum(-1), gibbs_sweep, betas=torch.tensor([0.0, 1.0])
    )
    expected = state.sum(-1).double() - uniform(state).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_bad_arguments(as_user):
    x = torch.zeros(4, 3, dtype=torch.float64)
    steps = torch.linspace(0, 1, 3)

    def sampled(joint=log_joint, draw=None, **settings):
        draw = draw or proposal(wide)
        return importance_sampled_log_prob(x, joint, draw, **{"num_samples": 5, **settings})

    def annealed(target, betas):
        return annealed_log_weights(x, uniform, target, gibbs_sweep, betas=betas)

    cases = [
        (lambda: sampled(num_samples=1), "num_samples: expected a whole number >= 2, got 1"),
        (lambda: sampled(samples_at_once=0),
         "samples_at_once: expected a whole number >= 1, got 0"),
        (lambda: sampled(joint=lambda x, z: log_joint(x, z).sum(0)),
         "log_joint(x, z): expected shape (5, 4), got shape (4,)"),
        (lambda: sampled(joint=lambda x, z: log_joint(x, z) / 0 * 0),
         "log_joint(x, z) - log q: expected numbers or -inf, got NaN or +inf"),
        (lambda: sampled(draw=lambda x, n, g: (torch.zeros(n, 4, 2).double(), torch.zeros(4))),
         "proposal's log q: expected shape (5, 4), got shape (4,)"),
        (lambda: log_mean_weight(torch.zeros(1, 4)),
         "samples of log_weights: expected a whole number >= 2, got 1"),
        (lambda: log_mean_weight(torch.full((3,), math.nan)),
         "log_weights: expected numbers or -inf, got NaN or +inf"),
        (lambda: annealed(uniform, steps.flip(0)),
         "betas: expected an increasing path from 0 to 1, got another"),
        (lambda: annealed(uniform, steps[:2]),
         "betas: expected an increasing path from 0 to 1, got another"),
        (lambda: annealed(lambda s: s.sum(), steps),
         "log_target(state): expected shape (4,) as log_start, got ()"),
    ]  # fmt: skip
    for call, message in cases:
        with pytest.raises(ArgumentError) as error:
            call()
        assert str(error.value) == message
