"""Markov sources against products written out, SciPy's eigenvectors and matrix powers.

Tolerance 1e-12 for sums of a few hundred float64 products; 3 or 4 standard errors for samples.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.sequences import MarkovSource


def every_sequence(num_symbols, length):
    rows = list(itertools.product(range(num_symbols), repeat=length))
    return torch.tensor(rows, dtype=torch.int64)


def context_matrix(source):
    """Transition matrix on contexts, filled in entry by entry."""
    contexts = list(itertools.product(range(source.num_symbols), repeat=source.order))
    matrix = np.zeros((len(contexts), len(contexts)))
    for i, context in enumerate(contexts):
        for symbol in range(source.num_symbols):
            j = contexts.index((*context[1:], symbol))
            matrix[i, j] = source.transition[(*context, symbol)]
    return matrix


@pytest.fixture(params=[1, 2, 3])
def source(request, generator) -> MarkovSource:
    return MarkovSource.random(3, request.param, generator)


@pytest.fixture
def started(source, generator) -> MarkovSource:
    """The same source with a first context that is not the stationary one."""
    initial = torch.rand((3,) * source.order, generator=generator, dtype=torch.float64)
    return MarkovSource(source.transition, initial / initial.sum())


@pytest.mark.concept("ar.markov-chain")
def test_log_prob_is_the_product_of_conditionals(started):
    x = every_sequence(3, 5)
    k = started.order
    for row, log_prob in zip(x.tolist(), started.log_prob(x), strict=True):
        prob = started.initial[tuple(row[:k])]
        for t in range(k, 5):
            prob = prob * started.transition[tuple(row[t - k : t + 1])]
        assert abs(log_prob.exp() - prob) < 1e-12


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_probabilities_of_all_sequences_sum_to_one(length, started):
    log_probs = started.log_prob(every_sequence(3, length))
    assert abs(log_probs.exp().sum() - 1) < 1e-12
    assert abs(-(log_probs.exp() * log_probs).sum() - started.entropy(length)) < 1e-12


def test_conditional_is_a_ratio_of_sequence_probabilities(started):
    for length in range(5):
        prefix = every_sequence(3, length)
        table = started.conditional(prefix)
        longer = started.log_prob(every_sequence(3, length + 1)).exp().reshape(-1, 3)
        torch.testing.assert_close(table, longer / longer.sum(-1, keepdim=True))


@pytest.mark.concept("ar.markov-chain")
def test_stationary_distribution_is_scipys_left_eigenvector(source):
    matrix = context_matrix(source)
    values, vectors = scipy.linalg.eig(matrix, left=True, right=False)
    left = np.real(vectors[:, np.argmax(values.real)])
    np.testing.assert_allclose(source.stationary().flatten(), left / left.sum(), atol=1e-12)


@pytest.mark.concept("ar.markov-chain")
def test_long_run_frequencies_are_stationary(generator):
    chain = MarkovSource.random(4, 1, generator)
    stuck = MarkovSource(chain.transition, torch.tensor([1.0, 0, 0, 0], dtype=torch.float64))
    runs = stuck.sample(400, length=600, generator=generator)[:, 100:]
    frequencies = torch.stack([(runs == s).double().mean(1) for s in range(4)], 1)
    error = frequencies.std(0) / math.sqrt(400)  # runs are independent, symbols in one are not
    assert bool(((frequencies.mean(0) - chain.stationary()).abs() < 3 * error).all())


@pytest.mark.concept("ar.markov-chain")
@pytest.mark.parametrize("num_symbols", [3, 5])
def test_rows_converge_at_the_second_eigenvalue(num_symbols, generator):
    weights = torch.rand(num_symbols, num_symbols, generator=generator, dtype=torch.float64)
    weights = (weights + weights.T) ** 3  # symmetric weights: a reversible chain, real eigenvalues
    source = MarkovSource(weights / weights.sum(1, keepdim=True))
    matrix, rows = context_matrix(source), source.stationary().numpy()
    powers = np.arange(8, 16)
    distances = [np.abs(np.linalg.matrix_power(matrix, n) - rows).max() for n in powers]
    rate = math.exp(np.polyfit(powers, np.log(distances), 1)[0])
    assert abs(rate / float(source.second_eigenvalue()) - 1) < 0.05


def test_entropy_rate_is_the_growth_of_the_block_entropy(source):
    growth = source.entropy(9) - source.entropy(8)
    assert abs(growth - source.entropy_rate()) < 1e-12
    assert source.entropy_rate() <= source.entropy(1) + 1e-12


def test_entropy_rate_is_the_sampled_loss(started, generator):
    x = started.sample(300, length=200, generator=generator)
    loss = -(started.log_prob(x) - started.log_prob(x[:, :50])) / 150
    assert abs(loss.mean() - started.entropy_rate()) < 4 * loss.std() / math.sqrt(300)


@pytest.mark.parametrize("prefix", [None, [2], [2, 0]])
def test_samples_pass_chi_square(prefix, started, generator):
    condition = None if prefix is None else torch.tensor(prefix)
    draws = started.sample(20_000, length=4, condition=condition, generator=generator)
    everything = every_sequence(3, 4)
    possible = (
        everything
        if prefix is None
        else everything[(everything[:, : len(prefix)] == condition).all(1)]
    )
    probs = started.log_prob(possible).exp().numpy()
    flat = np.ravel_multi_index(tuple(draws.T.numpy()), (3,) * 4)
    wanted = np.ravel_multi_index(tuple(possible.T.numpy()), (3,) * 4)
    counts = np.bincount(flat, minlength=81)[wanted]
    assert counts.sum() == 20_000
    assert scipy.stats.chisquare(counts, 20_000 * probs / probs.sum()).pvalue > 1e-4


def test_two_closed_classes_have_no_single_stationary_distribution(generator, as_user):
    block = MarkovSource.random(2, 1, generator).transition
    for transition in (torch.block_diag(block, block.flip(0)), torch.eye(3)):
        with pytest.raises(ArgumentError, match="expected one stationary distribution"):
            MarkovSource(transition.double())


def test_an_absorbing_symbol_and_a_cycle_have_one():
    absorbing = MarkovSource(torch.tensor([[0.5, 0.5], [0.0, 1.0]], dtype=torch.float64))
    torch.testing.assert_close(absorbing.stationary(), torch.tensor([0.0, 1.0]).double())
    assert absorbing.entropy_rate() == 0
    cycle = MarkovSource(torch.eye(3, dtype=torch.float64).roll(1, 1))
    torch.testing.assert_close(cycle.stationary(), torch.full((3,), 1 / 3).double())
    assert abs(cycle.second_eigenvalue() - 1) < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MarkovSource(torch.ones(2, 2)),
            "transition: expected probabilities that sum to 1, got a sum of 2.0",
        ),
        (
            lambda: MarkovSource(torch.full((3, 2), 0.5)),
            "transition: expected two or more equal axes, got shape (3, 2)",
        ),
        (
            lambda: MarkovSource(torch.full((2, 2), 0.5), torch.ones(3) / 3),
            "initial: expected shape (2), got shape (3,)",
        ),
        (
            lambda: MarkovSource.random(2).log_prob(torch.tensor([[0, 2]])),
            "x: expected values <= 1, got a value of 2",
        ),
        (
            lambda: MarkovSource.random(2).conditional(torch.tensor([[0, 2]])),
            "prefix: expected values <= 1, got a value of 2",
        ),
        (
            lambda: MarkovSource.random(2).sample(3, length=0),
            "length: expected a whole number >= 1, got 0",
        ),
        (
            lambda: MarkovSource.random(2).sample(3, length=1, condition=torch.tensor([0, 1])),
            "len(condition): expected a whole number <= 1, got 2",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
