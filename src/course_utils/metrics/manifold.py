"""Fidelity and variety as two numbers: precision, recall, density and coverage.

One distance between laws cannot say whether a generator draws bad points or forgets good ones.
Take around every real point a ball that just reaches its k-th nearest other real point. Together
the balls are a picture of where real points live, fine where they are many, coarse where few.

    precision   share of generated points that lie in at least one real ball
    recall      share of real points that lie in at least one generated ball
    density     number of real balls over a generated point, on average, divided by k
    coverage    share of real balls that hold at least one generated point

Precision has a weakness. One real point far from the others has a huge ball, and whatever a
generator puts there counts as precise. Density counts the balls, so one ball weighs little; and
coverage asks of the balls of the real points alone, of which there is one for each.

For a perfect generator density is 1 in expectation and coverage is known (``expected_coverage``).
Precision and recall have no such reference value: compare with those of a second real sample.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.metrics.likelihood import Estimate
from course_utils.metrics.neighbours import nearest_distances, squared_distance_blocks


@dataclass(frozen=True)
class ManifoldScores:
    """Four shares of points inside balls; see the module.

    Attributes:
        precision: Between 0 and 1, higher is more faithful.
        recall: Between 0 and 1, higher is more varied.
        density: At least 0, about 1 for a perfect generator, above 1 for one that keeps to the
            crowded places.
        coverage: Between 0 and 1; ``expected_coverage`` for a perfect generator.
    """

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def manifold_scores(
    real: Float[Tensor, "n dim"],
    generated: Float[Tensor, "m dim"],
    *,
    num_neighbours: int = 5,
) -> ManifoldScores:
    """Improved precision and recall, density and coverage of a generated sample.

    A point is in a ball if it is nearer to the centre than the centre's k-th neighbour.

    Args:
        real: n ≥ k + 2 points or feature vectors of the truth.
        generated: m ≥ k + 2 of the generator.
        num_neighbours: k ≥ 1.

    Returns:
        The four scores. The standard errors contain the chance in both samples, that in the
        radii included: over repeated draws of Gaussian samples they were 0.9 to 1.3 times the
        spread seen for density and coverage, 1 to 1.7 times for precision and recall. The
        order of the points must mean nothing. A score that no single point can change, such as
        a precision of 1 with every point in several balls, has a standard error of 0.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact for the sample, but for rounding of ties (above 16 dimensions). As an estimate of
        the two laws it depends on n, m and k: compare at equal ones.

    Source:
        [kynkaanniemi2019improved], where the border belongs to the ball;
        [naeem2020reliable], where as here it does not.
    """
    check_int("num_neighbours", num_neighbours, low=1)
    for name, cloud in (("real", real), ("generated", generated)):
        check_tensor(name, cloud, shape=("points", "dim"), dtype="float")
        if len(cloud) < num_neighbours + 2:
            raise ArgumentError(
                f"{name}: expected at least {num_neighbours + 2} points for "
                f"{num_neighbours} neighbours, got {len(cloud)}"
            )
    wanted = ("m", real.shape[1])
    check_tensor("generated", generated, shape=wanted, device=real.device)
    real, generated = real.detach(), generated.detach()
    about_real = _Balls.around(real, len(generated), num_neighbours)
    about_generated = _Balls.around(generated, len(real), num_neighbours)
    for rows, block in squared_distance_blocks(real, generated):
        point, ball = (block < about_generated.outer).nonzero(as_tuple=True)
        about_generated.count(ball, point + rows.start, block[point, ball])
        ball, point = (block < about_real.outer[rows, None]).nonzero(as_tuple=True)
        about_real.count(ball + rows.start, point, block[ball, point])
    return ManifoldScores(
        about_real.share_of_points(),
        about_generated.share_of_points(),
        about_real.density(),
        about_real.share_of_balls(),
    )


def expected_coverage(num_real: int, num_generated: int, num_neighbours: int = 5) -> float:
    """Coverage that a perfect generator has in expectation, 1 − Π_{j=1}^{k} (n−j)/(n+m−j).

    A real point is missed if its k nearest among the n − 1 + m other points are all real; under
    a perfect generator every order of real and generated is as likely as any other.

    Args:
        num_real: n > k.
        num_generated: m ≥ 1.
        num_neighbours: k ≥ 1.

    Returns:
        Between 0 and 1, close to 1 − 2⁻ᵏ for n = m. A generator may exceed it by crowding.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact, for every continuous law.

    Source:
        [naeem2020reliable], there for n = m.
    """
    k = check_int("num_neighbours", num_neighbours, low=1)
    n = check_int("num_real", num_real, low=k + 1)
    m = check_int("num_generated", num_generated, low=1)
    return 1 - math.prod((n - j) / (n + m - j) for j in range(1, k + 1))


@dataclass
class _Balls:
    """Balls around n centres, and the tally of which of m points lie in which.

    A centre taken away takes its ball along, and every ball that it helped to bound grows to the
    next radius ``outer``; what lies between the two radii is the shell. So the tally says what
    each score would be without any one centre or point.

    A score is a mean over one sample, whose spread gives a first variance, and it hangs on the
    other sample, whose variance is the jackknife's: the sum of squares of the changes when one
    of its members is left out. Each change is itself a sum of few counts, and their chance, which
    the first variance already has, would enter a second time; it is taken off.

    Attributes:
        inner: Squared distance to the k-th neighbour.
        outer: Squared distance to the one after.
        neighbours: The k nearest other centres.
        in_ball: Number of points with an even and with an odd number in each ball.
        in_shell: Likewise in each shell.
        over_point: Number of balls over each point.
        sum_of_points: Sum of the numbers of the points in each ball: the point, if it is alone.
        sum_of_balls: Likewise of the balls over each point.
        shells: Pairs of a ball and a point in its shell, where that point has few balls.
    """

    inner: Tensor
    outer: Tensor
    neighbours: Tensor
    in_ball: Tensor
    in_shell: Tensor
    over_point: Tensor
    sum_of_points: Tensor
    sum_of_balls: Tensor
    shells: list[Tensor] = field(default_factory=list)

    @classmethod
    def around(cls, centres: Tensor, num_points: int, k: int) -> "_Balls":
        distances, neighbours = nearest_distances(centres, num_neighbours=k + 1)
        inner, outer = distances[:, k - 1].square(), distances[:, k].square()
        return cls(
            inner,
            outer,
            neighbours[:, :k],
            in_ball=neighbours.new_zeros(2, len(centres)),
            in_shell=neighbours.new_zeros(2, len(centres)),
            over_point=neighbours.new_zeros(num_points),
            sum_of_points=neighbours.new_zeros(len(centres)),
            sum_of_balls=neighbours.new_zeros(num_points),
        )

    def count(self, ball: Tensor, point: Tensor, squared: Tensor) -> None:
        """Enter pairs of a ball and a point that is nearer to its centre than ``outer``."""
        inside = squared < self.inner[ball]
        for chosen, tally in ((inside, self.in_ball), (~inside, self.in_shell)):
            place = ball[chosen] + len(self.inner) * (point[chosen] % 2)
            tally += place.bincount(minlength=tally.numel()).view_as(tally)
        self.over_point += point[inside].bincount(minlength=len(self.over_point))
        self.sum_of_points.index_add_(0, ball[inside], point[inside])
        self.sum_of_balls.index_add_(0, point[inside], ball[inside])
        matters = ~inside & (self.over_point[point] <= 1)
        self.shells.append(torch.stack([ball[matters], point[matters]]))

    def share_of_points(self) -> Estimate:
        """Share of points in at least one ball: precision, or recall."""
        n, m = len(self.inner), len(self.over_point)
        alone = self.over_point == 1
        ball, point = torch.cat(self.shells, 1)
        removed = self.neighbours[ball].flatten()
        point = point.repeat_interleave(self.neighbours.shape[1])
        pair = removed * m + point
        gained = pair[self.over_point[point] == 0].unique() // m
        kept = pair[alone[point] & (self.sum_of_balls[point] == removed)].unique() // m
        up = gained.bincount(minlength=n)
        down = self.sum_of_balls[alone].bincount(minlength=n) - kept.bincount(minlength=n)
        return _estimate(self.over_point > 0, _squares(up - down) - (up + down).sum(), m)

    def density(self) -> Estimate:
        """Balls over a point, on average, divided by k.

        The chance in the points is taken off by multiplying the changes seen by the even points
        with those seen by the odd ones, and what one shell does to k centres counts once.
        """
        m, k = len(self.over_point), self.neighbours.shape[1]
        shells = self.in_shell[:, :, None].expand(-1, -1, k).flatten(1)
        grown = torch.zeros_like(self.in_shell).index_add_(1, self.neighbours.flatten(), shells)
        change = (grown - self.in_ball).double()
        even, odd = change - change.mean(1, keepdim=True)
        squares = 4 * (even @ odd - k * self.in_shell.prod(0).sum())
        return _estimate(self.over_point.double() / k, squares / k**2, m)

    def share_of_balls(self) -> Estimate:
        """Share of balls with at least one point: coverage."""
        in_ball = self.in_ball.sum(0)
        lost = self.sum_of_points[in_ball == 1].bincount(minlength=len(self.over_point))
        return _estimate(in_ball > 0, _squares(lost) - lost.sum(), len(in_ball))


def _squares(changes: Tensor) -> Tensor:
    return (changes - changes.double().mean()).square().sum()


def _estimate(terms: Tensor, squares: Tensor, count: int) -> Estimate:
    """Mean of the terms, its own variance, and that from the other sample where it is positive."""
    terms = terms.double()
    variance = terms.var() / count + squares.clamp_min(0) / count**2
    return Estimate(terms.mean().item(), variance.sqrt().item())
