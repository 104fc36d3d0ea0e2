"""Circuits against enumeration of all states. Tolerance 1e-12 in float64."""

import itertools

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.models.circuits import (
    CircuitTree,
    Leaf,
    Product,
    Sum,
    is_decomposable,
    is_smooth,
    log_value,
    marginals,
    ordered,
    quadrants,
    random_circuit,
    scopes,
)


def every_state(num_variables, levels=2):
    return torch.tensor(list(itertools.product(range(levels), repeat=num_variables)))


def by_recursion(node, x):
    """The circuit's value at one complete state, straight from the definition."""
    if isinstance(node, Leaf):
        return float(node.probs[x[node.variable]])
    values = [by_recursion(child, x) for child in node.children]
    if isinstance(node, Product):
        total = 1.0
        for value in values:
            total *= value
        return total
    return sum(float(w) * v for w, v in zip(node.weights, values, strict=True))


def bernoulli(variable, p):
    return Leaf(variable, torch.tensor([1 - p, p], dtype=torch.float64))


def mix(*children, weights=(0.4, 0.6)):
    return Sum(torch.tensor(weights, dtype=torch.float64), children)


@pytest.fixture
def circuit(generator):
    return random_circuit(8, 2, generator)


@pytest.fixture
def broken():
    """A product of two mixtures that both speak of variable 0, so that it squares its indicator."""
    first = mix(
        Product((bernoulli(0, 0.9), bernoulli(1, 0.2))),
        Product((bernoulli(0, 0.1), bernoulli(1, 0.7))),
    )
    return Product((first, mix(bernoulli(0, 0.8), bernoulli(0, 0.3))))


@pytest.mark.concept("pgm.prob-circuits")
def test_one_pass_gives_every_marginal_of_a_random_circuit(circuit):
    """All 3^8 patterns of seen and summed out variables, against sums over 2^8 states."""
    assert is_smooth(circuit) and is_decomposable(circuit)
    states = every_state(8)
    joint = log_value(circuit, states).exp()
    assert abs(float(joint.sum()) - 1) < 1e-12
    for row in states[::37].tolist():
        place = int("".join(map(str, row)), 2)
        assert abs(float(joint[place]) - by_recursion(circuit, row)) < 1e-12
    patterns = every_state(8, 3) - 1
    table = joint.reshape([2] * 8)
    for axis in range(8):  # level 0 becomes "summed out", as the patterns are counted
        table = torch.cat([table.sum(axis, keepdim=True), table], axis)
    torch.testing.assert_close(
        log_value(circuit, patterns).exp(), table.flatten(), rtol=0, atol=1e-12
    )


@pytest.mark.concept("pgm.prob-circuits")
def test_a_product_that_repeats_a_variable_answers_wrongly(broken):
    assert is_smooth(broken) and not is_decomposable(broken)
    states = every_state(2)
    values = log_value(broken, states).exp()
    for value, row in zip(values, states.tolist(), strict=True):
        assert abs(float(value) - by_recursion(broken, row)) < 1e-12
    summed = float(values.sum())
    claimed = float(log_value(broken, torch.tensor([[-1, -1]])).exp())
    assert abs(claimed - summed) > 0.1
    with pytest.raises(ArgumentError, match="root: expected a smooth and decomposable circuit"):
        marginals(broken, torch.tensor([[-1, -1]]))


@pytest.mark.concept("pgm.prob-circuits")
def test_a_sum_over_unequal_scopes_answers_wrongly():
    rough = mix(bernoulli(0, 0.3), Product((bernoulli(0, 0.6), bernoulli(1, 0.5))))
    assert is_decomposable(rough) and not is_smooth(rough)
    summed = float(log_value(rough, every_state(2)).exp().sum())
    claimed = float(log_value(rough, torch.tensor([[-1, -1]])).exp())
    assert abs(claimed - 1) < 1e-12 and abs(summed - 1.4) < 1e-12


def test_gradients_give_all_laws_given_the_others(circuit):
    x = torch.tensor([[1, -1, 0, -1, 1, -1, -1, 0], [-1] * 8])
    found = marginals(circuit, x)
    for v in range(8):
        other = x.clone()
        other[:, v] = -1
        both = torch.stack([other.index_fill(1, torch.tensor([v]), k) for k in range(2)], 1)
        values = torch.stack([log_value(circuit, both[:, k]).exp() for k in range(2)], -1)
        expected = values / values.sum(-1, keepdim=True)
        torch.testing.assert_close(found[v], expected, rtol=0, atol=1e-12)


def test_nodes_come_once_children_first_with_their_scopes(circuit):
    nodes = ordered(circuit)
    places = {id(node): i for i, node in enumerate(nodes)}
    assert len(places) == len(nodes)
    for node in nodes:
        for child in getattr(node, "children", ()):
            assert places[id(child)] < places[id(node)]
    assert scopes(circuit)[id(circuit)] == frozenset(range(8))
    shared = bernoulli(0, 0.5)
    assert len(ordered(mix(shared, shared))) == 2


