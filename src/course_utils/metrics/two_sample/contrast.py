"""E k(X, X') + E k(Y, Y') − 2 E k(X, Y) without bias, from the row sums of kernel matrices.

A pair of a point with itself is left out, which removes the bias. The value and the jackknife's
standard error need no more of the kernel matrices than these sums, so that a caller with many
points can add them up piece by piece.
"""

from jaxtyping import Float
from torch import Tensor

from course_utils.metrics.likelihood import Estimate

RowSums = tuple[Float[Tensor, " n"], Float[Tensor, " m"], Float[Tensor, " n"], Float[Tensor, " m"]]
"""Sums of kernel values within and between two samples, point by point."""


def row_sums(
    within_x: Float[Tensor, "n n"], between: Float[Tensor, "n m"], within_y: Float[Tensor, "m m"]
) -> RowSums:
    """Sums of k(x_i, ·) and k(y_j, ·) over the other points of the same and of the other sample.

    Args:
        within_x: Kernel matrix of x with x.
        between: Kernel matrix of x with y.
        within_y: Kernel matrix of y with y.

    Returns:
        Σ_{i' ≠ i} k(x_i, x_i'), Σ_{j' ≠ j} k(y_j, y_j'), Σ_j k(x_i, y_j), Σ_i k(x_i, y_j).
    """
    return (
        within_x.sum(1) - within_x.diagonal(),
        within_y.sum(1) - within_y.diagonal(),
        between.sum(1),
        between.sum(0),
    )


def contrast(
    within_x: Float[Tensor, " n"],
    within_y: Float[Tensor, " m"],
    across_x: Float[Tensor, " n"],
    across_y: Float[Tensor, " m"],
) -> Estimate:
    """E k(X, X') + E k(Y, Y') − 2 E k(X, Y) and its jackknife, leaving out each point in turn.

    Args:
        within_x: Σ_{i' ≠ i} k(x_i, x_i'), n ≥ 3.
        within_y: Σ_{j' ≠ j} k(y_j, y_j'), m ≥ 3.
        across_x: Σ_j k(x_i, y_j).
        across_y: Σ_i k(x_i, y_j).

    Returns:
        The estimate in the unit of k, and the jackknife's standard error, too large by up to a
        factor √2 when P = Q.

    Accuracy:
        Unbiased.
    """
    n, m = len(within_x), len(within_y)
    mean_x, mean_y = within_x.sum() / (n * (n - 1)), within_y.sum() / (m * (m - 1))
    cross = across_x.sum()
    variance = within_x.new_zeros(())
    for rows, other, across, k, size in (
        (within_x, mean_y, across_x, n, m),
        (within_y, mean_x, across_y, m, n),
    ):
        within = (rows.sum() - 2 * rows) / ((k - 1) * (k - 2))
        without = within + other - 2 * (cross - across) / ((k - 1) * size)
        variance += (k - 1) / k * (without - without.mean()).square().sum()
    value = mean_x + mean_y - 2 * cross / (n * m)
    return Estimate(value.item(), variance.sqrt().item())


def relabelled_contrasts(
    kernel: Float[Tensor, "total total"], indicator: Float[Tensor, "relabellings total"], n: int
) -> Float[Tensor, " relabellings"]:
    """The unbiased estimate for each row of 0/1 labels, 1 marking the n points called x."""
    m = len(kernel) - n
    diagonal, rows = kernel.diagonal(), kernel.sum(1)
    chosen_x = ((indicator @ kernel) * indicator).sum(1)
    between = indicator @ rows - chosen_x
    chosen_y = rows.sum() - chosen_x - 2 * between
    trace_x = indicator @ diagonal
    trace_y = diagonal.sum() - trace_x
    within = (chosen_x - trace_x) / (n * (n - 1)) + (chosen_y - trace_y) / (m * (m - 1))
    return within - 2 * between / (n * m)
