"""Precision, recall, density and coverage, against loops, closed forms and ``prdc``."""

import contextlib
import io
import math
from itertools import combinations

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics import neighbours
from course_utils.metrics.manifold import expected_coverage, manifold_scores
from course_utils.worlds.plane.curves import eight_gaussians

NAMES = ("precision", "recall", "density", "coverage")


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def radii(points, k):
    """Distance to the k-th nearest other point; taking one away lets the next take its place."""
    return [
        sorted(math.dist(p, q) for j, q in enumerate(points) if i != j)[k - 1]
        for i, p in enumerate(points)
    ]


def inside(centres, points, k):
    """Table of ball times point of 0 and 1."""
    return torch.tensor(
        [
            [float(math.dist(c, p) < r) for p in points]
            for c, r in zip(centres, radii(centres, k), strict=True)
        ],
        dtype=torch.float64,
    )


def without(items, i):
    return items[:i] + items[i + 1 :]


def test_scores_by_loops(generator, monkeypatch):
    """From the definitions, in blocks of two rows; rounding only."""
    monkeypatch.setattr(neighbours, "_ENTRIES", 80)
    real, fake = normal(generator, 30, 2), normal(generator, 40, 2) + 0.7
    scores = manifold_scores(real, fake, num_neighbours=3)
    about_real = inside(real.tolist(), fake.tolist(), 3)
    about_fake = inside(fake.tolist(), real.tolist(), 3)
    truth = (
        about_real.amax(0).mean(),
        about_fake.amax(0).mean(),
        about_real.sum(0).mean() / 3,
        about_real.amax(1).mean(),
    )
    for name, value in zip(NAMES, truth, strict=True):
        assert 0.2 < value < 0.98
        assert getattr(scores, name).value == pytest.approx(value.item(), rel=1e-12)


def test_standard_errors_by_leaving_every_point_out(generator):
    """The variances written out, each change from all radii computed anew."""
    real, fake, k = normal(generator, 60, 3), normal(generator, 50, 3) * 1.2, 2
    scores = manifold_scores(real, fake, num_neighbours=k)
    x, y = real.tolist(), fake.tolist()
    for name, centres, points in (("precision", x, y), ("recall", y, x)):
        hit = inside(centres, points, k).amax(0)
        rows = [inside(without(centres, i), points, k).amax(0) for i in range(len(centres))]
        change = torch.stack(rows) - hit
        other = _centred(change.sum(1)).square().sum() - change.square().sum()
        _check(getattr(scores, name), hit, other)
        assert other > 0
        assert change.amax() > 0 > change.amin()  # balls that grow, balls that go
    table = inside(x, y, k)
    alone = torch.stack([inside(x, without(y, j), k).amax(1) for j in range(len(y))])
    lost = table.amax(1) - alone
    _check(
        scores.coverage, table.amax(1), _centred(lost.sum(1)).square().sum() - lost.square().sum()
    )
    change = torch.stack([inside(without(x, i), y, k).sum(0) - table.sum(0) for i in range(len(x))])
    even, odd = _centred(change[:, ::2].sum(1)), _centred(change[:, 1::2].sum(1))
    shell = inside(x, y, k + 1) - table
    shared = k * (shell[:, ::2].sum(1) * shell[:, 1::2].sum(1)).sum()
    _check(scores.density, table.sum(0) / k, 4 * (even @ odd - shared) / k**2)


def _centred(x):
    return x - x.mean()


def _check(estimate, terms, other):
    n = len(terms)
    truth = math.sqrt(terms.var() / n + max(0.0, other.item()) / n**2)
    assert truth > 0
    assert estimate.standard_error == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize(("dim", "k", "scale"), [(2, 3, 0.8), (40, 5, 0.95), (64, 1, 1.0)])
def test_agrees_with_prdc(generator, dim, k, scale):
    """Counts of the same pairs: equal up to the rounding of a mean. No ties in a Gaussian."""
    prdc = pytest.importorskip("prdc", reason="compares with the library prdc")
    real, fake = normal(generator, 300, dim), normal(generator, 200, dim) * scale
    with contextlib.redirect_stdout(io.StringIO()):
        truth = prdc.compute_prdc(real.numpy(), fake.numpy(), k)
    scores = manifold_scores(real, fake, num_neighbours=k)
    for name in NAMES:
        assert getattr(scores, name).value == pytest.approx(truth[name], rel=1e-13)


