"""Greedy and beam against the list of all sequences."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.samplers.enumeration import from_prefixes, sequence_log_probs
from course_utils.samplers.search import beam, exhaustive, greedy
from course_utils.worlds.sequences import HiddenMarkovSource, MarkovSource


def two_steps(x):
    first = torch.tensor([0.6, 0.4], dtype=torch.float64).log()
    second = torch.tensor([[0.5, 0.5], [0.99, 0.01]], dtype=torch.float64).log()
    return torch.stack([first.expand(len(x), 2), second[x[:, 0]]], 1)


def random_model(seed, num_symbols, length):
    """A table of its own for every position and every prefix."""
    rng = torch.Generator().manual_seed(seed)
    tables = [
        1.5 * torch.randn(num_symbols**t, num_symbols, generator=rng, dtype=torch.float64)
        for t in range(length)
    ]

    def conditionals(x):
        rows, code = [], torch.zeros(len(x), dtype=torch.int64)
        for t, table in enumerate(tables):
            rows.append(table[code])
            code = code * num_symbols + x[:, t]
        return torch.stack(rows, 1)

    return conditionals


@pytest.mark.concept("ar.greedy")
def test_greedy_misses_the_most_probable_sequence_of_two():
    found, best = greedy(two_steps, 2), exhaustive(two_steps, 2, 2)
    assert found.x.tolist() == [[0, 0]]
    assert found.log_prob.exp().item() == pytest.approx(0.30, abs=1e-12)
    assert best.x[0].tolist() == [1, 0]
    assert best.log_prob[0].exp().item() == pytest.approx(0.396, abs=1e-12)


@pytest.mark.concept("ar.greedy")
def test_every_greedy_symbol_is_the_most_probable_next(generator):
    source = HiddenMarkovSource.random(3, 5, generator=generator)
    prefix = torch.randint(5, (7, 2), generator=generator)
    found = greedy(from_prefixes(source.conditional), 9, prefix=prefix)
    assert torch.equal(found.x[:, :2], prefix)
    for t in range(2, 9):
        next_probs = source.conditional(found.x[:, :t])
        assert torch.equal(found.x[:, t], next_probs.argmax(-1))
    whole = source.log_prob(found.x) - source.log_prob(prefix)
    torch.testing.assert_close(found.log_prob, whole, rtol=0, atol=1e-10)
    assert found.lengths.tolist() == [7] * 7


@pytest.mark.concept("ar.beam")
@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("normalise", [0.0, 1.0])
def test_width_one_is_greedy_and_the_widest_beam_is_exhaustive(end, normalise):
    """V = 3, T = 4 on 100 random models: V^(T-1) = 27 prefixes are all there are."""
    misses = 0
    for seed in range(100):
        model = random_model(seed, 3, 4)
        best = exhaustive(model, 3, 4, end=end, normalise=normalise)
        narrow = beam(model, 4, width=1, end=end, normalise=normalise)
        wide = beam(model, 4, width=27, end=end, normalise=normalise)
        assert torch.equal(wide.x[0], best.x[0])
        assert wide.log_prob[0].item() == pytest.approx(best.log_prob[0].item(), abs=1e-12)
        plain = greedy(model, 4, end=end)
        assert torch.equal(narrow.x, plain.x)
        assert narrow.log_prob.item() == pytest.approx(plain.log_prob.item(), abs=1e-12)
        assert torch.equal(narrow.lengths, plain.lengths)
        misses += not torch.equal(narrow.x[0], best.x[0])
    assert misses > 10  # otherwise the two ends of the scale would prove nothing


@pytest.mark.concept("ar.beam")
def test_a_wide_beam_lists_the_most_probable_sequences_in_order():
    model = random_model(3, 3, 4)
    wide, best = beam(model, 4, width=27), exhaustive(model, 3, 4)
    assert torch.equal(wide.x, best.x[:27])
    torch.testing.assert_close(wide.log_prob, best.log_prob[:27], rtol=0, atol=1e-12)
    assert len({tuple(row) for row in wide.x.tolist()}) == 27


def test_the_beam_evaluates_at_most_its_width_at_each_step():
    model, seen = random_model(0, 3, 5), []

    def counted(x):
        seen.append(len(x))
        return model(x)

    beam(counted, 5, width=4)
    assert seen == [1, 3, 4, 4, 4]


def test_log_probs_are_those_of_the_sequences_with_an_end():
    model = random_model(11, 3, 5)
    found = beam(model, 5, width=6, end=0)
    again = sequence_log_probs(model, found.x, end=0)
    torch.testing.assert_close(found.log_prob, again, rtol=0, atol=1e-12)
    symbols = [row.index(0) + 1 if 0 in row else 5 for row in found.x.tolist()]
    assert found.lengths.tolist() == symbols


def test_length_normalisation_changes_which_sequence_wins():
    """Ending at once has probability 0.4; the long way 0.6 * 0.6 * 0.6 = 0.216, 0.6 a symbol."""

    def conditionals(x):
        return torch.tensor([0.4, 0.6], dtype=torch.float64).log().expand(*x.shape, 2)

    assert beam(conditionals, 3, width=8, end=0).x[0].tolist() == [0, 0, 0]
    assert beam(conditionals, 3, width=8, end=0, normalise=1.0).x[0].tolist() == [1, 1, 1]


def test_a_prefix_is_continued_and_impossible_sequences_are_left_out():
    transition = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]).double()
    source = MarkovSource(transition)
    model = from_prefixes(source.conditional)
    found = beam(model, 4, width=50, prefix=torch.tensor([[1, 2]]))
    assert found.x.tolist() == [[1, 2, 0, 0], [1, 2, 0, 1]]
    assert found.log_prob.exp().tolist() == pytest.approx([0.5, 0.5])
    assert found.lengths.tolist() == [2, 2]


def test_equal_sequences_go_by_number():
    def fair(x):
        return torch.zeros(*x.shape, 3)

    assert greedy(fair, 2).x.tolist() == [[0, 0]]
    assert beam(fair, 2, width=4).x.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert exhaustive(fair, 3, 2).x[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^width: expected a whole number >= 1, got 0$"):
        beam(two_steps, 2, width=0)
    with pytest.raises(ArgumentError, match=r"^normalise: expected a number >= 0, got -1$"):
        beam(two_steps, 2, width=2, normalise=-1)
    with pytest.raises(ArgumentError, match=r"^prefix: expected one row, got 2$"):
        beam(two_steps, 2, width=2, prefix=torch.zeros(2, 1, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^prefix\.shape\[1\]: expected a whole number <= 2"):
        greedy(two_steps, 2, prefix=torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^end: expected a whole number >= 0 and <= 1, got 2"):
        greedy(two_steps, 2, end=2)
