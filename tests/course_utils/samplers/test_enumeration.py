"""All sequences, written down; their probabilities against the sources' own."""

import itertools

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.samplers.enumeration import from_prefixes, sequence_log_probs, sequences
from course_utils.worlds.sequences import HiddenMarkovSource, MarkovSource


def test_all_sequences_in_lexicographic_order():
    assert sequences(3, 4).tolist() == [list(s) for s in itertools.product(range(3), repeat=4)]


def test_after_the_end_only_the_end_follows():
    everything = itertools.product(range(3), repeat=4)
    closed = [list(s) for s in everything if 1 not in s or all(v == 1 for v in s[s.index(1) :])]
    assert sequences(3, 4, end=1).tolist() == closed


@pytest.mark.parametrize("order", [1, 2])
def test_log_probs_are_those_of_the_source(order, generator):
    source = MarkovSource.random(3, order=order, generator=generator)
    x = sequences(3, 5)
    result = sequence_log_probs(from_prefixes(source.conditional), x)
    torch.testing.assert_close(result, source.log_prob(x), rtol=0, atol=1e-12)
    assert result.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_log_probs_of_a_hidden_markov_source(generator):
    source = HiddenMarkovSource.random(2, 3, generator=generator)
    x = sequences(3, 4)
    result = sequence_log_probs(from_prefixes(source.conditional), x)
    torch.testing.assert_close(result, source.log_prob(x), rtol=0, atol=1e-12)


def test_with_an_end_the_probabilities_sum_to_one_too(generator):
    rows = torch.randn(4, 4, generator=generator, dtype=torch.float64)

    def conditionals(x):
        return rows[torch.nn.functional.pad(x[:, :-1], (1, 0))]

    x = sequences(4, 5, end=2)
    log_probs = sequence_log_probs(conditionals, x, end=2)
    assert log_probs.exp().sum().item() == pytest.approx(1, abs=1e-12)
    ended = torch.tensor([[1, 2, 2, 2, 2]])
    by_hand = rows.log_softmax(-1)[0, 1] + rows.log_softmax(-1)[1, 2]
    assert sequence_log_probs(conditionals, ended, end=2).item() == pytest.approx(by_hand.item())


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^length: expected num_symbols\^length <= 2\^22"):
        sequences(10, 7)
    with pytest.raises(ArgumentError, match=r"^end: expected a whole number >= 0 and <= 2, got 3"):
        sequences(3, 2, end=3)