@pytest.mark.concept("metric.precision-recall")
@pytest.mark.parametrize("covered", [1, 4, 7])
def test_covering_some_modes(generator, covered):
    """k of 8 far modes: every generated point is good, and k/8 of the truth is reached.

    Within .02, plus what the edges of a mode lose; both samples have 400 points a mode.
    """
    world = eight_gaussians()
    real = torch.cat([world.sample(400, condition=b, generator=generator) for b in range(8)])
    fake = torch.cat([world.sample(400, condition=b, generator=generator) for b in range(covered)])
    scores = manifold_scores(real, fake, num_neighbours=5)
    assert abs(scores.precision.value - 1) < 0.02
    assert abs(scores.recall.value - covered / 8) < 0.02
    assert abs(scores.density.value - 1) < 4 * scores.density.standard_error
    ceiling = expected_coverage(400, 400) * covered / 8
    assert abs(scores.coverage.value - ceiling) < 0.02
    assert scores.coverage.value <= covered / 8


@pytest.mark.concept("metric.precision-recall")
@pytest.mark.parametrize("junk", [0.1, 0.3])
def test_junk_lowers_precision_and_not_recall(generator, junk):
    """A share f of points far from the truth: precision and density 1 − f, within .02 and error."""
    count = 3000
    real = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    fake = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    fake[: int(junk * count)] += 10
    scores = manifold_scores(real, fake[torch.randperm(count, generator=generator)])
    assert abs(scores.precision.value - (1 - junk)) < 0.02
    assert abs(scores.recall.value - 1) < 0.02
    assert abs(scores.density.value - (1 - junk)) < 4 * scores.density.standard_error


def test_one_outlier_inflates_precision_and_not_density(generator):
    """One real point at distance 50 blesses junk at distance 20 of it; density stays below 0.2."""
    real, honest = normal(generator, 500, 2), normal(generator, 500, 2)
    junk = torch.tensor([50.0, 20.0], dtype=torch.float64) + 0.1 * normal(generator, 500, 2)
    assert manifold_scores(real, junk).precision.value == 0
    real[0] = torch.tensor([50.0, 0.0], dtype=torch.float64)
    scores = manifold_scores(real, junk)
    assert scores.precision.value == 1
    assert scores.density.value == pytest.approx(1 / 5)
    assert scores.coverage.value == pytest.approx(1 / 500)
    assert manifold_scores(real, honest).density.value > 0.8


def test_a_generator_that_returns_the_real_points(generator):
    """A point is inside its own ball and those of which it is among the k − 1 nearest: sum k."""
    real = normal(generator, 200, 3)
    scores = manifold_scores(real, real.clone(), num_neighbours=4)
    assert [getattr(scores, name).value for name in NAMES] == pytest.approx([1, 1, 1, 1])


def test_expected_coverage_by_enumeration():
    """All arrangements of 5 other real and 4 generated points by distance, 2 neighbours."""
    seen = [0 in chosen or 1 in chosen for chosen in combinations(range(9), 4)]
    assert expected_coverage(6, 4, 2) == pytest.approx(sum(seen) / len(seen), rel=1e-14)
    n, k = 100, 3
    truth = 1 - math.prod(n - j for j in (1, 2, 3)) / math.prod(2 * n - j for j in (1, 2, 3))
    assert expected_coverage(n, n, k) == pytest.approx(truth, rel=1e-14)


@pytest.mark.parametrize(("n", "m", "dim", "k"), [(60, 60, 2, 3), (60, 100, 30, 2)])
def test_truth_against_truth(generator, n, m, dim, k):
    """Means of 150 runs: coverage as expected and density 1, within 4 standard errors.

    The stated errors, squared and averaged, are those of the runs: density and coverage within
    a factor 0.75 to 1.4 of the root, precision and recall, whose errors are too large, to 1.9.
    """
    runs = [
        manifold_scores(normal(generator, n, dim), normal(generator, m, dim), num_neighbours=k)
        for _ in range(150)
    ]
    for name in NAMES:
        values = torch.tensor([getattr(r, name).value for r in runs], dtype=torch.float64)
        stated = torch.tensor([getattr(r, name).standard_error for r in runs])
        if name in ("density", "coverage"):
            truth = 1 if name == "density" else expected_coverage(n, m, k)
            assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(150)
        ratio = stated.square().mean().sqrt() / values.std()
        assert 0.75 < ratio < (1.4 if name in ("density", "coverage") else 1.9)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: manifold_scores(x[:6], x),
            "real: expected at least 7 points for 5 neighbours, got 6",
        ),
        (
            lambda x: manifold_scores(x, x[:3], num_neighbours=2),
            "generated: expected at least 4 points for 2 neighbours, got 3",
        ),
        (
            lambda x: manifold_scores(x, x, num_neighbours=0),
            "num_neighbours: expected a whole number >= 1, got 0",
        ),
        (
            lambda x: manifold_scores(x, x[:, :1]),
            "generated: expected shape (m, 2), got shape (8, 1)",
        ),
        (
            lambda x: manifold_scores(x, x / 0),
            "generated: expected finite values, got 16 NaN or infinite of 16",
        ),
        (
            lambda _: expected_coverage(5, 10, 5),
            "num_real: expected a whole number >= 6, got 5",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError) as error:
        call(normal(generator, 8, 2))
    assert str(error.value) == message
