"""Factors, elimination, messages and junction trees against sums over all states.

Tolerance 1e-12: a few hundred products of numbers of order one in float64.
"""

import itertools
import math

import networkx
import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.graphical import (
    BayesNet,
    Factor,
    all_levels,
    belief_propagation,
    eliminate,
    elimination_cost,
    junction_tree,
    log_partition,
    marginal,
    min_fill,
    potts,
    product,
)
from course_utils.models.graphical.elimination import interaction_graph
from course_utils.models.graphical.junction import maximal_cliques

CYCLE = ((0, 1), (1, 2), (2, 3), (0, 3))
TREE = ((0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6), (3, 7))


def random_factors(scopes, levels, generator):
    return [
        Factor(
            s, torch.rand([levels[v] for v in s], generator=generator, dtype=torch.float64) + 0.1
        )
        for s in scopes
    ]


def enumerated(factors):
    """Unnormalised table over all variables, entry by entry."""
    levels = all_levels(factors)
    names = sorted(levels)
    table = torch.zeros([levels[v] for v in names], dtype=torch.float64)
    for state in itertools.product(*(range(levels[v]) for v in names)):
        of = dict(zip(names, state, strict=True))
        table[state] = math.prod(float(f.table[tuple(of[v] for v in f.variables)]) for f in factors)
    return table


def single_marginals(table):
    table = table / table.sum()
    axes = range(table.ndim)
    return {i: table.sum([j for j in axes if j != i]) for i in axes}


@pytest.fixture
def frustrated():
    """Four spins on a cycle; three pairs want to agree and one to differ; small fields."""
    return potts(CYCLE, (1.0, 1.0, 1.0, -1.0), fields={0: 0.4, 1: -0.1, 2: 0.2})


def test_products_sums_maxima_and_evidence_are_those_of_tables(generator):
    f, g = random_factors(((2, 0), (0, 1)), {0: 2, 1: 3, 2: 4}, generator)
    both = f * g
    assert both.variables == (0, 1, 2)
    table = torch.einsum("ca,ab->abc", f.table, g.table)
    torch.testing.assert_close(both.table, table)
    torch.testing.assert_close(both.sum_out([1]).table, table.sum(1))
    torch.testing.assert_close(both.max_out([0, 2]).table, table.amax((0, 2)))
    torch.testing.assert_close(both.onto((2, 0)).table, table.sum(1).T)
    seen = f.observe({0: 1, 9: 5})
    assert seen.variables == (2,) and torch.equal(seen.table, f.table[:, 1])
    assert abs(float(both.normalised().table.sum()) - 1) < 1e-15


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_order_of_elimination_gives_the_same_sum(order, generator):
    factors = random_factors(((0, 1), (1, 2), (2, 3), (0, 3)), {0: 2, 1: 3, 2: 2, 3: 4}, generator)
    table = enumerated(factors)
    left = eliminate(factors, order)
    assert left.variables == (3,)
    torch.testing.assert_close(left.table, table.sum((0, 1, 2)), rtol=1e-13, atol=0)
    best = eliminate(factors, (*order, 3), remove=Factor.max_out)
    assert abs(float(best.table) - float(table.max())) < 1e-12


def test_marginals_given_evidence(generator):
    factors = random_factors(((0, 1), (1, 2, 4), (2, 3)), dict.fromkeys(range(5), 2), generator)
    table = enumerated(factors)[:, :, 1, :, 0]
    expected = table.sum(1)
    found = marginal(factors, (3, 0), evidence={2: 1, 4: 0})
    assert found.variables == (3, 0)
    torch.testing.assert_close(found.table, (expected / expected.sum()).T, rtol=0, atol=1e-14)
    assert abs(log_partition(factors) - math.log(float(enumerated(factors).sum()))) < 1e-12


