r"""Does a network respect the structure of its data? Three questions, each answered by a number.

f is *equivariant* under a change T of its input if the output changes with it, f(T x) = T' f(x). It
is *invariant* if the output stays, T' = 1. A network on sequences is *causal* if no output depends
on a later input. ``commuting_maps`` asks the question backwards: which linear maps are left when a
symmetry is demanded?
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor
from course_utils.nets.receptive import depends_on

Change = Callable[[Tensor], Tensor]
"""A change of an input or an output, such as a shift or a permutation."""


def unchanged(x: Tensor) -> Tensor:
    """Return x: the change of the output that invariance asks for."""
    return x


@torch.no_grad()
def equivariance_gap(
    function: Change, x: Float[Tensor, "*inputs"], change: Change, change_output: Change
) -> float:
    r"""Return max \|f(T x) - T' f(x)\| / max \|f(x)\|, largest entries, 0 for an equivariant f.

    Args:
        function: f.
        x: An input.
        change: T.
        change_output: T'; ``unchanged`` to ask for invariance.

    Returns:
        A number >= 0 without unit.

    Raises:
        ArgumentError: f(T x) and T' f(x) have different shapes.

    Accuracy:
        Exact at this x and for this T up to rounding.
    """
    after, before = function(change(x)), function(x)
    wanted = change_output(before)
    if after.shape != wanted.shape:
        raise ArgumentError(
            f"function: expected outputs of shape {tuple(wanted.shape)}, got {tuple(after.shape)}"
        )
    size = before.abs().max().clamp_min(torch.finfo(before.dtype).tiny)
    return float((after - wanted).abs().max() / size)


def looks_ahead(
    function: Callable[[Float[Tensor, "length inputs"]], Float[Tensor, "length outputs"]],
    x: Float[Tensor, "length inputs"],
) -> float:
    """Return the share of pairs (t, later t') for which output t depends on input t': 0 if causal.

    Args:
        function: A differentiable network on one sequence.
        x: A sequence of at least two steps.

    Raises:
        ArgumentError: The output has not one row per step, or there is one step only.

    Accuracy:
        As ``receptive.depends_on``, by automatic differentiation.
    """
    length, inputs = check_tensor("x", x, shape=("length", "inputs"), dtype="float").shape
    if length < 2:
        raise ArgumentError("x: expected at least two steps, got one")
    rows = depends_on(function, x)
    if len(rows) % length:
        raise ArgumentError(f"function: expected one row for each of {length} steps")
    reads = rows.reshape(length, -1, length, inputs).any(3).any(1)
    later = torch.ones_like(reads).triu(1)
    return float(reads[later].double().mean())


def commuting_maps(
    generators: Sequence[Float[Tensor, "size size"]], tolerance: float = 1e-10
) -> Float[Tensor, "maps size size"]:
    r"""Basis of all matrices C with C P = P C for every given matrix P.

    Row by row, C P = P C says (1 \otimes P^T - P \otimes 1) vec(C) = 0, and the solutions of all
    these equations together are a null space. It is enough to ask for matrices that generate a
    group: what commutes with them commutes with their products.

    Args:
        generators: The matrices P, one shape; for n up to about thirty.
        tolerance: Singular values below this share of the largest one count as zero.

    Returns:
        Orthonormal matrices that span the space; as many as it has dimensions.

    Raises:
        ArgumentError: There is no generator, or they are not square of one size.

    Accuracy:
        Exact up to rounding.
    """
    if len(generators) == 0:
        raise ArgumentError("generators: expected at least one matrix, got none")
    size = len(generators[0])
    one = torch.eye(size, dtype=generators[0].dtype, device=generators[0].device)
    equations = []
    for matrix in generators:
        check_tensor("generators", matrix, shape=(size, size), dtype="float")
        equations.append(
            torch.kron(one, matrix.mT.contiguous()) - torch.kron(matrix.contiguous(), one)
        )
    _, values, rows = torch.linalg.svd(torch.cat(equations))
    null = values <= tolerance * values[0].clamp_min(1)
    return rows[null].reshape(-1, size, size)
