"""Has the generator learned the law, or the training set?

A generator that returns its training points fools every comparison of laws: its sample is a
sample of the truth. Only the training points themselves give it away, and only next to fresh
points of the truth, held out from training: some of those too fall close to a training point.
Two questions are asked here of generated points y against held-out points z:

    how many y are copies?       a copy is far nearer to one training point than to any other
    is y nearer than z would be? P(y is nearer to the training set than z), ½ if not

The first finds a few exact copies among thousands of honest points. The second finds a generator
that stays a little too close everywhere. Distances are Euclidean, in whatever space the points
come in; a copy that was shifted or recoloured is close only in the space of suitable features.
"""

import math

import torch
from jaxtyping import Float
from scipy.special import ndtr
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.neighbours import nearest_distances
from course_utils.metrics.two_sample import Verdict

_FEWEST = 10


def copied(
    x: Float[Tensor, "batch dim"], train: Float[Tensor, "train dim"], *, ratio: float = 1 / 3
) -> Float[Tensor, " batch"]:
    """Mark the points with d_1 ≤ ratio · d_2, the distances to the two nearest training points.

    Honest points are marked as well, about ratioᴰ of them where the law is smooth over D
    dimensions: 1/9 in the plane, next to none among images.

    Args:
        x: Points under suspicion.
        train: Training points, at least 2. Of several that are nearly the same keep one: next
            to a near-duplicate both distances are small and a copy with noise is overlooked.
        ratio: Between 0 and 1.

    Returns:
        1 for a copy, 0 for any other, float64.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Every exact copy is marked, of a duplicated training point too.

    Source:
        The ratio 1/3 is that of Yoon and co-workers (2023).
    """
    check_tensor("x", x, shape=("batch", "dim"), dtype="float")
    check_number("ratio", ratio, low=0, high=1, open_high=True)
    _check_against("train", train, x, 2)
    nearest = nearest_distances(x, train, num_neighbours=2)[0]
    return (nearest[:, 0] <= ratio * nearest[:, 1]).double()


def copied_share(
    generated: Float[Tensor, "n dim"],
    train: Float[Tensor, "train dim"],
    held_out: Float[Tensor, "m dim"],
    *,
    ratio: float = 1 / 3,
) -> Estimate:
    """Share π of generated points that are copies, once honest closeness is taken off.

    If a copy is always marked by ``copied`` and an honest point as often as one held out, the
    generated points are marked with probability g = π + (1 − π) h, so π = (g − h)/(1 − h).

    Args:
        generated: n ≥ 10 points of the generator.
        train: What it was trained on, at least 2 points.
        held_out: m ≥ 10 points of the truth, not in ``train``.
        ratio: See ``copied``. The smaller, the fewer honest points are marked and the smaller
            the standard error; a copy with noise asks for a larger one.

    Returns:
        π, without unit; below 0 by chance, or if the generator keeps further from the training
        set than the truth does. The standard error contains the chance in the generated and the
        held-out points, the training set being what it is. It is computed from shares with half
        a success and half a failure added, so that no mark at all does not mean no doubt.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Consistent under the two conditions above; bias of the order 1/m.
    """
    _check_three(generated, train, held_out)
    marks = [copied(x, train, ratio=ratio) for x in (generated, held_out)]
    g, h = (mark.mean().item() for mark in marks)
    if h == 1:
        raise ArgumentError(
            f"ratio: expected one that leaves held-out points unmarked, got {ratio}"
        )
    share, variance = (g - h) / (1 - h), 0.0
    for mark, slope in zip(marks, (1 / (1 - h), (1 - g) / (1 - h) ** 2), strict=True):
        smooth = (mark.sum().item() + 0.5) / (len(mark) + 1)
        variance += slope**2 * smooth * (1 - smooth) / len(mark)
    return Estimate(share, math.sqrt(variance))


def probability_nearer(
    generated: Float[Tensor, "n dim"],
    train: Float[Tensor, "train dim"],
    held_out: Float[Tensor, "m dim"],
) -> Estimate:
    """P(d(y) < d(z)) + ½ P(d(y) = d(z)), d the distance to the nearest training point.

    y is a generated point and z one held out: ½ for a perfect generator, 1 for one that copies,
    below ½ for one that misses the law.

    Args:
        generated: n ≥ 10 points of the generator.
        train: What it was trained on.
        held_out: m ≥ 10 points of the truth, not in ``train``.

    Returns:
        Between 0 and 1. The standard error contains the chance in the generated and the held-out
        points, the training set being what it is; it is 0 if the two sets of distances do not
        overlap at all.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased; the standard error is that of DeLong and co-workers (1988).
    """
    _check_three(generated, train, held_out)
    distances = (nearest_distances(x, train)[0].squeeze(1) for x in (generated, held_out))
    return _nearer(*distances)


