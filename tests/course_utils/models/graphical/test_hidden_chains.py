"""Hidden Markov inference against all 3^6 paths, and Baum-Welch against expectations over them."""

import itertools

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.graphical import (
    Factor,
    baum_welch,
    chow_liu,
    eliminate,
    expected_counts,
    marginal,
    pairwise_information,
)
from course_utils.models.graphical.trees import maximum_spanning_tree
from course_utils.worlds.sequences import HiddenMarkovSource

LENGTH = 6
PATHS = list(itertools.product(range(3), repeat=LENGTH))


@pytest.fixture
def source(generator) -> HiddenMarkovSource:
    rows = HiddenMarkovSource.random(3, 4, generator)
    initial = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    return HiddenMarkovSource(rows.transition, rows.emission, initial)


def joints(source, row):
    """p(x, z) of every path z, factor by factor."""
    found = []
    for z in PATHS:
        prob = source.initial[z[0]] * source.emission[z[0], row[0]]
        for t in range(1, LENGTH):
            prob = prob * source.transition[z[t - 1], z[t]] * source.emission[z[t], row[t]]
        found.append(prob)
    return torch.stack(found)


def as_factors(source, row):
    """The chain as factors over the states, the symbols already fixed."""
    first = Factor((0,), source.initial)
    steps = [Factor((t - 1, t), source.transition) for t in range(1, LENGTH)]
    seen = [Factor((t,), source.emission[:, row[t]]) for t in range(LENGTH)]
    return [first, *steps, *seen]


@pytest.mark.concept("pgm.dynamic-programming")
def test_likelihood_smoothing_and_best_path_equal_enumeration(source, generator):
    x = source.sample(5, length=LENGTH, generator=generator)
    log_prob, posterior, (path, best) = source.log_prob(x), source.posterior(x), source.viterbi(x)
    for i, row in enumerate(x.tolist()):
        joint = joints(source, row)
        assert abs(float(log_prob[i].exp() - joint.sum())) < 1e-12
        for t, state in itertools.product(range(LENGTH), range(3)):
            through = sum(p for z, p in zip(PATHS, joint, strict=True) if z[t] == state)
            assert abs(float(posterior[i, t, state] - through / joint.sum())) < 1e-12
        assert tuple(path[i].tolist()) == PATHS[int(joint.argmax())]
        assert abs(float(best[i].exp() - joint.max())) < 1e-12


@pytest.mark.concept("pgm.dynamic-programming")
def test_elimination_along_the_chain_is_the_forward_pass(source, generator):
    """Any order gives the same: elimination is the general form of the recursions."""
    x = source.sample(1, length=LENGTH, generator=generator)
    factors = as_factors(source, x[0].tolist())
    for order in (range(LENGTH), range(LENGTH - 1, -1, -1), (3, 0, 5, 1, 4, 2)):
        assert abs(float(eliminate(factors, order).table.log() - source.log_prob(x)[0])) < 1e-12
        best = eliminate(factors, order, remove=Factor.max_out)
        assert abs(float(best.table.log() - source.viterbi(x)[1][0])) < 1e-12
    for t in range(LENGTH):
        torch.testing.assert_close(marginal(factors, (t,)).table, source.posterior(x)[0, t])


def test_best_path_is_not_the_path_of_best_states():
    """State 0 is the likeliest first and state 2 the likeliest second; 0 is never followed by 2."""
    transition = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    initial = torch.tensor([0.4, 0.31, 0.29], dtype=torch.float64)
    source = HiddenMarkovSource(transition.double(), torch.ones(3, 1).double(), initial)
    x = torch.zeros(1, 2, dtype=torch.int64)
    path, best = source.viterbi(x)
    assert path.tolist() == [[1, 2]] and abs(float(best.exp()) - 0.31) < 1e-12
    assert source.posterior(x).argmax(-1).tolist() == [[0, 2]]


def test_one_symbol_and_impossible_paths():
    source = HiddenMarkovSource(
        torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double(),
        torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64),
    )
    path, best = source.viterbi(torch.tensor([[1]]))
    assert path.tolist() == [[1]] and abs(float(best.exp()) - 0.4) < 1e-12
    path, _ = source.viterbi(torch.tensor([[0, 0, 0, 0]]))
    assert path.tolist() in ([[0, 1, 0, 1]], [[1, 0, 1, 0]])


@pytest.mark.concept("pgm.dynamic-programming")
def test_expected_counts_are_averages_over_all_paths(source, generator):
    x = source.sample(3, length=LENGTH, generator=generator)
    found = expected_counts(source, x)
    initial, transition = torch.zeros(3).double(), torch.zeros(3, 3).double()
    emission = torch.zeros(3, 4).double()
    for row in x.tolist():
        joint = joints(source, row)
        for z, weight in zip(PATHS, joint / joint.sum(), strict=True):
            initial[z[0]] += weight
            for t in range(LENGTH):
                emission[z[t], row[t]] += weight
                if t:
                    transition[z[t - 1], z[t]] += weight
    torch.testing.assert_close(found.initial, initial, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.transition, transition, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.emission, emission, rtol=0, atol=1e-12)
    assert abs(float(found.log_prob - source.log_prob(x).sum())) < 1e-12


