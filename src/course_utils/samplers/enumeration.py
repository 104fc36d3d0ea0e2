r"""The distribution of a decoder over whole sequences, by writing all of them down.

With V symbols and length T there are V^T sequences. For small V and T that is few enough to give
each its exact probability under any conditionals, and with that the exact entropy of a decoder,
its divergence from the truth, and the most probable sequence. An end symbol, where there is one,
closes a sequence: after it only itself follows, with probability one.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.samplers.truncation import Conditionals

_MOST = 2**22
_CHUNK = 2**14


def from_prefixes(
    conditional: Callable[[Int[Tensor, "batch prefix"]], Float[Tensor, "batch symbols"]],
) -> Conditionals:
    """Turn p(next symbol | prefix) into the log-probabilities of every position at once.

    Args:
        conditional: Maps a prefix, which may be empty, to probabilities of the next symbol, as
            ``MarkovSource.conditional`` does.

    Returns:
        A callable from values (samples, length) to logits (samples, length, symbols).
    """

    def conditionals(x: Tensor) -> Tensor:
        return torch.stack([conditional(x[:, :t]).log() for t in range(x.shape[1])], 1)

    return conditionals


def sequences(
    num_symbols: int,
    length: int,
    *,
    end: int | None = None,
    device: torch.device | None = None,
) -> Int[Tensor, "sequences length"]:
    """Return all sequences in lexicographic order.

    Args:
        num_symbols: V.
        length: T.
        end: A symbol after which only itself follows; V^T sequences without one.
        device: Where the result lives.

    Raises:
        ArgumentError: V^T exceeds 2^22, or a number is out of range.
    """
    check_int("num_symbols", num_symbols, low=1)
    check_int("length", length, low=1)
    if num_symbols**length > _MOST:
        raise ArgumentError(
            f"length: expected num_symbols^length <= 2^22, got {num_symbols}^{length}"
        )
    check_end(end, num_symbols)
    x = torch.zeros(1, 0, dtype=torch.int64, device=device)
    for step in range(length):
        symbols = torch.arange(num_symbols, device=device).repeat(len(x))
        x = torch.cat([x.repeat_interleave(num_symbols, 0), symbols[:, None]], 1)
        if end is not None and step > 0:
            x = x[(x[:, -2] != end) | (x[:, -1] == end)]
    return x


@torch.no_grad()
def sequence_log_probs(
    conditionals: Conditionals,
    x: Int[Tensor, "sequences length"],
    *,
    end: int | None = None,
) -> Float[Tensor, " sequences"]:
    r"""Return log q(x) = \sum_t log softmax(logits_t)_{x_t} for each sequence, in nats.

    Args:
        conditionals: Maps values to logits; row t may depend on x_{<t} only.
        x: Symbols, one sequence per row.
        end: Symbols after the first ``end`` are not scored.

    Returns:
        Nats per sequence, <= 0; -inf for what the conditionals rule out.

    Accuracy:
        Exact. Over all sequences the probabilities sum to one.
    """
    check_tensor("x", x, shape=("sequences", "length"), dtype="integer", low=0)
    return torch.cat([_log_probs(conditionals, rows, end) for rows in x.split(_CHUNK)])


def after_end(x: Shaped[Tensor, "batch length"], end: int | None) -> Shaped[Tensor, "batch length"]:
    """Say which positions come after the first ``end``."""
    if end is None:
        return torch.zeros_like(x, dtype=torch.bool)
    seen = (x == end).long().cumsum(-1)
    return seen - (x == end).long() > 0


def check_end(end: int | None, num_symbols: int) -> None:
    """Raise unless ``end`` is ``None`` or one of the symbols."""
    if end is not None:
        check_int("end", end, low=0, high=num_symbols - 1)


def _log_probs(conditionals: Conditionals, x: Tensor, end: int | None) -> Tensor:
    rows = conditionals(x).log_softmax(-1)
    terms = rows.gather(-1, x[..., None])[..., 0]
    return terms.masked_fill(after_end(x, end), 0).sum(-1)