def data_copying_test(
    generated: Float[Tensor, "n dim"],
    train: Float[Tensor, "train dim"],
    held_out: Float[Tensor, "m dim"],
    *,
    num_cells: int = 1,
    generator: torch.Generator | None = None,
) -> Verdict:
    """Rank test: are generated points nearer to the training set than held-out ones?

    Space is cut into cells, each the points nearest to one of some random training points. In a
    cell the ranks of the generated among all distances to the training set give a z_c, standard
    normal if the generator is as near as the truth; the statistic is Σ w_c z_c / √(Σ w_c²) with
    w_c the share of held-out points in the cell. Cells compare like with like: a generator that
    draws too often from where training points are sparse is far from them without keeping
    away, and with one cell its copies elsewhere go unseen.

    Args:
        generated: n ≥ 10 points of the generator.
        train: What it was trained on.
        held_out: m ≥ 10 points of the truth, not in ``train``.
        num_cells: Number of cells, at most as many as training points. A cell with fewer than
            10 points of either sample is left out.
        generator: Source of randomness on the device of ``train``, for the cells.

    Returns:
        The statistic, larger for more copying, and the probability of one at least as large
        from a generator that is as near as the truth.

    Raises:
        ArgumentError: If an argument does not fit, or no cell holds enough points to judge.

    Accuracy:
        Normal limit, with the variance that ties have.

    Source:
        [meehan2020nonparametric], with the opposite sign and Σ w_c for √(Σ w_c²).
    """
    _check_three(generated, train, held_out)
    check_int("num_cells", num_cells, low=1, high=len(train))
    noise = torch.rand(len(train), generator=generator, dtype=torch.float64, device=train.device)
    centres = train[noise.argsort()[:num_cells]]
    samples = [
        (nearest_distances(x, centres)[1].squeeze(1), nearest_distances(x, train)[0].squeeze(1))
        for x in (generated, held_out)
    ]
    total = squares = 0.0
    for c in range(num_cells):
        near, fresh = (distance[cell == c] for cell, distance in samples)
        if min(len(near), len(fresh)) >= _FEWEST:
            weight = len(fresh) / len(held_out)
            total += weight * _rank_z(near, fresh)
            squares += weight**2
    if squares == 0:
        raise ArgumentError(
            f"num_cells: expected a cell with {_FEWEST} generated and {_FEWEST} held-out points, "
            f"got none among {num_cells}"
        )
    statistic = total / math.sqrt(squares)
    return Verdict(statistic, float(ndtr(-statistic)))


def _wins(values: Tensor, others: Tensor) -> Tensor:
    """For each value the share of ``others`` above it, half of the equal ones included."""
    others = others.sort().values
    below = torch.searchsorted(others, values)
    not_above = torch.searchsorted(others, values, right=True)
    return 1 - 0.5 * (below + not_above).double() / len(others)


def _nearer(near: Tensor, fresh: Tensor) -> Estimate:
    wins, losses = _wins(near, fresh), _wins(fresh, near)
    variance = wins.var() / len(near) + losses.var() / len(fresh)
    return Estimate(wins.mean().item(), variance.sqrt().item())


def _rank_z(near: Tensor, fresh: Tensor) -> float:
    """Mann and Whitney's statistic, standardised under equal laws; 0 if all values are equal."""
    n, m = len(near), len(fresh)
    ties = torch.cat([near, fresh]).unique(return_counts=True)[1].double()
    total = n + m
    variance = (total + 1 - ((ties**3 - ties).sum() / (total * (total - 1)))) / (12 * n * m)
    if variance.item() <= 0:
        return 0.0
    return ((_wins(near, fresh).mean() - 0.5) / variance.sqrt()).item()


def _check_three(generated: Tensor, train: Tensor, held_out: Tensor) -> None:
    check_tensor("generated", generated, shape=("n", "dim"), dtype="float")
    _check_against("generated", generated, generated, _FEWEST)
    _check_against("train", train, generated, 2)
    _check_against("held_out", held_out, generated, _FEWEST)


def _check_against(name: str, x: Tensor, reference: Tensor, fewest: int) -> None:
    wanted = (name, reference.shape[1])
    check_tensor(name, x, shape=wanted, dtype="float", device=reference.device)
    if len(x) < fewest:
        raise ArgumentError(f"{name}: expected at least {fewest} points, got {len(x)}")