def test_levels_beyond_two(generator):
    circuit = random_circuit(3, 2, generator, levels=3)
    assert abs(float(log_value(circuit, every_state(3, 3)).exp().sum()) - 1) < 1e-12


@pytest.fixture
def tree(generator):
    torch.manual_seed(0)
    order = torch.randperm(8, generator=generator)
    model = CircuitTree(8, 3, order=order).double()
    with torch.no_grad():  # states are mostly handed down, so that what is seen tells of the rest
        model.leaves *= 2
        model.weights[-1] *= 0.1
        for weight in model.weights[:-1]:
            weight += 3 * torch.eye(3)
    return model


@pytest.mark.concept("pgm.prob-circuits")
def test_layers_answer_every_pattern(tree):
    states = every_state(8)
    with torch.no_grad():
        table = tree.log_prob(states).exp().reshape([2] * 8)
        assert abs(float(table.sum()) - 1) < 1e-12
        for axis in range(8):
            table = torch.cat([table.sum(axis, keepdim=True), table], axis)
        found = tree.log_prob(every_state(8, 3) - 1).exp()
    torch.testing.assert_close(found, table.flatten(), rtol=0, atol=1e-12)


def test_layers_are_the_sum_over_the_hidden_tree():
    """Four variables and all states of the three hidden ones, with the order undone by hand."""
    torch.manual_seed(1)
    order = torch.tensor([2, 0, 3, 1])
    tree = CircuitTree(4, 2, order=order).double()
    leaf = tree.leaves.softmax(-1)
    first, root = (w.softmax(-1) for w in tree.weights)
    x = torch.tensor([[0, 1, 1, 0]])
    at = x[0, order]
    total = 0.0
    for k, i, j in itertools.product(range(2), repeat=3):
        left = first[0, k, i] * leaf[0, i, at[0]] * leaf[1, i, at[1]]
        right = first[1, k, j] * leaf[2, j, at[2]] * leaf[3, j, at[3]]
        total += root[0, 0, k] * left * right
    assert abs(float((tree.log_prob(x)[0] - total.log()).detach())) < 1e-12


def test_layered_posterior_is_bayes_rule(tree):
    x = torch.tensor([[1, -1, 0, -1, 1, -1, -1, 0]])
    found = tree.posterior(x)
    for v in range(8):
        both = x.repeat(2, 1)
        both[:, v] = torch.arange(2)
        expected = tree.log_prob(both).detach().softmax(0)
        torch.testing.assert_close(found[0, v], expected, rtol=0, atol=1e-12)


def test_layered_draws_follow_the_law_and_the_condition(tree, generator):
    for known in (None, torch.tensor([-1, 1, -1, -1, 0, -1, 1, -1])):
        draws = tree.sample(20_000, condition=known, generator=generator)
        states = every_state(8)
        if known is not None:
            kept = known >= 0
            assert bool((draws[:, kept] == known[kept]).all())
            states = states[(states[:, kept] == known[kept]).all(1)]
        places = 2 ** torch.arange(7, -1, -1)
        counts = torch.bincount(draws @ places, minlength=256)[states @ places]
        expected = tree.log_prob(states).detach().softmax(0) * 20_000
        rare = expected < 5
        observed = [*counts[~rare].tolist(), int(counts[rare].sum())]
        wanted = [*expected[~rare].tolist(), float(expected[rare].sum())]
        pairs = [p for p in zip(observed, wanted, strict=True) if p[1] > 1e-9]
        assert stats.chisquare(*zip(*pairs, strict=True)).pvalue > 1e-3


def test_loss_is_the_mean_negative_log_likelihood(tree):
    x = every_state(8)[:20]
    torch.testing.assert_close(tree.loss(x)["total"], -tree.log_prob(x).mean())


def test_quadrants_keep_quarters_together():
    order = quadrants(4)
    assert order.tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert sorted(quadrants(8).tolist()) == list(range(64))
    assert quadrants(8)[:8].tolist() == [0, 1, 8, 9, 2, 3, 10, 11]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CircuitTree(6, 2), "num_variables: expected a power of two, got 6"),
        (
            lambda: CircuitTree(4, 2, order=torch.tensor([0, 1, 1, 2])),
            "order: expected a permutation of 0 to 3",
        ),
        (
            lambda: CircuitTree(2, 2).log_prob(torch.tensor([[0, 2]])),
            "x: expected values <= 1, got a value of 2",
        ),
        (lambda: quadrants(6), "side: expected a power of two, got 6"),
        (
            lambda: Leaf(0, torch.tensor([0.5, 0.6])),
            "probs: expected probabilities that sum to 1, got a sum of",
        ),
        (
            lambda: Sum(torch.tensor([1.0]), (bernoulli(0, 0.5), bernoulli(0, 0.2))),
            "weights: expected shape (2), got shape (1,)",
        ),
        (
            lambda: log_value(bernoulli(1, 0.5), torch.tensor([[0]])),
            "x.shape[1]: expected a whole number >= 2, got 1",
        ),
        (
            lambda: log_value(bernoulli(0, 0.5), torch.tensor([[2]])),
            "x[:, 0]: expected values <= 1, got a value of 2",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value).startswith(message)