def test_costs_are_those_of_the_tables_made(generator):
    """A star: its centre first makes one table of all, its leaves first make tables of two."""
    scopes = [(0, i) for i in range(1, 6)]
    levels = dict.fromkeys(range(6), 3)
    bad, good = (elimination_cost(scopes, levels, o) for o in (range(6), (1, 2, 3, 4, 5, 0)))
    assert (bad.largest, bad.width) == (3**6, 5)
    assert (good.largest, good.total, good.width) == (9, 5 * 9 + 3, 1)
    assert bad.total == 3**6 + 3**5 + 3**4 + 27 + 9 + 3
    assert min_fill(scopes)[0] != 0
    made = []

    def watched(factor, variables):
        made.append(factor.table.numel())
        return factor.sum_out(variables)

    factors = random_factors(scopes, levels, generator)
    for order, cost in ((range(6), bad), ((1, 2, 3, 4, 5, 0), good)):
        made.clear()
        eliminate(factors, order, remove=watched)
        assert (max(made), sum(made)) == (cost.largest, cost.total)


def test_min_fill_adds_no_link_to_a_graph_that_needs_none(generator):
    """Trees and other chordal graphs have an order without new links; the width is then known."""
    levels = dict.fromkeys(range(8), 2)
    assert elimination_cost(TREE, levels, min_fill(TREE)).width == 1
    chordal = [(0, 1, 2), (1, 2, 3), (2, 3, 4), (4, 5)]
    assert elimination_cost(chordal, levels, min_fill(chordal)).width == 2
    grid = networkx.grid_2d_graph(3, 3)
    number = {node: i for i, node in enumerate(grid)}
    scopes = [(number[a], number[b]) for a, b in grid.edges]
    assert elimination_cost(scopes, dict.fromkeys(range(9), 2), min_fill(scopes)).width == 3
    assert interaction_graph(scopes)[4] == {1, 3, 5, 7}


@pytest.mark.concept("pgm.belief-propagation")
def test_messages_on_a_tree_are_exact(generator):
    factors = random_factors((*TREE, (4,), (6,)), dict.fromkeys(range(8), 2), generator)
    table = enumerated(factors)
    found = belief_propagation(factors, 8)
    for i, truth in single_marginals(table).items():
        torch.testing.assert_close(found.marginals[i], truth, rtol=0, atol=1e-12)
    pair = table.sum((2, 3, 4, 5, 6, 7)) / table.sum()
    torch.testing.assert_close(found.factors[0].table, pair, rtol=0, atol=1e-12)
    assert abs(float(found.log_partition) - math.log(float(table.sum()))) < 1e-12
    assert found.changes[-1] < 1e-15 < found.changes[0]


@pytest.mark.concept("pgm.belief-propagation")
def test_messages_on_a_frustrated_cycle_are_wrong(frustrated):
    truth = single_marginals(enumerated(frustrated))
    found = belief_propagation(frustrated, 200, damping=0.3)
    assert found.changes[-1] < 1e-12  # settled, and settled on something else
    gaps = [float((found.marginals[i] - truth[i]).abs().max()) for i in range(4)]
    assert max(gaps) > 1e-3
    exact = log_partition(frustrated)
    assert abs(float(found.log_partition) - exact) > 1e-3


def test_beliefs_at_rest_agree_with_each_other_and_lower_the_bethe_energy(frustrated):
    """At a fixed point the factors' beliefs have the variables' beliefs as marginals."""
    found = belief_propagation(frustrated, 300, damping=0.3)
    for belief in found.factors:
        for i in belief.variables:
            torch.testing.assert_close(
                belief.onto((i,)).table, found.marginals[i], rtol=0, atol=1e-10
            )


def test_damping_keeps_a_share_of_the_old_message(frustrated):
    one = belief_propagation(frustrated, 1)
    damped = belief_propagation(frustrated, 1, damping=0.25)
    assert abs(damped.changes[0] - 0.75 * one.changes[0]) < 1e-14


