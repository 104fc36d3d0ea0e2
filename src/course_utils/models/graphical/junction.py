"""Junction trees: make a tree of clusters out of any graph, and pass messages there.

Eliminating the variables of a graph leaves a clique for each. The largest of these cliques, joined
by a spanning tree in which neighbours share as many variables as possible, form a tree with the
*running intersection property*: whatever two cliques share is in every clique between them. On
such a tree two passes of messages are exact. The price is the size of the largest clique.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError
from course_utils.models.graphical.elimination import elimination_cost, min_fill
from course_utils.models.graphical.factors import Factor, all_levels, product
from course_utils.models.graphical.trees import maximum_spanning_tree


@dataclass(frozen=True)
class JunctionTree:
    """Cliques, the tree between them, and the exact law of each clique.

    Attributes:
        cliques: The variables of each clique, in increasing order.
        links: Pairs of neighbouring cliques, by their place in ``cliques``.
        beliefs: p(x_C) of each clique.
        log_partition: log Z in nats.
    """

    cliques: tuple[tuple[int, ...], ...]
    links: tuple[tuple[int, int], ...]
    beliefs: tuple[Factor, ...]
    log_partition: Float[Tensor, ""]

    @property
    def width(self) -> int:
        """Variables of the largest clique, less one."""
        return max(map(len, self.cliques)) - 1

    def marginal(self, variables: Sequence[int]) -> Float[Tensor, "..."]:
        """Return p(x_variables) of variables that lie in one clique, axes as asked.

        Raises:
            ArgumentError: No clique has them all.

        Accuracy:
            Exact.
        """
        for belief in self.beliefs:
            if set(variables) <= set(belief.variables):
                return belief.onto(tuple(variables)).table
        raise ArgumentError(f"variables: expected some of one clique, got {tuple(variables)}")


def junction_tree(factors: Sequence[Factor], order: Sequence[int] | None = None) -> JunctionTree:
    r"""Build a junction tree of a product of factors, and calibrate it.

    Args:
        factors: The f_a; their product is the law up to a constant.
        order: Order of elimination that triangulates the graph; ``min_fill`` by default.

    Returns:
        The tree with the marginals of all cliques.

    Raises:
        ArgumentError: ``order`` does not hold every variable once.

    Accuracy:
        Exact, at a cost exponential in the width only.

    Source:
        [lauritzen1988local].
    """
    levels, scopes = all_levels(factors), [f.variables for f in factors]
    order = min_fill(scopes) if order is None else list(order)
    if sorted(order) != sorted(levels):
        raise ArgumentError(f"order: expected each of {sorted(levels)} once, got {order}")
    made = elimination_cost(scopes, levels, order).cliques
    cliques = maximal_cliques(made)
    links = spanning_tree(cliques)
    potentials = _potentials(factors, cliques, levels)
    beliefs, log_partition = _calibrate(potentials, links)
    return JunctionTree(cliques, links, beliefs, log_partition)


def maximal_cliques(cliques: Iterable[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Those cliques that are not part of another one, each once and sorted."""
    distinct = {frozenset(clique) for clique in cliques}
    kept = [c for c in distinct if not any(c < other for other in distinct)]
    return tuple(sorted(tuple(sorted(clique)) for clique in kept))


def spanning_tree(cliques: Sequence[tuple[int, ...]]) -> tuple[tuple[int, int], ...]:
    """Links with the largest total number of shared variables that form a tree.

    For the cliques of a triangulated graph every such tree has the running intersection property.

    Source:
        [koller2009probabilistic].
    """
    shared = [set(clique) for clique in cliques]
    return maximum_spanning_tree(len(cliques), lambda i, j: len(shared[i] & shared[j]))


def _potentials(
    factors: Sequence[Factor], cliques: Sequence[tuple[int, ...]], levels: dict[int, int]
) -> list[Factor]:
    """One factor per clique: the product of the factors given to it, over all its variables."""
    ones = factors[0].table.new_ones
    mine = [[Factor(c, ones([levels[v] for v in c]))] for c in cliques]
    for factor in factors:
        home = next(i for i, c in enumerate(cliques) if set(factor.variables) <= set(c))
        mine[home].append(factor)
    return [product(group) for group in mine]


def _calibrate(
    potentials: Sequence[Factor], links: Sequence[tuple[int, int]]
) -> tuple[tuple[Factor, ...], Tensor]:
    """Two passes: from the leaves to clique 0, then back; each message once per direction."""
    neighbours: list[list[int]] = [[] for _ in potentials]
    for i, j in links:
        neighbours[i].append(j)
        neighbours[j].append(i)
    order, parent = [0], {0: -1}
    for node in order:
        for other in neighbours[node]:
            if other != parent[node]:
                parent[other] = node
                order.append(other)
    messages: dict[tuple[int, int], Factor] = {}

    def send(source: int, target: int) -> None:
        heard = [messages[o, source] for o in neighbours[source] if o != target]
        whole = product([potentials[source], *heard])
        shared = set(whole.variables) & set(potentials[target].variables)
        messages[source, target] = whole.onto(sorted(shared))

    for node in reversed(order[1:]):
        send(node, parent[node])
    for node in order[1:]:
        send(parent[node], node)
    whole = [
        product([potential, *(messages[o, i] for o in neighbours[i])])
        for i, potential in enumerate(potentials)
    ]
    return tuple(b.normalised() for b in whole), whole[0].table.sum().log()
