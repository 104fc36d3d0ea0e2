"""Which pixels a shifted layer reads: listed by hand, found by the derivative."""

import pytest
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.shifted_conv import (
    GatedResidual,
    ShiftedConv,
    ShiftedUpsample,
    concat_elu,
    shift_down,
    shift_right,
)


def _reads(layer, height, width):
    """{output place: set of input places with a non-zero derivative}, for one feature."""
    layer = layer.double().eval()
    x = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(3)).double()
    jacobian = torch.autograd.functional.jacobian(layer, x)[0].abs().sum(0)[:, :, 0, 0]
    return {
        (r, c): {tuple(place) for place in jacobian[r, c].nonzero().tolist()}
        for r in range(jacobian.shape[0])
        for c in range(jacobian.shape[1])
    }


def _inside(places, height, width):
    return {(r, c) for r, c in places if 0 <= r < height and 0 <= c < width}


def test_shifts_move_by_one_and_fill_with_zeros():
    x = torch.arange(1.0, 7.0).reshape(1, 2, 3)
    assert shift_down(x).tolist() == [[[0, 0, 0], [1, 2, 3]]]
    assert shift_right(x).tolist() == [[[0, 1, 2], [0, 4, 5]]]


@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("direction", "kernel", "steps"),
    [
        ("down", None, [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1)]),
        ("down-right", None, [(-1, -1), (-1, 0), (0, -1), (0, 0)]),
        ("down", (1, 3), [(0, -1), (0, 0), (0, 1)]),
        ("down-right", (2, 1), [(-1, 0), (0, 0)]),
        ("down-right", (1, 3), [(0, -2), (0, -1), (0, 0)]),
    ],
)
def test_a_convolution_reads_these_steps_and_no_others(direction, kernel, steps, stride):
    layer = ShiftedConv(1, 1, direction, kernel=kernel, stride=stride)
    reads = _reads(layer, 5, 6)
    assert set(reads) == {(i, j) for i in range(-(-5 // stride)) for j in range(6 // stride)}
    for (i, j), found in reads.items():
        wanted = {(stride * i + dr, stride * j + dc) for dr, dc in steps}
        assert found == _inside(wanted, 5, 6)


@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("size", [(4, 6), (3, 5), (4, 5)])
def test_upsampling_hands_a_cell_to_its_four_pixels_and_upper_cells_to_one_column_more(size):
    cells = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    raster = _reads(_CutTo(ShiftedUpsample(1, 1, "down-right"), size), *cells)
    upper = _reads(_CutTo(ShiftedUpsample(1, 1, "down"), size), *cells)
    assert set(raster) == set(upper) == {(r, c) for r in range(size[0]) for c in range(size[1])}
    for r, c in raster:
        assert raster[r, c] == {(r // 2, c // 2)}
        right = {(r // 2, c // 2 + 1)} if c % 2 else set()
        assert upper[r, c] == _inside({(r // 2, c // 2)} | right, *cells)


class _CutTo(torch.nn.Module):
    """A layer with its second argument fixed."""

    def __init__(self, layer, size):
        super().__init__()
        self.layer, self.size = layer, size

    def forward(self, x):
        return self.layer(x, self.size)


def test_concat_elu_is_elu_of_both_signs():
    x = torch.tensor([[-1.0, 2.0]])
    wanted = [[-0.63212, 2.0, 1.0, -0.86466]]
    torch.testing.assert_close(concat_elu(x), torch.tensor(wanted), atol=1e-5, rtol=0)


@pytest.mark.concept("ar.pixelcnnpp")
@pytest.mark.parametrize("direction", ["down", "down-right"])
def test_a_block_reads_two_layers_far_and_adds_to_its_input(direction):
    reads = _reads(GatedResidual(1, direction), 4, 5)
    for (r, c), found in reads.items():
        right = 2 if direction == "down" else 0
        columns = range(c - 2, c + right + 1)
        assert found == _inside({(r - k, q) for k in range(3) for q in columns}, 4, 5)


def test_a_block_is_its_formula(generator):
    block = GatedResidual(3, "down-right", side=2, dropout=0.5).double().eval()
    x = torch.randn(2, 3, 4, 4, generator=generator).double()
    side = torch.randn(2, 2, 4, 4, generator=generator).double()

    def conv(layer, image):
        weights = layer.conv.weight
        padded = torch.zeros(2, image.shape[1], 5, 5).double()
        padded[:, :, 1:, 1:] = image
        total = sum(
            torch.einsum("of,bfrc->borc", weights[:, :, i, j], padded[:, :, i : i + 4, j : j + 4])
            for i in range(2)
            for j in range(2)
        )
        return total + layer.conv.bias[:, None, None]

    def elu2(image):
        return torch.cat([functional.elu(image), functional.elu(-image)], 1)

    hidden = conv(block.read, elu2(x))
    hidden = hidden + torch.einsum("of,bfrc->borc", block.read_side.weight[:, :, 0, 0], elu2(side))
    hidden = hidden + block.read_side.bias[:, None, None]
    update = conv(block.write, elu2(hidden))
    wanted = x + update[:, :3] / (1 + torch.exp(-update[:, 3:]))
    torch.testing.assert_close(block(x, side), wanted)


def test_dropout_acts_on_the_hidden_units_in_training_only(generator):
    block = GatedResidual(4, "down", dropout=0.5)
    x = torch.randn(1, 4, 3, 3, generator=generator)
    torch.manual_seed(0)
    assert not torch.equal(block.train()(x), block(x))
    assert torch.equal(block.eval()(x), block(x))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^kernel: expected an odd width to look down, got 2$"):
        ShiftedConv(1, 1, "down", kernel=(2, 2))
    with pytest.raises(
        ArgumentError, match=r"^direction: expected one of 'down', 'down-right', got"
    ):
        ShiftedConv(1, 1, "up")
    with pytest.raises(ArgumentError, match=r"^stride: expected a whole number >= 1, got 0$"):
        ShiftedConv(1, 1, "down", stride=0)
