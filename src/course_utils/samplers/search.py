r"""Looking for probable sequences: greedy, beam, and all of them.

The most probable sequence is argmax_x \sum_t log p(x_t | x_{<t}). Greedy decoding maximises each
term given the symbols chosen before, which does not maximise the sum. A beam keeps the ``width``
best prefixes at every step. Searching all V^T sequences is exact and possible for small cases.

With an end symbol, a prefix that has ended keeps its place in the beam and its log probability.
Then longer sequences have more terms, each at most zero, and short ones are favoured; dividing by
|x|^a, with |x| the number of symbols up to and with the end, is the usual repair.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.samplers.enumeration import (
    after_end,
    check_end,
    sequence_log_probs,
    sequences,
)
from course_utils.samplers.truncation import Conditionals


class Found(NamedTuple):
    """Sequences that a search came up with, the best first.

    Attributes:
        x: Symbols, axes (found, length); padded with the end symbol where there is one.
        log_prob: log p of the symbols the search chose, nats; a given prefix is not counted.
        lengths: How many symbols that are, the end symbol included.
    """

    x: Int[Tensor, "found length"]
    log_prob: Float[Tensor, " found"]
    lengths: Int[Tensor, " found"]


@torch.no_grad()
def greedy(
    conditionals: Conditionals,
    length: int,
    *,
    end: int | None = None,
    prefix: Int[Tensor, "rows given"] | None = None,
    device: torch.device | None = None,
) -> Found:
    r"""Choose x_t = argmax_v p(v | x_{<t}), one symbol after the other.

    Args:
        conditionals: Maps values (rows, length) to logits of every position.
        length: T.
        end: A symbol after which only itself follows.
        prefix: The first symbols of each row; one row without symbols if ``None``.
        device: Where the result lives when no prefix says so.

    Returns:
        One sequence per row, in the order of the rows.

    Raises:
        ArgumentError: ``prefix`` is longer than ``length``, or ``end`` is no symbol.

    Accuracy:
        Exact for its own rule, and a lower bound on the largest log probability; of equal logits
        the smaller number is taken.
    """
    x, given = _start(prefix, length, device)
    log_prob, lengths, done = _fresh(x)
    for t in range(given, length):
        rows = _next_rows(conditionals, x, t, done, end)
        best = rows.max(-1)
        x[:, t] = best.indices
        log_prob = log_prob + best.values
        lengths = lengths + (~done).long()
        done = done | (x[:, t] == end) if end is not None else done
    return Found(x, log_prob, lengths)


@torch.no_grad()
def beam(
    conditionals: Conditionals,
    length: int,
    *,
    width: int,
    end: int | None = None,
    normalise: float = 0.0,
    prefix: Int[Tensor, "1 given"] | None = None,
    device: torch.device | None = None,
) -> Found:
    r"""Keep the ``width`` prefixes with the largest log p(x_{<=t}) / |x|^a at every step.

    Args:
        conditionals: Maps values (rows, length) to logits of every position.
        length: T.
        width: B >= 1; each step evaluates at most B prefixes. B = 1 is greedy, and V^(T-1) keeps
            every prefix there is.
        end: A symbol after which only itself follows.
        normalise: a >= 0; 0 compares log probabilities, 1 their means per symbol.
        prefix: The first symbols, one row.
        device: Where the result lives when no prefix says so.

    Returns:
        At most B sequences, by decreasing log p / |x|^a; none of probability zero.

    Raises:
        ArgumentError: A number is out of range, or ``prefix`` is longer than ``length``.

    Accuracy:
        A lower bound on the maximum, which it reaches for B = V^(T-1). Not monotone in B: a wider
        beam can lose the prefix that a narrow one kept.

    Source:
        [graves2012sequence]; the normalisation is discussed in [wu2016google].
    """
    check_int("width", width, low=1)
    check_number("normalise", normalise, low=0)
    x, given = _start(prefix, length, device)
    if len(x) != 1:
        raise ArgumentError(f"prefix: expected one row, got {len(x)}")
    log_prob, lengths, done = _fresh(x)
    for t in range(given, length):
        rows = _next_rows(conditionals, x, t, done, end)
        total = log_prob[:, None].to(rows.dtype) + rows
        longer = (lengths + (~done).long())[:, None].expand_as(total)
        order = _score(total, longer, normalise).flatten().sort(descending=True, stable=True)
        parent = order.indices[:width] // rows.shape[-1]
        x = x[parent]
        x[:, t] = order.indices[:width] % rows.shape[-1]
        log_prob, lengths = (a.flatten()[order.indices[:width]] for a in (total, longer))
        done = done[parent] | (x[:, t] == end) if end is not None else done[parent]
    possible = log_prob > -torch.inf
    return Found(x[possible], log_prob[possible], lengths[possible])


def exhaustive(
    conditionals: Conditionals,
    num_symbols: int,
    length: int,
    *,
    end: int | None = None,
    normalise: float = 0.0,
    device: torch.device | None = None,
) -> Found:
    """Score every sequence and sort by log p(x) / |x|^a.

    Args:
        conditionals: Maps values (rows, length) to logits of every position.
        num_symbols: V.
        length: T; V^T is at most 2^22.
        end: A symbol after which only itself follows.
        normalise: a >= 0.
        device: Where the result lives.

    Returns:
        All sequences, the best first; of equal ones the first in lexicographic order.

    Raises:
        ArgumentError: V^T is too large, or a number is out of range.

    Accuracy:
        Exact.
    """
    check_number("normalise", normalise, low=0)
    x = sequences(num_symbols, length, end=end, device=device)
    log_prob = sequence_log_probs(conditionals, x, end=end)
    lengths = (~after_end(x, end)).sum(-1)
    order = _score(log_prob, lengths, normalise).sort(descending=True, stable=True).indices
    return Found(x[order], log_prob[order], lengths[order])


def _score(log_prob: Tensor, lengths: Tensor, normalise: float) -> Tensor:
    return log_prob / lengths.to(log_prob.dtype) ** normalise


def _next_rows(
    conditionals: Conditionals, x: Tensor, t: int, done: Tensor, end: int | None
) -> Float[Tensor, "rows symbols"]:
    """Log-probabilities of the symbol at t; a row that has ended can only say the end again."""
    rows = conditionals(x)[:, t].log_softmax(-1)
    if end is None:
        return rows
    check_end(end, rows.shape[-1])
    only_end = torch.full_like(rows[0], -torch.inf)
    only_end[end] = 0
    return torch.where(done[:, None], only_end, rows)


def _start(prefix: Tensor | None, length: int, device: torch.device | None) -> tuple[Tensor, int]:
    """Rows of zeros with the prefix in front, and its length."""
    check_int("length", length, low=1)
    if prefix is None:
        return torch.zeros(1, length, dtype=torch.int64, device=device), 0
    check_tensor("prefix", prefix, shape=("rows", "given"), dtype="integer", low=0)
    given = check_int("prefix.shape[1]", prefix.shape[1], high=length)
    x = torch.zeros(len(prefix), length, dtype=torch.int64, device=prefix.device)
    x[:, :given] = prefix
    return x, given


def _fresh(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log probability 0, length 0 and not done, for every row."""
    zeros = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    return torch.zeros(len(x), device=x.device), zeros, zeros.bool()
