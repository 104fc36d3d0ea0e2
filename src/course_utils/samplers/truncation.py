r"""Logits in, logits out: what a decoder does to a next-symbol distribution before it draws.

A decoder that draws symbol by symbol changes a model in one place, the logits a of the next
symbol, p = softmax(a). Each function here takes logits and one number and returns logits; what it
rules out gets -inf, and the softmax of the result renormalises what is left.

    temperature   a / T                                  every symbol stays
    top_k         the k largest
    nucleus       the fewest symbols whose mass reaches p
    min_p         symbols at least a fraction of the largest
    typical       the fewest, nearest to the entropy, whose mass reaches tau

Of symbols with equal logits the one with the smaller number goes first. At least one symbol stays.
``transformed`` puts such functions behind a model, one after the other.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor

Transform = Callable[[Tensor], Tensor]
"""Maps logits (samples, symbols) to logits of the same shape."""

Conditionals = Callable[[Tensor], Tensor]
"""Maps values (samples, length) to logits (samples, length, symbols), row t for x_t."""


def transformed(conditionals: Conditionals, *transforms: Transform) -> Conditionals:
    """Return conditionals whose logits pass through the transforms, the first one first.

    Args:
        conditionals: Maps values (samples, length) to the logits of discrete conditionals.
        transforms: Each maps logits to logits of the same shape, such as
            ``lambda a: nucleus(a, 0.9)``.

    Accuracy:
        Exact: the result is an autoregressive model of its own, and ``ancestral`` samples it.
    """

    def changed(x: Tensor) -> Tensor:
        logits = conditionals(x)
        for transform in transforms:
            logits = transform(logits)
        return logits

    return changed


def temperature(
    logits: Float[Tensor, "*batch symbols"], value: float
) -> Float[Tensor, "*batch symbols"]:
    r"""Temper: softmax(a / T)_v \propto p_v^{1/T}.

    Args:
        logits: a, last axis the symbols; -inf for a symbol that cannot occur.
        value: T > 0. T -> 0 leaves the largest logit, T -> infinity the uniform distribution.

    Returns:
        a / T.

    Raises:
        ArgumentError: ``value`` is not above zero; ``logits`` has NaN, +inf or an empty row.

    Accuracy:
        Exact.

    Source:
        [ackley1985learning]; Boltzmann's law with energies -a.
    """
    check_number("value", value, low=0, open_low=True)
    return _checked(logits) / value


def top_k(logits: Float[Tensor, "*batch symbols"], k: int) -> Float[Tensor, "*batch symbols"]:
    """Keep the k largest logits.

    Args:
        logits: a, last axis the symbols.
        k: At least 1; k = 1 is greedy decoding, k of at least V changes nothing.

    Returns:
        a, with -inf outside the kept set.

    Raises:
        ArgumentError: ``k`` is below 1; ``logits`` has NaN, +inf or an empty row.

    Accuracy:
        Exact; of equal logits the smaller number is kept first.

    Source:
        [fan2018hierarchical].
    """
    check_int("k", k, low=1)
    order = _checked(logits).sort(dim=-1, descending=True, stable=True).indices
    return _keep(logits, order, torch.arange(logits.shape[-1], device=logits.device) < k)


def nucleus(logits: Float[Tensor, "*batch symbols"], p: float) -> Float[Tensor, "*batch symbols"]:
    """Keep the nucleus: the smallest set of symbols with mass at least p.

    Sorted by probability, a symbol is kept if the mass *before* it is below p, so that the symbol
    which reaches p is in and the most probable one always is.

    Args:
        logits: a, last axis the symbols.
        p: In (0, 1]; p = 1 changes nothing.

    Returns:
        a, with -inf outside the nucleus.

    Raises:
        ArgumentError: ``p`` is outside (0, 1]; ``logits`` has NaN, +inf or an empty row.

    Accuracy:
        Exact up to rounding of the running sum, which is kept in float64; of equal logits the
        smaller number is kept first.

    Source:
        [holtzman2020curious].
    """
    check_number("p", p, low=0, high=1, open_low=True)
    _checked(logits)
    if p == 1:
        return logits
    order = logits.sort(dim=-1, descending=True, stable=True).indices
    return _keep(logits, order, _mass_before(logits, order) < p)


def min_p(logits: Float[Tensor, "*batch symbols"], ratio: float) -> Float[Tensor, "*batch symbols"]:
    r"""Keep symbols with p_v >= r max_u p_u.

    Args:
        logits: a, last axis the symbols.
        ratio: r in [0, 1]; 0 changes nothing, 1 keeps the largest and what equals it.

    Returns:
        a, with -inf outside the kept set.

    Raises:
        ArgumentError: ``ratio`` is outside [0, 1]; ``logits`` has NaN, +inf or an empty row.

    Accuracy:
        Exact: the comparison is p_v / p_max = exp(a_v - a_max) >= r.

    Source:
        [nguyen2025turning].
    """
    check_number("ratio", ratio, low=0, high=1)
    relative = (_checked(logits) - logits.amax(-1, keepdim=True)).exp()
    return logits.masked_fill(relative < ratio, -torch.inf)


def typical(
    logits: Float[Tensor, "*batch symbols"], mass: float
) -> Float[Tensor, "*batch symbols"]:
    r"""Keep the symbols whose surprise -log p_v is nearest to the entropy H, up to mass tau.

    Args:
        logits: a, last axis the symbols.
        mass: tau in (0, 1]; 1 changes nothing.

    Returns:
        a, with -inf outside the kept set, which need not hold the most probable symbol.

    Raises:
        ArgumentError: ``mass`` is outside (0, 1]; ``logits`` has NaN, +inf or an empty row.

    Accuracy:
        Exact up to rounding; of equal distances the smaller number is kept first.

    Source:
        [meister2023locally].
    """
    check_number("mass", mass, low=0, high=1, open_low=True)
    log_probs = _checked(logits).double().log_softmax(-1)
    if mass == 1:
        return logits
    entropy = torch.special.entr(log_probs.exp()).sum(-1, keepdim=True)
    order = (log_probs + entropy).abs().sort(dim=-1, stable=True).indices
    return _keep(logits, order, _mass_before(logits, order) < mass)


def _mass_before(logits: Tensor, order: Tensor) -> Float[Tensor, "*batch symbols"]:
    """Probability of all symbols that come before each place of the order."""
    in_order = logits.double().softmax(-1).gather(-1, order)
    return in_order.cumsum(-1) - in_order


def _keep(logits: Tensor, order: Tensor, kept: Bool[Tensor, "..."]) -> Tensor:
    """Set to -inf what is not kept; ``kept`` goes by places of the order."""
    by_symbol = torch.zeros_like(logits, dtype=torch.bool)
    by_symbol.scatter_(-1, order, kept.expand(order.shape))
    return logits.masked_fill(~by_symbol, -torch.inf)


def _checked(logits: Tensor) -> Tensor:
    """Check the kind, and on a CPU the values, which an accelerator would have to wait for."""
    check_tensor("logits", logits, shape=("...", "symbols"), dtype="float", finite=False)
    if logits.device.type == "cpu" and not bool(logits.amax(-1).isfinite().all()):
        raise ArgumentError(
            "logits: expected numbers or -inf, one of them finite in each row, "
            "got NaN, +inf or a row of -inf"
        )
    return logits
