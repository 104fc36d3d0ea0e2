"""Memorisation, against loops, closed forms, scipy, and generators known to copy or not to."""

import math

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.metrics.memorisation import (
    copied,
    copied_share,
    data_copying_test,
    probability_nearer,
)
from course_utils.worlds.plane.curves import two_moons


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def drawn(generator, train, count):
    """Training points, as a sampler that only remembers returns them."""
    return train[torch.randint(len(train), (count,), generator=generator)]


def test_copied_by_loops(generator):
    """Copies of single and of doubled training points, a near-copy, and points by their ratio."""
    train = normal(generator, 30, 2)
    train[29] = train[28]
    x = torch.cat([normal(generator, 40, 2), train[:3], train[28:29], train[:1] + 1e-4])
    marks = copied(x, train, ratio=0.4)
    for point, mark in zip(x.tolist(), marks.tolist(), strict=True):
        first, second = sorted(math.dist(point, t) for t in train.tolist())[:2]
        assert mark == (first <= 0.4 * second)
    assert marks[40:].tolist() == [1.0] * 5
    assert 0 < marks[:40].sum() < 20


@pytest.mark.parametrize(("dim", "ratio"), [(1, 0.2), (2, 1 / 3), (3, 0.5)])
def test_honest_points_are_marked_at_the_stated_rate(generator, dim, ratio):
    """Uniform over a region far larger than the spacing: ratioᴰ, within 4 standard errors.

    The queries keep away from the border, where no training point waits outside.
    """
    train = uniform(generator, 8000, dim)
    marks = copied(0.3 + 0.4 * uniform(generator, 4000, dim), train, ratio=ratio)
    rate = ratio**dim
    # Queries share training points: the count of marks varies as that of 4000 draws at most
    # three times over.
    assert abs(marks.mean() - rate) < 4 * math.sqrt(3 * rate * (1 - rate) / 4000)


@pytest.mark.parametrize(("dim", "ratio"), [(2, 0.02), (20, 1 / 3)])
def test_one_percent_of_copies_is_measured(generator, dim, ratio):
    """40 copies among 4000 points: π = 0.01 within 4 standard errors, and 0 well outside them."""
    train, held_out = normal(generator, 1000, dim), normal(generator, 4000, dim)
    generated = normal(generator, 4000, dim)
    honest = copied_share(generated, train, held_out, ratio=ratio)
    assert abs(honest.value) < 4 * honest.standard_error
    generated[:40] = drawn(generator, train, 40)
    estimate = copied_share(generated, train, held_out, ratio=ratio)
    assert abs(estimate.value - 0.01) < 4 * estimate.standard_error
    assert estimate.value > 4 * estimate.standard_error


def test_copied_share_from_its_two_rates(generator):
    """π = (g − h)/(1 − h) and its error by the delta rule, from counts of marks."""
    train, held_out = uniform(generator, 100, 1), uniform(generator, 60, 1)
    generated = torch.cat([uniform(generator, 50, 1), train[:30]])
    estimate = copied_share(generated, train, held_out, ratio=0.3)
    a, b = (copied(v, train, ratio=0.3).sum().item() for v in (generated, held_out))
    assert b > 0
    g, h = a / 80, b / 60
    assert estimate.value == pytest.approx((g - h) / (1 - h), rel=1e-12)
    step = 1e-6
    slope_g = ((g + step - h) / (1 - h) - (g - h) / (1 - h)) / step
    slope_h = ((g - h - step) / (1 - h - step) - (g - h) / (1 - h)) / step
    smooth_g, smooth_h = (a + 0.5) / 81, (b + 0.5) / 61
    variance = slope_g**2 * smooth_g * (1 - smooth_g) / 80
    variance += slope_h**2 * smooth_h * (1 - smooth_h) / 60
    assert estimate.standard_error == pytest.approx(math.sqrt(variance), rel=1e-4)


def test_errors_over_repeated_samples(generator):
    """One training set, 20 % copies, 200 runs: means and errors within 4 standard errors."""
    train = uniform(generator, 300, 2)
    shares, chances = [], []
    for _ in range(200):
        held_out, generated = uniform(generator, 200, 2), uniform(generator, 250, 2)
        copies = uniform(generator, 250) < 0.2
        generated[copies] = drawn(generator, train, int(copies.sum()))
        shares.append(copied_share(generated, train, held_out, ratio=0.25))
        chances.append(probability_nearer(generated, train, held_out))
    for runs, truth in ((shares, 0.2), (chances, 0.8 * 0.5 + 0.2)):
        values = torch.tensor([r.value for r in runs], dtype=torch.float64)
        assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(200)
        stated = torch.tensor([r.standard_error for r in runs], dtype=torch.float64)
        assert abs(stated.square().mean().sqrt() / values.std() - 1) < 4 / math.sqrt(400)


