"""The last line of every Metropolis transition: take the proposal, or stay.

The ratio min(1, p(y) g(y → x) / (p(x) g(x → y))) is computed in logarithms, chain by chain, so that
neither a normaliser nor a very small density does any harm.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError

LogDensity = Callable[[Tensor], Tensor]
"""Points (chains, dim) to unnormalised log densities (chains,), in nats."""


class Transition(NamedTuple):
    """One step of many chains.

    Attributes:
        state: The chains after the step, axes ``(*chains, *event)``.
        accepted: Whether each chain took its proposal; the mean is the acceptance rate.
        log_acceptance: Log of the acceptance probability, ≤ 0, axes ``chains``.
    """

    state: Shaped[Tensor, "..."]
    accepted: Bool[Tensor, "..."]
    log_acceptance: Float[Tensor, "..."]


def accept_or_stay(
    state: Shaped[Tensor, "..."],
    proposal: Shaped[Tensor, "..."],
    log_ratio: Float[Tensor, "*chains"],
    generator: torch.Generator | None = None,
) -> Transition:
    """Take the proposal with probability min(1, exp(log_ratio)), chain by chain.

    Args:
        state: Where the chains are, axes ``(*chains, *event)``.
        proposal: Where they might go, of the same shape.
        log_ratio: Log of the Metropolis-Hastings ratio in nats; NaN counts as a refusal.
        generator: Source of randomness.

    Returns:
        The next state, what was accepted, and min(0, log_ratio).

    Accuracy:
        Exact.
    """
    log_ratio = torch.where(log_ratio.isnan(), -torch.inf, log_ratio.detach())
    log_acceptance = log_ratio.clamp_max(0)
    uniform = torch.rand(
        log_ratio.shape, generator=generator, dtype=log_ratio.dtype, device=log_ratio.device
    )
    accepted = uniform < log_acceptance.exp()
    mask = accepted.reshape(accepted.shape + (1,) * (state.ndim - accepted.ndim))
    return Transition(torch.where(mask, proposal, state), accepted, log_acceptance)


def current_log_density(log_density: LogDensity, state: Shaped[Tensor, "..."]) -> Tensor:
    """The log density where the chains stand, after a look at its shape and values.

    Raises:
        ArgumentError: Its axes are not the leading ones of the state, or it is NaN or +inf.
    """
    value = log_density(state).detach()
    if value.shape != state.shape[: value.ndim]:
        expected = f"the leading axes of the state's {tuple(state.shape)}"
        raise ArgumentError(
            f"log_density(state): expected {expected}, got shape {tuple(value.shape)}"
        )
    if bool((value.isnan() | value.isposinf()).any()):
        raise ArgumentError("log_density(state): expected numbers or -inf, got NaN or +inf")
    return value
