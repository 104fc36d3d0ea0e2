"""Log-likelihoods that have no closed form, estimated by weighted samples.

A latent-variable model knows p(x, z) but not p(x) = ∫ p(x, z) dz; an energy model knows its
density up to a normaliser Z = ∫ f(x) dx. Both integrals are means: with draws z_s of a law q,

    p(x) = E_q w,    w = p(x, z) / q(z | x),    log p(x) ≈ log (1/S) Σ_s w_s.

The mean of the weights is unbiased. Its logarithm is not: by Jensen's inequality it lies below
log p(x) in expectation, less so with every sample, by about half its squared standard error.

Few weights may carry the whole sum. The effective sample size (Σw)² / Σw² counts them: it is S if
all weights are equal, 1 if one has everything, and then neither the value nor its error can be
trusted: the heavy weights have not been seen yet, and the value is too low.

Annealed importance sampling makes q close to the target in many small steps, along the path
f_β = f_0^(1−β) f_1^β. Run backwards from exact draws of the target it estimates 1/Z, so that
minus its logarithm lies above log Z in expectation: the two directions enclose the answer.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.metrics.likelihood import Estimate, nats_per_example
from course_utils.samplers.mcmc import LogDensity, Transition

SMALLEST_TRUSTED_ESS = 10
"""Effective sample size below which an estimate is marked as not to be trusted."""

Proposal = Callable[[Tensor, int, torch.Generator | None], tuple[Tensor, Tensor]]
"""``(x, num_samples, generator) -> (z, log q(z | x))``."""

LogJoint = Callable[[Tensor, Tensor], Tensor]
"""``(x, z) -> log p(x, z)`` in nats."""


@dataclass(frozen=True)
class LogMeanWeight:
    """The logarithm of a mean of weights and what is known about its error.

    Attributes:
        value: log (1/S) Σ_s w_s in nats, axes ``batch``; below the truth in expectation.
        standard_error: Delta-method standard error √((S/ESS − 1)/(S − 1)), in nats; NaN where the
            effective sample size is below ``SMALLEST_TRUSTED_ESS``.
        effective_sample_size: ESS = (Σw)² / Σw², between 1 and S; 0 if every weight is 0.
    """

    value: Float[Tensor, "*batch"]
    standard_error: Float[Tensor, "*batch"]
    effective_sample_size: Float[Tensor, "*batch"]

    def nats_per_example(self) -> Estimate:
        """Negative log-likelihood, the mean of −``value`` over the batch of examples.

        Returns:
            Nats per example, too high in expectation by about half the mean squared standard error
            of the examples. The standard error is that of a mean of independent examples; it
            contains the error of the sampling.

        Raises:
            ArgumentError: If the effective sample size of an example is too small to judge it.
        """
        poor = self.effective_sample_size < SMALLEST_TRUSTED_ESS
        if bool(poor.any()):
            raise ArgumentError(
                f"effective_sample_size: expected at least {SMALLEST_TRUSTED_ESS} for every "
                f"example, got less for {int(poor.sum())} of {poor.numel()}, down to "
                f"{self.effective_sample_size.min().item():.3g}: take more samples or a proposal "
                "closer to the posterior"
            )
        return nats_per_example(self.value)


@dataclass(frozen=True)
class Sandwich:
    """Two estimates of one log-normaliser, from below and from above.

    Attributes:
        lower: From the start to the target; below log Z in expectation.
        upper: From the target to the start, its sign turned; above log Z in expectation.
    """

    lower: LogMeanWeight
    upper: LogMeanWeight


@dataclass(frozen=True)
class Tempered:
    """A density between start and target, log f_β = (1−β) log f_0 + β log f_1, unnormalised.

    Attributes:
        start: log f_0.
        target: log f_1.
        beta: β in [0, 1].
    """

    start: LogDensity
    target: LogDensity
    beta: float

    def __call__(self, x: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log f_β(x) in nats, −inf where either end is −inf."""
        return (1 - self.beta) * self.start(x) + self.beta * self.target(x)


