"""Masked and cropped convolutions, against explicit sums and against each other."""

import pytest
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.masked_conv import HorizontalConv, MaskedConv2d, VerticalConv, raster_mask
from course_utils.nets.receptive import depends_on


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("kind", ["A", "B"])
def test_a_mask_keeps_the_offsets_before_the_centre(size, kind):
    mask = raster_mask(size, kind)
    reach = size // 2
    for a in range(-reach, reach + 1):
        for b in range(-reach, reach + 1):
            wanted = (a, b) < (0, 0) or ((a, b) == (0, 0) and kind == "B")
            assert bool(mask[a + reach, b + reach]) == wanted
    assert mask.sum() == (size**2 - 1) // 2 + (kind == "B")


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("kind", ["A", "B"])
def test_layer_equals_the_explicit_sum_over_kept_offsets(kind, generator):
    layer = MaskedConv2d(2, 3, 3, kind).double()
    x = torch.randn(1, 2, 4, 5, generator=generator, dtype=torch.float64)
    out = layer(x)
    kept = [(-1, -1), (-1, 0), (-1, 1), (0, -1)] + [(0, 0)] * (kind == "B")
    for row in range(4):
        for column in range(5):
            total = layer.bias.clone()
            for a, b in kept:
                r, c = row + a, column + b
                if 0 <= r < 4 and 0 <= c < 5:
                    total = total + layer.weight[:, :, a + 1, b + 1] @ x[0, :, r, c]
            torch.testing.assert_close(out[0, :, row, column], total, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.masked-conv")
def test_masked_weights_neither_act_nor_learn(generator):
    layer = MaskedConv2d(2, 3, 3, "A")
    layer(torch.randn(4, 2, 5, 5, generator=generator)).square().sum().backward()
    assert (layer.weight.grad[~layer.mask] == 0).all()
    assert (layer.weight.grad[layer.mask] != 0).all()


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("stack", [VerticalConv, HorizontalConv])
def test_cropped_kernel_equals_a_full_kernel_with_zeros(stack, kind, size, generator):
    """Write the small kernel into its place of a k x k one and compare with torch's convolution."""
    layer = stack(2, 4, size, kind).double()
    x = torch.randn(3, 2, 5, 6, generator=generator, dtype=torch.float64)
    reach = size // 2
    full = torch.zeros(4, 2, size, size, dtype=torch.float64)
    if stack is VerticalConv:
        full[:, :, : reach + (kind == "B")] = layer.weight.detach()
    else:
        full[:, :, reach, : reach + (kind == "B")] = layer.weight.detach()[:, :, 0]
    wanted = functional.conv2d(x, full, layer.bias, padding=reach)
    torch.testing.assert_close(layer(x), wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.masked-conv")
@pytest.mark.parametrize("kind", ["A", "B"])
def test_colours_come_one_after_the_other(kind, generator):
    """Three colours: the Jacobian in the order (pixel, colour) is lower triangular."""
    colours, height, width = 3, 2, 3
    layer = MaskedConv2d(6, 9, 3, kind, num_colours=colours).double()
    x = torch.randn(6, height, width, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda image: layer(image[None])[0], x)
    seen = seen.reshape(colours, 3, height * width, colours, 2, height * width)
    everywhere = seen.all(1).all(3).permute(1, 0, 3, 2).flatten(0, 1).flatten(1)
    anywhere = seen.any(1).any(3).permute(1, 0, 3, 2).flatten(0, 1).flatten(1)
    assert torch.equal(everywhere, anywhere)
    pixel, colour = torch.arange(18) // 3, torch.arange(18) % 3
    same = pixel[:, None] == pixel[None, :]
    within = colour[:, None] > colour if kind == "A" else colour[:, None] >= colour
    assert torch.equal(everywhere & same, within & same)
    assert not (everywhere & (pixel[:, None] < pixel)).any()
    assert everywhere[torch.arange(3, 18), torch.arange(18)[:15]].reshape(-1).any()


@pytest.mark.concept("ar.masked-conv")
def test_three_colours_on_one_pixel_row_see_all_before(generator):
    """A stack of A and B reaches every earlier (pixel, colour) pair of a row, none later."""
    first = MaskedConv2d(3, 6, 3, "A", num_colours=3).double()
    later = MaskedConv2d(6, 3, 3, "B", num_colours=3).double()
    x = torch.randn(3, 1, 3, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda image: later(torch.tanh(first(image[None])))[0, :, 0].T, x)
    in_order = seen[:, torch.arange(9).reshape(3, 3).T.flatten()]
    assert torch.equal(in_order, torch.ones(9, 9).tril(-1).bool())


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^kernel_size: expected an odd number, got 4$"):
        MaskedConv2d(1, 1, 4, "A")
    with pytest.raises(ArgumentError, match=r"^kernel_size: expected a whole number >= 3, got 1$"):
        raster_mask(1, "A")
    with pytest.raises(ArgumentError, match=r"^kind: expected one of 'A', 'B', got 'C'$"):
        raster_mask(3, "C")
    with pytest.raises(ArgumentError, match=r"^channels: expected a multiple of num_colours = 3"):
        MaskedConv2d(4, 6, 3, "A", num_colours=3)
