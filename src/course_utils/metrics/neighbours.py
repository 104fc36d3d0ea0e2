"""Who is near whom: Euclidean distances to nearest neighbours, in bounded memory.

Written as ‖a‖² + ‖b‖² − 2⟨a, b⟩ all squared distances between two clouds are one matrix product,
many times faster than the differences a − b taken one by one. The price is cancellation: the
terms on the right are as large as the cloud, the result may be as small as the gap between a
point and its copy, and a copy may come out at a distance of 1e-7 of the cloud instead of 0. So
the product is used, about the centre of the cloud and in float64, only where it has digits to
spare: a row with a distance below a hundredth of the cloud is computed again from differences.

The matrix is made a block of rows at a time, so that memory does not grow with its size.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor

_ENTRIES = 2**22
_FEW_DIMS = 16
_SAFE = 1e-4


def squared_distance_blocks(
    queries: Float[Tensor, "query dim"], points: Float[Tensor, "point dim"] | None = None
) -> Iterator[tuple[slice, Float[Tensor, "rows point"]]]:
    """All ‖q_i − p_j‖², a block of consecutive rows i at a time.

    Args:
        queries: q_i.
        points: p_j; if not given the queries themselves, and then a point is at an infinite
            distance from itself, so that it is nobody's own neighbour.

    Yields:
        Which rows, and their squared distances, float64, at most 2²² numbers or one row.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Relative rounding at most 4e-12 · dim, and exactly 0 between equal points.
    """
    check_tensor("queries", queries, shape=("query", "dim"), dtype="float")
    alone = points is None
    points = queries if alone else points
    wanted = ("point", queries.shape[1])
    check_tensor("points", points, shape=wanted, dtype="float", device=queries.device)
    cloud = _Cloud(points.double())
    step = max(1, _ENTRIES // len(points))
    for start in range(0, len(queries), step):
        part = queries[start : start + step].double()
        itself = torch.arange(start, start + len(part), device=part.device) if alone else None
        yield slice(start, start + len(part)), cloud.squared_distances(part, itself)


def nearest_distances(
    queries: Float[Tensor, "query dim"],
    points: Float[Tensor, "point dim"] | None = None,
    *,
    num_neighbours: int = 1,
) -> tuple[Float[Tensor, "query neighbours"], Int[Tensor, "query neighbours"]]:
    """Distances from every query to its k nearest points, and which points these are.

    Args:
        queries: q_i.
        points: p_j, at least k; if not given the other queries, at least k.
        num_neighbours: k ≥ 1.

    Returns:
        Distances, ascending along the last axis, float64, in the unit of ``queries``; and the
        numbers j of the points.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Relative rounding at most 2e-12 · dim, and exactly 0 between equal points. Among points at
        the same distance any may come first.
    """
    check_int("num_neighbours", num_neighbours, low=1)
    name, cloud, needed = "points", points, num_neighbours
    if points is None:
        name, cloud, needed = "queries", queries, num_neighbours + 1
    if len(check_tensor(name, cloud, shape=("point", "dim"))) < needed:
        raise ArgumentError(f"{name}: expected at least {needed} points, got {len(cloud)}")
    found = [
        block.topk(num_neighbours, largest=False)
        for _, block in squared_distance_blocks(queries, points)
    ]
    return torch.cat([f.values for f in found]).sqrt(), torch.cat([f.indices for f in found])


class _Cloud:
    def __init__(self, points: Tensor) -> None:
        self.points = points
        self.centre = points.mean(0)
        self.shifted = points - self.centre
        self.norms = self.shifted.square().sum(1)

    def squared_distances(self, part: Tensor, itself: Tensor | None) -> Tensor:
        if part.shape[1] <= _FEW_DIMS:
            return self._by_differences(part, itself)
        shifted = part - self.centre
        own = shifted.square().sum(1)
        block = torch.addmm(self.norms, shifted, self.shifted.T, alpha=-2).add_(own[:, None])
        _hide(block, itself)
        unsure = block.amin(1) < _SAFE * (own + self.norms.max())
        if bool(unsure.any()):
            which = None if itself is None else itself[unsure]
            block[unsure] = self._by_differences(part[unsure], which)
        return block

    def _by_differences(self, part: Tensor, itself: Tensor | None) -> Tensor:
        block = torch.cdist(part, self.points, compute_mode="donot_use_mm_for_euclid_dist")
        return _hide(block.square_(), itself)


def _hide(block: Tensor, itself: Tensor | None) -> Tensor:
    """Put every point at an infinite distance from itself, if it is one of the cloud."""
    return block if itself is None else block.scatter_(1, itself[:, None], torch.inf)
