"""What a directed graph says about independence, read from its arrows alone.

A path between two variables is *blocked* by the observed variables C if on it stands

    a chain  a → m → b  or a fork  a ← m → b     with the middle m in C, or
    a collider  a → m ← b                        with neither m nor any descendant of m in C.

If every path is blocked, the two are *d-separated* by C, and then they are independent given C
under every law that factorises over the graph.
"""

from collections.abc import Iterable

from course_utils.arguments import ArgumentError, check_int
from course_utils.models.graphical.directed import Parents, ancestors, topological_order


def d_separated(
    parents: Parents, a: Iterable[int], b: Iterable[int], given: Iterable[int] = ()
) -> bool:
    """Say whether C d-separates A from B.

    Args:
        parents: The graph.
        a: The variables A.
        b: The variables B.
        given: The observed variables C.

    Returns:
        True if every path is blocked; then I(x_A; x_B | x_C) = 0. If it is false, almost all
        tables on this graph make the two dependent, but some need not.

    Raises:
        ArgumentError: The sets overlap, a variable does not exist, or the graph has a cycle.

    Accuracy:
        Exact, in time proportional to the number of arrows.

    Source:
        [koller2009probabilistic].
    """
    a, b, given = set(a), set(b), set(given)
    topological_order(parents)
    for variable in a | b | given:
        check_int("variables", variable, low=0, high=len(parents) - 1)
    if a & b or a & given or b & given:
        raise ArgumentError("variables: expected three sets without a common one, got an overlap")
    return not b & reachable(parents, a, given)


def reachable(parents: Parents, start: Iterable[int], given: Iterable[int]) -> set[int]:
    """The variables outside C that a path not blocked by C joins with ``start``.

    A search over pairs (variable, whether the path arrived along an arrow). Arriving against an
    arrow, from a child, it may go on to parents and children unless the variable is observed.
    Arriving along an arrow, from a parent, it may go on to children unless the variable is
    observed; and back up to other parents if the variable or a descendant of it is observed.

    Source:
        [koller2009probabilistic].
    """
    given = set(given)
    children: list[list[int]] = [[] for _ in parents]
    for child, its in enumerate(parents):
        for parent in its:
            children[parent].append(child)
    opened = ancestors(parents, given)
    waiting, visited = [(node, False) for node in start], set()
    while waiting:
        node, along = state = waiting.pop()
        if state in visited:
            continue
        visited.add(state)
        if node not in given:
            waiting.extend((child, True) for child in children[node])
            if not along:
                waiting.extend((parent, False) for parent in parents[node])
        if along and node in opened:
            waiting.extend((parent, False) for parent in parents[node])
    return {node for node, _ in visited} - given


def moral_graph(parents: Parents) -> dict[int, set[int]]:
    """The undirected graph of the factors: arrows lose their heads, parents are joined.

    Returns:
        The neighbours of each variable.
    """
    neighbours: dict[int, set[int]] = {i: set() for i in range(len(parents))}
    for child, its in enumerate(parents):
        family = {child, *its}
        for member in family:
            neighbours[member] |= family - {member}
    return neighbours
