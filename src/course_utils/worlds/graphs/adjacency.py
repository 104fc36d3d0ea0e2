"""Adjacency matrices and their N = n(n−1)/2 free entries, the pairs i < j in row order."""

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor

MAX_NODES = 6
"""Largest n for which all 2^(n(n−1)/2) graphs are listed (32 768 of them for n = 6)."""


def num_pairs(num_nodes: int) -> int:
    """Number of pairs N = n(n−1)/2."""
    return num_nodes * (num_nodes - 1) // 2


def to_pairs(x: Shaped[Tensor, "*batch n n"]) -> Shaped[Tensor, "*batch pairs"]:
    """Entries above the diagonal, row by row."""
    rows, columns = torch.triu_indices(x.shape[-1], x.shape[-1], 1, device=x.device)
    return x[..., rows, columns]


def from_pairs(
    pairs: Shaped[Tensor, "*batch pairs"], num_nodes: int
) -> Shaped[Tensor, "*batch n n"]:
    """Symmetric matrix with a zero diagonal and the given entries above it."""
    rows, columns = torch.triu_indices(num_nodes, num_nodes, 1, device=pairs.device)
    x = pairs.new_zeros(*pairs.shape[:-1], num_nodes, num_nodes)
    x[..., rows, columns] = pairs
    x[..., columns, rows] = pairs
    return x


def check_graphs(
    name: str,
    x: Tensor,
    num_nodes: int,
    *,
    low: int = 0,
    high: int = 1,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return ``x`` if it is a batch of symmetric integer matrices with a zero diagonal.

    Args:
        name: The argument's name.
        x: The value that came.
        num_nodes: n.
        low: Smallest entry allowed; −1 where pairs may be left open.
        high: Largest entry allowed.
        device: The device it has to be on, or ``None`` for any.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    shape = ("batch", num_nodes, num_nodes)
    device = None if device is None else torch.empty(0, device=device).device
    check_tensor(name, x, shape=shape, dtype="integer", device=device, low=low, high=high)
    if bool((x != x.mT).any()):
        raise ArgumentError(f"{name}: expected symmetric matrices, got x[i, j] != x[j, i]")
    if bool((x.diagonal(dim1=-2, dim2=-1) != 0).any()):
        raise ArgumentError(f"{name}: expected a zero diagonal, got a node joined to itself")
    return x


def all_graphs(num_nodes: int, device: torch.device | str = "cpu") -> Int[Tensor, "graphs n n"]:
    """All 2^N labelled graphs on n nodes, N = n(n−1)/2.

    Args:
        num_nodes: n, 1 to 6.
        device: Where they are made.

    Raises:
        ArgumentError: If n is larger than 6, which would give more than two million graphs.
    """
    check_int("num_nodes", num_nodes, low=1, high=MAX_NODES)
    pairs = num_pairs(num_nodes)
    codes = torch.arange(2**pairs, device=device).unsqueeze(-1)
    return from_pairs(codes >> torch.arange(pairs, device=device) & 1, num_nodes)


def relabel(x: Int[Tensor, "batch n n"], order: Int[Tensor, " n"]) -> Int[Tensor, "batch n n"]:
    """The same graphs with node ``order[i]`` called i: y[i, j] = x[o_i, o_j].

    Args:
        x: Adjacency matrices.
        order: A permutation o of 0 … n−1.
    """
    check_tensor("order", order, shape=(x.shape[-1],), dtype="integer", device=x.device)
    if order.sort().values.tolist() != list(range(len(order))):
        raise ArgumentError(f"order: expected a permutation, got {order.tolist()}")
    return x[:, order][:, :, order]


def is_connected(x: Int[Tensor, "batch n n"]) -> Shaped[Tensor, " batch"]:
    """Whether every node is reached from node 0: row 0 of (I + A)^(n−1) has no zero."""
    step = (x > 0).float() + torch.eye(x.shape[-1], device=x.device)
    reached = step[:, :1]
    for _ in range(x.shape[-1] - 2):
        reached = (reached @ step).clamp_max(1)
    return (reached > 0).all(-1).squeeze(-1)
