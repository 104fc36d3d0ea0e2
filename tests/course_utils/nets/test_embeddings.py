"""Vectors from data: a look-up is a matrix product, and cutting up loses nothing."""

import pytest
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.embeddings import (
    embed,
    frames,
    nearest_token,
    patchify,
    unframe,
    unpatchify,
)


@pytest.mark.concept("ar.embeddings")
def test_a_look_up_is_the_product_of_a_one_hot_code_with_the_table(generator):
    table = torch.randn(7, 5, generator=generator)
    tokens = torch.randint(7, (4, 6), generator=generator)
    product = functional.one_hot(tokens, 7).float() @ table
    torch.testing.assert_close(embed(tokens, table), product, atol=1e-7, rtol=0)


@pytest.mark.concept("ar.embeddings")
def test_gradient_of_a_row_counts_how_often_its_token_occurs():
    table = torch.zeros(4, 2, requires_grad=True)
    embed(torch.tensor([1, 3, 3, 3]), table).sum().backward()
    assert table.grad[:, 0].tolist() == [0, 1, 0, 3]


@pytest.mark.concept("ar.embeddings")
@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.uint8])
def test_patches_put_together_are_the_image_bit_for_bit(size, dtype, generator):
    images = torch.randint(256, (3, 2, 6, 12), generator=generator).to(dtype)
    patches = patchify(images, size)
    assert patches.shape == (3, 72 // size**2, 2 * size**2)
    assert torch.equal(unpatchify(patches, size, height=6, width=12), images)


@pytest.mark.concept("ar.embeddings")
def test_patches_are_the_squares_in_raster_order(generator):
    images = torch.randn(2, 3, 4, 6, generator=generator)
    patches = patchify(images, 2)
    for row in range(2):
        for column in range(3):
            square = images[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            assert torch.equal(patches[:, 3 * row + column], square.flatten(1))


@pytest.mark.concept("ar.embeddings")
def test_a_linear_map_of_patches_is_a_convolution_with_that_stride(generator):
    images = torch.randn(2, 3, 4, 6, generator=generator, dtype=torch.float64)
    kernel = torch.randn(5, 3, 2, 2, generator=generator, dtype=torch.float64)
    strided = functional.conv2d(images, kernel, stride=2).flatten(2).mT
    torch.testing.assert_close(patchify(images, 2) @ kernel.flatten(1).T, strided)


@pytest.mark.concept("ar.embeddings")
@pytest.mark.parametrize(("size", "hop"), [(4, None), (4, 4), (4, 2), (5, 3), (4, 1)])
def test_frames_laid_over_each_other_are_the_wave(size, hop, generator):
    wave = torch.randn(2, 20, generator=generator, dtype=torch.float64)
    pieces = frames(wave, size, hop)
    step = hop or size
    assert pieces.shape == (2, (20 - size) // step + 1, size)
    assert torch.equal(pieces[:, 1], wave[:, step : step + size])
    covered = (pieces.shape[1] - 1) * step + size
    torch.testing.assert_close(unframe(pieces, hop), wave[:, :covered], atol=1e-14, rtol=0)


@pytest.mark.concept("ar.embeddings")
def test_the_nearest_prototype_is_found_by_trying_all(generator):
    vectors = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    prototypes = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    found = nearest_token(vectors, prototypes)
    for i in range(3):
        for j in range(4):
            distances = [float((vectors[i, j] - c).square().sum()) for c in prototypes]
            assert found[i, j].item() == distances.index(min(distances))
    assert torch.equal(nearest_token(prototypes, prototypes), torch.arange(6))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^tokens: expected values <= 1, got a value of 2$"):
        embed(torch.tensor([2]), torch.ones(2, 3))
    with pytest.raises(ArgumentError, match=r"^size: expected a divisor of 4 and 6, got 3$"):
        patchify(torch.ones(1, 1, 4, 6), 3)
    with pytest.raises(ArgumentError, match=r"^size: expected patches of 2 x 2 pixels in an im"):
        unpatchify(torch.ones(1, 4, 3), 2, height=4, width=4)
    with pytest.raises(ArgumentError, match=r"^patches: expected shape \(batch, 4, values\), got"):
        unpatchify(torch.ones(1, 5, 4), 2, height=4, width=4)
    with pytest.raises(ArgumentError, match=r"^size: expected a whole number >= 1 and <= 5, got 6"):
        frames(torch.ones(1, 5), 6)
