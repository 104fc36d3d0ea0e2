"""The gradient of an expectation by the parameters θ of the law that is averaged over.

    F(θ) = E_{z ~ p_θ}[f(z)] = ∫ p_θ(z) f(z) dz

Samples of z are numbers; θ cannot be seen in them. There are two ways to bring it back.

*Score function.* Move ∇ under the integral and write ∇p = p ∇ log p:

    ∇F = E[(f(z) − b) ∇_θ log p_θ(z)],

for any baseline b that does not depend on z, since E[∇ log p] = 0. It asks nothing of f, which may
jump or be a black box, but its variance grows with the number of dimensions.

*Pathwise.* Write z = T(ε; θ) with noise ε whose law is fixed, and differentiate along the path:

    ∇F = E[∇_θ f(T(ε; θ))].

It needs an f without jumps. The two are one integration by parts away from each other: let P_θ be
the distribution function and v = ∂z/∂θ = −(∂P_θ(z)/∂θ) / p_θ(z). Then ∂p/∂θ = −(p v)', and
∫ f ∂p/∂θ = ∫ f' v p. Where f jumps by h at c, the term h p(c) v(c) is added, which no path sees.

Functions that return *gradients* give one estimate per sample, so that a variance can be taken;
*surrogates* are values whose automatic derivative is the estimator, to train with.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor

Cost = Callable[[Tensor], Tensor]
"""Samples (samples, *event) to values f(z) (samples,)."""

Baseline = float | Tensor | Callable[[Tensor], Tensor]
"""A number, one number per sample, or a function from the values (samples,) to one per sample."""


def pathwise_gradients(
    f: Cost,
    transform: Callable[..., Tensor],
    parameters: Sequence[Tensor],
    noise: Float[Tensor, "samples ..."],
) -> tuple[Tensor, ...]:
    """One pathwise estimate per sample, g_l = ∇_θ f(T(ε_l; θ)).

    Args:
        f: The cost, without jumps and differentiable almost everywhere (locally Lipschitz).
        transform: T, called as ``transform(noise, *copies)``; a parameter of shape (*shape) comes
            as one copy per sample, (samples, *shape).
        parameters: θ, one or more floating tensors.
        noise: ε_l, draws of a law that does not depend on θ.

    Returns:
        For each parameter the estimates, shape (samples, *shape), in the unit of f by that of θ.

    Raises:
        ArgumentError: A shape is wrong, or the values carry no derivative, as those of a
            comparison do.

    Accuracy:
        Unbiased if f has no jumps. Otherwise biased by the jump terms of the module's text.

    Source:
        [kingma2014auto], section 2.4; assumptions in [mohamed2020monte], section 5.
    """
    copies = _copies(parameters, check_tensor("noise", noise))
    with torch.enable_grad():
        values = _values("f(z)", f(transform(noise, *copies)), len(noise))
    if not values.requires_grad:
        raise ArgumentError("f(z): expected values with a derivative by z, got constants")
    return torch.autograd.grad(values.sum(), copies, materialize_grads=True)


def score_function_gradients(
    f: Cost,
    log_prob: Callable[..., Tensor],
    parameters: Sequence[Tensor],
    samples: Shaped[Tensor, "samples ..."],
    baseline: Baseline = 0.0,
) -> tuple[Tensor, ...]:
    """One score-function estimate per sample, g_l = (f(z_l) − b_l) ∇_θ log p_θ(z_l).

    Args:
        f: Any cost; it is not differentiated.
        log_prob: log p_θ, called as ``log_prob(samples, *copies)``, with the values (samples,); a
            parameter of shape (*shape) comes as one copy per sample, (samples, *shape).
        parameters: θ, one or more floating tensors.
        samples: z_l, draws of p_θ.
        baseline: b_l, which must not depend on z_l; ``leave_one_out`` makes one of the others.

    Returns:
        For each parameter the estimates, shape (samples, *shape), in the unit of f by that of θ.

    Raises:
        ArgumentError: A shape is wrong.

    Accuracy:
        Unbiased if the support of p_θ does not depend on θ, whatever f.

    Source:
        [glynn1990likelihood]; named REINFORCE by [williams1992simple].
    """
    copies = _copies(parameters, check_tensor("samples", samples))
    with torch.no_grad():
        values = _values("f(z)", f(samples), len(samples))
    with torch.enable_grad():
        log_probs = _values("log_prob(z)", log_prob(samples, *copies), len(samples))
        total = (_centred(values, baseline) * log_probs).sum()
    return torch.autograd.grad(total, copies, materialize_grads=True)


def score_function_surrogate(
    values: Float[Tensor, " samples"],
    log_probs: Float[Tensor, " samples"],
    baseline: Baseline = 0.0,
) -> Float[Tensor, " samples"]:
    """Values f(z_l) whose automatic derivative is ∇f(z_l) + (f(z_l) − b_l) ∇_θ log p_θ(z_l).

    Args:
        values: f(z_l). If f itself depends on θ, as an ELBO does, keep its graph.
        log_probs: log p_θ(z_l) in nats, of samples without a graph.
        baseline: b_l, see ``score_function_gradients``.

    Returns:
        The same values; take the mean and call ``backward``.

    Raises:
        ArgumentError: A shape is wrong.

    Accuracy:
        Value exact; the first derivative is the unbiased estimator, higher ones are not.

    Source:
        [schulman2015gradient].
    """
    check_tensor("values", values, shape=("samples",), dtype="float")
    _values("log_probs", log_probs, len(values))
    weight = _centred(values.detach(), baseline)
    return values + weight * (log_probs - log_probs.detach())


def leave_one_out(values: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    """The baseline b_l = Σ_{m≠l} f(z_m) / (L − 1): for each sample the mean of the others.

    It does not depend on z_l, so the estimator stays unbiased, and with it the mean over l is the
    sample covariance of f and the score function (divisor L − 1).

    Args:
        values: f(z_l) of L ≥ 2 independent samples.

    Returns:
        b_l, without a graph.

    Raises:
        ArgumentError: Fewer than two values.

    Accuracy:
        Exact.

    Source:
        [kool2019buy].
    """
    check_tensor("values", values, shape=("samples",), dtype="float")
    if len(values) < 2:
        raise ArgumentError("values: expected at least two samples, got one")
    values = values.detach()
    return (values.sum() - values) / (len(values) - 1)


def best_baseline(
    values: Float[Tensor, " samples"], scores: Sequence[Float[Tensor, "samples ..."]]
) -> Float[Tensor, ""]:
    """The constant with the smallest variance, b* = E[f ‖s‖²] / E[‖s‖²] with s = ∇_θ log p_θ(z).

    The variances of all components together are E[(f − b)² ‖s‖²] − ‖∇F‖², a parabola in b.

    Args:
        values: f(z_l).
        scores: s_l, one tensor per parameter, such as ``score_function_gradients`` returns for
            the cost 1.

    Returns:
        b*, in the unit of f.

    Raises:
        ArgumentError: A shape is wrong.

    Accuracy:
        An estimate from the samples. It is exact if they are all states of a law, repeated as
        their probabilities say. Used on the same samples it makes the estimator biased, of order
        1/L; take it from others.

    Source:
        [greensmith2004variance].
    """
    check_tensor("values", values, shape=("samples",), dtype="float")
    squares = torch.zeros_like(values)
    for score in scores:
        check_tensor("scores", score, shape=(len(values), *score.shape[1:]), dtype="float")
        squares = squares + score.reshape(len(values), -1).square().sum(1)
    return (values * squares).sum() / squares.sum()


def implicit_sample(
    samples: Float[Tensor, "..."], cdf: Float[Tensor, "..."], log_prob: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Samples whose automatic derivative by θ is ∂z/∂θ = −(∂P_θ(z)/∂θ) / p_θ(z).

    A sample keeps its rank u = P_θ(z) when θ moves; differentiating u gives the derivative
    without the inverse of P. It serves laws that are drawn by accepting and rejecting, or by
    choosing a component, where no T(ε; θ) is at hand.

    Args:
        samples: z, drawn in any way, without a graph.
        cdf: P_θ(z) at these samples, with the graph of θ.
        log_prob: log p_θ(z) in nats, at these samples.

    Returns:
        The samples, carrying the derivative.

    Raises:
        ArgumentError: A shape is wrong, or the distribution function carries no derivative.

    Accuracy:
        Exact for one variable; for several apply it to each, given those before.

    Source:
        [figurnov2018implicit], with P for F.
    """
    check_tensor("samples", samples, dtype="float")
    check_tensor("cdf", cdf, shape=tuple(samples.shape), dtype="float", low=0, high=1)
    check_tensor("log_prob", log_prob, shape=tuple(samples.shape), dtype="float")
    if not cdf.requires_grad:
        raise ArgumentError("cdf: expected the graph of the parameters, got constants")
    return samples.detach() - (cdf - cdf.detach()) * torch.exp(-log_prob.detach())


def _copies(parameters: Sequence[Tensor], draws: Tensor) -> list[Tensor]:
    """A copy of each parameter for every sample: the derivative of a sum by them is one each."""
    if draws.ndim == 0:
        raise ArgumentError("samples: expected a leading axis of samples, got a number")
    for parameter in parameters:
        check_tensor("parameters", parameter, dtype="float", device=draws.device)
    repeated = [p.detach().expand(len(draws), *p.shape) for p in parameters]
    return [p.clone().requires_grad_() for p in repeated]


def _values(name: str, values: Tensor, num_samples: int) -> Tensor:
    return check_tensor(name, values, shape=(num_samples,), dtype="float")


def _centred(values: Tensor, baseline: Baseline) -> Tensor:
    """f − b without a graph; a baseline is a number, or one number per sample."""
    if callable(baseline):
        baseline = baseline(values)
    if isinstance(baseline, Tensor):
        baseline = baseline.detach()
        if baseline.shape not in ((), values.shape):
            expected = f"a number or shape {tuple(values.shape)}"
            raise ArgumentError(f"baseline: expected {expected}, got {tuple(baseline.shape)}")
    return values - baseline
