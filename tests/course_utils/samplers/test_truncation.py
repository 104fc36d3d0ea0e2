"""What is kept, against a search through all subsets; and frequencies, against the powers."""

import itertools

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead, sample_categorical
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.enumeration import sequence_log_probs, sequences
from course_utils.samplers.lookahead import tempered_markov
from course_utils.samplers.truncation import (
    min_p,
    nucleus,
    temperature,
    top_k,
    transformed,
    typical,
)

LOGITS = torch.tensor([0.3, -1.2, 2.0, 0.9, -0.4, 1.1, -3.0, 0.0], dtype=torch.float64)


def kept(logits):
    return set(logits.isfinite().nonzero()[:, 0].tolist())


def two_step_table():
    """p(a) = 0.6; after a two symbols are equally likely, after b one is nearly certain."""
    first = torch.tensor([0.6, 0.4], dtype=torch.float64)
    second = torch.tensor([[0.5, 0.5], [0.99, 0.01]], dtype=torch.float64)
    return first, second


@pytest.mark.concept("ar.temperature")
@pytest.mark.parametrize("value", [0.5, 1.0, 3.0])
def test_frequencies_follow_the_powers_of_the_probabilities(value, generator):
    logits = temperature(LOGITS, value).expand(100_000, -1)
    counts = torch.bincount(sample_categorical(logits, generator), minlength=8)
    powers = LOGITS.softmax(-1) ** (1 / value)
    expected = (powers / powers.sum() * 100_000).numpy()
    assert stats.chisquare(counts.numpy(), expected).pvalue > 1e-3


@pytest.mark.concept("ar.temperature")
def test_cold_is_the_largest_and_hot_is_uniform():
    cold = temperature(LOGITS, 1e-3).softmax(-1)
    hot = temperature(LOGITS, 1e9).softmax(-1)
    assert cold[LOGITS.argmax()].item() == pytest.approx(1, abs=1e-12)  # next is exp(-900)
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / 8), rtol=0, atol=1e-8)


@pytest.mark.concept("ar.temperature")
def test_tempered_conditionals_are_not_the_tempered_joint():
    first, second = two_step_table()
    joint = (first[:, None] * second).flatten() ** 2
    joint = joint / joint.sum()
    rows = [first**2 / (first**2).sum(), second**2 / (second**2).sum(1, keepdim=True)]
    by_hand = (rows[0][:, None] * rows[1]).flatten()

    def conditionals(x):
        return torch.stack([first.log().expand(len(x), 2), second.log()[x[:, 0]]], 1)

    x = sequences(2, 2)
    cold = transformed(conditionals, lambda a: temperature(a, 0.5))
    by_step = sequence_log_probs(cold, x).exp()
    whole = sequence_log_probs(tempered_markov(first.log(), second.log(), 2, 0.5), x).exp()
    torch.testing.assert_close(by_step, by_hand, rtol=0, atol=1e-12)
    torch.testing.assert_close(whole, joint, rtol=0, atol=1e-12)
    assert (by_step - whole).abs().sum().item() / 2 == pytest.approx(0.158, abs=5e-4)


@pytest.mark.concept("ar.topk")
@pytest.mark.parametrize("k", range(1, 9))
def test_top_k_keeps_the_k_subset_of_largest_mass(k):
    probs = LOGITS.softmax(-1)
    best = max(itertools.combinations(range(8), k), key=lambda s: probs[list(s)].sum().item())
    result = top_k(LOGITS, k)
    assert kept(result) == set(best)
    renormalised = probs[list(best)] / probs[list(best)].sum()
    difference = result.softmax(-1)[list(best)] - renormalised
    assert difference.abs().max().item() < 1e-7


@pytest.mark.concept("ar.topk")
def test_top_one_is_greedy_and_top_all_changes_nothing(generator):
    logits = torch.randn(50, 8, generator=generator, dtype=torch.float64)
    assert torch.equal(top_k(logits, 1).softmax(-1).argmax(-1), logits.argmax(-1))
    assert torch.equal(top_k(logits, 1).isfinite().sum(-1), torch.ones(50, dtype=torch.int64))
    assert torch.equal(top_k(logits, 8), logits)
    assert torch.equal(top_k(logits, 99), logits)

    def draw(change):
        rng = torch.Generator().manual_seed(5)
        return ancestral(
            transformed(lambda x: logits[:6].expand(len(x), 6, 8), change),
            CategoricalHead(8), 20, 6, generator=rng,
        )  # fmt: skip

    assert torch.equal(draw(lambda a: top_k(a, 8)), draw(lambda a: a))
    assert torch.equal(draw(lambda a: nucleus(a, 1)), draw(lambda a: a))
    greedy = logits[:6].argmax(-1).expand(20, 6)
    assert torch.equal(draw(lambda a: top_k(a, 1)), greedy)


