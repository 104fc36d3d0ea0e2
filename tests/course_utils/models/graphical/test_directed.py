"""Bayesian networks: three views of one law, independence from arrows, interventions.

Everything is compared with the enumerated joint table in float64; sums of up to a few hundred
probabilities are right to 1e-12. d-separation has networkx as a second opinion.
"""

import itertools

import networkx
import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.models.graphical import BayesNet, d_separated, moral_graph, topological_order
from course_utils.models.graphical.directed import ancestors, edges
from course_utils.models.graphical.separation import reachable

DIAMOND = ((), (0,), (0,), (1, 2), (3,))
M_SHAPE = ((), (), (0,), (0, 1), (1,), (3,))
GRAPHS = (DIAMOND, M_SHAPE, ((), (0,), (1,), (2,)), ((1,), (), (1, 4), (2,), (0,)))


def networkx_graph(parents):
    graph = networkx.DiGraph(edges(parents))
    graph.add_nodes_from(range(len(parents)))
    return graph


def by_hand(net, x):
    """p(x) as a product of looked up numbers."""
    prob = 1.0
    for i, its in enumerate(net.parents):
        prob *= float(net.tables[i][tuple(x[p] for p in its)][x[i]])
    return prob


@pytest.mark.concept("pgm.three-views")
def test_program_and_factorisation_are_one_law(generator):
    """Chi-square of the program's draws against the enumerated product of factors."""
    net = BayesNet.random(DIAMOND, (2, 3, 2, 2, 2), generator)
    world = net.joint()
    states = world.states()
    expected = torch.tensor([by_hand(net, row) for row in states.tolist()], dtype=torch.float64)
    torch.testing.assert_close(world.probs.flatten(), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(net.log_prob(states).exp(), expected, rtol=0, atol=1e-15)
    draws = net.sample(20_000, generator=generator)
    strides = torch.tensor([24, 8, 4, 2, 1])
    counts = torch.bincount(draws @ strides, minlength=48)
    assert stats.chisquare(counts, 20_000 * expected).pvalue > 1e-3


@pytest.mark.concept("pgm.three-views")
@pytest.mark.parametrize("parents", GRAPHS)
def test_arrows_predict_exactly_which_information_is_zero(parents, generator):
    """For random tables: zero to 1e-12 where d-separated, and above 1e-9 everywhere else."""
    world = BayesNet.random(parents, 2, generator).joint()
    for a, b in itertools.combinations(range(len(parents)), 2):
        others = [v for v in range(len(parents)) if v not in (a, b)]
        for size in range(len(others) + 1):
            for given in itertools.combinations(others, size):
                information = float(world.mutual_information([a], [b], given))
                if d_separated(parents, [a], [b], given):
                    assert abs(information) < 1e-12, (a, b, given)
                else:
                    assert information > 1e-9, (a, b, given)


def test_separation_agrees_with_networkx_on_random_graphs(generator):
    for _ in range(60):
        order = torch.randperm(6, generator=generator).tolist()
        chosen = torch.rand(6, 6, generator=generator) < 0.4
        parents = tuple(
            tuple(u for u in range(6) if order[u] < order[v] and chosen[u, v]) for v in range(6)
        )
        graph = networkx_graph(parents)
        a, b, *rest = torch.randperm(6, generator=generator).tolist()
        groups = ({a}, {b, rest[0]}, set(rest[1:3]))
        expected = networkx.is_d_separator(graph, *groups)
        assert d_separated(parents, *groups) is expected
        assert d_separated(parents, groups[1], groups[0], groups[2]) is expected


def test_orders_ancestors_and_moral_graph():
    for parents in GRAPHS:
        order = topological_order(parents)
        assert sorted(order) == list(range(len(parents)))
        assert all(order.index(u) < order.index(v) for u, v in edges(parents))
        graph = networkx_graph(parents)
        for node in graph:
            assert ancestors(parents, [node]) == networkx.ancestors(graph, node) | {node}
        moral = networkx.moral_graph(graph)
        assert moral_graph(parents) == {v: set(moral[v]) for v in graph}


def test_what_can_be_reached_leaves_out_what_is_observed():
    assert reachable(DIAMOND, [0], [1, 2]) == {0}
    assert reachable(((), (), (0, 1), (2,)), [0], [3]) == {0, 1, 2}
    assert reachable(((), (), (0, 1), (2,)), [0], []) == {0, 2, 3}


@pytest.mark.concept("pgm.three-views")
def test_both_arrows_fit_a_joint_and_differ_when_one_variable_is_set(generator):
    """E72: X → Y and Y → X fitted to one table are the same law, with other interventions."""
    truth = BayesNet.random(((), (0,)), (2, 3), generator)
    counts = (truth.joint().probs.flatten() * 10_000).round().long()
    data = truth.joint().states().repeat_interleave(counts, 0)
    forward = BayesNet.fitted(((), (0,)), data, (2, 3))
    backward = BayesNet.fitted(((1,), ()), data, (2, 3))
    torch.testing.assert_close(forward.joint().probs, backward.joint().probs, rtol=0, atol=1e-15)
    set_forward = forward.do({0: 1}).joint().marginal([1])
    set_backward = backward.do({0: 1}).joint().marginal([1])
    torch.testing.assert_close(set_forward, forward.joint().conditional(1, [0])[1])
    torch.testing.assert_close(set_backward, backward.joint().marginal([1]))
    assert float((set_forward - set_backward).abs().max()) > 0.05


def test_setting_a_variable_keeps_all_other_tables(generator):
    net = BayesNet.random(DIAMOND, 2, generator)
    expected = net.joint().probs.clone()
    cut = (expected / net.tables[1][:, :, None, None, None])[:, 1]
    changed = net.do({1: 1})
    found = changed.joint().probs
    assert changed.parents == ((), (), *DIAMOND[2:])  # its incoming arrows are cut
    torch.testing.assert_close(found[:, 1], cut, rtol=0, atol=1e-14)
    assert float(found[:, 0].abs().max()) == 0


def test_fitted_tables_are_shares(generator):
    truth = BayesNet.random(DIAMOND, 2, generator)
    x = truth.sample(500, generator=generator)
    net = BayesNet.fitted(DIAMOND, x, (2,) * 5, pseudo_count=0.5)
    for a, b, c in itertools.product(range(2), repeat=3):
        row = (x[:, 1] == a) & (x[:, 2] == b)
        share = (int((row & (x[:, 3] == c)).sum()) + 0.5) / (int(row.sum()) + 1)
        assert abs(float(net.tables[3][a, b, c]) - share) < 1e-12
    plain = BayesNet.fitted(DIAMOND, x, (2,) * 5)
    assert float(plain.log_prob(x).mean()) >= float(net.log_prob(x).mean())
    empty = BayesNet.fitted(((), (0,)), torch.zeros(3, 2, dtype=torch.int64), (2, 4))
    assert empty.tables[1][1].tolist() == [0.25] * 4


def test_queries_equal_ratios_of_the_table(generator):
    net = BayesNet.random(DIAMOND, (2, 3, 2, 2, 2), generator)
    joint = net.joint().probs
    expected = joint[:, :, 1, :, 0].sum(2)
    found = net.query((1, 0), {2: 1, 4: 0})
    torch.testing.assert_close(found, (expected / expected.sum()).T, rtol=0, atol=1e-14)
    x = torch.tensor([[-1, -1, 1, 0, 0], [-1, -1, 0, 1, 0]])
    by_row = joint[:, :, [1, 0], [0, 1], [0, 0]].movedim(-1, 0)
    by_row = by_row / by_row.sum((1, 2), keepdim=True)
    torch.testing.assert_close(net.posterior(x), by_row, rtol=0, atol=1e-14)


def test_draws_keep_what_is_known(generator):
    net = BayesNet.random(DIAMOND, 2, generator)
    known = torch.tensor([-1, -1, -1, 1, -1])
    x = net.sample(4000, condition=known, generator=generator)
    assert bool((x[:, 3] == 1).all())
    share, truth = x[:, 0].double().mean(), net.query([0], {3: 1})[1]
    assert abs(share - truth) < 4 * (truth * (1 - truth) / 4000).sqrt()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BayesNet.random(((1,), (0,))), "parents: expected no cycle, got [0, 1, 0]"),
        (lambda: BayesNet.random(((2,), ())), "parents[0]: expected a whole number >= 0 and <= 1"),
        (
            lambda: BayesNet(((), (0,)), (torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5]))),
            "tables[1]: expected shape (2, 2), got shape (2,)",
        ),
        (lambda: BayesNet(((),), ()), "tables: expected 1, got 0"),
        (
            lambda: d_separated(DIAMOND, [0], [0]),
            "variables: expected three sets without a common one, got an overlap",
        ),
        (
            lambda: BayesNet.random(((),)).do({0: 2}),
            "values[0]: expected a whole number >= 0 and <= 1, got 2",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
