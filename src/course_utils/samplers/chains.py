"""Run a transition many times and keep what the chains visit; Gibbs sampling of a Gaussian."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.gaussians import Gaussian
from course_utils.samplers.acceptance import LogDensity, Transition


class Chains(NamedTuple):
    """Draws of several Markov chains.

    Attributes:
        draws: States kept, axes ``(chain, draw, *event)``, as ``metrics.chains`` wants them.
        acceptance: Share of the kept steps in which each chain took its proposal.
    """

    draws: Shaped[Tensor, "chain draw ..."]
    acceptance: Float[Tensor, " chain"]


def run_chains(
    transition: Callable[..., Transition],
    state: Shaped[Tensor, "chain ..."],
    log_density: LogDensity,
    *,
    num_draws: int,
    burn_in: int = 0,
    generator: torch.Generator | None = None,
) -> Chains:
    """Apply a transition ``burn_in + num_draws`` times; keep the states after the burn-in.

    Args:
        transition: One step, called ``transition(state, log_density, generator=generator)``; give
            it its settings with ``functools.partial``.
        state: Where the chains begin, one per entry of the first axis.
        log_density: log p up to a constant, from states to the axis ``chain``.
        num_draws: States kept of each chain.
        burn_in: First states thrown away.
        generator: Source of randomness.

    Returns:
        The draws and the acceptance rates.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        The draws follow p only as far as the chains have forgotten their start.
    """
    check_tensor("state", state)
    check_int("num_draws", num_draws, low=1)
    check_int("burn_in", burn_in, low=0)
    states, accepted = [], []
    for step in range(burn_in + num_draws):
        result = transition(state, log_density, generator=generator)
        state = result.state
        if step >= burn_in:
            states.append(state)
            accepted.append(result.accepted)
    if accepted[0].shape != state.shape[:1]:
        raise ArgumentError(
            f"log_density: expected one value per chain, {tuple(state.shape[:1])}, "
            f"got shape {tuple(accepted[0].shape)}"
        )
    return Chains(torch.stack(states, 1), torch.stack(accepted, 1).double().mean(1))


def gaussian_gibbs(
    state: Float[Tensor, "*chains dim"],
    law: Gaussian,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*chains dim"]:
    """Gibbs sweep of a Gaussian: redraw x_1 … x_D in turn, each given all the others.

    With the precision Λ = Σ⁻¹ each conditional is N(μ_i − Σ_{j≠i} Λ_ij (x_j − μ_j) / Λ_ii, 1/Λ_ii).

    Args:
        state: x, any number of chains.
        law: N(μ, Σ) with one mean.
        generator: Source of randomness.

    Returns:
        The state after one sweep. For two variables with correlation ρ the second one becomes an
        autoregression with coefficient ρ².

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Leaves the law invariant exactly.

    Source:
        [geman1984stochastic].
    """
    dim = law.mean.shape[-1]
    check_tensor("law.mean", law.mean, shape=(dim,))
    check_tensor("state", state, shape=("...", dim), dtype="float")
    precision = torch.linalg.inv(law.covariance)
    centred = state - law.mean
    for i in range(dim):
        others = precision[i].clone()
        others[i] = 0
        mean = -(centred @ others) / precision[i, i]
        noise = torch.empty_like(mean).normal_(generator=generator)
        column = mean + noise / precision[i, i].sqrt()
        centred = centred.index_copy(-1, torch.tensor([i], device=state.device), column[..., None])
    return centred + law.mean