def log_mean_weight(log_weights: Float[Tensor, "samples *batch"]) -> LogMeanWeight:
    """log (1/S) Σ_s w_s from the logarithms of the weights.

    Args:
        log_weights: log w in nats, independent along the first axis, S ≥ 2; −inf is a weight of 0.

    Returns:
        Value, standard error and effective sample size, float64, axes ``batch``.

    Raises:
        ArgumentError: If a weight is NaN or infinite, or there is only one sample.

    Accuracy:
        Below log E w in expectation, increasing with S towards it (Burda and co-workers
        [burda2016importance]); the bias is −SE²/2 to first order.
    """
    _check_weights("log_weights", log_weights)
    check_int("samples of log_weights", len(log_weights), low=2)
    log_weights = log_weights.detach().double()
    return _summary(log_weights.logsumexp(0), (2 * log_weights).logsumexp(0), len(log_weights))


def importance_sampled_log_prob(
    x: Shaped[Tensor, "batch *event"],
    log_joint: LogJoint,
    proposal: Proposal,
    *,
    num_samples: int,
    samples_at_once: int = 100,
    generator: torch.Generator | None = None,
) -> LogMeanWeight:
    """Log-likelihood log (1/S) Σ_s p(x, z_s) / q(z_s | x) of every example.

    Args:
        x: Examples, axes ``(batch, *event)``.
        log_joint: From x ``(batch, *event)`` and z ``(samples, batch, *latent)`` to log p(x, z)
            in nats, axes ``(samples, batch)``.
        proposal: From x, a number of samples and a generator to z and log q(z | x), axes
            ``(samples, batch)``. Its tails must not be lighter than the posterior's.
        num_samples: S ≥ 2.
        samples_at_once: Largest number of samples in memory; does not change the law of the
            result.
        generator: Source of randomness, handed to ``proposal``.

    Returns:
        Value, standard error and effective sample size of every example, float64.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        The mean of the weights is unbiased for p(x); the logarithm is a lower bound in
        expectation, tighter for larger S, exact for q = p(z | x).

    Source:
        [burda2016importance].
    """
    check_tensor("x", x, shape=("batch", *("event",) * (x.ndim - 1)))
    check_int("num_samples", num_samples, low=2)
    check_int("samples_at_once", samples_at_once, low=1)
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    total_square = total.clone()
    with torch.no_grad():
        for done in range(0, num_samples, samples_at_once):
            count = min(samples_at_once, num_samples - done)
            z, log_q = proposal(x, count, generator)
            log_p = log_joint(x, z)
            for name, value in (("log_joint(x, z)", log_p), ("proposal's log q", log_q)):
                check_tensor(name, value, shape=(count, len(x)), dtype="float", finite=False)
            log_weights = log_p.double() - log_q.double()
            _check_weights("log_joint(x, z) - log q", log_weights)
            total = torch.logaddexp(total, log_weights.logsumexp(0))
            total_square = torch.logaddexp(total_square, (2 * log_weights).logsumexp(0))
    return _summary(total, total_square, num_samples)


