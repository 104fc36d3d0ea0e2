"""Markov chains that leave a density invariant, one short function per transition.

A transition that satisfies detailed balance, p(x) K(x → y) = p(y) K(y → x), keeps the law p: if
the state is a draw of p before, it is one after. Metropolis and Hastings build such a kernel from
any proposal g by accepting a step x → y with probability

    min(1, p(y) g(y → x) / (p(x) g(x → y))),

in which the normaliser of p cancels. A random walk has a symmetric g; Hamiltonian dynamics
follows the gradient for many small steps before it asks; one such step is the Langevin proposal;
and a Gibbs update draws from a conditional of p itself, so that it is always accepted.

Every transition is called as ``transition(state, log_density, generator=generator)``, its own
settings by keyword. The leading axes of the state count independent chains, as many as
``log_density`` returns; the remaining axes are the variables.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.samplers.acceptance import (
    LogDensity,
    Transition,
    accept_or_stay,
    current_log_density,
)

Proposal = Callable[[Tensor, torch.Generator | None], Tensor]
"""``(state, generator) -> proposed state``, of the same shape."""

LogProposal = Callable[[Tensor, Tensor], Tensor]
"""``(x, y) -> log g(x → y)`` up to a constant, in nats, one per chain."""


def metropolis_hastings(
    state: Shaped[Tensor, "..."],
    log_density: LogDensity,
    *,
    propose: Proposal,
    log_proposal: LogProposal | None = None,
    generator: torch.Generator | None = None,
) -> Transition:
    """Metropolis-Hastings with any proposal: draw y ~ g(x → ·), then accept it or stay at x.

    Args:
        state: x, numbers or whole numbers, axes ``(*chains, *event)``.
        log_density: log p up to a constant, from the state to the axes ``chains``.
        propose: Draws y given x.
        log_proposal: log g(x → y). Leave it out only if g(x → y) = g(y → x) for all x and y; then
            the ratio of proposals is one.
        generator: Source of randomness.

    Returns:
        The next state, with what was accepted.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Leaves p invariant exactly if ``log_proposal`` is the log density of ``propose``.

    Source:
        [metropolis1953equation], [hastings1970monte].
    """
    check_tensor("state", state)
    proposal = propose(state, generator)
    log_ratio = log_density(proposal) - current_log_density(log_density, state)
    if log_proposal is not None:
        log_ratio = log_ratio + log_proposal(proposal, state) - log_proposal(state, proposal)
    return accept_or_stay(state, proposal, log_ratio, generator)


def random_walk(
    state: Float[Tensor, "..."],
    log_density: LogDensity,
    *,
    step_size: float,
    generator: torch.Generator | None = None,
) -> Transition:
    """Random-walk Metropolis: propose y = x + s ε, ε ~ N(0, I).

    Args:
        state: x, axes ``(*chains, *event)``.
        log_density: log p up to a constant, from the state to the axes ``chains``; −inf outside
            the support.
        step_size: s > 0, the proposal's standard deviation in the unit of x.
        generator: Source of randomness.

    Returns:
        The next state, with what was accepted.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Leaves p invariant exactly. A proposal whose density is NaN is refused.
    """
    _check(state, step_size)
    proposal = state + step_size * _normal_like(state, generator)
    log_ratio = log_density(proposal) - current_log_density(log_density, state)
    return accept_or_stay(state, proposal, log_ratio, generator)


def hamiltonian(
    state: Float[Tensor, "..."],
    log_density: LogDensity,
    *,
    step_size: float,
    num_steps: int = 10,
    generator: torch.Generator | None = None,
) -> Transition:
    """Hamiltonian Monte Carlo: draw a momentum v ~ N(0, I), follow the dynamics, then accept.

    The energy H(x, v) = −log p(x) + ‖v‖²/2 would be conserved by the exact flow; leapfrog changes
    it a little, and the acceptance probability min(1, exp(H before − H after)) repairs that.

    Args:
        state: x, axes ``(*chains, *event)``.
        log_density: log p up to a constant, differentiable.
        step_size: ε > 0 of one leapfrog step; stable for a normal law if ε is below twice its
            smallest standard deviation.
        num_steps: Leapfrog steps before the question, at least 1.
        generator: Source of randomness.

    Returns:
        The next state, with what was accepted.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Leaves p invariant exactly. A proposal whose density is NaN is refused.

    Source:
        Duane, Kennedy, Pendleton and Roweth (1987).
    """
    _check(state, step_size)
    momentum = _normal_like(state, generator)
    before = current_log_density(log_density, state)
    proposal, arrived = leapfrog(
        state, momentum, log_density, step_size=step_size, num_steps=num_steps
    )
    axes = before.ndim
    kinetic = (momentum.square() - arrived.square()).flatten(axes).sum(-1) / 2
    return accept_or_stay(state, proposal, log_density(proposal) - before + kinetic, generator)


def langevin(
    state: Float[Tensor, "..."],
    log_density: LogDensity,
    *,
    step_size: float,
    generator: torch.Generator | None = None,
) -> Transition:
    """Metropolis-adjusted Langevin: propose y = x + a ∇ log p(x) + √(2a) ε, ε ~ N(0, I).

    It is Hamiltonian Monte Carlo with one leapfrog step of length √(2a): the step from x to y uses
    the noise ε as momentum, and the energy error is the Hastings ratio of the two proposals.

    Args:
        state: x, axes ``(*chains, *event)``.
        log_density: log p up to a constant, differentiable.
        step_size: a > 0, the time step of the Langevin diffusion, in the squared unit of x.
        generator: Source of randomness.

    Returns:
        The next state, with what was accepted.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Leaves p invariant exactly.
    """
    check_number("step_size", step_size, low=0, open_low=True)
    length = math.sqrt(2 * step_size)
    return hamiltonian(state, log_density, step_size=length, num_steps=1, generator=generator)


def gibbs_sweep(
    state: Float[Tensor, "*chains variables"],
    log_density: LogDensity,
    *,
    generator: torch.Generator | None = None,
) -> Transition:
    """Gibbs sampling of binary variables: redraw x_1 … x_D in turn, each given all the others.

    With the others held fixed, p(x_i = 1 | x_-i) = sigmoid(log p(x_i = 1, ·) − log p(x_i = 0, ·)),
    so that the unnormalised density is all that is needed, evaluated twice per variable.

    Args:
        state: x of zeros and ones, floating, axes ``(*chains, variables)``.
        log_density: log p up to a constant, finite on every state.
        generator: Source of randomness.

    Returns:
        The state after one sweep; every update is accepted.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Leaves p invariant exactly; a sweep in fixed order is not reversible.
    """
    check_tensor("state", state, shape=("...", "variables"), dtype="float")
    if bool(((state != 0) & (state != 1)).any()):
        raise ArgumentError("state: expected zeros and ones, got other values")
    new = state.clone()
    for i in range(state.shape[-1]):
        new[..., i] = 0
        off = current_log_density(log_density, new)
        new[..., i] = 1
        logit = current_log_density(log_density, new) - off
        uniform = torch.rand(logit.shape, generator=generator, dtype=state.dtype, device=new.device)
        new[..., i] = (uniform < logit.sigmoid()).to(state.dtype)
    return Transition(new, torch.ones_like(off, dtype=torch.bool), torch.zeros_like(off))


def leapfrog(
    position: Float[Tensor, "..."],
    momentum: Float[Tensor, "..."],
    log_density: LogDensity,
    *,
    step_size: float,
    num_steps: int,
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Leapfrog steps of x' = v, v' = ∇ log p(x): half a kick, then drift and kick in turn.

    Args:
        position: x, axes ``(*chains, *event)``.
        momentum: v, of the same shape.
        log_density: log p up to a constant, differentiable.
        step_size: ε > 0.
        num_steps: Number of steps, at least 1.

    Returns:
        Position and momentum at time ``num_steps`` · ε.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Error of order ε² over a fixed time; reversible (flip v and run again) and volume
        preserving, both up to rounding.
    """
    _check(position, step_size)
    check_tensor("momentum", momentum, shape=tuple(position.shape), dtype=position.dtype)
    check_int("num_steps", num_steps, low=1)
    momentum = momentum + step_size / 2 * _score(log_density, position)
    for step in range(num_steps):
        position = position + step_size * momentum
        kick = step_size if step < num_steps - 1 else step_size / 2
        momentum = momentum + kick * _score(log_density, position)
    return position, momentum


def _score(log_density: LogDensity, x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(log_density(x).sum(), x)[0]


def _normal_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def _check(state: Tensor, step_size: float) -> None:
    check_tensor("state", state, dtype="float")
    check_number("step_size", step_size, low=0, open_low=True)