@pytest.mark.concept("ar.nucleus")
@pytest.mark.parametrize("p", [1e-9, 0.3, 0.5, 0.77, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("seed", range(4))
def test_nucleus_is_the_smallest_subset_that_reaches_p(p, seed):
    rng = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(8, generator=rng, dtype=torch.float64)
    probs = logits.softmax(-1)
    subsets = [s for n in range(1, 9) for s in itertools.combinations(range(8), n)]
    reaching = [s for s in subsets if probs[list(s)].sum().item() >= p]
    fewest = min(map(len, reaching))
    best = max((s for s in reaching if len(s) == fewest), key=lambda s: probs[list(s)].sum().item())
    assert kept(nucleus(logits, p)) == set(best)


@pytest.mark.concept("ar.nucleus")
def test_nucleus_is_never_empty_and_whole_for_one(generator):
    logits = 5 * torch.randn(200, 30, generator=generator)
    assert nucleus(logits, 1e-6).isfinite().sum(-1).min().item() == 1
    assert torch.equal(nucleus(logits, 1.0), logits)
    sharp = torch.tensor([80.0, 0.0, -80.0])
    assert torch.equal(nucleus(sharp, 1.0), sharp)  # rounding must not drop the tail
    assert kept(nucleus(sharp, 0.5)) == {0}


def test_nucleus_stops_where_the_mass_is_reached_exactly():
    halves = torch.tensor([0.5, 0.25, 0.25]).log().double()
    exact = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64).log()
    assert kept(nucleus(exact, 0.5)) == {0}
    assert kept(nucleus(halves, 0.6)) == {0, 1}


@pytest.mark.parametrize(
    "change",
    [lambda a: top_k(a, 2), lambda a: nucleus(a, 0.5), lambda a: typical(a, 0.5)],
    ids=["top-k", "nucleus", "typical"],
)
def test_of_equal_logits_the_smaller_number_is_kept(change):
    assert kept(change(torch.zeros(4))) == {0, 1}
    assert kept(change(torch.zeros(3, 4))[2]) == {0, 1}


def test_min_p_compares_with_the_most_probable():
    probs = torch.tensor([0.05, 0.5, 0.26, 0.15, 0.04], dtype=torch.float64)
    assert kept(min_p(probs.log(), 0.5)) == {1, 2}
    assert kept(min_p(probs.log(), 0.29)) == {1, 2, 3}
    assert kept(min_p(probs.log(), 1.0)) == {1}
    assert torch.equal(min_p(probs.log(), 0.0), probs.log())


def test_typical_sorts_by_distance_from_the_entropy():
    probs = torch.tensor([0.55, 0.2, 0.15, 0.07, 0.03], dtype=torch.float64)
    entropy = stats.entropy(probs.numpy())
    distance = [abs(-p.log().item() - entropy) for p in probs]
    order = sorted(range(5), key=distance.__getitem__)
    assert order[0] == 1  # not the most probable
    wanted, mass = set(), 0.0
    while mass < 0.3:
        wanted.add(order[len(wanted)])
        mass = sum(probs[i].item() for i in wanted)
    assert kept(typical(probs.log(), 0.3)) == wanted == {0, 1}
    assert kept(typical(probs.log(), 0.1)) == {1}
    assert torch.equal(typical(probs.log(), 1.0), probs.log())


@pytest.mark.parametrize(
    "change",
    [
        lambda a: temperature(a, 0.7),
        lambda a: top_k(a, 3),
        lambda a: nucleus(a, 0.99),
        lambda a: min_p(a, 0.01),
        lambda a: typical(a, 0.99),
    ],
    ids=["temperature", "top-k", "nucleus", "min-p", "typical"],
)
def test_what_was_ruled_out_stays_so_and_leading_axes_are_separate(change, generator):
    logits = torch.randn(4, 3, 6, generator=generator)
    logits[..., 2] = -torch.inf
    result = change(logits)
    assert result.shape == logits.shape and result.dtype == logits.dtype
    assert (result[..., 2] == -torch.inf).all() and not result.isnan().any()
    for i, j in itertools.product(range(4), range(3)):
        assert torch.equal(result[i, j], change(logits[i, j]))


def test_transforms_apply_from_the_first_to_the_last():
    chain = transformed(
        lambda x: LOGITS.expand(*x.shape, 8),
        lambda a: temperature(a, 0.5),
        lambda a: nucleus(a, 0.9),
    )
    x = torch.zeros(1, 1, dtype=torch.int64)
    assert torch.equal(chain(x)[0, 0], nucleus(LOGITS / 0.5, 0.9))
    assert kept(chain(x)[0, 0]) != kept(nucleus(LOGITS, 0.9))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^value: expected a number > 0, got 0$"):
        temperature(LOGITS, 0)
    with pytest.raises(ArgumentError, match=r"^k: expected a whole number >= 1, got 0$"):
        top_k(LOGITS, 0)
    with pytest.raises(ArgumentError, match=r"^p: expected a number > 0 and <= 1, got 1.5$"):
        nucleus(LOGITS, 1.5)
    with pytest.raises(ArgumentError, match=r"^ratio: expected a number >= 0 and <= 1, got -1$"):
        min_p(LOGITS, -1)
    with pytest.raises(ArgumentError, match=r"^mass: expected a number > 0 and <= 1, got 0$"):
        typical(LOGITS, 0)
    for bad in (torch.nan, torch.inf):
        with pytest.raises(ArgumentError, match=r"^logits: expected numbers or -inf"):
            nucleus(torch.tensor([0.0, bad]), 0.5)
    with pytest.raises(ArgumentError, match=r"^logits: expected numbers or -inf"):
        top_k(torch.full((2, 3), -torch.inf), 2)
    with pytest.raises(ArgumentError, match=r"^logits: expected dtype float"):
        top_k(torch.zeros(3, dtype=torch.int64), 2)