def test_baum_welch_never_lowers_the_likelihood_and_finds_a_stationary_point(source, generator):
    """Log-likelihoods rise to rounding, and the gradient along the simplex vanishes at the end."""
    x = source.sample(20, length=8, generator=generator)
    start = HiddenMarkovSource.random(2, 4, generator)
    learnt = baum_welch(start, x, 150)
    assert len(learnt.log_probs) == 151
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(learnt.log_probs))
    assert learnt.log_probs[-1] > learnt.log_probs[0] + 5
    found = learnt.source

    def moved(table, direction, size):
        tables = {"transition": found.transition, "emission": found.emission}
        tables[table] = (tables[table].log() + size * direction).softmax(-1)
        return float(HiddenMarkovSource(**tables, initial=found.initial).log_prob(x).sum())

    for table in ("transition", "emission"):
        shape = getattr(found, table).shape
        for _ in range(4):
            direction = torch.randn(shape, generator=generator, dtype=torch.float64)
            slope = (moved(table, direction, 1e-4) - moved(table, direction, -1e-4)) / 2e-4
            assert abs(slope) < 0.1 < abs(moved(table, direction, 1.0) - learnt.log_probs[-1])


def test_equal_states_stay_equal(generator):
    half = torch.full((2, 2), 0.5, dtype=torch.float64)
    x = torch.randint(2, (10, 5), generator=generator)
    learnt = baum_welch(HiddenMarkovSource(half, half), x, 5).source
    torch.testing.assert_close(learnt.emission[0], learnt.emission[1])


def test_a_state_without_use_gets_uniform_rows():
    source = HiddenMarkovSource(
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double(),
        torch.tensor([[0.3, 0.7], [0.9, 0.1]]).double(),
        torch.tensor([1.0, 0.0]).double(),
    )
    learnt = baum_welch(source, torch.tensor([[0, 1, 1]]), 1).source
    assert learnt.transition[1].tolist() == [0.5, 0.5]
    assert learnt.emission[0].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_spanning_tree_is_the_heaviest_of_all():
    weights = torch.rand(5, 5, generator=torch.Generator().manual_seed(3))
    pairs = list(itertools.combinations(range(5), 2))

    def joined(links):
        group = list(range(5))
        for i, j in links:
            group = [group[i] if g == group[j] else g for g in group]
        return len(set(group)) == 1

    best = max(
        sum(float(weights[i, j]) for i, j in links)
        for links in itertools.combinations(pairs, 4)
        if joined(links)
    )
    found = maximum_spanning_tree(5, lambda i, j: float(weights[i, j]))
    assert joined(found) and abs(sum(float(weights[i, j]) for i, j in found) - best) < 1e-12


def test_chow_liu_beats_every_other_tree_on_its_data(generator):
    """All 16 trees on four variables, fitted by counting; the tree found has the best fit."""
    from course_utils.models.graphical import BayesNet
    from course_utils.worlds.tables import TableWorld

    world = TableWorld.random((2, 2, 2, 2), generator, 0.5)
    x = world.sample(2000, generator=generator)

    def fit(parents):
        return float(BayesNet.fitted(parents, x, (2,) * 4).log_prob(x).mean())

    found = chow_liu(x, 2)
    assert found[0] == () and all(len(its) == 1 for its in found[1:])
    rivals = []
    for choice in itertools.product(range(4), repeat=3):
        parents = ((), *((c,) for c in choice))
        steps = [0] * 4
        for node in range(1, 4):
            at = node
            for _ in range(4):
                at = parents[at][0] if at else 0
            steps[node] = at
        if all(s == 0 for s in steps) and all(c != i + 1 for i, c in enumerate(choice)):
            rivals.append(fit(parents))
    assert len(rivals) == 16
    assert fit(found) >= max(rivals) - 1e-12
    shares = pairwise_information(x, 2)
    empirical = torch.zeros(2, 2, 2, 2).double()
    empirical.index_put_(tuple(x.T), torch.ones(2000).double() / 2000, accumulate=True)
    empirical = TableWorld(empirical)
    for i, j in itertools.combinations(range(4), 2):
        assert abs(float(shares[i, j] - empirical.mutual_information([i], [j]))) < 1e-12
        assert abs(float(shares[i, i] - empirical.entropy([i]))) < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.viterbi(torch.tensor([[9]])), "x: expected values <= 3, got a value of 9"),
        (
            lambda s: baum_welch(s, torch.tensor([[0, 1]]), 0),
            "num_steps: expected a whole number >= 1, got 0",
        ),
        (
            lambda s: chow_liu(torch.tensor([[0, 2]]), 2),
            "x: expected values <= 1, got a value of 2",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, source, as_user):
    with pytest.raises(ArgumentError) as caught:
        call(source)
    assert str(caught.value) == message
