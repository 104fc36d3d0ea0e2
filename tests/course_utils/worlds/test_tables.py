"""Tables against sums written out over all states.

Tolerance 1e-12: both roads add at most 243 float64 products.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.tables import TableWorld

ORDERINGS = list(itertools.permutations(range(5)))


@pytest.fixture
def five(generator) -> TableWorld:
    return TableWorld.random((3,) * 5, generator)


@pytest.fixture
def uneven(generator) -> TableWorld:
    return TableWorld.random((2, 3, 4), generator)


def brute_marginal(world, axes):
    """Marginal as a dictionary, summed state by state."""
    sums = {}
    for state in itertools.product(*map(range, world.levels)):
        key = tuple(state[i] for i in axes)
        sums[key] = sums.get(key, 0.0) + world.probs[state].item()
    return sums


def brute_information(world, a, b, given):
    """I(a; b | given) as an expected log ratio of brute marginals."""
    joint = brute_marginal(world, (*a, *b, *given))
    pa, pb, pc = (brute_marginal(world, axes) for axes in ((*a, *given), (*b, *given), given))
    total = 0.0
    for key, p in joint.items():
        ka, kb, kc = key[: len(a)], key[len(a) : len(a) + len(b)], key[len(a) + len(b) :]
        total += p * math.log(p * pc[kc] / (pa[ka + kc] * pb[kb + kc]))
    return total


@pytest.mark.concept("ar.chain-rule")
def test_conditionals_rebuild_the_joint_in_all_120_orderings(five):
    states = five.states()
    for order in ORDERINGS:
        joint = torch.ones(len(states), dtype=torch.float64)
        for i, axis in enumerate(order):
            table = five.conditional(axis, order[:i])
            joint = joint * table[tuple(states[:, [*order[:i], axis]].T)]
        np.testing.assert_allclose(joint, five.probs.flatten(), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.chain-rule")
def test_conditional_is_a_ratio_of_sums(uneven):
    table = uneven.conditional(1, (2, 0))
    joint, context = brute_marginal(uneven, (2, 0, 1)), brute_marginal(uneven, (2, 0))
    for key, p in joint.items():
        assert abs(table[key].item() - p / context[key[:2]]) < 1e-12


def test_marginal_keeps_the_order_asked_for(uneven):
    for axes in [(), (1,), (2, 0), (0, 2), (2, 1, 0)]:
        table = uneven.marginal(axes)
        for key, p in brute_marginal(uneven, axes).items():
            assert abs(table[key].item() - p) < 1e-12


def test_states_run_like_the_flat_table(uneven):
    torch.testing.assert_close(uneven.log_prob(uneven.states()).exp(), uneven.probs.flatten())


def test_entropy_equals_scipy(uneven):
    assert abs(uneven.entropy() - scipy.stats.entropy(uneven.probs.flatten())) < 1e-12
    marginal = list(brute_marginal(uneven, (0, 2)).values())
    assert abs(uneven.entropy((0, 2)) - scipy.stats.entropy(marginal)) < 1e-12


@pytest.mark.parametrize(
    ("a", "b", "given"), [((0,), (1,), ()), ((0,), (2,), (1,)), ((0, 2), (1,), ())]
)
def test_information_equals_enumeration(a, b, given, uneven):
    wanted = brute_information(uneven, a, b, given)
    assert abs(uneven.mutual_information(a, b, given) - wanted) < 1e-12


@pytest.mark.concept("ar.ordering")
def test_unrestricted_tables_lose_nothing_in_any_ordering(five):
    losses = [five.cross_entropy(five.markov_restriction(o, memory=4)) for o in ORDERINGS]
    np.testing.assert_allclose(losses, float(five.entropy()), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.ordering")
@pytest.mark.parametrize("memory", [1, 2, 3])
def test_gap_between_orderings_is_a_difference_of_informations(memory, five):
    def forgotten(order):
        pasts = (order[:i] for i in range(5))
        return sum(
            brute_information(five, (axis,), past[:-memory], past[-memory:])
            for axis, past in zip(order, pasts, strict=True)
            if len(past) > memory
        )

    some = ORDERINGS[::17]
    losses = [five.cross_entropy(five.markov_restriction(o, memory)) for o in some]
    costs = [forgotten(o) for o in some]
    for (loss, cost), (other, other_cost) in itertools.combinations(
        zip(losses, costs, strict=True), 2
    ):
        assert abs((loss - other) - (cost - other_cost)) < 1e-12
    assert max(losses) - min(losses) > 1e-3


@pytest.mark.concept("ar.ordering")
def test_a_chain_is_free_forwards_and_backwards_only(generator):
    step = TableWorld.random((3, 3), generator).conditional(1, (0,))
    start = torch.full((3,), 1 / 3, dtype=torch.float64)
    chain = TableWorld(torch.einsum("a,ab,bc,cd->abcd", start, step, step, step))
    gaps = {
        order: float(chain.cross_entropy(chain.markov_restriction(order)) - chain.entropy())
        for order in itertools.permutations(range(4))
    }
    free = {order for order, gap in gaps.items() if gap < 1e-12}
    assert free == {(0, 1, 2, 3), (3, 2, 1, 0)}


def test_restricted_conditionals_are_the_best_ones(uneven, generator):
    restricted = uneven.markov_restriction((2, 0, 1))
    least = uneven.cross_entropy(restricted)
    first, second = restricted.conditional(2), restricted.conditional(0, (2,))
    third = restricted.conditional(1, (0,))
    for table in (first, second, third):
        changed = table * (1 + 0.1 * torch.rand(table.shape, generator=generator))
        changed = changed / changed.sum(-1, keepdim=True)
        tables = [changed if t is table else t for t in (first, second, third)]
        assert uneven.cross_entropy(TableWorld(torch.einsum("c,ca,ab->abc", *tables))) > least


def test_samples_pass_chi_square(uneven, generator):
    draws = uneven.sample(20_000, generator=generator)
    flat = np.ravel_multi_index(tuple(draws.T.numpy()), uneven.levels)
    expected = 20_000 * uneven.probs.flatten().numpy()
    counts = np.bincount(flat, minlength=24)
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-4


def test_conditional_samples_pass_chi_square(uneven, generator):
    draws = uneven.sample(20_000, condition=torch.tensor([-1, 2, -1]), generator=generator)
    assert bool((draws[:, 1] == 2).all())
    expected = uneven.probs[:, 2].flatten() / uneven.probs[:, 2].sum()
    counts = np.bincount(draws[:, 0] * 4 + draws[:, 2], minlength=8)
    assert scipy.stats.chisquare(counts, 20_000 * expected.numpy()).pvalue > 1e-4


def test_posterior_is_bayes_rule(uneven):
    x = torch.tensor([[-1, 2, -1], [-1, 0, -1]])
    for row, table in zip(x, uneven.posterior(x), strict=True):
        wanted = uneven.probs[:, row[1]]
        torch.testing.assert_close(table, wanted / wanted.sum())
    everything = uneven.posterior(torch.full((2, 3), -1))
    torch.testing.assert_close(everything[1], uneven.probs)


def test_impossible_contexts():
    world = TableWorld(torch.tensor([[0.25, 0.75], [0.0, 0.0]]))
    torch.testing.assert_close(world.conditional(1, (0,))[1], torch.tensor([0.5, 0.5]))
    assert world.log_prob(torch.tensor([[1, 0]])) == -torch.inf
    assert torch.isfinite(world.entropy())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda w: TableWorld(torch.ones(2, 2)),
            "probs: expected probabilities that sum to 1, got a sum of 4.0",
        ),
        (
            lambda w: w.log_prob(torch.tensor([[0, 3, 0]])),
            "x[:, 1]: expected values <= 2, got a value of 3",
        ),
        (
            lambda w: w.log_prob(torch.tensor([[0, 0]])),
            "x: expected shape (batch, 3), got shape (1, 2)",
        ),
        (lambda w: w.marginal((1, 1)), "axes: expected distinct variables, got (1, 1)"),
        (
            lambda w: w.markov_restriction((0, 1)),
            "order: expected a permutation of 0 to 2, got (0, 1)",
        ),
        (
            lambda w: w.posterior(torch.tensor([[0, 0, -1], [0, -1, 0]])),
            "x: expected -1 at the same variables in every row, got otherwise",
        ),
        (lambda w: w.sample(0), "num_samples: expected a whole number >= 1, got 0"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, uneven, as_user):
    with pytest.raises(ArgumentError) as caught:
        call(uneven)
    assert str(caught.value) == message


@pytest.mark.concept("found.structure-capacity")
@pytest.mark.parametrize("seed", range(5))
def test_the_best_factorised_model_loses_the_total_correlation_and_a_chain_loses_nothing(seed):
    """Total correlation from the entropies; the optimum by numerical descent."""
    generator = torch.Generator().manual_seed(seed)
    world = TableWorld.random((2,) * 6, generator, concentration=0.5)
    total = sum(world.entropy([i]) for i in range(6)) - world.entropy()
    losses = [
        float(world.cross_entropy(world.markov_restriction(range(6), memory)) - world.entropy())
        for memory in range(6)
    ]
    assert abs(losses[0] - float(total)) < 1e-10
    assert abs(losses[-1]) < 1e-10
    assert all(more <= less + 1e-12 for less, more in itertools.pairwise(losses))

    states = world.states().double()
    probs = world.probs.flatten()
    logits = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-13, tolerance_change=0)

    def loss():
        descent.zero_grad()
        terms = states @ logits - torch.nn.functional.softplus(logits).sum()
        value = (probs * (probs.clamp_min(1e-300).log() - terms)).sum()
        value.backward()
        return value

    descent.step(loss)
    assert abs(float(loss().detach()) - float(total)) < 1e-9
