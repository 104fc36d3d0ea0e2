"""Photographs and their patches, against scikit-learn's arrays and by slicing."""

import pytest
import sklearn.datasets
import torch

from course_utils.arguments import ArgumentError
from course_utils.datasets import photograph, photograph_patches


@pytest.fixture(scope="module")
def raw() -> list[torch.Tensor]:
    files = ("china.jpg", "flower.jpg")
    return [torch.tensor(sklearn.datasets.load_sample_image(name)) for name in files]


def test_photographs_are_scikit_learns(raw):
    for name, picture in zip(("temple", "flower"), raw, strict=True):
        assert torch.equal(photograph(name), picture.permute(2, 0, 1))


@pytest.mark.parametrize("size", [7, 16, 96])
def test_patches_are_slices_of_their_own_strip(raw, size):
    """Every patch is where counting says, and no pixel is in two parts."""
    data = photograph_patches(size, grey=False)
    strips = {"train": (0, 448), "validation": (448, 544), "test": (544, 640)}
    for part, (left, right) in strips.items():
        expected = [
            picture[row : row + size, column : column + size].permute(2, 0, 1)
            for picture in raw
            for row in range(0, 427 - size + 1, size)
            for column in range(left, right - size + 1, size)
        ]
        assert torch.equal(getattr(data, part), torch.stack(expected))
        labels = getattr(data, f"{part}_labels")
        assert labels.tolist() == [0] * (len(expected) // 2) + [1] * (len(expected) // 2)


def test_overlapping_patches_advance_by_the_stride(raw):
    data = photograph_patches(32, stride=8, grey=False)
    assert torch.equal(data.test[1], raw[0][:32, 552:584].permute(2, 0, 1))


def test_grey_is_the_weighted_sum_of_the_channels():
    """Rounded to whole levels, so within ½ and a little rounding."""
    colour = photograph_patches(16, grey=False).train.double()
    grey = photograph_patches(16).train.double()
    brightness = 0.299 * colour[:, 0] + 0.587 * colour[:, 1] + 0.114 * colour[:, 2]
    assert (grey - brightness).abs().max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: photograph("cat"), "name: expected one of 'temple', 'flower', got 'cat'"),
        (lambda: photograph_patches(97), "size: expected a whole number >= 2 and <= 96, got 97"),
        (
            lambda: photograph_patches(stride=0),
            "stride: expected a whole number >= 1, got 0",
        ),
    ],
)
def test_bad_input_is_one_clear_line(as_user, call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value) == message
