"""Hidden Markov sources against sums over all hidden paths. Tolerance 1e-12 as in test_markov."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.sequences import HiddenMarkovSource, MarkovSource


@pytest.fixture
def source(generator) -> HiddenMarkovSource:
    return HiddenMarkovSource.random(3, 2, generator)


@pytest.fixture
def started(source) -> HiddenMarkovSource:
    initial = torch.tensor([0.7, 0.1, 0.2], dtype=torch.float64)
    return HiddenMarkovSource(source.transition, source.emission, initial)


def every_sequence(num_symbols, length):
    rows = list(itertools.product(range(num_symbols), repeat=length))
    return torch.tensor(rows, dtype=torch.int64)


def joint(source, x, z):
    """p(x, z) factor by factor."""
    prob = float(source.initial[z[0]] * source.emission[z[0], x[0]])
    for t in range(1, len(x)):
        prob *= float(source.transition[z[t - 1], z[t]] * source.emission[z[t], x[t]])
    return prob


def test_log_prob_and_posterior_equal_the_sum_over_paths(started):
    x = every_sequence(2, 4)
    log_prob, posterior = started.log_prob(x), started.posterior(x)
    for i, row in enumerate(x.tolist()):
        paths = {z: joint(started, row, z) for z in itertools.product(range(3), repeat=4)}
        total = sum(paths.values())
        assert abs(log_prob[i].exp() - total) < 1e-12
        for t, state in itertools.product(range(4), range(3)):
            through = sum(p for z, p in paths.items() if z[t] == state)
            assert abs(posterior[i, t, state] - through / total) < 1e-12


def test_probabilities_of_all_sequences_sum_to_one(started):
    log_probs = started.log_prob(every_sequence(2, 7))
    assert abs(log_probs.exp().sum() - 1) < 1e-12
    assert abs(-(log_probs.exp() * log_probs).sum() - started.entropy(7)) < 1e-12


def test_conditional_is_a_ratio_of_sequence_probabilities(started):
    for length in range(4):
        prefix = every_sequence(2, length)
        longer = started.log_prob(every_sequence(2, length + 1)).exp().reshape(-1, 2)
        wanted = longer / longer.sum(-1, keepdim=True)
        torch.testing.assert_close(started.conditional(prefix), wanted)


def test_entropy_rate_bounds_are_the_conditional_entropies(source):
    def block_entropy(length, first):
        """H(x_1 … x_n) or, with the first state known, H(x_1 … x_n | z_1)."""
        x = every_sequence(2, length)
        if not first:
            p = source.log_prob(x).exp()
            return float(-(p * p.log()).sum())
        known = [
            HiddenMarkovSource(source.transition, source.emission, torch.eye(3).double()[z])
            for z in range(3)
        ]
        entropies = [float(-(w.log_prob(x).exp() * w.log_prob(x)).sum()) for w in known]
        return float(source.initial @ torch.tensor(entropies, dtype=torch.float64))

    lower, upper = source.entropy_rate_bounds(5)
    assert abs(lower - (block_entropy(5, True) - block_entropy(4, True))) < 1e-12
    assert abs(upper - (block_entropy(5, False) - block_entropy(4, False))) < 1e-12


def test_entropy_rate_bounds_close_in_on_the_sampled_loss(source, generator):
    widths = []
    for length in (2, 5, 8, 11):
        lower, upper = source.entropy_rate_bounds(length)
        widths.append(float(upper - lower))
    assert all(a > 2 * b > 0 for a, b in itertools.pairwise(widths))
    x = source.sample(300, length=150, generator=generator)
    loss = -(source.log_prob(x) - source.log_prob(x[:, :50])) / 100
    assert abs(loss.mean() - upper) < 4 * loss.std() / math.sqrt(300) + widths[-1]


def test_a_source_that_shows_its_state_is_a_markov_source(generator):
    chain = MarkovSource.random(4, 1, generator)
    shown = HiddenMarkovSource(chain.transition, torch.eye(4, dtype=torch.float64))
    x = chain.sample(50, length=20, generator=generator)
    torch.testing.assert_close(shown.log_prob(x), chain.log_prob(x))
    lower, upper = shown.entropy_rate_bounds(3)
    assert abs(lower - chain.entropy_rate()) < 1e-12 and abs(upper - lower) < 1e-12


@pytest.mark.parametrize("prefix", [None, [1, 0]])
def test_samples_pass_chi_square(prefix, started, generator):
    condition = None if prefix is None else torch.tensor(prefix)
    draws = started.sample(20_000, length=4, condition=condition, generator=generator)
    possible = every_sequence(2, 4)
    if prefix is not None:
        possible = possible[(possible[:, :2] == condition).all(1)]
    probs = started.log_prob(possible).exp().numpy()
    places = torch.tensor([8, 4, 2, 1])
    counts = np.bincount(draws @ places, minlength=16)[possible @ places]
    assert counts.sum() == 20_000
    assert scipy.stats.chisquare(counts, 20_000 * probs / probs.sum()).pvalue > 1e-4


def test_hidden_states_are_drawn_with_their_symbols(started, generator):
    x, z = started.sample_with_states(20_000, length=2, generator=generator)
    counts = np.bincount(z[:, 1] * 2 + x[:, 1], minlength=6)
    expected = (started.initial @ started.transition)[:, None] * started.emission
    assert scipy.stats.chisquare(counts, 20_000 * expected.flatten()).pvalue > 1e-4


def test_long_sequences_do_not_underflow(source, generator):
    x = source.sample(2, length=3000, generator=generator)
    assert bool((source.log_prob(x) < -1000).all() and torch.isfinite(source.log_prob(x)).all())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.entropy(40), "length: expected an enumeration of at most 10000000, got "),
        (lambda s: s.entropy_rate_bounds(1), "length: expected a whole number >= 2, got 1"),
        (lambda s: s.log_prob(torch.tensor([[0, 5]])), "x: expected values <= 1, got a value of 5"),
        (
            lambda s: HiddenMarkovSource(s.transition, s.emission[:2]),
            "emission: expected shape (3, symbols), got shape (2, 2)",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, source, as_user):
    with pytest.raises(ArgumentError) as caught:
        call(source)
    assert str(caught.value).startswith(message)
