"""Codes against enumeration of all complete trees, and the entropy identities of small tables."""

import itertools
import math
from functools import lru_cache

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.coding import (
    decode,
    encode,
    huffman_lengths,
    kraft_sum,
    shannon_lengths,
    words,
)
from course_utils.distributions import sample_dirichlet
from course_utils.worlds.tables import TableWorld


@lru_cache
def trees(leaves: int) -> frozenset[tuple[int, ...]]:
    """Sorted depths of the leaves of every binary tree whose inner nodes have two children."""
    if leaves == 1:
        return frozenset({(0,)})
    found = set()
    for left in range(1, leaves):
        for a, b in itertools.product(trees(left), trees(leaves - left)):
            found.add(tuple(sorted(depth + 1 for depth in a + b)))
    return frozenset(found)


def entropy_bits(probs):
    return -math.fsum(p * math.log2(p) for p in probs.tolist() if p > 0)


@pytest.mark.concept("found.info-theory")
def test_huffman_lengths_lie_between_the_entropy_and_one_bit_more(generator):
    for levels in (2, 3, 7, 20):
        for probs in sample_dirichlet((50, levels), 0.5, generator):
            mean = float(probs @ huffman_lengths(probs).double())
            entropy = entropy_bits(probs)
            assert entropy - 1e-12 <= mean < entropy + 1
            assert kraft_sum(huffman_lengths(probs)) == pytest.approx(1, abs=1e-12)


@pytest.mark.concept("found.info-theory")
def test_no_tree_is_better_than_huffmans(generator):
    for levels in (2, 3, 4, 5, 6, 7):
        for probs in sample_dirichlet((5, levels), 1.0, generator):
            descending = sorted(probs.tolist(), reverse=True)
            best = min(
                math.fsum(p * depth for p, depth in zip(descending, depths, strict=True))
                for depths in trees(levels)
            )
            assert float(probs @ huffman_lengths(probs).double()) == pytest.approx(best, abs=1e-12)


def test_shannon_lengths_satisfy_kraft_and_cost_less_than_one_bit(generator):
    for probs in sample_dirichlet((100, 9), 0.7, generator):
        lengths = shannon_lengths(probs)
        assert kraft_sum(lengths) <= 1
        assert float(probs @ lengths.double()) < entropy_bits(probs) + 1
        assert bool((2.0 ** -lengths.double() <= probs + 1e-12).all())
        assert bool((2.0 ** (1 - lengths.double()) > probs - 1e-12).all())


def test_powers_of_one_half_cost_exactly_the_entropy():
    probs = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    for lengths in (huffman_lengths(probs), shannon_lengths(probs)):
        assert lengths.tolist() == [1, 2, 3, 3]
    assert words(huffman_lengths(probs)) == ("0", "10", "110", "111")
    assert huffman_lengths(torch.ones(1, dtype=torch.float64)).tolist() == [0]


def test_words_are_free_of_prefixes_and_streams_come_back(generator):
    for probs in sample_dirichlet((20, 11), 0.5, generator):
        for lengths in (huffman_lengths(probs), shannon_lengths(probs)):
            code = words(lengths)
            assert [len(word) for word in code] == lengths.tolist()
            assert not any(a.startswith(b) for a, b in itertools.permutations(code, 2))
        symbols = torch.multinomial(probs, 200, replacement=True, generator=generator).tolist()
        stream = encode(symbols, code)
        assert set(stream) <= {"0", "1"}
        assert len(stream) == sum(int(lengths[s]) for s in symbols)
        assert decode(stream, code) == symbols


@pytest.mark.concept("found.info-theory")
def test_chain_rule_and_data_processing_on_1000_tables(generator):
    """x -> y -> z: the joint is p(x) p(y | x) p(z | y), entropies by plain sums."""
    for _ in range(1000):
        start = sample_dirichlet((3,), 1.0, generator)
        first, second = (sample_dirichlet((3, 3), 1.0, generator) for _ in range(2))
        joint = start[:, None, None] * first[:, :, None] * second[None]
        world = TableWorld(joint)
        pair = joint.sum(2)
        conditional = math.fsum(
            -p * math.log(p / float(pair[i].sum()))
            for i in range(3)
            for p in pair[i].tolist()
            if p > 0
        )
        assert float(world.entropy([0, 1])) == pytest.approx(
            float(world.entropy([0])) + conditional, abs=1e-12
        )
        near, far = (float(world.mutual_information([0], [k])) for k in (1, 2))
        assert far <= near + 1e-12
        assert abs(float(world.mutual_information([0], [2], [1]))) < 1e-12


def test_cost_of_the_wrong_code_is_the_divergence():
    """With powers of one half the extra bits of q's code are exactly KL(p ‖ q) in bits."""
    p = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    q = torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64)
    extra = float(p @ (huffman_lengths(q) - huffman_lengths(p)).double())
    assert extra == pytest.approx(float((p * (p / q).log2()).sum()), abs=1e-15)


def test_wrong_input_is_one_line(as_user):
    with pytest.raises(ArgumentError, match="probs: expected probabilities > 0, got a zero"):
        huffman_lengths(torch.tensor([1.0, 0.0]))
    with pytest.raises(ArgumentError, match="probs: expected probabilities that sum to 1"):
        shannon_lengths(torch.tensor([0.5, 0.4]))
    with pytest.raises(
        ArgumentError, match=r"lengths: expected a Kraft sum of at most 1, got 1\.5"
    ):
        words(torch.tensor([1, 1, 1]))
    with pytest.raises(ArgumentError, match="lengths: expected values >= 0"):
        kraft_sum(torch.tensor([-1]))
    with pytest.raises(ArgumentError, match="symbols: expected 0 to 1, got 2"):
        encode([0, 2], ("0", "1"))
    with pytest.raises(ArgumentError, match="bits: expected whole words, got a rest of 1"):
        decode("01", ("0", "10", "11"))
    with pytest.raises(ArgumentError, match="code: expected words of at least one bit"):
        decode("01", ("",))
