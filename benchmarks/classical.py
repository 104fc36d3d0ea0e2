"""Gaussian mixtures beside scikit-learn, Markov chains beside BlackJAX.

The mixtures start at the same parameters and take the same number of steps, and so must end at the
same ones. The chains run the same kernel for the same number of steps, so that a draw is worth the
same on both sides up to chance (the difference shown is that of their effective sizes), and the
ratio of the times is that of effective draws per second.
"""

import warnings
from functools import partial

import torch

from benchmarks.race import Program, Work
from course_utils.metrics.chains import effective_sample_size
from course_utils.models.classical import GaussianMixture, fit_mixture
from course_utils.samplers.chains import run_chains
from course_utils.samplers.mcmc import hamiltonian

RIDGE = 1e-6
"""What scikit-learn adds to every variance."""


def _mixture(num_points: int, dim: int, count: int) -> tuple[Program, Program]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture as Peer

    generator = torch.Generator().manual_seed(0)
    means = 3 * torch.randn(count, dim, generator=generator, dtype=torch.float64)
    identity = torch.eye(dim, dtype=torch.float64).repeat(count, 1, 1)
    weights = torch.full((count,), 1 / count, dtype=torch.float64)
    x = GaussianMixture(weights, means, identity).sample(num_points, generator=generator)
    start = GaussianMixture(weights, x[:count].clone(), identity)
    values = x.numpy()

    def theirs() -> torch.Tensor:
        peer = Peer(
            count,
            tol=0.0,
            max_iter=20,
            reg_covar=RIDGE,
            weights_init=weights.numpy(),
            means_init=start.means.numpy(),
            precisions_init=identity.numpy(),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            peer.fit(values)
        return torch.from_numpy(peer.means_)

    return lambda: fit_mixture(x, start, num_steps=20, ridge=RIDGE).model.means, theirs


NUM_CHAINS, NUM_DRAWS, DIM = 64, 500, 10
STEP_SIZE, LEAPS = 0.25, 6


def _scales() -> torch.Tensor:
    return torch.linspace(0.5, 2.0, DIM)


def _ours() -> torch.Tensor:
    scales = _scales()
    generator = torch.Generator().manual_seed(0)
    begun = scales * torch.randn(NUM_CHAINS, DIM, generator=generator)
    kernel = partial(hamiltonian, step_size=STEP_SIZE, num_steps=LEAPS)
    chains = run_chains(
        kernel,
        begun,
        lambda x: -0.5 * (x / scales).square().sum(-1),
        num_draws=NUM_DRAWS,
        generator=generator,
    )
    return effective_sample_size(chains.draws, kind="mean").mean()


def _blackjax() -> tuple[Program, Program]:
    import blackjax
    import jax
    import jax.numpy as jnp
    import numpy as np

    scales = jnp.asarray(_scales().numpy())
    kernel = blackjax.hmc(
        lambda x: -0.5 * ((x / scales) ** 2).sum(),
        step_size=STEP_SIZE,
        inverse_mass_matrix=jnp.ones(DIM),
        num_integration_steps=LEAPS,
    )

    @jax.jit
    def walk(key: jax.Array) -> jax.Array:
        begin, key = jax.random.split(key)
        states = jax.vmap(kernel.init)(scales * jax.random.normal(begin, (NUM_CHAINS, DIM)))

        def step(states: object, key: jax.Array) -> tuple[object, jax.Array]:
            states, _ = jax.vmap(kernel.step)(jax.random.split(key, NUM_CHAINS), states)
            return states, states.position

        return jax.lax.scan(step, states, jax.random.split(key, NUM_DRAWS))[1]

    def theirs() -> torch.Tensor:
        draws = np.array(walk(jax.random.key(0)))
        return effective_sample_size(torch.from_numpy(draws).transpose(0, 1), kind="mean").mean()

    return _ours, theirs


_CHAINS = f"Hamiltonian chains, {NUM_CHAINS} × {NUM_DRAWS} draws of a {DIM}-dimensional Gaussian"

WORK = (
    Work(
        "mixture",
        "20 steps of EM, 20,000 points in 2 dimensions, 8 components",
        "sklearn",
        lambda: _mixture(20_000, 2, 8),
    ),
    Work(
        "mixture16",
        "20 steps of EM, 5000 points in 16 dimensions, 10 components",
        "sklearn",
        lambda: _mixture(5000, 16, 10),
    ),
    Work("hmc", _CHAINS, "blackjax", _blackjax),
)
