"""Counts, their smoothing, and the entropy rate they approach."""

from collections import Counter

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.ngram import NGram, context_windows
from course_utils.worlds.sequences import MarkovSource


def test_windows_hold_the_symbols_before_each_position_oldest_first():
    windows = context_windows(torch.tensor([[4, 5, 6]]), 2, start=9)
    assert windows.tolist() == [[[9, 9], [9, 4], [4, 5]]]
    short = context_windows(torch.tensor([[4]]), 3, start=9)
    assert short.tolist() == [[[9, 9, 9]]]


@pytest.mark.concept("ar.ngram")
@pytest.mark.parametrize("context", [0, 1, 2, 3])
def test_maximum_likelihood_is_count_over_context_count(context, generator):
    """Counted again with a dictionary, one symbol at a time."""
    tokens = torch.randint(4, (7, 30), generator=generator)
    model = NGram(4, context).to(torch.float64).fit_counts(tokens)
    cells, rows = Counter(), Counter()
    for sequence in tokens.tolist():
        padded = [4] * context + sequence
        for t, symbol in enumerate(sequence):
            before = tuple(padded[t : t + context])
            cells[before, symbol] += 1
            rows[before] += 1
    contexts = torch.tensor(list(rows), dtype=torch.int64).reshape(len(rows), context)
    wanted = [[cells[row, v] / rows[row] for v in range(4)] for row in rows]
    truth = torch.tensor(wanted, dtype=torch.float64)
    torch.testing.assert_close(model.probabilities(contexts), truth, atol=1e-15, rtol=1e-15)


@pytest.mark.concept("ar.ngram")
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_rows_sum_to_one_for_contexts_seen_and_unseen(smoothing, generator):
    model = NGram(3, 2, smoothing).fit_counts(torch.randint(2, (2, 5), generator=generator))
    contexts = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    rows = model.probabilities(contexts)
    torch.testing.assert_close(rows.sum(1), torch.ones(16))
    torch.testing.assert_close(rows[10], torch.full((3,), 1 / 3))  # context (2, 2), never seen


@pytest.mark.concept("ar.ngram")
def test_smoothing_adds_the_same_count_to_every_cell():
    model = NGram(3, 1, smoothing=0.5).fit_counts(torch.tensor([0, 1, 0, 2, 0, 1]))
    wanted = torch.tensor([[0.5, 2.5, 1.5]]) / 4.5
    torch.testing.assert_close(model.probabilities(torch.tensor([[0]])), wanted)


@pytest.mark.concept("ar.ngram")
@pytest.mark.parametrize("order", [1, 2])
def test_cross_entropy_converges_to_the_entropy_rate(order, generator):
    source = MarkovSource.random(5, order, generator)
    tokens = source.sample(400, length=500, generator=generator)
    model = NGram(5, order, smoothing=0.1).fit_counts(tokens[:300])
    nats = -model.log_prob_terms(tokens[300:])[:, order:].mean()
    rate = source.entropy_rate().item()
    assert abs(nats.item() - rate) < 0.01 * rate


@pytest.mark.concept("ar.ngram")
def test_too_short_a_context_costs_the_information_it_drops(generator):
    """A bigram on an order-2 source stays above the rate by I(x_t; x_{t-2} | x_{t-1}) > 0."""
    source = MarkovSource.random(3, 2, generator, concentration=0.3)
    tokens = source.sample(400, length=500, generator=generator)
    bigram = NGram(3, 1).fit_counts(tokens)
    pair = source.stationary()
    triple = pair[..., None] * source.transition
    joint = triple.sum(0)
    wanted = -(joint * (joint / joint.sum(1, keepdim=True)).log()).sum()
    nats = -bigram.log_prob_terms(tokens)[:, 2:].mean()
    assert wanted > 1.05 * source.entropy_rate()
    assert nats.item() == pytest.approx(wanted.item(), rel=0.01)


def test_one_running_text_and_a_batch_of_one_are_the_same(generator):
    text = torch.randint(3, (50,), generator=generator)
    one, batch = NGram(3, 2).fit_counts(text), NGram(3, 2).fit_counts(text[None])
    assert torch.equal(one.counts, batch.counts) and torch.equal(one.codes, batch.codes)


def test_long_contexts_store_only_what_was_seen(generator):
    model = NGram(30, 10).fit_counts(torch.randint(30, (1, 500), generator=generator))
    assert model.counts.shape == (500, 30)
    assert model.log_prob(torch.randint(30, (2, 20), generator=generator)).shape == (2,)


def test_a_symbol_never_seen_after_its_context_has_probability_zero():
    model = NGram(2, 1).fit_counts(torch.tensor([[0, 1, 0, 1]]))
    assert model.log_prob(torch.tensor([[0, 1], [0, 0]])).tolist() == [0, -torch.inf]


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^tokens: expected values <= 2, got a value of 3$"):
        NGram(3, 1).fit_counts(torch.tensor([0, 3]))
    with pytest.raises(ArgumentError, match=r"^smoothing: expected a number >= 0, got -1$"):
        NGram(3, 1, -1)
    with pytest.raises(ArgumentError, match=r"^context: expected .* <= 2\^62, got 40 for 3"):
        NGram(3, 40)
    with pytest.raises(ArgumentError, match=r"^num_symbols: expected a whole number >= 2, got 1$"):
        NGram(1, 1)
