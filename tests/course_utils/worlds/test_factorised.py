"""What an assumption costs in numbers, and the best homogeneous chain, against enumeration."""

import pytest
import scipy.optimize
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.factorised import free_parameters, homogeneous_restriction
from course_utils.worlds.tables import TableWorld


@pytest.mark.concept("found.iid-markov")
def test_counts_of_ten_binary_variables():
    assert free_parameters(10, 2) == 1023
    assert free_parameters(10, 2, memory=0) == 10
    assert free_parameters(10, 2, memory=1) == 19
    assert free_parameters(10, 2, memory=1, alike=True) == 3
    assert free_parameters(10, 2, memory=0, alike=True) == 1


@pytest.mark.concept("found.iid-markov")
@pytest.mark.parametrize(("d", "k"), [(1, 3), (4, 3), (5, 2)])
def test_counts_are_rows_of_conditional_tables(d, k):
    for memory in range(d):
        rows = 0
        for i in range(d):
            contexts = 1
            for _ in range(min(i, memory)):
                contexts *= k
            rows += contexts
        assert free_parameters(d, k, memory=memory) == rows * (k - 1)
        start = TableWorld.random((k,) * memory).probs.numel() - 1 if memory else 0
        assert free_parameters(d, k, memory=memory, alike=True) == start + k**memory * (k - 1)
    assert free_parameters(d, k) == k**d - 1


@pytest.mark.concept("found.iid-markov")
def test_each_factorised_joint_sums_to_one_and_forgetting_costs(generator):
    world = TableWorld.random((2,) * 10, generator)
    states = world.states()
    losses = [float(world.entropy())]
    for memory in (9, 3, 1, 0):
        model = world.markov_restriction(range(10), memory)
        assert abs(model.log_prob(states).logsumexp(0)) < 1e-12
        losses.append(float(world.cross_entropy(model)))
    assert abs(losses[1] - losses[0]) < 1e-12
    assert losses == sorted(losses)
    chain = homogeneous_restriction(world)
    assert abs(chain.log_prob(states).logsumexp(0)) < 1e-12
    loss = -(world.probs.flatten() * chain.log_prob(states)).sum()
    assert losses[3] < loss


@pytest.mark.concept("found.iid-markov")
def test_no_other_homogeneous_chain_does_better(generator):
    """A general optimiser over the logits of a binary chain of four ends at the same table."""
    world = TableWorld.random((2,) * 4, generator)
    probs, states = world.probs.flatten(), world.states()

    def loss(logits):
        rows = torch.tensor(logits).reshape(3, 2).log_softmax(1)
        steps = rows[1 + states[:, :-1], states[:, 1:]].sum(1)
        return float(-(probs * (rows[0, states[:, 0]] + steps)).sum())

    found = scipy.optimize.minimize(loss, [0.0] * 6, tol=1e-12)
    chain = homogeneous_restriction(world)
    best = -(probs * chain.log_prob(states)).sum()
    assert abs(found.fun - best) < 1e-8
    rows = torch.tensor(found.x).reshape(3, 2).softmax(1)
    torch.testing.assert_close(rows[1:], chain.transition, rtol=0, atol=1e-3)


def test_bad_arguments_get_one_line(as_user):
    with pytest.raises(ArgumentError, match="memory: expected a whole number >= 0 and <= 9, got"):
        free_parameters(10, 2, memory=10)
    with pytest.raises(ArgumentError, match="num_levels: expected a whole number >= 2, got 1"):
        free_parameters(3, 1)
    with pytest.raises(ArgumentError, match="world: expected two or more variables with equal"):
        homogeneous_restriction(TableWorld.random((2, 3)))
    with pytest.raises(ArgumentError, match="world: expected two or more variables with equal"):
        homogeneous_restriction(TableWorld.random((2,)))
