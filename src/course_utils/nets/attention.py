r"""Attention: a dictionary look-up made soft [vaswani2017attention].

A dictionary returns the value whose key equals the query. Attention returns a mean of all values,
weighted by how well their keys fit:

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d) + M) V

with one query, key and value in each row, d the size of a key, and M a mask: 0 where the query may
look, -inf where it may not. Several heads do this side by side on slices of the vectors.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.nets.positions import Rotation


def causal_mask(
    num_queries: int, num_keys: int | None = None, *, device: torch.device | None = None
) -> Bool[Tensor, "queries keys"]:
    """Return which keys each query may look at: its own and those before it.

    With more keys than queries the queries are the last ones, as in a decoder that has kept the
    keys of earlier steps.

    Args:
        num_queries: Number of queries.
        num_keys: Number of keys, at least ``num_queries``; as many as queries if ``None``.
        device: Where the mask lives.

    Returns:
        True where query i, which stands at position num_keys - num_queries + i, may look at key j,
        that is, where j is not after it.

    Raises:
        ArgumentError: A size is out of range.
    """
    check_int("num_queries", num_queries, low=1)
    num_keys = num_queries if num_keys is None else num_keys
    check_int("num_keys", num_keys, low=num_queries)
    square = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return square.tril(num_keys - num_queries)


def additive_mask(
    allowed: Bool[Tensor, "*axes"], dtype: torch.dtype = torch.float32
) -> Float[Tensor, "*axes"]:
    """Return M: 0 where ``allowed``, -inf elsewhere, to be added to scores before the softmax.

    The two values are chosen, never computed: 0 * (-inf) is not a number.
    """
    return torch.zeros_like(allowed, dtype=dtype).masked_fill(~allowed, -math.inf)


def attention_weights(
    queries: Float[Tensor, "*batch queries dim"],
    keys: Float[Tensor, "*batch keys dim"],
    allowed: Bool[Tensor, "queries keys"] | None = None,
) -> Float[Tensor, "*batch queries keys"]:
    """Return A = softmax(Q K^T / sqrt(d) + M), each row a distribution over the keys.

    Args:
        queries: Q, one query per row.
        keys: K, one key per row, of the same size d.
        allowed: Which keys each query may look at; all if ``None``.

    Raises:
        ArgumentError: The shapes do not fit, or a query may look at no key at all.

    Source:
        [vaswani2017attention].
    """
    dim = queries.shape[-1]
    check_tensor("keys", keys, shape=("...", "keys", dim), dtype="float", finite=False)
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(dim)
    if allowed is None:
        return scores.softmax(-1)
    check_tensor("allowed", allowed, shape=tuple(scores.shape[-2:]), dtype=torch.bool)
    if not bool(allowed.any(-1).all()):
        raise ArgumentError("allowed: expected a key for every query, got a query with none")
    return (scores + additive_mask(allowed, scores.dtype)).softmax(-1)


def attention(
    queries: Float[Tensor, "*batch queries dim"],
    keys: Float[Tensor, "*batch keys dim"],
    values: Float[Tensor, "*batch keys out"],
    allowed: Bool[Tensor, "queries keys"] | None = None,
) -> Float[Tensor, "*batch queries out"]:
    """Return softmax(Q K^T / sqrt(d) + M) V, written to be read.

    Args:
        queries: Q, one query per row.
        keys: K, one key per row.
        values: V, one value per key.
        allowed: Which keys each query may look at; all if ``None``.

    Raises:
        ArgumentError: As ``attention_weights``, or there is not one value per key.

    Source:
        [vaswani2017attention].
    """
    check_tensor("values", values, shape=("...", keys.shape[-2], "out"), finite=False)
    return attention_weights(queries, keys, allowed) @ values


class MultiHeadAttention(nn.Module):
    r"""Self-attention in h heads: y = W_o [head_1; ...; head_h] + b_o.

    Head i works with its own d/h rows of W_q, W_k and W_v. The three matrices are one here, so
    that a single product makes all queries, keys and values, and PyTorch's fused kernel does what
    ``attention`` spells out.

    Args:
        dim: d, the size of a vector.
        num_heads: h, a divisor of d.
        causal: Whether a position may look only at itself and at earlier ones.

    Raises:
        ArgumentError: ``num_heads`` does not divide ``dim``.

    Source:
        [vaswani2017attention].
    """

    def __init__(self, dim: int, num_heads: int, *, causal: bool = True):
        super().__init__()
        check_int("dim", dim, low=1)
        self.num_heads = check_int("num_heads", num_heads, low=1)
        if dim % num_heads:
            raise ArgumentError(f"num_heads: expected a divisor of dim = {dim}, got {num_heads}")
        self.causal = causal
        self.project_in = nn.Linear(dim, 3 * dim)
        self.project_out = nn.Linear(dim, dim)

    def queries_keys_values(
        self, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "3 batch heads length head_dim"]:
        """Return queries, keys and values of every head; the first two turned by ``rotation``."""
        batch, length, _ = x.shape
        heads = self.project_in(x).view(batch, length, 3, self.num_heads, -1)
        heads = heads.permute(2, 0, 3, 1, 4)
        if rotation is None:
            return heads
        return torch.cat([rotation.turn(heads[:2]), heads[2:]])

    def forward(
        self, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """Return every position's mixture of values.

        Args:
            x: A vector for each position.
            rotation: Turns queries and keys by their positions; ``None`` leaves them.
        """
        queries, keys, values = self.queries_keys_values(x, rotation).unbind(0)
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=self.causal
        )
        return self.project_out(mixed.transpose(1, 2).flatten(2))

    def weights(
        self, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch heads length length"]:
        """Return the attention weights A of every head, rows the queries, to be looked at."""
        queries, keys, _ = self.queries_keys_values(x, rotation).unbind(0)
        allowed = causal_mask(x.shape[1], device=x.device) if self.causal else None
        return attention_weights(queries, keys, allowed)

    def step(
        self,
        x: Float[Tensor, "batch 1 dim"],
        kept: Float[Tensor, "2 batch heads context head_dim"],
        position: int,
        rotation: Rotation | None = None,
    ) -> Float[Tensor, "batch 1 dim"]:
        """Return the mixture at one new position, from kept keys and values of those before it.

        Args:
            x: The vector of the new position.
            kept: Keys and values; those of the new position are written into it.
            position: Index of the new position; positions up to it are looked at.
            rotation: Turns the new query and key.
        """
        new = self.queries_keys_values(x, rotation)
        kept[:, :, :, position] = new[1:, :, :, 0]
        keys, values = kept[:, :, :, : position + 1].unbind(0)
        # for a single query this is faster than the fused kernel
        scores = new[0] @ keys.mT / math.sqrt(keys.shape[-1])
        mixed = scores.softmax(-1) @ values
        return self.project_out(mixed.transpose(1, 2).flatten(2))