def test_probability_nearer_by_pairs(generator):
    """All pairs by loops, ties as half; points on a grid make many ties."""
    train = torch.zeros(2, 1, dtype=torch.float64)
    train[1] = 100
    generated = torch.randint(0, 6, (15, 1), generator=generator).double()
    held_out = torch.randint(2, 9, (11, 1), generator=generator).double()
    pairs = [
        [1.0 if y < z else 0.5 if y == z else 0.0 for z in held_out.flatten().tolist()]
        for y in generated.flatten().tolist()
    ]
    table = torch.tensor(pairs, dtype=torch.float64)
    estimate = probability_nearer(generated, train, held_out)
    assert estimate.value == pytest.approx(table.mean().item(), rel=1e-12)
    variance = table.mean(1).var() / 15 + table.mean(0).var() / 11
    assert estimate.standard_error == pytest.approx(variance.sqrt().item(), rel=1e-12)
    test = data_copying_test(generated, train, held_out)
    truth = stats.mannwhitneyu(
        held_out.flatten(),
        generated.flatten(),
        alternative="greater",
        use_continuity=False,
        method="asymptotic",
    )
    assert test.p_value == pytest.approx(truth.pvalue, rel=1e-9)
    assert test.statistic == pytest.approx(stats.norm.isf(truth.pvalue), rel=1e-9)


def test_a_sampler_that_remembers_and_a_world_that_does_not(generator):
    """On the two moons the first is caught by all three, the second by none."""
    world = two_moons()
    train, held_out, honest = (world.sample(1000, generator=generator) for _ in range(3))
    copies = drawn(generator, train, 1000)
    share = copied_share(copies, train, held_out)
    assert share.value == 1
    assert probability_nearer(copies, train, held_out).value == 1
    assert data_copying_test(copies, train, held_out).p_value < 1e-12
    share, chance = (f(honest, train, held_out) for f in (copied_share, probability_nearer))
    assert abs(share.value) < 4 * share.standard_error
    assert abs(chance.value - 0.5) < 4 * chance.standard_error
    assert data_copying_test(honest, train, held_out, num_cells=5).p_value > 1e-4


def test_cells_compare_like_with_like(generator):
    """Half of the truth is dense, half a hundred times sparser; the generator draws from the
    sparse half nine times in ten, and every fourth of its points is a copy. Over all it is
    further from the training set than the truth; cell by cell it is nearer.
    """

    def world(dense, sparse):
        points = uniform(generator, dense + sparse, 2)
        points[dense:] = 100 * points[dense:] + 200
        return points

    train, held_out, generated = world(300, 300), world(300, 300), world(60, 540)
    generated[:15], generated[60:195] = train[:15], train[300:435]
    overall = data_copying_test(generated, train, held_out)
    cells = data_copying_test(generated, train, held_out, num_cells=6, generator=generator)
    assert overall.p_value > 0.05
    assert cells.p_value < 1e-4


def test_statistic_is_the_weighted_mean_over_cells(generator):
    """With every training point a centre the cells are known; scipy gives each z.

    A third cell, of 9 generated points, is left out.
    """
    train = torch.tensor([[0.0], [10.0], [20.0]], dtype=torch.float64)
    counts = ((30, 20), (25, 60), (9, 40))
    parts = [
        [centre + 2 * uniform(generator, k, 1) for k in count]
        for centre, count in zip(train, counts, strict=True)
    ]
    generated, held_out = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    total = 0.0
    for centre, (near, fresh) in zip(train[:2], parts[:2], strict=True):
        p_value = stats.mannwhitneyu(
            (fresh - centre).abs().flatten(),
            (near - centre).abs().flatten(),
            alternative="greater",
            use_continuity=False,
            method="asymptotic",
        ).pvalue
        total += len(fresh) * stats.norm.isf(p_value)
    truth = total / math.hypot(20, 60)
    result = data_copying_test(generated, train, held_out, num_cells=3, generator=generator)
    assert result.statistic == pytest.approx(truth, rel=1e-9)
    assert result.p_value == pytest.approx(stats.norm.sf(truth), rel=1e-9)


def test_level_of_the_copying_test(generator):
    """Honest samples, 4 cells: statistic standard normal over 200 runs, within 4 errors."""
    train = uniform(generator, 100, 2)
    values = torch.tensor(
        [
            data_copying_test(
                uniform(generator, 120, 2),
                train,
                uniform(generator, 90, 2),
                num_cells=4,
                generator=generator,
            ).statistic
            for _ in range(200)
        ]
    )
    assert abs(values.mean()) < 4 / math.sqrt(200)
    assert abs(values.std() - 1) < 4 / math.sqrt(400)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: copied_share(x[:9], x, x),
            "generated: expected at least 10 points, got 9",
        ),
        (
            lambda x: probability_nearer(x, x, x[:3]),
            "held_out: expected at least 10 points, got 3",
        ),
        (lambda x: copied(x, x[:1]), "train: expected at least 2 points, got 1"),
        (lambda x: copied(x, x, ratio=1.0), "ratio: expected a number >= 0 and < 1, got 1.0"),
        (
            lambda x: copied_share(x, x, x),
            "ratio: expected one that leaves held-out points unmarked, got 0.3333333333333333",
        ),
        (
            lambda x: probability_nearer(x, x[:, :1], x),
            "train: expected shape (train, 2), got shape (12, 1)",
        ),
        (
            lambda x: data_copying_test(x, x, x, num_cells=13),
            "num_cells: expected a whole number >= 1 and <= 12, got 13",
        ),
        (
            lambda x: data_copying_test(x, x, x, num_cells=12),
            "num_cells: expected a cell with 10 generated and 10 held-out points, "
            "got none among 12",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError) as error:
        call(normal(generator, 12, 2))
    assert str(error.value) == message
