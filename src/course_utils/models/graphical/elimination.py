r"""Variable elimination: sum the variables out one after the other, and only touch what has them.

\sum_x \prod_a f_a(x_a) has exponentially many terms. But a factor without x_v can stand outside
the sum over x_v, so that only the factors with x_v have to be multiplied before it is summed out.
What that costs depends on the order, and can be read from the scopes alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from course_utils.arguments import ArgumentError
from course_utils.models.graphical.factors import Factor, product

Scopes = Iterable[tuple[int, ...]]
"""The variables of each factor."""


@dataclass(frozen=True)
class Cost:
    """What an order of elimination costs.

    Attributes:
        cliques: For each variable eliminated, the variables of the table made for it.
        largest: Entries of the largest table.
        total: Entries of all tables made.
        width: Variables of the widest table, less one: the width that the order induces.
    """

    cliques: tuple[tuple[int, ...], ...]
    largest: int
    total: int
    width: int


def eliminate(
    factors: Iterable[Factor],
    order: Sequence[int],
    *,
    evidence: Mapping[int, int] | None = None,
    remove: Callable[[Factor, Iterable[int]], Factor] = Factor.sum_out,
) -> Factor:
    r"""Return \sum_{x_order} \prod_a f_a(x_a), a function of the variables not in ``order``.

    Args:
        factors: The f_a.
        order: Variables to remove, first one first.
        evidence: Observed levels of other variables, fixed beforehand.
        remove: ``Factor.sum_out`` for sums; ``Factor.max_out`` for the largest product.

    Returns:
        A factor over what is left, in increasing order; without any left a single number.

    Raises:
        ArgumentError: A variable of ``order`` is in no factor or stands there twice.

    Accuracy:
        Exact. Values are plain products, so that hundreds of small factors can underflow.

    Source:
        [koller2009probabilistic].
    """
    left = [f.observe(evidence or {}) for f in factors]
    for variable in order:
        touched = [f for f in left if variable in f.variables]
        if not touched:
            raise ArgumentError(f"order: expected variables of the factors, got {variable}")
        left = [f for f in left if variable not in f.variables]
        left.append(remove(product(touched), (variable,)))
    return product(left)


def marginal(
    factors: Iterable[Factor],
    variables: Sequence[int],
    *,
    evidence: Mapping[int, int] | None = None,
) -> Factor:
    """Return p(x_variables | evidence) by elimination in the order of ``min_fill``.

    Args:
        factors: Factors whose product is the law up to a constant.
        variables: What is asked for, in the order of the answer's axes.
        evidence: Observed levels.

    Raises:
        ArgumentError: The evidence has probability zero.

    Accuracy:
        Exact.
    """
    observed = [f.observe(evidence or {}) for f in factors]
    scopes = [f.variables for f in observed]
    order = min_fill(scopes, keep=variables)
    return eliminate(observed, order).onto(variables).normalised()


def interaction_graph(scopes: Scopes) -> dict[int, set[int]]:
    """The neighbours of each variable: those it shares a factor with."""
    neighbours: dict[int, set[int]] = {}
    for scope in scopes:
        for variable in scope:
            neighbours.setdefault(variable, set()).update(set(scope) - {variable})
    return neighbours


def elimination_cost(scopes: Scopes, levels: Mapping[int, int], order: Sequence[int]) -> Cost:
    """Say what ``eliminate`` will cost, from the scopes alone.

    Removing a variable makes one table over it and its neighbours, and then joins its neighbours
    with each other.

    Args:
        scopes: The variables of each factor.
        levels: Number of levels of each variable.
        order: Variables to remove.

    Raises:
        ArgumentError: ``order`` is empty, or a variable is unknown or stands there twice.

    Accuracy:
        Exact.
    """
    neighbours, cliques = interaction_graph(scopes), []
    for variable in order:
        if variable not in neighbours:
            raise ArgumentError(f"order: expected variables of the factors, got {variable}")
        cliques.append((variable, *sorted(neighbours[variable])))
        remove_vertex(neighbours, variable)
    if not cliques:
        raise ArgumentError("order: expected at least one variable, got none")
    sizes = [_states(clique, levels) for clique in cliques]
    return Cost(tuple(cliques), max(sizes), sum(sizes), max(map(len, cliques)) - 1)


def min_fill(scopes: Scopes, *, keep: Iterable[int] = ()) -> list[int]:
    """An order found greedily: next goes the variable that joins the fewest pairs anew.

    Ties go to the smaller number. No order is best in all graphs that could be found quickly:
    the best one is NP-hard to find.

    Args:
        scopes: The variables of each factor.
        keep: Variables that are not eliminated and are left out of the order.

    Source:
        [koller2009probabilistic].
    """
    neighbours, kept = interaction_graph(scopes), set(keep)
    order = []
    while set(neighbours) - kept:
        free = sorted(set(neighbours) - kept)
        order.append(min(free, key=lambda v: _missing_pairs(neighbours, v)))
        remove_vertex(neighbours, order[-1])
    return order


def remove_vertex(neighbours: dict[int, set[int]], variable: int) -> None:
    """Take a variable out of a graph, in place, and join its neighbours with each other."""
    around = neighbours.pop(variable)
    for other in around:
        neighbours[other] |= around - {other}
        neighbours[other].discard(variable)


def log_partition(factors: Iterable[Factor]) -> float:
    r"""Return log Z = log \sum_x \prod_a f_a(x_a) in nats, by elimination.

    Accuracy:
        Exact.
    """
    factors = tuple(factors)
    return eliminate(factors, min_fill(f.variables for f in factors)).table.log().item()


def _missing_pairs(neighbours: Mapping[int, set[int]], variable: int) -> int:
    around = neighbours[variable]
    return sum(len(around - neighbours[v]) - 1 for v in around) // 2


def _states(variables: Iterable[int], levels: Mapping[int, int]) -> int:
    count = 1
    for variable in variables:
        count *= levels[variable]
    return count
