"""Nearest neighbours, against loops over pairs with ``math.dist``."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics import neighbours
from course_utils.metrics.neighbours import nearest_distances, squared_distance_blocks


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_loops(queries, points, k, alone=False):
    rows = []
    for i, q in enumerate(queries.tolist()):
        others = [
            (math.dist(q, p), j) for j, p in enumerate(points.tolist()) if not (alone and i == j)
        ]
        rows.append(sorted(others)[:k])
    distances = torch.tensor([[d for d, _ in row] for row in rows], dtype=torch.float64)
    return distances, torch.tensor([[j for _, j in row] for row in rows])


@pytest.mark.parametrize("dim", [2, 40])
def test_by_loops(generator, dim, monkeypatch):
    """Differences in 2 dimensions and the matrix product in 40; blocks of 3 rows and a rest."""
    monkeypatch.setattr(neighbours, "_ENTRIES", 64)
    queries, points = normal(generator, 10, dim), normal(generator, 20, dim) + 100
    for other, alone in ((points, False), (None, True)):
        found, which = nearest_distances(queries, other, num_neighbours=4)
        truth, order = by_loops(queries, queries if alone else other, 4, alone)
        torch.testing.assert_close(found, truth, rtol=1e-12, atol=0)
        assert which.tolist() == order.tolist()
    blocks = list(squared_distance_blocks(queries, points))
    assert [rows for rows, _ in blocks] == [slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 10)]
    full = torch.cat([block for _, block in blocks])
    assert full.sqrt()[7, 5].item() == pytest.approx(math.dist(queries[7], points[5]), rel=1e-12)


@pytest.mark.parametrize("dim", [2, 40])
def test_copies_and_near_copies_far_from_the_origin(generator, dim):
    """The bare matrix product is off by 1e-3 here, more than the distances 1e-5 asked for."""
    points = normal(generator, 50, dim) + 1e5
    step = torch.zeros(dim, dtype=torch.float64)
    step[0] = 1e-5
    queries = torch.cat([points[:5], points[5:10] + step])
    found, which = nearest_distances(queries, points)
    assert found[:5].tolist() == [[0.0]] * 5
    truth, _ = by_loops(queries, points, 1)
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=0)
    assert which.squeeze(1).tolist() == list(range(10))
    pairs = torch.cat([points, points[:1]])
    among, partner = nearest_distances(pairs)
    assert among[0].item() == among[50].item() == 0
    assert (partner[0].item(), partner[50].item()) == (50, 0)


def test_single_precision_is_widened(generator):
    """The distances are those of the float32 points, to float64 rounding."""
    x = normal(generator, 12, 30).float()
    found = nearest_distances(x, num_neighbours=2)[0]
    torch.testing.assert_close(found, by_loops(x, x, 2, alone=True)[0], rtol=1e-12, atol=0)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: nearest_distances(x, num_neighbours=6),
            "queries: expected at least 7 points, got 6",
        ),
        (
            lambda x: nearest_distances(x, x, num_neighbours=7),
            "points: expected at least 7 points, got 6",
        ),
        (
            lambda x: nearest_distances(x, num_neighbours=0),
            "num_neighbours: expected a whole number >= 1, got 0",
        ),
        (
            lambda x: nearest_distances(x, x[:, :1]),
            "points: expected shape (point, 2), got shape (6, 1)",
        ),
        (
            lambda x: nearest_distances(x * math.nan),
            "queries: expected finite values, got 12 NaN or infinite of 12",
        ),
        (lambda x: nearest_distances(x.long(), x), "queries: expected dtype float, got dtype"),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError) as error:
        call(normal(generator, 6, 2))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
