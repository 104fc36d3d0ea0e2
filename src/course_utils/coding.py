r"""Codes without commas: how many bits a symbol costs when its probability is known.

A code gives each symbol a word of zeros and ones. If no word is the beginning of another, a stream
of words can be cut in only one way. Such a code with lengths l_1, …, l_K exists exactly when

    Σ_k 2^(−l_k) ≤ 1                                   (Kraft's inequality),

so that 2^(−l_k) is a probability, or part of one, and no code is shorter on average than the
entropy. Huffman's code is the shortest there is: join the two least probable symbols under one
node, give the node their sum, and go on until one node is left.
"""

import heapq
import math
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor
from course_utils.distributions import check_probabilities


def huffman_lengths(probs: Float[Tensor, " symbols"]) -> Int[Tensor, " symbols"]:
    """Lengths l_k of the words of Huffman's code, in bits.

    Args:
        probs: p_k > 0, sum 1.

    Returns:
        Lengths with H ≤ Σ_k p_k l_k < H + 1, H the entropy in bits; a single symbol costs 0.

    Raises:
        ArgumentError: A probability is zero or negative, or the sum is not one.

    Accuracy:
        Exact: no code that can be cut in one way only is shorter on average.

    Source:
        [huffman1952method].
    """
    _check_positive(probs)
    lengths = [0] * len(probs)
    heap = [(p, k, [k]) for k, p in enumerate(probs.tolist())]
    heapq.heapify(heap)
    while len(heap) > 1:
        first, _, left = heapq.heappop(heap)
        second, tie, right = heapq.heappop(heap)
        for k in left + right:
            lengths[k] += 1
        heapq.heappush(heap, (first + second, tie, left + right))
    return torch.tensor(lengths, device=probs.device)


def shannon_lengths(probs: Float[Tensor, " symbols"]) -> Int[Tensor, " symbols"]:
    """Lengths ⌈−log₂ p_k⌉, which satisfy Kraft's inequality and cost less than H + 1 bits.

    Args:
        probs: p_k > 0, sum 1.

    Raises:
        ArgumentError: A probability is zero or negative, or the sum is not one.

    Accuracy:
        Exact, up to one bit where p_k is within rounding of a power of one half.

    Source:
        [shannon1948mathematical].
    """
    _check_positive(probs)
    return torch.ceil(-torch.log2(probs.double()) - 1e-12).long()


def kraft_sum(lengths: Int[Tensor, " symbols"]) -> float:
    """Σ_k 2^(−l_k); words of these lengths exist exactly if it is at most one.

    Raises:
        ArgumentError: A length is negative.
    """
    check_tensor("lengths", lengths, shape=("symbols",), dtype="integer", low=0)
    return math.fsum(2.0**-length for length in lengths.tolist())


def words(lengths: Int[Tensor, " symbols"]) -> tuple[str, ...]:
    """Words of given lengths of which none begins another: shortest first, each the next number.

    Args:
        lengths: l_k ≥ 0 in bits, with Kraft sum at most one.

    Returns:
        One text of ``0`` and ``1`` per symbol.

    Raises:
        ArgumentError: The Kraft sum exceeds one.

    Accuracy:
        Exact: after a word of l bits the next one is the binary number above it, so that its
        first l bits differ.
    """
    if kraft_sum(lengths) > 1:
        raise ArgumentError(f"lengths: expected a Kraft sum of at most 1, got {kraft_sum(lengths)}")
    listed = lengths.tolist()
    code, value, before = [""] * len(listed), 0, 0
    for k in sorted(range(len(listed)), key=lambda k: (listed[k], k)):
        value <<= listed[k] - before
        code[k] = format(value, f"0{listed[k]}b") if listed[k] else ""
        value, before = value + 1, listed[k]
    return tuple(code)


def encode(symbols: Iterable[int], code: Sequence[str]) -> str:
    """Write symbols one after the other, without anything between them.

    Raises:
        ArgumentError: A symbol has no word.
    """
    symbols = list(symbols)
    unknown = [s for s in symbols if not 0 <= s < len(code)]
    if unknown:
        raise ArgumentError(f"symbols: expected 0 to {len(code) - 1}, got {unknown[0]}")
    return "".join(code[s] for s in symbols)


def decode(bits: str, code: Sequence[str]) -> list[int]:
    """Cut a stream of words of which none begins another: read until the bits are a word.

    Raises:
        ArgumentError: The stream ends within a word, or the code has an empty word.
    """
    if "" in code:
        raise ArgumentError("code: expected words of at least one bit, got an empty one")
    symbol_of = {word: k for k, word in enumerate(code)}
    found, start = [], 0
    longest = max(map(len, code))
    while start < len(bits):
        ends = range(start + 1, min(start + longest, len(bits)) + 1)
        end = next((end for end in ends if bits[start:end] in symbol_of), None)
        if end is None:
            raise ArgumentError(f"bits: expected whole words, got a rest of {len(bits) - start}")
        found.append(symbol_of[bits[start:end]])
        start = end
    return found


def _check_positive(probs: Tensor) -> None:
    check_tensor("probs", probs, shape=("symbols",), dtype="float")
    check_probabilities("probs", probs)
    if bool((probs == 0).any()):
        raise ArgumentError("probs: expected probabilities > 0, got a zero")
