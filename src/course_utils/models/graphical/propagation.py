r"""Belief propagation: every variable and every factor tell their neighbours what they know.

    variable i to factor a    n_ia(x_i) = \prod_{b ≠ a} m_bi(x_i), over the factors b with x_i
    factor a to variable i    m_ai(x_i) = \sum f_a(x_a) \prod_{j ≠ i} n_ja(x_j), over x_a but x_i

On a tree a message depends only on what lies behind it, so that after as many rounds as the tree
is wide all are final, and the products of incoming messages are the exact marginals. On a graph
with cycles the same rules can be repeated; what they converge to, if they do, is an estimate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number
from course_utils.models.graphical.factors import Factor, all_levels

Edge = tuple[int, int]
"""A factor's place in the list, and a variable of it."""


@dataclass(frozen=True)
class Beliefs:
    """What the messages say.

    Attributes:
        marginals: For each variable the belief b_i(x_i), normalised.
        factors: For each factor the belief b_a(x_a), normalised.
        log_partition: The Bethe estimate of log Z in nats.
        changes: Largest change of a message in each round; zero at the end on a tree.
    """

    marginals: dict[int, Float[Tensor, " levels"]]
    factors: tuple[Factor, ...]
    log_partition: Float[Tensor, ""]
    changes: tuple[float, ...]


def belief_propagation(
    factors: Sequence[Factor], num_rounds: int, *, damping: float = 0.0
) -> Beliefs:
    r"""Pass messages in both directions over every edge, ``num_rounds`` times.

    Args:
        factors: The f_a, none of which is everywhere zero.
        num_rounds: At least the number of variables suffices on a tree.
        damping: Share of the old message that is kept, in [0, 1); it can calm oscillations.

    Returns:
        The beliefs. With d_i the number of factors of variable i the Bethe estimate is
        log Z = \sum_a (E[log f_a] + H(b_a)) - \sum_i (d_i - 1) H(b_i), expectations under b_a.

    Raises:
        ArgumentError: A number is out of range, or levels disagree.

    Accuracy:
        Exact on trees. An estimate on graphs with cycles: neither a bound nor sure to converge.

    Source:
        [yedidia2005constructing], [kschischang2001factor].
    """
    check_int("num_rounds", num_rounds, low=1)
    check_number("damping", damping, low=0, high=1, open_high=True)
    levels = all_levels(factors)
    up = {
        (a, i): f.table.new_full((levels[i],), 1 / levels[i])
        for a, f in enumerate(factors)
        for i in f.variables
    }
    changes = []
    for _ in range(num_rounds):
        new = _factor_messages(factors, _variable_messages(up))
        new = {e: damping * up[e] + (1 - damping) * message for e, message in new.items()}
        changes.append(max(float((new[e] - up[e]).abs().max()) for e in up))
        up = new
    return _beliefs(factors, up, tuple(changes))


def _variable_messages(up: dict[Edge, Tensor]) -> dict[Edge, Tensor]:
    """From variables to factors: the product of what the other factors said."""
    by_variable: dict[int, list[Edge]] = {}
    for edge in up:
        by_variable.setdefault(edge[1], []).append(edge)
    return {
        edge: _product([up[other] for other in by_variable[edge[1]] if other != edge], up[edge])
        for edge in up
    }


def _factor_messages(factors: Sequence[Factor], down: dict[Edge, Tensor]) -> dict[Edge, Tensor]:
    """From factors to variables: the factor times the other variables' messages, summed."""
    messages = {}
    for a, factor in enumerate(factors):
        for i in factor.variables:
            others = [j for j in factor.variables if j != i]
            weighed = _weigh(factor, {j: down[a, j] for j in others})
            message = weighed.onto((i,)).table
            messages[a, i] = message / message.sum()
    return messages


def _beliefs(
    factors: Sequence[Factor], up: dict[Edge, Tensor], changes: tuple[float, ...]
) -> Beliefs:
    down = _variable_messages(up)
    joint = tuple(
        _weigh(f, {i: down[a, i] for i in f.variables}).normalised() for a, f in enumerate(factors)
    )
    incoming: dict[int, list[Tensor]] = {}
    for (_, i), message in up.items():
        incoming.setdefault(i, []).append(message)
    marginals = {i: _product(m, m[0]) for i, m in sorted(incoming.items())}
    energy = sum(
        torch.special.xlogy(b.table, f.table).sum() for b, f in zip(joint, factors, strict=True)
    )
    entropy = sum(torch.special.entr(b.table).sum() for b in joint)
    counted = sum(
        (len(m) - 1) * torch.special.entr(marginals[i]).sum() for i, m in incoming.items()
    )
    return Beliefs(marginals, joint, energy + entropy - counted, changes)


def _weigh(factor: Factor, messages: dict[int, Tensor]) -> Factor:
    table = factor.table
    for i, message in messages.items():
        table = table * Factor((i,), message).aligned(factor.variables)
    return Factor(factor.variables, table)


def _product(messages: Iterable[Tensor], like: Tensor) -> Tensor:
    total = torch.ones_like(like)
    for message in messages:
        total = total * message
    return total / total.sum()
