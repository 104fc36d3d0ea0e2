"""The window model sees its window, all of it, and nothing else."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.window import WindowModel, causal_offsets, thermometer


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_window_has_every_earlier_neighbour_once(radius):
    offsets = causal_offsets(radius).tolist()
    assert len(offsets) == len({tuple(step) for step in offsets}) == 2 * radius * (radius + 1)
    assert all(dr < 0 or (dr == 0 and dc < 0) for dr, dc in offsets)
    assert max(abs(n) for step in offsets for n in step) == radius


@pytest.mark.concept("ar.ordering")
def test_each_pixel_depends_on_its_window_and_on_nothing_else(randomise, generator):
    """Change one pixel everywhere in a batch and see which logits move, row and column by hand."""
    height, width, radius = 4, 5, 2
    model = randomise(WindowModel(height, width, 3, radius, 24))
    x = torch.randint(3, (20, height * width), generator=generator)
    for j in range(height * width):
        other = x.clone()
        other[:, j] = (x[:, j] + 1) % 3
        moved = (model.conditionals(x) != model.conditionals(other)).any(-1).any(0)
        for i in range(height * width):
            dr, dc = j // width - i // width, j % width - i % width
            inside = -radius <= dr <= 0 and abs(dc) <= radius and (dr < 0 or dc < 0)
            assert bool(moved[i]) == inside


def test_same_surroundings_at_another_place_differ_by_the_place_alone(randomise):
    """With equal position vectors, two interior pixels with equal windows get equal logits."""
    model = randomise(WindowModel(4, 5, 3, 1, 8))
    x = torch.ones(1, 20, dtype=torch.int64)
    logits = model.conditionals(x)[0]
    assert not torch.allclose(logits[6], logits[7])
    with torch.no_grad():
        model.rows.zero_()
        model.columns.zero_()
    for level in range(3):  # pixel 5 has the edge in its window, and the edge is like no level
        logits = model.conditionals(torch.full_like(x, level))[0]
        torch.testing.assert_close(logits[6], logits[7])
        assert not torch.allclose(logits[6], logits[5])


def test_thermometer_says_which_thresholds_a_level_reaches():
    codes = thermometer(5, 3)
    wanted = [[0, 0, 0], [1, 0, 0.25], [1, 0, 0.5], [1, 0, 0.75], [1, 1, 1]]
    torch.testing.assert_close(codes, torch.tensor(wanted))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^radius: expected a whole number >= 1, got 0$"):
        WindowModel(4, 4, 3, 0)
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(batch, 16\), got shape \(2, 15"):
        WindowModel(4, 4, 3).log_prob(torch.zeros(2, 15, dtype=torch.int64))
