"""Stochastic variational inference: a bound from a minibatch, and ascent with falling steps.

For N data with one hidden z that all share, the evidence lower bound is

    ELBO = E_{z ~ q}[Σ_{n=1}^N log p(x_n | z)] − KL(q ‖ p).

A minibatch of B data stands for all of them when its sum is multiplied by N/B; the divergence is
*not* multiplied, because it occurs once, not once per datum. Two sources of noise remain, the
choice of the minibatch and the draw of z. Their variances add up:

    Var[ĝ] = Var_batch(E_z[ĝ]) + E_batch[Var_z(ĝ)],

and only the second falls with the number of samples of z.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


def minibatch_elbo(
    log_likelihood: Float[Tensor, "*samples batch"],
    kl: float | Float[Tensor, ""],
    num_data: int,
) -> Float[Tensor, ""]:
    """The bound from a minibatch, (N/B) Σ_{n in batch} mean_l log p(x_n | z_l) − KL(q ‖ p).

    Args:
        log_likelihood: log p(x_n | z_l) in nats; all axes but the last count samples z_l of q.
        kl: KL(q ‖ p) in nats, of the hidden variable that all data share.
        num_data: N, the size of the whole data set.

    Returns:
        The estimate in nats per data set.

    Raises:
        ArgumentError: A shape is wrong, or the minibatch is larger than the data set.

    Accuracy:
        Unbiased for the ELBO, and so is its derivative, if the minibatch is drawn uniformly and
        the samples carry their derivative; log p is at least the ELBO.

    Source:
        [hoffman2013stochastic]; [kingma2014auto], section 2.3.
    """
    check_tensor("log_likelihood", log_likelihood, shape=("...", "batch"), dtype="float")
    batch = log_likelihood.shape[-1]
    check_int("num_data", num_data, low=batch)
    return num_data * log_likelihood.mean() - kl


def minibatch_variance(terms: Float[Tensor, "data ..."], batch_size: int) -> Float[Tensor, "..."]:
    """Variance of (N/B) Σ_{n in batch} a_n over minibatches drawn without replacement.

    Var = N² (1 − B/N) S² / B, with S² the sample variance of the a_n (divisor N − 1).

    Args:
        terms: a_n, such as the gradient of each datum's term.
        batch_size: B, from 1 to N.

    Returns:
        The variance, one per trailing component of the terms, in their squared unit.

    Raises:
        ArgumentError: Fewer than two terms, or a minibatch that is not from 1 to N.

    Accuracy:
        Exact; zero for B = N.

    Source:
        [cochran1977sampling], chapter 2.
    """
    check_tensor("terms", terms, dtype="float")
    if terms.ndim == 0 or len(terms) < 2:
        raise ArgumentError(f"terms: expected at least two data, got shape {tuple(terms.shape)}")
    check_int("batch_size", batch_size, low=1, high=len(terms))
    share = batch_size / len(terms)
    return len(terms) ** 2 * (1 - share) * terms.var(0) / batch_size


def robbins_monro(
    direction: Callable[[Tensor], Tensor],
    start: Float[Tensor, "..."],
    *,
    num_steps: int,
    scale: float = 1.0,
    delay: float = 1.0,
    power: float = 1.0,
) -> Float[Tensor, "steps ..."]:
    """Ascent θ_{t+1} = θ_t + ρ_t g(θ_t) with falling steps ρ_t = a / (t + t₀)^κ, t = 0, 1, ...

    For 1/2 < κ ≤ 1 the steps sum to infinity, so that any optimum can be reached, and their
    squares do not, so that the noise dies out.

    Args:
        direction: g, a noisy gradient whose mean is zero at the optimum; it may be multiplied by
            a positive definite matrix.
        start: θ_0.
        num_steps: Number of steps.
        scale: a > 0. With κ = 1 the error falls as 1/t only if a times the curvature at the
            optimum is above 1/2.
        delay: t₀ > 0.
        power: κ in [0, 1]; 0 keeps the step constant, which does not converge.

    Returns:
        θ_0, ..., θ_T, shape (num_steps + 1, *shape).

    Raises:
        ArgumentError: An argument is out of range, or the direction has another shape than θ.

    Source:
        [robbins1951stochastic].
    """
    check_tensor("start", start, dtype="float")
    check_int("num_steps", num_steps, low=1)
    check_number("scale", scale, low=0, open_low=True)
    check_number("delay", delay, low=0, open_low=True)
    check_number("power", power, low=0, high=1)
    path = [start.detach()]
    for t in range(num_steps):
        step = direction(path[-1]).detach()
        if step.shape != start.shape:
            expected = f"the shape {tuple(start.shape)} of start"
            raise ArgumentError(f"direction: expected {expected}, got {tuple(step.shape)}")
        path.append(path[-1] + scale * (t + delay) ** -power * step)
    return torch.stack(path)