@pytest.mark.concept("pgm.junction-tree")
def test_cliques_of_the_triangulated_cycle_are_exact(frustrated):
    table = enumerated(frustrated)
    tree = junction_tree(frustrated)
    assert [len(c) for c in tree.cliques] == [3, 3] and tree.width == 2
    for i, truth in single_marginals(table).items():
        torch.testing.assert_close(tree.marginal((i,)), truth, rtol=0, atol=1e-12)
    assert abs(float(tree.log_partition) - math.log(float(table.sum()))) < 1e-12
    loopy = belief_propagation(frustrated, 200, damping=0.3)
    assert float((loopy.marginals[0] - tree.marginal((0,))).abs().max()) > 1e-3


@pytest.mark.concept("pgm.junction-tree")
def test_junction_trees_of_random_graphs(generator):
    """Every clique's law, every pair of an arrow, and a graph in two pieces."""
    for seed in range(6):
        parents = tuple(
            tuple(u for u in range(v) if (seed * 7 + u * 3 + v * 5) % 4 == 0) for v in range(7)
        )
        net = BayesNet.random(parents, (2, 3, 2, 2, 3, 2, 2), generator)
        tree, joint = junction_tree(net.factors()), net.joint()
        assert abs(float(tree.log_partition)) < 1e-12
        for belief in tree.beliefs:
            truth = joint.marginal(belief.variables)
            torch.testing.assert_close(belief.table, truth, rtol=0, atol=1e-12)
        graph = networkx.Graph(tree.links)
        graph.add_nodes_from(range(len(tree.cliques)))
        assert networkx.is_tree(graph)
        for v in range(7):  # running intersection: the cliques with v hang together
            holding = [i for i, c in enumerate(tree.cliques) if v in c]
            assert networkx.is_connected(graph.subgraph(holding))


def test_maximal_cliques_are_kept_once():
    assert maximal_cliques([(2, 1), (1, 2, 3), (3,), (3, 2, 1), (4, 3)]) == ((1, 2, 3), (3, 4))


def test_potts_factors_are_exponentials_of_spins():
    pair, field = potts(((0, 1),), (0.7,), fields={1: -0.2})
    for x0, x1 in itertools.product(range(2), repeat=2):
        s0, s1 = 2 * x0 - 1, 2 * x1 - 1
        assert abs(float(pair.table[x0, x1]) - math.exp(0.7 * s0 * s1)) < 1e-15
        assert abs(float(field.table[x1]) - math.exp(-0.2 * s1)) < 1e-15


ONE = Factor((0,), torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Factor((0, 0), torch.ones(2, 2)), "variables: expected distinct numbers"),
        (lambda: Factor((0,), torch.ones(2, 2)), "table: expected 1 axes, one per variable, got"),
        (lambda: Factor((0,), torch.tensor([-1.0])), "table: expected values >= 0"),
        (lambda: ONE.sum_out([3]), "variables: expected some of (0,), got [3]"),
        (lambda: ONE.observe({0: 2}), "evidence[0]: expected a whole number >= 0 and <= 1"),
        (lambda: product([]), "factors: expected at least one, got none"),
        (lambda: ONE * Factor((0,), torch.ones(3)), "factors: expected one number of levels for"),
        (lambda: eliminate([ONE], [0, 0]), "order: expected variables of the factors, got 0"),
        (lambda: Factor((0,), torch.zeros(2)).normalised(), "table: expected a sum above zero"),
        (lambda: junction_tree([ONE], [1]), "order: expected each of [0] once, got [1]"),
        (lambda: potts(CYCLE, (1.0,)), "couplings: expected 4, one per edge, got 1"),
        (lambda: belief_propagation([ONE], 0), "num_rounds: expected a whole number >= 1"),
        (
            lambda: belief_propagation([ONE], 1, damping=1.0),
            "damping: expected a number >= 0 and < 1, got 1.0",
        ),
        (
            lambda: junction_tree([ONE]).marginal((4,)),
            "variables: expected some of one clique, got (4,)",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
