"""Deformed digits keep their counts, and the deformations do what their names say."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.datasets import deformed, digits, unfolded

STILL = {"rotation": 0, "shear": 0, "stretch": 0, "shift": 0}


@pytest.fixture(scope="module")
def images():
    return digits().train[:40]


def test_a_scan_is_black_and_white_with_the_images_counts(images):
    scan = unfolded(images)
    assert set(scan.unique().tolist()) == {0.0, 1.0}
    for r, c in ((0, 3), (4, 4), (7, 2)):
        counts = scan[:, 4 * r : 4 * r + 4, 4 * c : 4 * c + 4].sum((1, 2))
        assert counts.tolist() == images[:, r, c].tolist()


def test_ink_goes_to_the_side_of_the_darker_neighbour():
    scan = unfolded(torch.tensor([[[0, 8, 16]]]))
    assert scan[0, :, 4:6].sum() == 0
    assert scan[0, :, 6:].sum() == 8 + 16


def test_without_deformation_every_copy_is_the_image(images):
    assert torch.equal(deformed(images, 3, **STILL), images.repeat(3, 1, 1))


@pytest.mark.parametrize("amount", list(STILL))
def test_grey_levels_stay_as_frequent_as_they_are(amount, images, generator):
    """Levels 1 to 15 make up the edges of strokes; blurring would double their share."""
    bent = deformed(images, 4, **{**STILL, amount: 0.1}, generator=generator)
    share = [((x > 0) & (x < 16)).double().mean().item() for x in (images, bent)]
    assert not torch.equal(bent, images.repeat(4, 1, 1))
    assert share[1] == pytest.approx(share[0], rel=0.15)
    assert bent.double().mean() == pytest.approx(images.double().mean().item(), rel=0.05)


def _moments(image):
    """Centre and second moments of the ink: rows, columns, mixed."""
    weight = image.double() / image.sum()
    r, c = torch.meshgrid(*[torch.arange(8.0).double()] * 2, indexing="ij")
    r, c = r - (weight * r).sum(), c - (weight * c).sum()
    return [(weight * a).sum().item() for a in (r * r, c * c, r * c)]


def test_each_deformation_moves_the_moment_it_should(generator):
    """A vertical bar: turning and shearing tilt it, stretching widens it, shifting does neither."""
    bar = torch.zeros(1, 8, 8, dtype=torch.int64)
    bar[0, 1:7, 3:5] = 16
    rows, columns, mixed = _moments(bar[0])
    for name in STILL:
        bent = deformed(bar, 200, **{**STILL, name: 0.15}, generator=generator)
        found = torch.tensor([_moments(image) for image in bent]).double()
        tilted, widened = found[:, 2].std() > 0.1, found[:, 0].std() > 0.2
        assert tilted == (name in ("rotation", "shear")), name
        assert widened == (name == "stretch"), name
        assert abs(found[:, 2].mean() - mixed) < 0.1
    assert rows > columns


def test_shear_keeps_rows_and_rotation_does_not(generator):
    """A horizontal bar through the whole width moves under shear along itself only."""
    bar = torch.zeros(1, 8, 8, dtype=torch.int64)
    bar[0, 2:6, 2:6] = 16
    sheared = deformed(bar, 100, **{**STILL, "shear": 0.2}, generator=generator)
    assert (sheared.sum(2) - bar.sum(2)).abs().max() <= 4
    assert (sheared.sum(1) - bar.sum(1)).abs().max() > 4


def test_draws_follow_the_generator(images):
    first, second = (
        deformed(images, 1, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_wrong_arguments_are_named_in_one_line(as_user, images):
    with pytest.raises(ArgumentError, match=r"^shear: expected a number >= 0, got -1$"):
        deformed(images, 1, shear=-1)
    with pytest.raises(ArgumentError, match=r"^images: expected values <= 16, got a value of 17$"):
        unfolded(images + 17 * (images == 16).long() - 16 * (images == 16).long())
    with pytest.raises(ArgumentError, match=r"^copies: expected a whole number >= 1, got 0$"):
        deformed(images, 0)