def annealed_log_weights(
    state: Shaped[Tensor, "chains ..."],
    log_start: LogDensity,
    log_target: LogDensity,
    transition: Callable[..., Transition],
    *,
    betas: Float[Tensor, " temperatures"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "chains *batch"]:
    """Annealed importance sampling: log w of chains led from the start to the target.

    With x_0 drawn from f_0 and x_k from a transition that leaves f_{β_k} invariant,

        log w = Σ_k (β_k − β_{k−1}) (log f_1(x_{k−1}) − log f_0(x_{k−1})),    E w = Z_1 / Z_0.

    For log p(x) let the state be z with axes ``(chains, batch, *latent)``, the start log q(z | x)
    or the prior, normalised, and the target log p(x, z). ``log_mean_weight`` of the result is
    log (Z_1 / Z_0) or log p(x) with its error.

    Args:
        state: Exact, independent draws of the start, axes ``(chains, ...)``.
        log_start: log f_0, from the state to axes ``(chains, *batch)``.
        log_target: log f_1, of the same shape.
        transition: One of ``samplers.mcmc`` with its settings bound, called as
            ``transition(state, tempered, generator=generator)``; ``tempered.beta`` is at hand for
            a kernel that needs it, such as block Gibbs.
        betas: 0 = β_0 < … < β_K = 1. The variance of log w falls as 1/K once K is large.
        generator: Source of randomness, handed to ``transition``.

    Returns:
        log w in nats, float64, axes ``(chains, *batch)``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        w is unbiased for Z_1 / Z_0 whatever the transitions' mixing, which decides its variance.

    Source:
        [neal2001annealed].
    """
    check_tensor("state", state)
    _check_betas(betas)
    log_weights: Tensor | float = 0.0
    for previous, beta in itertools.pairwise(betas.tolist()):
        with torch.no_grad():
            start, target = log_start(state), log_target(state)
        if start.shape != target.shape:
            raise ArgumentError(
                f"log_target(state): expected shape {tuple(start.shape)} as log_start, "
                f"got {tuple(target.shape)}"
            )
        log_weights = log_weights + (beta - previous) * (target.double() - start.double())
        if beta < 1:
            state = transition(
                state, Tempered(log_start, log_target, beta), generator=generator
            ).state
    return _check_weights("log_target(state) - log_start(state)", log_weights)


def annealed_sandwich(
    start_state: Shaped[Tensor, "chains ..."],
    target_state: Shaped[Tensor, "chains ..."],
    log_start: LogDensity,
    log_target: LogDensity,
    transition: Callable[..., Transition],
    *,
    betas: Float[Tensor, " temperatures"],
    generator: torch.Generator | None = None,
) -> Sandwich:
    """Enclose log (Z_1 / Z_0) by annealing in both directions.

    Exact draws of the target are at hand where the model made the data itself: a latent z and
    then x from it leave z an exact draw of p(z | x).

    Args:
        start_state: Exact, independent draws of the start, axes ``(chains, ...)``, ≥ 2 chains.
        target_state: Exact, independent draws of the target, likewise.
        log_start: log f_0.
        log_target: log f_1.
        transition: As in ``annealed_log_weights``.
        betas: As in ``annealed_log_weights``; used backwards on the way down.
        generator: Source of randomness.

    Returns:
        Lower and upper estimate, each with its standard error.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        E lower ≤ log (Z_1 / Z_0) ≤ E upper; the gap bounds the sum of both biases.

    Source:
        [grosse2015sandwiching].
    """
    _check_betas(betas)
    up = annealed_log_weights(
        start_state, log_start, log_target, transition, betas=betas, generator=generator
    )
    down = annealed_log_weights(
        target_state,
        log_target,
        log_start,
        transition,
        betas=1 - betas.flip(0),
        generator=generator,
    )
    back = log_mean_weight(down)
    upper = LogMeanWeight(-back.value, back.standard_error, back.effective_sample_size)
    return Sandwich(log_mean_weight(up), upper)


def _summary(total: Tensor, total_square: Tensor, num_samples: int) -> LogMeanWeight:
    """From log Σw and log Σw² to the mean's logarithm, its error and the effective sample size."""
    ess = (2 * total - total_square).exp().nan_to_num(0.0).clamp_max(num_samples)
    error = ((num_samples / ess - 1) / (num_samples - 1)).sqrt()
    error = torch.where(ess < SMALLEST_TRUSTED_ESS, math.nan, error)
    return LogMeanWeight(total - math.log(num_samples), error, ess)


def _check_weights(name: str, log_weights: Tensor) -> Tensor:
    check_tensor(name, log_weights, dtype="float", finite=False)
    if bool((log_weights.isnan() | log_weights.isposinf()).any()):
        raise ArgumentError(f"{name}: expected numbers or -inf, got NaN or +inf")
    return log_weights


def _check_betas(betas: Tensor) -> None:
    check_tensor("betas", betas, shape=("temperatures",), dtype="float")
    good = betas[0] == 0 and betas[-1] == 1 and bool((betas.diff() > 0).all())
    if not good:
        raise ArgumentError("betas: expected an increasing path from 0 to 1, got another")
